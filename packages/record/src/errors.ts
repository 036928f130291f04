/**
 * The errors of record. Codes are part of its interface: none is renamed or used again.
 */

/** Why an op changes nothing. Entries of others that are refused are listed with these too. */
export type RefusalCode =
  /** Another kind stands there; `set` replaces it. */
  | "RECORD_KIND_MISMATCH"
  /** A predicate of another tag stands there; `set` replaces it. */
  | "RECORD_TAG_MISMATCH"
  /** The document would take more than 48,000 bytes or 4,096 nodes, or the op more than an entry. */
  | "RECORD_TOO_LARGE"
  /** The document would be nested more than 32 deep. */
  | "RECORD_TOO_DEEP"
  /** No value stands at the path. */
  | "RECORD_NOT_FOUND"
  /** Something that is no value: NaN, ill-formed text, elements twice; or bytes that are no op. */
  | "RECORD_BAD_NODE"
  /** A dictionary with one key twice. */
  | "RECORD_DUPLICATE_KEY";

/** What a caller can do wrong; codes are API. */
export type RecordErrorCode =
  | RefusalCode
  /** A key is 1–256 bytes of well-formed text. */
  | "RECORD_KEY_INVALID"
  /** A lifetime is a whole number of milliseconds, 1 to 30 days. */
  | "RECORD_TTL_INVALID"
  /** The author has 1,024 documents that live already. */
  | "RECORD_TOO_MANY_KEYS"
  /** The key was written less than `writeIntervalMsMin` ago. */
  | "RECORD_TOO_SOON"
  /** Two smart tags of one registry claim one tag. */
  | "RECORD_TAG_TWICE";

/** Thrown for misuse; match on `code`. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
