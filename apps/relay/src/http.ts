/** The HTTP server: bounded requests in, answers out. Layer 9. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { addressKey, type AddressOptions } from "./address.ts";
import { refusal, writeAnswer, writeRawAnswer } from "./answer.ts";
import type { RelayAnswerCode } from "./errors.ts";
import { createOpenCount } from "./limits.ts";
import { readRequest } from "./request.ts";
import { answerTo, webSocketPaths, type RouteDeps } from "./routes.ts";

export interface HttpOptions extends AddressOptions {
  /** Sockets open at once, WebSockets among them. */
  readonly socketsMax: number;
  /** Of one address; not counted behind a proxy, which has one address for everybody. */
  readonly socketsPerAddressMax: number;
}

/** What the server needs beside its routes. */
export interface HttpDeps extends RouteDeps {
  readonly onFailure: (cause: unknown) => void;
  /** Hears of every answer that is a refusal. */
  readonly onRefusal?: (code: RelayAnswerCode, path: string) => void;
  /** When to come back to a relay that is ending, in seconds. */
  readonly retryAfter: () => string;
}

/** Times a client may take, in ms; all its requests are small. */
const serverTimes = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 5_000,
  // Node looks every 30 s unless told otherwise, so the times above would be three times as long.
  connectionsCheckingInterval: 2_000,
};
const headerBytesMax = 8 * 1024;
const requestsPerSocketMax = 1_000;

/**
 * A server that does not listen yet. `onFailure` hears what went wrong here; clients get a code.
 */
export function createHttpServer(deps: HttpDeps, options: HttpOptions): Server {
  const server = createServer({
    ...serverTimes,
    maxHeaderSize: headerBytesMax,
    // Elsewhere an Upgrade header is only an offer (RFC 9110 §7.8); older Node ignores the option.
    shouldUpgradeCallback: (request) => webSocketPaths.has(request.url?.split("?", 1)[0] ?? ""),
  });
  server.maxRequestsPerSocket = requestsPerSocketMax;
  server.maxConnections = options.socketsMax;
  if (!options.trustProxy) limitSockets(server, options);
  server.on("request", (request, response) => {
    respond(deps, options, request, response).catch((cause: unknown) => {
      // A client that went away in the middle of its request is no failure of ours.
      if (!request.complete && request.destroyed) return;
      deps.onFailure(cause);
      deps.onRefusal?.("RELAY_FAILED", "");
      if (response.headersSent) response.destroy();
      else writeAnswer(response, refusal("RELAY_FAILED"));
    });
  });
  server.on("clientError", (_cause, socket) => {
    deps.onRefusal?.("RELAY_BAD_REQUEST", "");
    if (socket.writable) writeRawAnswer(socket, refusal("RELAY_BAD_REQUEST"));
    else socket.destroy();
  });
  return server;
}

/** One address that only holds sockets must not keep the others out. */
function limitSockets(server: Server, options: HttpOptions): void {
  const open = createOpenCount({
    perKeyMax: options.socketsPerAddressMax,
    totalMax: Number.POSITIVE_INFINITY,
  });
  server.on("connection", (socket) => {
    const release = open.open(addressKey({ headers: {}, socket }, options));
    if (release === undefined) socket.destroy();
    else socket.once("close", release);
  });
}

async function respond(
  deps: HttpDeps,
  options: AddressOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const read = readRequest(request, addressKey(request, options));
  const answer = await answerTo(deps, read);
  if (answer.code !== undefined) deps.onRefusal?.(answer.code, read.path);
  // A body that nobody read is not waited for, and a server that closes keeps nobody.
  const isLast = isUnread(request) || deps.isClosing();
  const headers = {
    ...answer.headers,
    ...(isLast ? { connection: "close" } : {}),
    ...(answer.code === "RELAY_CLOSING" ? { "retry-after": deps.retryAfter() } : {}),
  };
  writeAnswer(response, { ...answer, headers });
}

function isUnread(request: IncomingMessage): boolean {
  const { headers, complete } = request;
  const hasBody =
    headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined;
  return hasBody && !complete;
}
