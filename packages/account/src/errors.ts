/** What can go wrong with accounts; codes are API (README, *Errors*). Layer 6. */
export type AccountErrorCode =
  /** This device belongs to an account already. */
  | "ACCOUNT_EXISTS"
  /** The key behind the recovery phrase was to be revoked. */
  | "ACCOUNT_PAPER_KEY"
  /** A recovery phrase that is none: another count of words, an unknown word, a wrong checksum. */
  | "ACCOUNT_PHRASE_INVALID"
  /** A text that is no share, or one with a typing error. */
  | "ACCOUNT_SHARE_INVALID"
  /** Shares of several secrets, twice the same, or too few. */
  | "ACCOUNT_SHARES_UNFIT"
  /** Numbers or sizes outside the limits. */
  | "ACCOUNT_OUT_OF_RANGE"
  /** A pairing code that is none. */
  | "ACCOUNT_CODE_INVALID"
  /** The two sides used different codes, or somebody stood between them. */
  | "ACCOUNT_CODE_WRONG"
  /** The other side broke the protocol. */
  | "ACCOUNT_PAIRING_FAILED"
  /** The person at the other device said no. */
  | "ACCOUNT_PAIRING_DENIED"
  /** Nobody waits behind this code, or it is used up. */
  | "ACCOUNT_MAILBOX_CLOSED"
  /** No relay at that address, or one that refuses; the cause says more. */
  | "ACCOUNT_RELAY_UNREACHABLE";

/** Thrown for misuse and for what people are told. Match on `code`; messages hold no secrets. */
export class AccountError extends Error {
  override readonly name = "AccountError";
  readonly code: AccountErrorCode;

  constructor(code: AccountErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
