/**
 * Live result sets: a query that is asked again when a table it reads has changed. Layer 8.
 */
import type { SqlRow } from "./database.ts";

/** A result that stays up to date. */
export interface LiveRows extends Disposable {
  /** The newest result; empty until the first one is here. The same object until it changes. */
  readonly rows: readonly SqlRow[];
  readonly status: "loading" | "ready" | "failed";
  /** Why the newest asking failed. */
  readonly error: unknown;
  /** Called after each change of the above; gives the function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** A live result as its projection keeps it. */
export interface KeptRows {
  readonly live: LiveRows;
  /** Asks again if it reads one of these tables. */
  refresh(tables: ReadonlySet<string>): void;
}

/** A live result of `ask`, which reads these tables (`undefined`: any of them). */
export function createLiveRows(
  ask: () => Promise<readonly SqlRow[]>,
  tables: ReadonlySet<string> | undefined,
  forget: (kept: KeptRows) => void,
): KeptRows {
  let rows: readonly SqlRow[] = [];
  let shown = "";
  let status: LiveRows["status"] = "loading";
  let failure: unknown;
  let isClosed = false;
  let isAsking = false;
  let isStale = false;
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const take = (found: readonly SqlRow[]): void => {
    const text = textOf(found);
    if (status === "ready" && text === shown) return;
    rows = found;
    shown = text;
    status = "ready";
    failure = undefined;
    tell();
  };
  const run = async (): Promise<void> => {
    isAsking = true;
    do {
      isStale = false;
      try {
        const found = await ask();
        if (!isClosed) take(found);
      } catch (error) {
        if (isClosed) break;
        status = "failed";
        failure = error;
        tell();
      }
    } while (isStale && !isClosed);
    isAsking = false;
  };
  const refresh = (): void => {
    if (isClosed) return;
    isStale = true;
    if (!isAsking) void run();
  };
  const live: LiveRows = {
    get rows() {
      return rows;
    },
    get status() {
      return status;
    },
    get error() {
      return failure;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    [Symbol.dispose]: () => {
      isClosed = true;
      listeners.clear();
      forget(kept);
    },
  };
  const kept: KeptRows = {
    live,
    refresh: (changed) => {
      if (tables === undefined || [...changed].some((table) => tables.has(table))) refresh();
    },
  };
  refresh();
  return kept;
}

function textOf(rows: readonly SqlRow[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}
