/**
 * Live queries: a result that is kept in order change by change, without asking again. Layer 7.
 */
import { findRows, readyQuery, type Query, type ReadyQuery } from "./query.ts";
import type { Records, Row, RowChange } from "./records.ts";

/** A document under its id. */
export interface DocRow<Doc> {
  readonly id: string;
  readonly doc: Doc;
  /** There while a write of this document is shown that is not durable yet (`optimistic`). */
  readonly isPending?: true;
}

/** The row that applications see. */
export function toDocRow({ id, doc, isPending }: Row): DocRow<object> {
  return isPending ? { id, doc, isPending } : { id, doc };
}

/** A result that stays up to date. */
export interface LiveQuery<Doc> extends Disposable {
  /** The page that was asked for; the same object until it changes. */
  readonly rows: readonly DocRow<Doc>[];
  /** How many documents match in all. */
  readonly count: number;
  /** Called after each change of the result; gives the function that ends it. */
  subscribe(listener: () => void): () => void;
  /** The rows after each change, the newest only, until the signal aborts or it is disposed. */
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterable<readonly DocRow<Doc>[]>;
}

/** What became of documents that an application sees. */
export type DocChanges<Doc> =
  | {
      readonly kind: "changed";
      /** `undefined`: it is not there any more, or not shown. */
      readonly docs: readonly { readonly id: string; readonly doc: Doc | undefined }[];
    }
  /** All were read anew: forget what was told, and ask for them. */
  | { readonly kind: "reset" };

/** A live query, or whoever else follows a collection, as the collection keeps it. */
export interface KeptQuery {
  /** Takes in what became of some documents. */
  take(changes: readonly RowChange[]): void;
  /** Asks everything again. */
  restart(): void;
  /** The documents are closed. */
  close(): void;
}

/** Somebody who is told of every change. */
export function createFollower(listener: (changes: DocChanges<object>) => void): KeptQuery {
  return {
    take: (changes) => {
      const docs: { readonly id: string; readonly doc: object | undefined }[] = [];
      for (const { before, after } of changes) {
        const id = after?.id ?? before?.id;
        const shown = after?.isHidden === false ? after.doc : undefined;
        if (id === undefined || (shown === undefined && before?.isHidden !== false)) continue;
        docs.push({ id, doc: shown });
      }
      if (docs.length > 0) listener({ kind: "changed", docs });
    },
    restart: () => listener({ kind: "reset" }),
    close: () => undefined,
  };
}

/** A live query, and what keeps it. */
export interface OpenQuery {
  readonly live: LiveQuery<object>;
  readonly kept: KeptQuery;
}

/** Throws like `readyQuery` and `findRows`. */
export function createLiveQuery(
  records: Records,
  query: Query,
  forget: (kept: KeptQuery) => void,
): OpenQuery {
  const ready = readyQuery(query);
  const gather = (): Row[] => {
    const { rows } = findRows(records, { ...ready, skip: 0, limit: Number.POSITIVE_INFINITY });
    return [...rows];
  };
  let matching = gather();
  let page: readonly DocRow<object>[] | undefined;
  let isClosed = false;
  const listeners = new Set<() => void>();
  const tell = (): void => {
    page = undefined;
    for (const listener of listeners) listener();
  };
  const live: LiveQuery<object> = {
    get rows() {
      page ??= Object.freeze(
        matching
          .slice(ready.skip, ready.skip + ready.limit)
          .map((row) => Object.freeze(toDocRow(row))),
      );
      return page;
    },
    get count() {
      return matching.length;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    changes: (options = {}) => pagesOf(live, () => isClosed, options.signal),
    [Symbol.dispose]: () => {
      if (isClosed) return;
      isClosed = true;
      forget(kept);
      tell();
      listeners.clear();
    },
  };
  const kept: KeptQuery = {
    take: (changes) => {
      let isChanged = false;
      for (const change of changes) isChanged = applyChange(matching, ready, change) || isChanged;
      if (isChanged) tell();
    },
    restart: () => {
      matching = gather();
      tell();
    },
    close: () => live[Symbol.dispose](),
  };
  return { live, kept };
}

/** Says whether the result changed. */
function applyChange(matching: Row[], query: ReadyQuery, { before, after }: RowChange): boolean {
  const isOf = (row: Row | undefined): row is Row =>
    row !== undefined && !row.isHidden && query.matches(row);
  const wasIn = isOf(before);
  const isIn = isOf(after);
  if (wasIn) matching.splice(placeOf(matching, query, before), 1);
  if (isIn) matching.splice(placeOf(matching, query, after), 0, after);
  return wasIn || isIn;
}

/** How many rows come before: ids make the order strict. */
function placeOf(matching: readonly Row[], query: ReadyQuery, row: Row): number {
  let low = 0;
  let high = matching.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = matching[middle];
    if (other !== undefined && query.compare(other, row) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function* pagesOf<Doc>(
  live: LiveQuery<Doc>,
  isClosed: () => boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly DocRow<Doc>[], void, undefined> {
  let isNew = false;
  let wake: () => void = () => undefined;
  const unsubscribe = live.subscribe(() => {
    isNew = true;
    wake();
  });
  const onAbort = (): void => wake();
  signal?.addEventListener("abort", onAbort);
  try {
    while (!isClosed() && signal?.aborted !== true) {
      if (isNew) {
        isNew = false;
        yield live.rows;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    unsubscribe();
    signal?.removeEventListener("abort", onAbort);
  }
}
