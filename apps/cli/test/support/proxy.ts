/** A TCP proxy before a relay, that does to what the relay sends what a test wants. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

/** What becomes of a piece that the relay sends; `cut` breaks the connection. */
export type Meddle = (piece: Buffer, cut: () => void) => Buffer;

/** Sends each large WebSocket frame of one connection twice, and tells when it did. */
export function createReplayer(onReplay: () => void): (piece: Buffer) => Buffer {
  let rest = Buffer.alloc(0);
  let isUpgraded = false;
  return (piece) => {
    rest = Buffer.concat([rest, piece]);
    const sent: Buffer[] = [];
    if (!isUpgraded) {
      const end = rest.indexOf("\r\n\r\n");
      isUpgraded = end >= 0 && rest.includes("101 Switching");
      if (!isUpgraded) [sent[0], rest] = [rest, Buffer.alloc(0)];
      else [sent[0], rest] = [rest.subarray(0, end + 4), rest.subarray(end + 4)];
    }
    for (let size = frameSize(rest); size > 0 && size <= rest.length; size = frameSize(rest)) {
      const frame = rest.subarray(0, size);
      sent.push(frame);
      if (size > 8_000) {
        sent.push(frame);
        onReplay();
      }
      rest = rest.subarray(size);
    }
    return Buffer.concat(sent);
  };
}

/** Bytes of the frame at the start (RFC 6455 §5.2; servers do not mask), 0 while unknown. */
function frameSize(bytes: Buffer): number {
  const short = (bytes[1] ?? 0) & 0x7f;
  if (bytes.length < 2) return 0;
  if (short < 126) return 2 + short;
  if (short === 126) return bytes.length < 4 ? 0 : 4 + bytes.readUInt16BE(2);
  return bytes.length < 10 ? 0 : 10 + Number(bytes.readBigUInt64BE(2));
}

export async function startProxy(relayUrl: string, createMeddle: () => Meddle): Promise<Proxy> {
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
    const meddle = createMeddle();
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
