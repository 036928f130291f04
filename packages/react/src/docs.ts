/**
 * Documents and queries as stores. Layer 8, without React.
 */
import type { Collection, Docs, DocRow, LiveQuery, Query } from "@hawser/doc";
import { ReactError } from "./errors.ts";
import type { Readable } from "./store.ts";

/** One document of a collection. */
export function readableDoc<Input extends object, Doc extends object>(
  docs: Docs,
  collection: Collection<Input, Doc>,
  id: string,
): Readable<Doc> {
  let refused: { readonly revision: number; readonly error: unknown } | undefined;
  return {
    ready: docs.ready,
    subscribe: (listener) => docs.subscribe(listener),
    read: () => collection.get(id),
    failure: () => {
      if (collection.has(id)) return undefined;
      if (refused?.revision !== docs.revision) {
        refused = { revision: docs.revision, error: invalidError(collection, id) };
      }
      return refused.error;
    },
  };
}

function invalidError<Input extends object, Doc extends object>(
  collection: Collection<Input, Doc>,
  id: string,
): unknown {
  const invalid = collection.invalid().find((one) => one.id === id);
  if (invalid === undefined) return undefined;
  const paths = invalid.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  return new ReactError(
    "REACT_DOC_INVALID",
    `this version cannot show the document ${id}: ${paths.join("; ")}`,
    { cause: invalid },
  );
}

/**
 * The rows of a live query. It runs while somebody subscribes; a read without a subscriber asks
 * once a revision.
 */
export function readableQuery<Input extends object, Doc extends object>(
  docs: Docs,
  collection: Collection<Input, Doc>,
  query: Query,
): Readable<readonly DocRow<Doc>[]> {
  let live: LiveQuery<Doc> | undefined;
  let once: { readonly revision: number; readonly rows: readonly DocRow<Doc>[] } | undefined;
  const listeners = new Set<() => void>();
  const open = (): void => {
    live = collection.live(query);
    live.subscribe(() => {
      for (const listener of listeners) listener();
    });
  };
  return {
    ready: docs.ready,
    subscribe: (listener) => {
      if (live === undefined) open();
      // A set holds a listener once: React subscribes each of its own.
      const own = (): void => listener();
      listeners.add(own);
      return () => {
        listeners.delete(own);
        if (listeners.size > 0) return;
        live?.[Symbol.dispose]();
        live = undefined;
      };
    },
    read: () => {
      if (live !== undefined) return live.rows;
      if (once?.revision !== docs.revision) {
        once = { revision: docs.revision, rows: collection.query(query).rows };
      }
      return once.rows;
    },
  };
}
