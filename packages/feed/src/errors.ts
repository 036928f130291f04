/** What a caller of feeds and counters can do wrong; codes are API. Layer 7. */
export type FeedErrorCode =
  /** The name is not 1–128 bytes of well-formed text. */
  | "FEED_NAME_INVALID"
  /** The value is nothing canonical CBOR can express. */
  | "FEED_VALUE_INVALID"
  /** The value is larger than 54,000 bytes when encoded. */
  | "FEED_VALUE_TOO_LARGE"
  /** The amount is no whole number within ±2^53 − 1, or there are too many in one call. */
  | "FEED_AMOUNT_INVALID";

/** Thrown for misuse. Match on `code`. */
export class FeedError extends Error {
  override readonly name = "FeedError";
  readonly code: FeedErrorCode;

  constructor(code: FeedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
