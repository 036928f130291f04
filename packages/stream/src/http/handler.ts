/**
 * Streams over HTTP: a function from Request to Response that any server can mount
 * (docs/spec/stream.md, "HTTP"). Layer 4; sockets, storage and authorization come from outside.
 */
import { toBase64url, toHex, utf8 } from "@hawser/codec";
import type { ByteStore } from "../byte-store.ts";
import { StreamError, type StreamFault } from "../errors.ts";
import type { Metadata } from "../metadata.ts";
import type { Stream } from "../stream.ts";
import { commonHeaders, problemResponse, type Problem } from "./problem.ts";
import { allowsRange, chooseRange, namesTag } from "./range.ts";

/** What the handler uses of an open stream. */
export type ServedStream = Pick<
  Stream,
  "id" | "height" | "byteCount" | "mark" | "info" | "metadata" | "readStream" | "accept"
>;

/** A verdict on the bytes of a new stream. */
export type CreateVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly fault: StreamFault };

/** A stream and the store it lies in; both stay open and the host's. */
export interface HostedStream {
  readonly stream: ServedStream;
  readonly store: ByteStore;
}

/** Where the streams are. */
export interface StreamHost {
  /** Ids of all streams, in any order. */
  list(): Promise<readonly string[]>;
  /** `undefined` when there is none of this id. */
  open(id: string): Promise<HostedStream | undefined>;
  /** Verifies the bytes of a whole stream of this id and keeps them. Absent: PUT is refused. */
  create?(id: string, parts: AsyncIterable<Uint8Array>): Promise<CreateVerdict>;
}

export interface StreamHandlerDeps {
  readonly host: StreamHost;
  /** Whether this request may PUT a new stream. Default: nobody may. */
  readonly authorize?: (request: Request, id: string) => Promise<boolean>;
  /** Told of failures that the answer does not tell. */
  readonly report?: (error: unknown) => void;
}

export interface StreamHandlerOptions {
  /** What paths begin with, such as `/iw`. Default: nothing. */
  readonly basePath?: string;
  /** The most bytes of one POST. Default: 64 MiB. */
  readonly bodyBytesMax?: number;
  /** The most bytes of one PUT: the manifest and perhaps a few blocks. Default: 1 MiB. */
  readonly putBytesMax?: number;
  /** Whether POST is served. Default: true. */
  readonly acceptsAppends?: boolean;
}

export type StreamHandler = (request: Request) => Promise<Response>;

/** Bytes of one piece of an answer. */
const pieceBytes = 256 << 10;
const listCountMax = 1000;
const idPattern = /^[0-9a-f]{64}$/;

interface Context {
  readonly deps: StreamHandlerDeps;
  readonly bodyBytesMax: number;
  readonly putBytesMax: number;
  readonly acceptsAppends: boolean;
  /** Ids that are being written to. */
  readonly busy: Set<string>;
}

/** A handler of `GET /streams`, `/<id>` and `/<id>/<seq>`. It never rejects. */
export function createStreamHandler(
  deps: StreamHandlerDeps,
  options: StreamHandlerOptions = {},
): StreamHandler {
  const { basePath = "", bodyBytesMax = 64 << 20, putBytesMax = 1 << 20 } = options;
  const { acceptsAppends = true } = options;
  const context: Context = { deps, bodyBytesMax, putBytesMax, acceptsAppends, busy: new Set() };
  return async (request) => {
    let response: Response;
    try {
      response = await route(context, request, basePath);
    } catch (error) {
      response = problemResponse(problemOf(error, deps.report));
    }
    if (request.method !== "HEAD" || response.body === null) return response;
    await response.body.cancel();
    const { status, headers } = response;
    return new Response(null, { status, headers });
  };
}

async function route(context: Context, request: Request, basePath: string): Promise<Response> {
  const url = new URL(request.url);
  if (!url.pathname.startsWith(`${basePath}/`)) return notFound();
  const [id = "", seqText, ...rest] = url.pathname.slice(basePath.length + 1).split("/");
  if (rest.length > 0) return notFound();
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (id === "streams" && seqText === undefined) {
    return isRead ? listStreams(context, url) : methodProblem("GET, HEAD");
  }
  if (!idPattern.test(id)) return badRequest("the path names no stream id");
  if (seqText !== undefined) {
    if (!/^(?:0|[1-9]\d{0,14})$/.test(seqText)) return badRequest("the path names no block");
    return isRead
      ? getBlock(context, request, { id, seq: Number(seqText), url })
      : methodProblem("GET, HEAD");
  }
  if (isRead) return getStream(context, request, id);
  if (request.method === "POST") return postPackets(context, request, id);
  if (request.method === "PUT") return putStream(context, request, id);
  return methodProblem("GET, HEAD, POST, PUT");
}

async function listStreams(context: Context, url: URL): Promise<Response> {
  const after = url.searchParams.get("after") ?? "";
  const ids = (await context.deps.host.list()).filter((id) => id > after).toSorted();
  const body = { streams: ids.slice(0, listCountMax), hasMore: ids.length > listCountMax };
  return Response.json(body, { headers: commonHeaders });
}

