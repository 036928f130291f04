/**
 * StreamError: misuse and I/O. What is wrong with a stream's bytes is a verdict, not an error.
 */

export type StreamErrorCode =
  /** Asked of a store that was closed. */
  | "BYTES_CLOSED"
  /** The medium failed; `cause` says how. */
  | "BYTES_IO"
  /** The medium has no room left. */
  | "BYTES_FULL"
  /** The store has another size than expected: somebody else wrote. */
  | "BYTES_MOVED"
  /** Somebody else has the store open for writing. */
  | "BYTES_LOCKED"
  /** Arguments that make no sense, or an ability the store has not. */
  | "BYTES_MISUSE";

export class StreamError extends Error {
  readonly code: StreamErrorCode;

  constructor(code: StreamErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StreamError";
    this.code = code;
  }
}
