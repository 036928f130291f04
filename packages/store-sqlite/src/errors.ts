/** What can go wrong with the database file; codes are API. The contract's own codes are LogError's. */
export type SqliteStoreErrorCode =
  /** A newer version wrote the file; nothing was changed. */
  | "STORE_NEWER_FORMAT"
  /** The file is a database, but not one of ours. */
  | "STORE_FOREIGN_FILE"
  /** The file cannot be opened or read: missing folder, no permission, or damaged. */
  | "STORE_UNREADABLE"
  /** Another process holds the write lock for longer than the time-out. */
  | "STORE_BUSY"
  /** The disk is full or the file cannot be written; the commit had no effect. */
  | "STORE_WRITE_FAILED";

export class SqliteStoreError extends Error {
  override readonly name = "SqliteStoreError";
  readonly code: SqliteStoreErrorCode;

  constructor(code: SqliteStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const sqliteBusy = 5;
const sqliteLocked = 6;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;
const sqliteCannotOpen = 14;

/** Gives an engine error the code that callers match on. */
export function toStoreError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error) || !("errcode" in cause)) return cause;
  const primary = Number(cause.errcode) & 0xff;
  if (primary === sqliteBusy || primary === sqliteLocked) {
    return new SqliteStoreError("STORE_BUSY", `${path} is in use by another process`, { cause });
  }
  if ([sqliteCorrupt, sqliteNotADatabase, sqliteCannotOpen].includes(primary)) {
    return new SqliteStoreError("STORE_UNREADABLE", `${path} cannot be read`, { cause });
  }
  return new SqliteStoreError("STORE_WRITE_FAILED", `${path}: ${cause.message}`, { cause });
}