async function getStream(context: Context, request: Request, id: string): Promise<Response> {
  const hosted = await context.deps.host.open(id);
  if (hosted === undefined) return notFound();
  const { stream, store } = hosted;
  // All of one moment: an append meanwhile changes none of them.
  const [byteCount, headers] = [stream.byteCount, headersOf(stream)];
  const signal = request.signal;
  return sendRange(request, { byteCount, headers }, (from, to) =>
    readPieces(store, from, to, signal),
  );
}

async function* readPieces(
  store: ByteStore,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let offset = from; offset < to; offset += pieceBytes) {
    const length = Math.min(pieceBytes, to - offset);
    const piece = await store.read(offset, length, signal);
    if (piece.length < length) throw new StreamError("BYTES_IO", "the store became shorter");
    yield piece;
  }
}

function etagOf(stream: ServedStream): string {
  const { height, hash } = stream.mark();
  return `"${height}-${toHex(hash)}"`;
}

function headersOf(stream: ServedStream): Sendable["headers"] {
  return { etag: etagOf(stream), "hawser-height": String(stream.height) };
}

interface BlockPlace {
  readonly id: string;
  readonly seq: number;
  readonly url: URL;
}

async function getBlock(
  context: Context,
  request: Request,
  { id, seq, url }: BlockPlace,
): Promise<Response> {
  const stream = (await context.deps.host.open(id))?.stream;
  const info = stream === undefined ? undefined : await stream.info(seq);
  if (stream === undefined || info === undefined) return notFound();
  const { signal } = request;
  const content = (from: number, to: number): AsyncIterable<Uint8Array> =>
    from === to ? noBytes() : stream.readStream(seq, { from, to, signal });
  // A block never changes: its hash names its content.
  const headers = { etag: `"${toHex(info.hash)}"`, "hawser-kind": info.kind };
  if (url.searchParams.get("meta") !== "1") {
    return sendRange(request, { byteCount: info.byteCount, headers }, content);
  }
  const line = utf8(`${printMetadata((await stream.metadata(seq)) ?? {})}\n`);
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield line;
    yield* content(0, info.byteCount);
  };
  const length = String(line.length + info.byteCount);
  return new Response(await toBody(whole()), {
    headers: {
      ...commonHeaders,
      "content-type": "application/octet-stream",
      "content-length": length,
    },
  });
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

/** JSON on one line; byte strings as `{"base64url": "…"}`. */
function printMetadata(metadata: Metadata): string {
  return JSON.stringify(metadata, (_, value: unknown) =>
    value instanceof Uint8Array ? { base64url: toBase64url(value) } : value,
  );
}

interface Sendable {
  readonly byteCount: number;
  readonly headers: { readonly etag: string; readonly [name: string]: string };
}

async function sendRange(
  request: Request,
  { byteCount, headers }: Sendable,
  read: (from: number, to: number) => AsyncIterable<Uint8Array>,
): Promise<Response> {
  const common = { ...commonHeaders, ...headers, "accept-ranges": "bytes" };
  const ifMatch = request.headers.get("if-match");
  if (ifMatch !== null && !namesTag(ifMatch, headers.etag))
    return preconditionProblem(headers.etag);
  const ifNoneMatch = request.headers.get("if-none-match");
  if (ifNoneMatch !== null && namesTag(ifNoneMatch, headers.etag)) {
    return new Response(null, { status: 304, headers: common });
  }
  const isRanged = allowsRange(request.headers.get("if-range"), headers.etag);
  const choice = chooseRange(isRanged ? request.headers.get("range") : null, byteCount);
  if (choice.kind === "unsatisfiable") {
    const problem = { status: 416, code: "HTTP_RANGE", title: "the range begins behind the end" };
    return problemResponse({ ...problem, headers: { "content-range": `bytes */${byteCount}` } });
  }
  const { from, to } = choice.kind === "part" ? choice : { from: 0, to: byteCount };
  const partHeaders: Record<string, string> = {
    ...common,
    "content-type": "application/octet-stream",
    "content-length": String(to - from),
  };
  if (choice.kind === "part") partHeaders["content-range"] = `bytes ${from}-${to - 1}/${byteCount}`;
  const body = request.method === "HEAD" ? null : await toBody(read(from, to));
  return new Response(body, { status: choice.kind === "part" ? 206 : 200, headers: partHeaders });
}

/**
 * A body that reads when the client does. The first piece is read before the answer begins, so that
 * what fails at once (no key, a fault) is still a problem and not a broken connection.
 */
