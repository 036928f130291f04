/** What can go wrong in a relay; codes are API: never renamed, never reused. Layer 9. */

/** Why a relay does not start. */
export type RelayErrorCode =
  /** Settings are wrong; the message names each of them. */
  | "RELAY_OPTION"
  /** The data folder cannot be made or written. */
  | "RELAY_DATA_UNUSABLE"
  /** Another relay works on the data folder. */
  | "RELAY_DATA_BUSY"
  /** What the store holds in the place of the relay's secret is none. */
  | "RELAY_SECRET_CORRUPT"
  /** A copy cannot be made, or not be put in place. */
  | "RELAY_BACKUP_FAILED"
  /** A file that is to be restored is damaged, or no relay's. */
  | "RELAY_BACKUP_INVALID"
  /** Host and port cannot be listened on. */
  | "RELAY_LISTEN_FAILED";

/** What a relay answers over HTTP instead of what was asked for. */
export type RelayAnswerCode =
  /** No such path. */
  | "RELAY_NOT_FOUND"
  /** The path is there, but not for that method. */
  | "RELAY_METHOD"
  /** The path is a WebSocket. */
  | "RELAY_UPGRADE_REQUIRED"
  /** Not HTTP, or a request that was cut short. */
  | "RELAY_BAD_REQUEST"
  /** A body of another content type than application/octet-stream. */
  | "RELAY_CONTENT_TYPE"
  /** A hosting request over 8 KiB, or a message over 4,608 bytes. */
  | "RELAY_BODY_TOO_LARGE"
  /** A hosting request that is malformed or sealed to another device. */
  | "RELAY_HOSTING_INVALID"
  /** A hosting request that contradicts the space which the relay hosts, or one of too many. */
  | "RELAY_HOSTING_CONFLICT"
  /** No such mailbox: it was closed, or is too old. */
  | "RELAY_MAILBOX_CLOSED"
  /** The slot has its message. */
  | "RELAY_MAILBOX_TAKEN"
  /** No proof of a space's follow key, or none that holds; or no such space. */
  | "RELAY_PROOF"
  /** The proof holds, but is of another time or was used. */
  | "RELAY_PROOF_STALE"
  /** A parameter or body that this path does not take. */
  | "RELAY_REQUEST_INVALID"
  /** A cursor that this relay did not give out for that space, or not in this order. */
  | "RELAY_CURSOR_UNKNOWN"
  /** Nothing can be sent to that target: no provider, no public address, no push service. */
  | "RELAY_HOOK_TARGET"
  /** The target did not give the challenge back. */
  | "RELAY_HOOK_UNCONFIRMED"
  /** The space has its number of hooks or feeds, or the relay has. */
  | "RELAY_HOOKS_FULL"
  /** A replayed notice was not taken. */
  | "RELAY_HOOK_UNDELIVERED"
  /** The relay takes no more spaces. */
  | "RELAY_FULL"
  /** Too many requests or connections from that address. */
  | "RELAY_RATE_LIMITED"
  /** Too many connections, or mailboxes, in all. */
  | "RELAY_BUSY"
  /** The relay is stopping. */
  | "RELAY_CLOSING"
  /** The fault is in the relay; its operator sees why. */
  | "RELAY_FAILED";

/** A relay that cannot start or go on. Match on `code`. */
export class RelayError extends Error {
  override readonly name = "RelayError";
  readonly code: RelayErrorCode;

  constructor(code: RelayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The code of any error of Hawser or of the platform, for people who have to look into it. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN";
}
