/**
 * The one error class of this package (layer 1): misuse by the caller. Bad data from a peer is
 * never an error here; it gives `false`, `undefined` or a verdict.
 */

/**
 * - `CRYPTO_BAD_LENGTH`: an argument has a length the primitive does not take.
 * - `CRYPTO_BAD_SECRET`: a signing secret is zero or not below the group order.
 * - `CRYPTO_BAD_KEY`: an X25519 recipient key has small order.
 * - `CRYPTO_BAD_LABEL`: a domain label is empty.
 * - `CRYPTO_BAD_COST`: Argon2 costs are outside the limits.
 * - `CRYPTO_FINISHED`: a hash stream was used after its digest was taken, or a CPace run after its message.
 * - `CRYPTO_BACK_END`: a back end that the caller demanded is not there or failed its check.
 */
export type CryptoErrorCode =
  | "CRYPTO_BAD_LENGTH"
  | "CRYPTO_BAD_SECRET"
  | "CRYPTO_BAD_KEY"
  | "CRYPTO_BAD_LABEL"
  | "CRYPTO_BAD_COST"
  | "CRYPTO_FINISHED"
  | "CRYPTO_BACK_END";

/** Thrown for misuse. Match on `code`. The message never holds secret bytes. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CryptoError";
    this.code = code;
  }
}
