/**
 * The errors of yjs. Codes are part of its interface: none is renamed or used again.
 */

/** What can go wrong with a document; match on these. */
export type YjsErrorCode =
  /** A document's name has 1–128 bytes of well-formed text. */
  | "YJS_NAME_INVALID"
  /** A provider is attached to an empty document only. */
  | "YJS_DOC_NOT_EMPTY"
  /** One transaction is larger than a reader takes. */
  | "YJS_UPDATE_TOO_LARGE"
  /** The document holds writing of somebody who is no session of this device. */
  | "YJS_FOREIGN_CLIENT";

/** Thrown for misuse; match on `code`. */
export class YjsError extends Error {
  readonly code: YjsErrorCode;

  constructor(code: YjsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "YjsError";
    this.code = code;
  }
}
