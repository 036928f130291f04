/**
 * The errors of automerge. Codes are part of its interface: none is renamed or used again.
 */

/** What can go wrong; match on these. */
export type AutomergeErrorCode =
  /** A key has 1–8 parts of 1–256 bytes of well-formed text. */
  | "AUTOMERGE_KEY_INVALID"
  /** A value is larger than a reader takes. */
  | "AUTOMERGE_VALUE_TOO_LARGE"
  /** The storage was closed. */
  | "AUTOMERGE_CLOSED";

/** Thrown for misuse; match on `code`. */
export class AutomergeError extends Error {
  readonly code: AutomergeErrorCode;

  constructor(code: AutomergeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AutomergeError";
    this.code = code;
  }
}
