/**
 * What can go wrong when a direct connection is made. Layer 5. What goes wrong on an open one ends
 * it, and its `send` rejects with SYNC_CONNECTION_LOST.
 */

/** Codes are API: never renamed, never reused. */
export type TransportWebrtcErrorCode =
  /** The platform has no RTCPeerConnection. */
  | "TRANSPORT_WEBRTC_UNSUPPORTED"
  /** An option is out of range. */
  | "TRANSPORT_WEBRTC_BAD_OPTION"
  /** The other side's description is none that a data channel needs. */
  | "TRANSPORT_WEBRTC_BAD_DESCRIPTION"
  /** The platform failed; `cause` has what it tells. */
  | "TRANSPORT_WEBRTC_FAILED"
  /** The signal, or the time limit, ended the attempt. */
  | "TRANSPORT_WEBRTC_ABORTED";

/** Match on `code`. */
export class TransportWebrtcError extends Error {
  override readonly name = "TransportWebrtcError";
  readonly code: TransportWebrtcErrorCode;

  constructor(code: TransportWebrtcErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
