/**
 * WebSockets in Node, by `ws`. Layer 5; browsers never load this file.
 */
import { type Connection, frameBytesMax } from "@hawser/sync";
import { WebSocket } from "ws";
import { createConnection } from "./connection.ts";
import { openSocket } from "./open.ts";
import { platformTimers } from "./platform-timers.ts";
import type { Socket } from "./socket.ts";
import type { ConnectOptions } from "./web-socket.ts";

/** The part of a `ws` socket that is used; a `WebSocket` of `ws` is one. */
export interface ServerSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(
    data: Uint8Array,
    options: { readonly binary: boolean },
    callback: (error?: Error) => void,
  ): void;
  close(code: number, reason: string): void;
  pause(): void;
  resume(): void;
  on(event: "message", listener: (data: unknown, isBinary: boolean) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What a `WebSocketServer` should be made with: bounded messages, no compression of ciphertext. */
export const webSocketServerOptions: {
  readonly maxPayload: number;
  readonly perMessageDeflate: false;
} = { maxPayload: frameBytesMax, perMessageDeflate: false };

/**
 * Opens a connection to a `ws:` or `wss:` URL. Throws TRANSPORT_WS_BAD_URL,
 * TRANSPORT_WS_CONNECT_FAILED, TRANSPORT_WS_ABORTED.
 */
export function connectWebSocket(url: string, options: ConnectOptions = {}): Promise<Connection> {
  return openSocket({ timers: platformTimers, url, options }, () => {
    const socket = new WebSocket(url, { ...webSocketServerOptions });
    const connection = createConnection(toSocket(socket));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("open", resolve);
    socket.once("error", reject);
    return { opened: promise, connection, abandon: () => socket.terminate() };
  });
}

/** A connection over a socket that a `WebSocketServer` accepted. The caller gives it away. */
export function acceptWebSocket(socket: ServerSocket): Connection {
  return createConnection(toSocket(socket));
}

function toSocket(socket: ServerSocket): Socket {
  let onDrain = (): void => {};
  return {
    send: (frame) => socket.send(frame, { binary: true }, () => onDrain()),
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    listen: (handlers) => {
      onDrain = handlers.onDrain;
      socket.binaryType = "nodebuffer";
      socket.on("message", (data, isBinary) => {
        if (isBinary && data instanceof Uint8Array) handlers.onFrame(toBytes(data));
        else handlers.onText();
      });
      socket.on("close", handlers.onClose);
      // "close" always follows; without a listener an error would end the process.
      socket.on("error", () => {});
    },
  };
}

/** A plain Uint8Array: a Buffer's `slice` would share memory instead of copying it. */
function toBytes(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
