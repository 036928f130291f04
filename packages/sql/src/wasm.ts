/**
 * SQLite in browsers: an open database of `@sqlite.org/sqlite-wasm`, in memory or in OPFS. Layer 8.
 */
import { createSyncDatabase } from "./sync-sqlite.ts";
import type { SqlDatabase, SqlRow, SqlValue } from "./database.ts";

/** What SQLite takes. */
type Bound = null | number | bigint | string | Uint8Array;

/** What is used of a database of `sqlite3.oo1`. */
export interface WasmDatabase {
  exec(options: { readonly sql: string; readonly bind: readonly Bound[] }): unknown;
  /** The first statement of a text alone. */
  prepare(sql: string): {
    bind(values: readonly Bound[]): unknown;
    step(): boolean;
    get(row: Record<string, never>): SqlRow;
    finalize(): unknown;
  };
  close(): void;
}

/** The database over an open one, such as `new sqlite3.oo1.DB(":memory:")`. */
export function openWasmSqlite(database: WasmDatabase): SqlDatabase {
  return createSyncDatabase({
    exec: (sql) => void database.exec({ sql, bind: [] }),
    run: (sql, values) => void database.exec({ sql, bind: values.map(toEngine) }),
    // Not by `exec`, which runs every statement of a text: a first one could allow the next to write.
    all: (sql, values) => {
      const statement = database.prepare(sql);
      try {
        if (values.length > 0) statement.bind(values.map(toEngine));
        const rows: SqlRow[] = [];
        while (statement.step()) rows.push(statement.get({}));
        return rows;
      } finally {
        statement.finalize();
      }
    },
    close: () => database.close(),
  });
}

/** Whole numbers beyond 64 bits are bound as text, from which a number column makes a number. */
function toEngine(value: SqlValue): Bound {
  if (typeof value === "boolean") return Number(value);
  const isHuge = Number.isInteger(value) && !Number.isSafeInteger(value);
  return isHuge ? String(value) : value;
}
