/** What the front door adds to the codes of the layers below; codes are API. */
export type HawserErrorCode =
  /** The device or space was closed. */
  | "HAWSER_CLOSED"
  /** This device is not a member any more; what it has stays readable here. */
  | "HAWSER_NO_ACCESS"
  /** No relay serves this device by its invite: used, taken back, too old, or not there yet. */
  | "HAWSER_INVITE_REFUSED"
  /** The call needs a relay and none is configured. */
  | "HAWSER_NO_RELAY"
  /** The relay cannot be reached or does not answer as one. */
  | "HAWSER_RELAY_UNREACHABLE"
  /** The relay answered and refused; the message carries its code. */
  | "HAWSER_RELAY_REFUSED"
  /** The relay sent what does not verify, or broke the protocol; nothing of it was stored. */
  | "HAWSER_RELAY_MISBEHAVES"
  /** `path` was given where there are neither files nor IndexedDB. */
  | "HAWSER_NO_FILES"
  /** The store belongs to another device than the secret that was given. */
  | "HAWSER_WRONG_SECRET";

export class HawserError extends Error {
  override readonly name = "HawserError";
  readonly code: HawserErrorCode;

  constructor(code: HawserErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
