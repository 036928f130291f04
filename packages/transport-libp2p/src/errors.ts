/**
 * What can go wrong when a stream is opened or a gossip made. Layer 5. What goes wrong on an open
 * stream ends it, and its `send` rejects with SYNC_CONNECTION_LOST.
 */

/** Codes are API: never renamed, never reused. */
export type TransportLibp2pErrorCode =
  /** The peer was not reached, or does not speak the sync protocol; `cause` has what libp2p tells. */
  | "TRANSPORT_LIBP2P_DIAL_FAILED"
  /** The signal ended the attempt. */
  | "TRANSPORT_LIBP2P_ABORTED"
  /** It was disposed. */
  | "TRANSPORT_LIBP2P_CLOSED"
  /** An option is out of range. */
  | "TRANSPORT_LIBP2P_BAD_OPTION";

/** Thrown for misuse and for what the network refuses; match on `code`. */
export class TransportLibp2pError extends Error {
  override readonly name = "TransportLibp2pError";
  readonly code: TransportLibp2pErrorCode;

  constructor(code: TransportLibp2pErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
