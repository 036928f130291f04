/** A TCP proxy before a relay, that does to what the relay sends what a test wants. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

/** What becomes of a piece that the relay sends; `cut` breaks the connection. */
export type Meddle = (piece: Buffer, cut: () => void) => Buffer;

export async function startProxy(relayUrl: string, meddle: Meddle): Promise<Proxy> {
  const { hostname, port } = new URL(relayUrl);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    const relay = connect(Number(port), hostname);
    const cut = (): void => {
      client.destroy();
      relay.destroy();
    };
    keep(client);
    keep(relay);
    client.on("data", (piece) => relay.write(piece));
    relay.on("data", (piece) => {
      const sent = meddle(piece, cut);
      if (!client.destroyed) client.write(sent);
    });
    client.once("close", cut);
    relay.once("close", cut);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
