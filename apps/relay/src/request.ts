/** What is read of an HTTP request. Layer 9. */
import type { IncomingMessage } from "node:http";

/** The part of a request that an answer depends on. */
export interface Request {
  readonly method: string;
  /** As sent, without a query. */
  readonly path: string;
  /** Path and query as sent. */
  readonly target: string;
  /** A header by its lower-case name; `undefined` also where there are several. */
  readonly header: (name: string) => string | undefined;
  readonly contentType: string | undefined;
  readonly authorization?: string | undefined;
  readonly contentLength: string | undefined;
  /** Whose share it counts against. */
  readonly address: string;
  /** Chunks of the body. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Seconds after which a client that was turned away may try again. */
export const retryAfterSeconds = "60";
/** The content type of whatever is sent here. */
export const octets = "application/octet-stream";

/** What is read of an incoming request. */
export function readRequest(request: IncomingMessage, address: string): Request {
  const [path = ""] = (request.url ?? "").split("?", 1);
  return {
    method: request.method ?? "",
    path,
    target: request.url ?? "",
    header: (name) => {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    },
    contentType: request.headers["content-type"],
    authorization: request.headers.authorization,
    contentLength: request.headers["content-length"],
    address,
    // Breaking off must not destroy the socket: the answer still has to leave by it.
    body: request.iterator({ destroyOnReturn: false }),
  };
}

/** The body, or `undefined` once it is longer than `bytesMax`. */
export async function readBody(
  request: Request,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  if (Number(request.contentLength ?? 0) > bytesMax) return undefined;
  const body = new Uint8Array(bytesMax);
  let byteCount = 0;
  for await (const chunk of request.body) {
    if (byteCount + chunk.length > bytesMax) return undefined;
    body.set(chunk, byteCount);
    byteCount += chunk.length;
  }
  return body.slice(0, byteCount);
}
