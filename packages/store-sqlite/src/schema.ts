/**
 * Opening a database, and the format of the one of logs: one row per verified range in compact form,
 * one per log with its head, a small key-value table. Sequential integer keys: a range costs one
 * append to a table and one to an index.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SqliteStoreError, toStoreError } from "./errors.ts";

/** Raised when a table changes; a file of a higher version is refused. */
export const formatVersion = 1;

/** What makes a database one of a kind. */
export interface DatabaseFormat {
  /** Tells files of this kind from other databases. */
  readonly applicationId: number;
  readonly version: number;
  readonly tables: string;
}

const tables = `
CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  log_id BLOB NOT NULL UNIQUE,
  topic BLOB NOT NULL,
  height INTEGER NOT NULL,
  state BLOB NOT NULL,
  signed_height INTEGER NOT NULL,
  signed_hash BLOB,
  forked_at INTEGER,
  pruned_to INTEGER NOT NULL,
  marked_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logs_topic ON logs (topic, log_id);
CREATE TABLE ranges (
  cursor INTEGER PRIMARY KEY,
  log INTEGER NOT NULL REFERENCES logs (id),
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  data_bytes INTEGER NOT NULL,
  before BLOB,
  bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX ranges_place ON ranges (log, first);
CREATE TABLE signed (
  prefix INTEGER NOT NULL,
  log INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (prefix, log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE forks (
  log INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  proof BLOB NOT NULL,
  PRIMARY KEY (log, seq, proof)
) STRICT, WITHOUT ROWID;
CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('cursor', 0);
`;

/** The database of logs: "HAWS". */
export const logFormat: DatabaseFormat = {
  applicationId: 0x48415753,
  version: formatVersion,
  tables,
};

export interface DatabaseOptions {
  readonly format: DatabaseFormat;
  readonly path: string;
  readonly durability: "full" | "normal";
  readonly busyTimeoutMs: number;
  readonly pagesMax: number | undefined;
}

/** Opens or makes the database. Throws SqliteStoreError. */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { path } = options;
  try {
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path, { timeout: options.busyTimeoutMs });
    try {
      prepareDatabase(database, options);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw toStoreError(error, path);
  }
}

function prepareDatabase(database: DatabaseSync, options: DatabaseOptions): void {
  const { format } = options;
  checkFormat(database, format, options.path);
  // Ranges are blobs of kilobytes: larger pages mean fewer of them. No effect on an existing file.
  database.exec("PRAGMA page_size = 8192");
  database.exec("PRAGMA journal_mode = WAL");
  // FULL syncs the WAL at each commit: power loss keeps what was acknowledged. NORMAL syncs at
  // checkpoints: a crash of the process keeps it, power loss may not.
  database.exec(`PRAGMA synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
  database.exec("PRAGMA cache_size = -16000");
  database.exec("PRAGMA wal_autocheckpoint = 4000");
  if (options.pagesMax !== undefined) {
    database.exec(`PRAGMA max_page_count = ${Math.floor(options.pagesMax)}`);
  }
  if (readPragma(database, "user_version") > 0) return;
  database.exec("BEGIN IMMEDIATE");
  // Another process may have made the tables while this one waited for the lock.
  if (readPragma(database, "user_version") === 0) {
    database.exec(format.tables);
    database.exec(`PRAGMA application_id = ${format.applicationId}`);
    database.exec(`PRAGMA user_version = ${format.version}`);
  }
  database.exec("COMMIT");
}

/** Before anything is written: an unknown file stays as it is. */
function checkFormat(database: DatabaseSync, format: DatabaseFormat, path: string): void {
  const version = readPragma(database, "user_version");
  const owner = readPragma(database, "application_id");
  const tableCount = Number(
    database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] ?? 0,
  );
  if (version > format.version && owner === format.applicationId) {
    throw new SqliteStoreError(
      "STORE_NEWER_FORMAT",
      `${path} has format ${version}; this version reads up to ${format.version}`,
    );
  }
  if (tableCount > 0 && owner !== format.applicationId) {
    throw new SqliteStoreError("STORE_FOREIGN_FILE", `${path} is a database of another kind`);
  }
}

function readPragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

/** What SQLite itself finds wrong with a file, in its words; empty when nothing. Changes nothing. */
export function checkSqliteFile(path: string): readonly string[] {
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const rows = database.prepare("PRAGMA integrity_check").all();
      return rows.map((row) => String(row["integrity_check"])).filter((line) => line !== "ok");
    } finally {
      database.close();
    }
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
