/** One transaction: all of it or nothing. */
import type { DatabaseSync } from "node:sqlite";
import { toStoreError } from "./errors.ts";

/** Runs `work` in a write transaction. Throws what it throws, engine errors as SqliteStoreError. */
export function inTransaction<Value>(
  database: DatabaseSync,
  path: string,
  work: () => Value,
): Value {
  try {
    database.exec("BEGIN IMMEDIATE");
    try {
      const value = work();
      database.exec("COMMIT");
      return value;
    } catch (error) {
      // SQLite has rolled back by itself after some errors; then there is nothing left to do.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  } catch (error) {
    throw toStoreError(error, path);
  }
}
