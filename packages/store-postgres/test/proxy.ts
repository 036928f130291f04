/** A TCP proxy before the server that breaks connections at chosen places of the protocol. */
import { connect, createServer, type Socket } from "node:net";

export interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** What happens to the next bytes with COMMIT in them; then `pass` again. */
  atCommit(what: "pass" | "lose" | "loseAnswer" | "hold"): void;
  /** Resolves when a COMMIT is held. */
  held(): Promise<void>;
  /** Lets a held COMMIT pass. */
  release(): void;
}

export async function createProxy(target: string): Promise<Proxy> {
  const url = new URL(target);
  const [port, host] = [Number(url.port), url.hostname];
  let mode: "pass" | "lose" | "loseAnswer" | "hold" = "pass";
  let heldBytes: (() => void) | undefined;
  let onHeld = (): void => {};
  const holding = new Promise<void>((resolve) => (onHeld = resolve));
  const sockets = new Set<Socket>();

  const onBytes = (bytes: Buffer, client: Socket, server: Socket): void => {
    if (mode === "pass" || !bytes.includes("COMMIT\0")) {
      server.write(bytes);
      return;
    }
    const now = mode;
    mode = "pass";
    if (now === "hold") {
      heldBytes = () => server.write(bytes);
      onHeld();
      return;
    }
    // The answer, or whatever else comes from the server, finds nobody.
    server.removeAllListeners("data");
    if (now === "loseAnswer") server.write(bytes, () => client.destroy());
    else client.destroy();
  };

  const listener = createServer((client) => {
    const server = connect(port, host);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (bytes: Buffer) => onBytes(bytes, client, server));
    server.on("data", (bytes: Buffer) => client.write(bytes));
    // Its answer may be lost, but the server ends what it was told before.
    client.on("close", () => server.end());
    server.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  url.port = String(typeof address === "object" && address !== null ? address.port : 0);
  return {
    url: url.href,
    atCommit: (what) => (mode = what),
    held: () => holding,
    release: () => heldBytes?.(),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
