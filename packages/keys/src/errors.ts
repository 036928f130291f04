/**
 * The one error class of this package (layer 4): misuse by the caller. Bad data from a peer is
 * never an error here; it gives a verdict. No message and no cause ever holds secret bytes.
 */

/**
 * - `KEYS_BAD_ID`: an id is not 64 lower-case hexadecimal characters.
 * - `KEYS_BAD_LIFETIME`: a bundle's lifetime is empty, too long, or no whole seconds.
 * - `KEYS_BAD_ATTACHMENT`: an attachment is over `attachmentBytesMax`.
 * - `KEYS_BAD_RANDOM`: the injected random source gave another number of bytes than asked for.
 * - `KEYS_DUPLICATE_RECIPIENT`: one author appears twice among the recipients of one op.
 * - `KEYS_TOO_MANY`: more recipients, epochs or heads than one op may hold.
 * - `KEYS_SUITE_UNAVAILABLE`: the injected crypto cannot use the suite; see `withHybrid`.
 * - `KEYS_SUITES_MIXED`: the bundles of one rekey are of several suites.
 * - `KEYS_SUITE_TOO_WEAK`: a suite below the least one wanted, or below the epoch's own.
 * - `KEYS_NO_SESSION`: a ratchet has no session with its peer, and no bundle to begin one.
 * - `KEYS_TEXT_TOO_LONG`: a ratchet message is over `ratchetTextBytesMax`.
 * - `KEYS_EPOCH_NOT_HELD`: an epoch is to be given away whose key we do not hold.
 */
export type KeysErrorCode =
  | "KEYS_BAD_ID"
  | "KEYS_BAD_LIFETIME"
  | "KEYS_BAD_ATTACHMENT"
  | "KEYS_BAD_RANDOM"
  | "KEYS_DUPLICATE_RECIPIENT"
  | "KEYS_TOO_MANY"
  | "KEYS_SUITE_UNAVAILABLE"
  | "KEYS_SUITES_MIXED"
  | "KEYS_SUITE_TOO_WEAK"
  | "KEYS_NO_SESSION"
  | "KEYS_TEXT_TOO_LONG"
  | "KEYS_EPOCH_NOT_HELD";

/** Thrown for misuse. Match on `code`. */
export class KeysError extends Error {
  readonly code: KeysErrorCode;

  constructor(code: KeysErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KeysError";
    this.code = code;
  }
}
