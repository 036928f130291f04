/**
 * ConventionsError: misuse, and keys that do not open. What peers and other processes wrote is
 * judged with values instead. Layer 4.
 */

export type ConventionsErrorCode =
  /** The fields make no status request or reply. */
  | "CONVENTIONS_STATUS"
  /** The function that answers status requests failed; `cause` says how. */
  | "CONVENTIONS_STATUS_ANSWER"
  /** The components make no name. */
  | "CONVENTIONS_NAME"
  /** The fields make no claim, vote or reverse entry. */
  | "CONVENTIONS_CLAIM"
  /** A newer claim stands at that name already. */
  | "CONVENTIONS_CLAIM_OLDER"
  /** No claim with a key stands at that name, and none was to be created. */
  | "CONVENTIONS_KEY_UNKNOWN"
  /** There is a key at that name already. */
  | "CONVENTIONS_KEY_EXISTS"
  /** The password is wrong. */
  | "CONVENTIONS_KEY_PASSWORD"
  /** What the claim holds or points at is no key of the claim. */
  | "CONVENTIONS_KEY_FORMAT"
  /** Opening the key would cost more than is allowed here. */
  | "CONVENTIONS_KEY_COST"
  /** An evaluation went on asking for names that it had not asked for before. */
  | "CONVENTIONS_NAME_ROUNDS";

/** Thrown for misuse and unusable keys. Match on `code`. The message never holds a secret. */
export class ConventionsError extends Error {
  readonly code: ConventionsErrorCode;

  constructor(code: ConventionsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConventionsError";
    this.code = code;
  }
}
