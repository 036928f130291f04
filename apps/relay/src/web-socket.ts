/** The WebSocket side: upgrades within limits, each handed over as a connection. Layer 9. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Connection } from "@hawser/sync";
import { acceptWebSocket, webSocketServerOptions } from "@hawser/transport-ws";
import { WebSocketServer } from "ws";
import { addressKey, type AddressOptions } from "./address.ts";
import { refusal, writeRawAnswer, type Answer } from "./answer.ts";
import type { RelayAnswerCode } from "./errors.ts";
import { createOpenCount, type OpenCount, type RateLimit } from "./limits.ts";
import { webSocketPaths } from "./routes.ts";
import { signalPath } from "./signal-rooms.ts";

export interface WebSocketDeps {
  readonly server: Server;
  /** New connections, per address. */
  readonly connects: RateLimit;
  /** Takes a connection over. */
  readonly attach: (connection: Connection) => void;
  /** Takes a connection for signals over. */
  readonly attachSignals: (connection: Connection) => void;
  isClosing(): boolean;
  readonly retryAfter: () => string;
  /** Hears of every upgrade that was refused. */
  readonly onRefusal?: (code: RelayAnswerCode) => void;
}

export interface WebSocketOptions extends AddressOptions {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
}

/** The WebSockets of a server. */
export interface WebSockets {
  /** Open now, those under way included. */
  count(): number;
  /** Cuts what is still open. */
  terminate(): void;
}

/** Serves `/v1/sync` and `/v1/signal` on `deps.server`. */
export function serveWebSockets(deps: WebSocketDeps, options: WebSocketOptions): WebSockets {
  const webSockets = new WebSocketServer({ ...webSocketServerOptions, noServer: true });
  const open = createOpenCount({
    perKeyMax: options.connectionsPerAddressMax,
    totalMax: options.connectionsMax,
  });
  deps.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Until ws takes the socket over, an error on it must not end the process.
    const ignore = (): void => {};
    socket.on("error", ignore);
    const admitted = admit({ ...deps, open }, request, addressKey(request, options));
    if ("refused" in admitted) {
      if (admitted.refused.code !== undefined) deps.onRefusal?.(admitted.refused.code);
      return writeRawAnswer(socket, admitted.refused);
    }
    // The socket's end counts, not the WebSocket's: a handshake that fails has none.
    socket.once("close", admitted.release);
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off("error", ignore);
      const take = pathOf(request) === signalPath ? deps.attachSignals : deps.attach;
      take(acceptWebSocket(webSocket));
    });
  });
  return {
    count: () => open.total,
    terminate: () => {
      for (const webSocket of webSockets.clients) webSocket.terminate();
    },
  };
}

type Admission = { readonly release: () => void } | { readonly refused: Answer };

function admit(
  deps: Pick<WebSocketDeps, "connects" | "isClosing" | "retryAfter"> & { readonly open: OpenCount },
  request: IncomingMessage,
  address: string,
): Admission {
  if (!webSocketPaths.has(pathOf(request))) return { refused: refusal("RELAY_NOT_FOUND") };
  if (request.method !== "GET") return { refused: refusal("RELAY_METHOD", { allow: "GET" }) };
  if (deps.isClosing()) {
    return { refused: refusal("RELAY_CLOSING", { "retry-after": deps.retryAfter() }) };
  }
  if (!deps.connects.take(address)) return { refused: tooMany() };
  const release = deps.open.open(address);
  if (release !== undefined) return { release };
  const isFull = deps.open.total >= deps.open.totalMax;
  return { refused: isFull ? refusal("RELAY_BUSY", { "retry-after": "60" }) : tooMany() };
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split("?", 1)[0] ?? "";
}

function tooMany(): Answer {
  return refusal("RELAY_RATE_LIMITED", { "retry-after": "60" });
}
