/**
 * The errors of projections. Codes are part of the interface: none is renamed or used again. Layer 8.
 */

export type SqlErrorCode =
  /** A table, column or index contradicts itself or another one. */
  | "SQL_MAPPING_INVALID"
  /** The collection's schema does not tell its columns: say them. */
  | "SQL_COLUMNS_UNKNOWN"
  /** Two migrations have one name, or one has no statement. */
  | "SQL_MIGRATION_INVALID"
  /** The table has no search, or is none of this projection. */
  | "SQL_SEARCH_UNKNOWN"
  /** The database refused what the projection wrote; `cause` says why. */
  | "SQL_WRITE_FAILED"
  /** The projection is closed. */
  | "SQL_CLOSED";

/** Thrown for misuse and for what the database refuses; match on `code`. */
export class SqlError extends Error {
  readonly code: SqlErrorCode;

  constructor(code: SqlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SqlError";
    this.code = code;
  }
}
