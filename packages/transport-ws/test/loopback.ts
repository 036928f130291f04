/**
 * Pairs of connections over a real WebSocket on loopback.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Connection } from "@hawser/sync";
import type { ConnectionPair } from "@hawser/sync/testing";
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

export async function openPair(): Promise<ConnectionPair> {
  const loopback = await openLoopback();
  const [a, b] = await Promise.all([connectWebSocket(loopback.url), loopback.accepted()]);
  return { a, b, [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose]() };
}
