/** `/metrics` on a port of its own. Layer 9. */
import { timingSafeEqual, createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { metricsContentType } from "./metrics.ts";
import { RelayError } from "./errors.ts";

/** The path of the figures, on either port. */
export const metricsPath = "/metrics";

/** Where the figures are served. */
export interface MetricsServerOptions {
  readonly host: string;
  readonly port: number;
  /** Whoever sends it as a Bearer token may read; everybody without. */
  readonly token: string | undefined;
}

/** A running metrics server. */
export interface MetricsServer {
  readonly port: number;
  close(): void;
}

/** Whether a request's `authorization` header holds the token; compared in constant time. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}

/** Serves `render()`. Throws `RELAY_LISTEN_FAILED`. */
export async function serveMetrics(
  render: () => string,
  options: MetricsServerOptions,
): Promise<MetricsServer> {
  const { host, port, token } = options;
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 2_000 },
    (request, answer) => {
      request.resume();
      const isAllowed = token === undefined || isAuthorized(request.headers.authorization, token);
      const isFound = request.url?.split("?", 1)[0] === metricsPath;
      const wanted = !isFound ? 404 : request.method !== "GET" ? 405 : isAllowed ? 200 : 401;
      const text = wanted === 200 ? rendered(render) : "";
      const status = text === undefined ? 500 : wanted;
      answer.writeHead(status, {
        "content-type": status === 200 ? metricsContentType : "text/plain",
        "cache-control": "no-store",
        ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
      });
      answer.end(text ?? "");
    },
  );
  server.maxConnections = 16;
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (cause) {
    const message = `cannot listen on ${host} port ${port} for metrics`;
    throw new RelayError("RELAY_LISTEN_FAILED", message, { cause });
  }
  return {
    port: portOf(server),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A figure that cannot be read, such as memory without a free file handle, must not end the relay. */
function rendered(render: () => string): string | undefined {
  try {
    return render();
  } catch {
    return undefined;
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
