/**
 * Pairs of connections over a real WebSocket on loopback.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { Connection } from "@hawser/sync";
import type { TransportHarness, TransportPair } from "@hawser/sync/testing";
import { acceptWebSocket, connectWebSocket, webSocketServerOptions } from "@hawser/transport-ws";
import { WebSocketServer } from "ws";

export interface Loopback extends AsyncDisposable {
  readonly url: string;
  /** The next connection the server accepts. */
  accepted(): Promise<Connection>;
  readonly server: WebSocketServer;
}

export async function openLoopback(): Promise<Loopback> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...webSocketServerOptions });
  await once(server, "listening");
  const connections: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  server.on("connection", (socket) => {
    const connection = acceptWebSocket(socket);
    const next = waiting.shift();
    if (next === undefined) connections.push(connection);
    else next(connection);
  });
  // Safe: a server that listens on a port has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    server,
    accepted: () => {
      const ready = connections.shift();
      if (ready !== undefined) return Promise.resolve(ready);
      return new Promise((resolve) => {
        waiting.push(resolve);
      });
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

export async function openPair(): Promise<TransportPair> {
  const loopback = await openLoopback();
  const [a, b] = await Promise.all([connectWebSocket(loopback.url), loopback.accepted()]);
  return {
    a,
    b,
    cut: async () => {
      for (const client of loopback.server.clients) client.terminate();
    },
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
}

/** Dials a server that takes the socket and says nothing. */
async function dialSilence(signal: AbortSignal): Promise<Connection> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    // Safe: a server that listens on a port has an AddressInfo.
    const { port } = server.address() as AddressInfo;
    return await connectWebSocket(`ws://127.0.0.1:${port}`, { signal });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

export const harness: TransportHarness = { open: openPair, dialSilence, waitsForReader: true };
