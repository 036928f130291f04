/**
 * What can go wrong in sync for the caller. Layer 4. What a peer does wrong is no error: it ends the
 * session with a `SyncCloseCode`.
 */

/** Misuse, or a resource that is gone. Codes are API: never renamed, never reused. */
export type SyncErrorCode =
  /** The peer object or the session is closed. */
  | "SYNC_CLOSED"
  /** The connection under a session went away while sending. */
  | "SYNC_CONNECTION_LOST"
  /** An option is out of range, or an identity list is empty or too long. */
  | "SYNC_BAD_OPTION"
  /** A frame is over `frameBytesMax`, or a broadcast is empty or over `broadcastBytesMax`. */
  | "SYNC_FRAME_TOO_LARGE"
  /** More than 1,024 requests for points of bodies wait. */
  | "SYNC_TOO_MANY_REQUESTS"
  /** A caller's signal ended the wait. */
  | "SYNC_ABORTED";

export class SyncError extends Error {
  override readonly name = "SyncError";
  readonly code: SyncErrorCode;

  constructor(code: SyncErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
