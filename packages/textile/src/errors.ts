/**
 * The errors of textile. Codes are part of its interface: none is renamed or used again. Layer 7.
 */

/** What a caller can do wrong; data that came from elsewhere gets a verdict instead. */
export type TextileErrorCode =
  /** A key, seed or nonce does not have its size. */
  | "TEXTILE_KEY_INVALID"
  /** A value is none that dag-cbor expresses, nests too deep, or takes more than a block holds. */
  | "TEXTILE_VALUE_INVALID"
  /** Sealing needs the read key; only the service key is there. */
  | "TEXTILE_READ_KEY_MISSING"
  /** A change has no JSON where its kind wants it, or a text that is no JSON object. */
  | "TEXTILE_CHANGE_INVALID";

/** Thrown for misuse; match on `code`. */
export class TextileError extends Error {
  readonly code: TextileErrorCode;

  constructor(code: TextileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TextileError";
    this.code = code;
  }
}
