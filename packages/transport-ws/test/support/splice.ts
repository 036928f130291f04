/** A server that joins the two sockets of a name: what one sends the other gets, and so its end. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { webSocketServerOptions } from "@hawser/transport-ws";
import { WebSocketServer, type WebSocket } from "ws";

export interface Splice extends AsyncDisposable {
  readonly port: number;
  /** Takes sockets, and says nothing. */
  readonly silentPort: number;
}

export async function createSplice(): Promise<Splice> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...webSocketServerOptions });
  const silent = createServer((socket) => {
    silentSockets.add(socket);
    // A browser that hangs up resets.
    socket.on("error", () => {});
  });
  const silentSockets = new Set<Socket>();
  silent.listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(silent, "listening")]);
  const waiting = new Map<string, WebSocket>();
  server.on("connection", (socket, request) => {
    const { pathname } = new URL(request.url ?? "", "ws://x");
    const [, name = "", action] = pathname.split("/");
    const other = waiting.get(name);
    if (action === "cut") {
      for (const client of [socket, ...(clientsOf.get(name) ?? [])]) client.terminate();
      return;
    }
    clientsOf.set(name, [...(clientsOf.get(name) ?? []), socket]);
    if (other === undefined) {
      // Nothing is sent before both are there: the page waits for a word.
      socket.pause();
      waiting.set(name, socket);
      return;
    }
    waiting.delete(name);
    join(socket, other);
    join(other, socket);
    other.resume();
  });
  const clientsOf = new Map<string, WebSocket[]>();
  // Safe: servers that listen on a port have an AddressInfo.
  const [port, silentPort] = [server, silent].map((one) => (one.address() as AddressInfo).port);
  return {
    port: port ?? 0,
    silentPort: silentPort ?? 0,
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      for (const socket of silentSockets) socket.destroy();
      silent.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function join(from: WebSocket, to: WebSocket): void {
  from.on("message", (data, isBinary) => to.send(data, { binary: isBinary }));
  from.on("close", (code, reason) => {
    if (code === 1000 || code >= 4000) to.close(code, reason);
    else to.terminate();
  });
  from.on("error", () => {});
}
