/**
 * QueryError: misuse and I/O of the query layer. Refused expressions and queries are values.
 */

export type QueryErrorCode =
  /** The store was closed. */
  | "STORE_CLOSED"
  /** The clock gives no usable time for receive stamps. */
  | "STORE_CLOCK"
  /** A walk over links meets more pointers than it may. */
  | "LINKS_TOO_MANY"
  /** A query without `:qid` cannot be watched. */
  | "WATCH_QID_MISSING"
  /** As many watches are registered as the watcher may have. */
  | "WATCH_TOO_MANY"
  /** The watcher was closed. */
  | "WATCH_CLOSED"
  /** The hash of a hash query has no 32 bytes. */
  | "QUERY_HASH_BYTES";

export class QueryError extends Error {
  readonly code: QueryErrorCode;

  constructor(code: QueryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QueryError";
    this.code = code;
  }
}
