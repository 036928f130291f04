/**
 * The errors of automerge. Codes are part of its interface: none is renamed or used again.
 */

export type AutomergeErrorCode = "AUTOMERGE_CLOSED";

/** Thrown for misuse; match on `code`. */
export class AutomergeError extends Error {
  readonly code: AutomergeErrorCode;

  constructor(code: AutomergeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AutomergeError";
    this.code = code;
  }
}
