/**
 * SQLite in browsers: an open database of `@sqlite.org/sqlite-wasm`, in memory or in OPFS. Layer 8.
 */
import { createSyncDatabase } from "./sync-sqlite.ts";
import type { SqlDatabase, SqlRow, SqlValue } from "./database.ts";

/** What is used of a database of `sqlite3.oo1`. */
export interface WasmDatabase {
  exec(options: {
    readonly sql: string;
    readonly bind: readonly (null | number | bigint | string | Uint8Array)[];
    readonly rowMode: "object";
    readonly returnValue: "resultRows";
  }): readonly SqlRow[];
  close(): void;
}

/** The database over an open one, such as `new sqlite3.oo1.DB(":memory:")`. */
export function openWasmSqlite(database: WasmDatabase): SqlDatabase {
  const all = (sql: string, values: readonly SqlValue[]): readonly SqlRow[] =>
    database.exec({
      sql,
      bind: values.map(toEngine),
      rowMode: "object",
      returnValue: "resultRows",
    });
  return createSyncDatabase({
    exec: (sql) => void all(sql, []),
    run: (sql, values) => void all(sql, values),
    all,
    close: () => database.close(),
  });
}

/** Whole numbers beyond 64 bits are bound as text, from which a number column makes a number. */
function toEngine(value: SqlValue): null | number | bigint | string | Uint8Array {
  if (typeof value === "boolean") return Number(value);
  const isHuge = Number.isInteger(value) && !Number.isSafeInteger(value);
  return isHuge ? String(value) : value;
}
