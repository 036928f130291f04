/**
 * What can go wrong when a WebSocket is opened. Layer 5. What goes wrong later ends the connection,
 * and its `send` rejects with SYNC_CONNECTION_LOST.
 */

/** Codes are API: never renamed, never reused. */
export type TransportWsErrorCode =
  /** The URL is not one of ws: or wss:. */
  | "TRANSPORT_WS_BAD_URL"
  /** Nobody answered, or not as a WebSocket; `cause` has what the platform tells. */
  | "TRANSPORT_WS_CONNECT_FAILED"
  /** The signal, or the time limit, ended the attempt. */
  | "TRANSPORT_WS_ABORTED"
  /** An option is out of range. */
  | "TRANSPORT_WS_BAD_OPTION";

export class TransportWsError extends Error {
  override readonly name = "TransportWsError";
  readonly code: TransportWsErrorCode;

  constructor(code: TransportWsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
