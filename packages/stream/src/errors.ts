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
  /** There is no such store where one was to be opened. */
  | "BYTES_ABSENT"
  /** There is a store where a new one was to be made. */
  | "BYTES_EXISTS"
  /** Arguments that make no sense, or an ability the store has not. */
  | "BYTES_MISUSE"
  /** A stream was to be made in a store that has bytes. */
  | "STREAM_EXISTS"
  /** The secret is not that of the stream's author. */
  | "STREAM_NOT_OWNER"
  /** The stream was opened without its author's secret, or its store is read only. */
  | "STREAM_READ_ONLY"
  /** Asked of a stream that was closed. */
  | "STREAM_CLOSED"
  /** A closing directive ended the stream: nothing may follow. */
  | "STREAM_ENDED"
  /** Its bytes do not hold what they should; `fault` says what and where. */
  | "STREAM_FAULT"
  /** The block is encrypted and no key at hand opens it; or there is none to encrypt with. */
  | "STREAM_NO_KEY"
  /** A key of the wrong size, or not the stream's key. */
  | "STREAM_KEY"
  /** Metadata that cannot be encoded, or is too large. */
  | "STREAM_METADATA"
  /** A directive of an unknown type, or with unfit targets. */
  | "STREAM_DIRECTIVE"
  /** A seq or byte range outside of the stream, or a content over the caller's limit. */
  | "STREAM_RANGE"
  /** Too many appends wait. */
  | "STREAM_QUEUE_FULL"
  /** An append failed and the stream could not be brought back in order: open it again. */
  | "STREAM_BROKEN";

/** What is wrong with the bytes of a stream (docs/spec/stream.md §8). */
export type StreamFaultCode =
  /** The bytes are not a stream of this format. */
  | "NO_STREAM"
  /** A stream, but not the expected one; or a part of another stream. */
  | "WRONG_STREAM"
  /** Bytes that are no packet, or a packet that has no place here. */
  | "CORRUPT"
  /** An entry does not follow the one before it: one is missing, moved or there twice. */
  | "CHAIN_BROKEN"
  /** Bytes that do not have the hash that is stated for them. */
  | "HASH_MISMATCH"
  /** The author did not sign this. */
  | "BAD_SIGNATURE"
  /** A block after a closing directive. */
  | "CLOSED"
  /** The stream is shorter than a checkpoint says. */
  | "ROLLED_BACK"
  /** The author signed two streams with one beginning. */
  | "FORK"
  /** The checkpoint is not signed by the author. */
  | "BAD_CHECKPOINT";

export interface StreamFault {
  readonly code: StreamFaultCode;
  /** For people. Never holds content or keys. */
  readonly message: string;
  /** The entry it is about. */
  readonly seq?: number;
  /** Where in the bytes. */
  readonly offset?: number;
}

export class StreamError extends Error {
  readonly code: StreamErrorCode;
  /** With STREAM_FAULT: what is wrong, and where. */
  readonly fault: StreamFault | undefined;

  constructor(
    code: StreamErrorCode,
    message: string,
    options?: ErrorOptions & { readonly fault?: StreamFault },
  ) {
    super(message, options);
    this.name = "StreamError";
    this.code = code;
    this.fault = options?.fault;
  }
}

/** The error of a read that met a fault. */
export function faultError(fault: StreamFault): StreamError {
  return new StreamError("STREAM_FAULT", `${fault.code}: ${fault.message}`, { fault });
}

/** A fault of an entry. */
export function entryFault(
  code: StreamFaultCode,
  message: string,
  seq: number,
  offset?: number,
): StreamFault {
  return offset === undefined ? { code, message, seq } : { code, message, seq, offset };
}
