/** A handler of Requests on a socket of Node's own HTTP server. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { StreamHandler } from "@hawser/stream/http";

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
}

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Told of each answer. */
  readonly onAnswer?: (method: string, path: string, status: number) => void;
}

/** A connection that moves no byte for so long is closed. */
const idleMsMax = 60_000;
/** Time that answers under way have to end when the server stops. */
const graceMs = 5_000;

/** Listens until it is disposed. Rejects with the system's code when it cannot. */
export async function startServer(
  handler: StreamHandler,
  { host, port, onAnswer }: ServerOptions,
): Promise<RunningServer> {
  // A long transfer may take hours; one that stands still may not.
  const server = createServer(
    { requestTimeout: 0, headersTimeout: 30_000 },
    (incoming, outgoing) => {
      void answer(handler, incoming, outgoing).then((status) => {
        onAnswer?.(incoming.method ?? "", pathOf(incoming), status);
      });
    },
  );
  server.setTimeout(idleMsMax);
  server.listen(port, host);
  await once(server, "listening");
  // Safe: a TCP server that listens has an address of this type.
  const address = server.address() as AddressInfo;
  return { port: address.port, [Symbol.asyncDispose]: () => stop(server) };
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

function pathOf({ url = "" }: IncomingMessage): string {
  return url.split("?", 1)[0] ?? "";
}

/** Answers one request; resolves to the status, 0 when the client has gone. */
async function answer(
  handler: StreamHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<number> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const request = toRequest(incoming, gone.signal);
  if (request === undefined) {
    outgoing.writeHead(400).end();
    return 400;
  }
  try {
    const response = await handler(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (response.body === null) outgoing.end();
    else await pipeline(toReadable(response.body), outgoing);
    return response.status;
  } catch {
    // The client has gone, or the store failed in the middle: a cut answer says so.
    outgoing.destroy();
    return 0;
  } finally {
    // What was not read of a refused body would stand between this answer and the next request.
    if (!incoming.complete) outgoing.destroy();
  }
}

/** The request, or `undefined` when its line is none that can be understood. */
function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "", headers } = incoming;
  const base = "http://localhost";
  if (!url.startsWith("/") || !URL.canParse(base + url)) return undefined;
  const list = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) list.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: Readable.toWeb(incoming), duplex: "half" } : {};
  try {
    // Safe: Node's web streams are those of its own fetch; only the two type declarations differ.
    return new Request(base + url, { method, headers: list, signal, ...body } as RequestInit);
  } catch {
    // A method that fetch forbids, such as TRACE.
    return undefined;
  }
}

function toReadable(body: ReadableStream<Uint8Array>): Readable {
  // Safe: as above.
  return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
}
