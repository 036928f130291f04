/**
 * The WebSocket of browsers (and of Deno, Bun and workers) as a Socket. Layer 5; no import of any
 * platform module.
 */
import type { Connection, Timers } from "@hawser/sync";
import { createConnection, sendBufferBytesMax } from "./connection.ts";
import { openSocket } from "./open.ts";
import type { Socket } from "./socket.ts";

/** The part of the standard WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

export interface ConnectOptions {
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** How long opening may take; default 10 s. */
  readonly timeoutMs?: number;
}

/** What the platform gives. */
export interface WebSocketDeps {
  open(url: string): WebSocketLike;
  readonly timers: Timers;
}

/** There is no event for a buffer that empties, so it is looked at this often. */
const drainPollMs = 5;
const openState = 1;

/** A Socket over a standard WebSocket. It cannot be paused: credit bounds what comes in. */
export function toSocket(socket: WebSocketLike, timers: Timers): Socket {
  let onDrain = (): void => {};
  let onClose = (): void => {};
  let isPolling = false;
  const poll = (): void => {
    isPolling = false;
    onDrain();
    watch();
  };
  const watch = (): void => {
    if (isPolling || socket.bufferedAmount <= sendBufferBytesMax) return;
    isPolling = true;
    timers.after(drainPollMs, poll);
  };
  return {
    send: (frame) => {
      // A socket that is closing drops what it is given. Its close event may be long on the way, and
      // never come while a sender goes on that is told nothing.
      if (socket.readyState !== openState) return onClose();
      socket.send(frame.slice());
      watch();
    },
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
    pause: () => {},
    resume: () => {},
    listen: (handlers) => {
      ({ onDrain, onClose } = handlers);
      socket.binaryType = "arraybuffer";
      socket.addEventListener("message", ({ data }) => {
        if (data instanceof ArrayBuffer) handlers.onFrame(new Uint8Array(data));
        else handlers.onText();
      });
      socket.addEventListener("close", onClose);
    },
  };
}

/** Opens a connection with the platform's WebSocket. */
export async function connectWith(
  deps: WebSocketDeps,
  url: string,
  options: ConnectOptions = {},
): Promise<Connection> {
  return openSocket({ timers: deps.timers, options, url }, () => {
    const socket = deps.open(url);
    socket.binaryType = "arraybuffer";
    // Listening starts before the socket opens, so that no early frame is missed.
    const connection = createConnection(toSocket(socket, deps.timers));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error("the WebSocket did not open")));
    socket.addEventListener("close", () => reject(new Error("the WebSocket closed")));
    return { opened: promise, connection, abandon: () => socket.close() };
  });
}
