/** What a caller of the key-value view can do wrong; codes are API. */
export type KvErrorCode =
  /** The key is empty, not well-formed text, or longer than 1,024 bytes of UTF-8. */
  | "KV_KEY_INVALID"
  /** The value is larger than 54,000 bytes when encoded. */
  | "KV_VALUE_TOO_LARGE"
  /** The value is nothing that canonical CBOR of `KvValue` can express. */
  | "KV_VALUE_INVALID"
  /** A time to live that is no whole number of ms from 1 to 100 years. */
  | "KV_TTL_INVALID"
  /** An amount that is no whole number from −(2^31 − 1) to 2^31 − 1 other than 0. */
  | "KV_AMOUNT_INVALID"
  /** The key holds something that nothing can be added to. */
  | "KV_NOT_A_NUMBER";

export class KvError extends Error {
  override readonly name = "KvError";
  readonly code: KvErrorCode;

  constructor(code: KvErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
