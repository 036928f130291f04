/**
 * What a connection needs of a WebSocket, whichever implementation it is. Layer 5.
 */

/** What a socket tells. */
export interface SocketHandlers {
  readonly onFrame: (frame: Uint8Array) => void;
  /** A text message came: our peers speak binary only. */
  readonly onText: () => void;
  readonly onClose: () => void;
  /** Some of what was sent has left. */
  readonly onDrain: () => void;
}

/** An open WebSocket. */
export interface Socket {
  send(frame: Uint8Array): void;
  /** Bytes given to `send` that have not left. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
  /** Stops and resumes reading, where the platform can. */
  pause(): void;
  resume(): void;
  /** Called once, before anything else. */
  listen(handlers: SocketHandlers): void;
}
