/**
 * QueryError: misuse and I/O of the query layer. Refused expressions and queries are values.
 */

export type QueryErrorCode =
  /** The store was closed. */
  "STORE_CLOSED";

export class QueryError extends Error {
  readonly code: QueryErrorCode;

  constructor(code: QueryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QueryError";
    this.code = code;
  }
}
