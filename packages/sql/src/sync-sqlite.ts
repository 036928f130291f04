/**
 * A SqlDatabase over any SQLite that answers at once. Layer 8.
 */
import type { SqlDatabase, SqlRow, SqlValue } from "./database.ts";

/** What engines of SQLite have in common. */
export interface SyncSqlite {
  exec(sql: string): void;
  run(sql: string, values: readonly SqlValue[]): void;
  all(sql: string, values: readonly SqlValue[]): readonly SqlRow[];
  close(): void;
}

/** The database of an engine. Reads run with `query_only`, so that they can write nothing. */
export function createSyncDatabase(engine: SyncSqlite): SqlDatabase {
  return {
    dialect: "sqlite",
    write: async (statements) => {
      engine.exec("BEGIN IMMEDIATE");
      try {
        for (const { sql, values } of statements) engine.run(sql, values);
        engine.exec("COMMIT");
      } catch (error) {
        engine.exec("ROLLBACK");
        throw error;
      }
    },
    read: async (sql, values) => {
      engine.exec("PRAGMA query_only = 1");
      try {
        return engine.all(sql, values);
      } finally {
        engine.exec("PRAGMA query_only = 0");
      }
    },
    close: async () => engine.close(),
  };
}