async function toBody(pieces: AsyncIterable<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const iterator = pieces[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | undefined = await iterator.next();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = first ?? (await iterator.next());
      first = undefined;
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

async function postPackets(context: Context, request: Request, id: string): Promise<Response> {
  if (!context.acceptsAppends) return methodProblem("GET, HEAD");
  const hosted = await context.deps.host.open(id);
  if (hosted === undefined) return notFound();
  const { stream } = hosted;
  const ifMatch = request.headers.get("if-match");
  if (ifMatch === null) {
    const title = "If-Match must name the head that the packets follow";
    return problemResponse({ status: 428, code: "HTTP_PRECONDITION_REQUIRED", title });
  }
  return whileFree(context, id, async () => {
    if (!namesTag(ifMatch, etagOf(stream))) return preconditionProblem(etagOf(stream));
    const parts = boundedBody(request, context.bodyBytesMax);
    const verdict = await stream.accept(parts, { signal: request.signal });
    if (!verdict.ok) return faultResponse(verdict.fault);
    return summary(stream, 200);
  });
}

async function putStream(context: Context, request: Request, id: string): Promise<Response> {
  const { host, authorize } = context.deps;
  const { create } = host;
  const isAllowed = create !== undefined && (await authorize?.(request, id)) === true;
  if (create === undefined || !isAllowed) {
    const title = "this request may not create streams";
    return problemResponse({ status: 403, code: "HTTP_FORBIDDEN", title });
  }
  return whileFree(context, id, async () => {
    if ((await host.open(id)) !== undefined) {
      return problemResponse({ status: 409, code: "HTTP_EXISTS", title: "there is such a stream" });
    }
    const verdict = await create(id, boundedBody(request, context.putBytesMax));
    if (!verdict.ok) return faultResponse(verdict.fault);
    const created = await host.open(id);
    if (created === undefined) throw new StreamError("BYTES_ABSENT", "the new stream is not there");
    return summary(created.stream, 201);
  });
}

/** One write to a stream at a time: who comes meanwhile is told to come again. */
async function whileFree(
  { busy }: Context,
  id: string,
  work: () => Promise<Response>,
): Promise<Response> {
  if (busy.has(id)) {
    const problem = { status: 503, code: "HTTP_BUSY", title: "the stream is being written to" };
    return problemResponse({ ...problem, headers: { "retry-after": "1" } });
  }
  busy.add(id);
  try {
    return await work();
  } finally {
    busy.delete(id);
  }
}

class TooLargeError extends Error {}

/** The body's bytes; throws when they are more than allowed, whatever Content-Length says. */
async function* boundedBody(request: Request, bytesMax: number): AsyncGenerator<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw new TooLargeError();
  if (request.body === null) return;
  const reader = request.body.getReader();
  let isDone = false;
  try {
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      size += value.length;
      if (size > bytesMax) throw new TooLargeError();
      yield value;
    }
  } finally {
    if (!isDone) await reader.cancel().catch(() => undefined);
  }
}

function summary(stream: ServedStream, status: number): Response {
  const { id, height, byteCount } = stream;
  const headers = { ...commonHeaders, ...headersOf(stream) };
  return Response.json({ id, height, byteCount }, { status, headers });
}

/** Bytes that are wrong are the sender's (422), a second branch of a stream is a conflict. */
function faultResponse(fault: StreamFault): Response {
  const { code, message, seq, offset } = fault;
  const details = {
    ...(seq === undefined ? {} : { seq }),
    ...(offset === undefined ? {} : { offset }),
  };
  return problemResponse({ status: code === "FORK" ? 409 : 422, code, title: message, details });
}

function problemOf(error: unknown, report: StreamHandlerDeps["report"]): Problem {
  if (error instanceof TooLargeError) {
    return { status: 413, code: "HTTP_TOO_LARGE", title: "the body is too large" };
  }
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : "";
  switch (code) {
    case "BYTES_FULL":
      return { status: 507, code, title: "the server has no room left" };
    case "BYTES_MOVED":
      return { status: 412, code, title: "somebody else wrote to the stream" };
    case "BYTES_EXISTS":
      return { status: 409, code, title: "there is such a stream" };
    case "BYTES_LOCKED":
      return { status: 503, code, title: "another program writes to the stream" };
    case "STREAM_NO_KEY":
      return { status: 403, code, title: "the block is encrypted; read the stream's own bytes" };
    case "STREAM_FAULT":
      report?.(error);
      return { status: 500, code, title: "the server's copy of the stream is damaged" };
    default:
      report?.(error);
      return { status: 500, code: "HTTP_INTERNAL", title: "the server failed" };
  }
}

function notFound(): Response {
  return problemResponse({ status: 404, code: "HTTP_NOT_FOUND", title: "there is nothing here" });
}

function badRequest(title: string): Response {
  return problemResponse({ status: 400, code: "HTTP_BAD_REQUEST", title });
}

function methodProblem(allow: string): Response {
  const problem = { status: 405, code: "HTTP_METHOD", title: "this is not served here" };
  return problemResponse({ ...problem, headers: { allow } });
}

function preconditionProblem(etag: string): Response {
  const problem = { status: 412, code: "HTTP_PRECONDITION", title: "the head is another" };
  return problemResponse({ ...problem, headers: { etag } });
}
