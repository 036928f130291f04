/**
 * The door for browsers, and for every platform with the standard WebSocket. Layer 5.
 */
import type { Connection } from "@hawser/sync";
import { createConnection } from "./connection.ts";
import { platformTimers } from "./platform-timers.ts";
import { type ConnectOptions, connectWith, toSocket, type WebSocketLike } from "./web-socket.ts";

export type { Dialler, DiallerDeps, DiallerOptions, DiallerState } from "./dialler.ts";
export type { TransportWsErrorCode } from "./errors.ts";
export type { ConnectOptions, WebSocketLike } from "./web-socket.ts";
export { createDialler } from "./dialler.ts";
export { TransportWsError } from "./errors.ts";
export { platformTimers } from "./platform-timers.ts";

/**
 * Opens a connection to a `ws:` or `wss:` URL. Throws TRANSPORT_WS_BAD_URL,
 * TRANSPORT_WS_CONNECT_FAILED, TRANSPORT_WS_ABORTED.
 */
export function connectWebSocket(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const deps = { open: (target: string) => new WebSocket(target), timers: platformTimers };
  return connectWith(deps, url, options);
}

/** A connection over a standard WebSocket that is open. The caller gives it away. */
export function acceptWebSocket(socket: WebSocketLike): Connection {
  return createConnection(toSocket(socket, platformTimers));
}
