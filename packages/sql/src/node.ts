/**
 * SQLite of Node: `node:sqlite`. Layer 8.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { createSyncDatabase } from "./sync-sqlite.ts";
import type { SqlDatabase, SqlValue } from "./database.ts";

/** Opens a SQLite file, or `:memory:`. Throws what SQLite throws. */
export function openSqlite(path: string): SqlDatabase {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  return createSyncDatabase({
    exec: (sql) => database.exec(sql),
    // Safe: booleans never get here, statements of SQLite hold numbers in their place.
    run: (sql, values) => void database.prepare(sql).run(...(values as SQLInputValue[])),
    all: (sql, values) => database.prepare(sql).all(...values.map(fromValue)),
    close: () => database.close(),
  });
}

function fromValue(value: SqlValue): SQLInputValue {
  return typeof value === "boolean" ? Number(value) : value;
}
