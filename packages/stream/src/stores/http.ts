/**
 * A byte store over HTTP range requests, read only: any static host is a mirror
 * (docs/spec/stream.md, "Byte stores"). Layer 4; `fetch` is injected.
 */
import type { ByteStore } from "../byte-store.ts";
import { StreamError } from "../errors.ts";
import { dropBody, readBody, type Fetch, type FetchInit } from "./body.ts";
import { checkRange, closedError, readOnlyError, toStreamError } from "./common.ts";

export interface HttpBytesDeps {
  readonly fetch: Fetch;
}

export interface HttpBytesOptions {
  /** Sent with every request, such as an authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * A server that serves no ranges is read whole when the file has at most this many bytes, and
   * refused with BYTES_MISUSE otherwise. Default: 0, refuse.
   */
  readonly wholeBytesMax?: number;
  readonly signal?: AbortSignal;
}

/** The file as it was when it was opened. */
interface Pin {
  readonly size: number;
  /** A strong ETag: the only validator that promises equal bytes. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** The bytes themselves, from a server without ranges. */
  readonly whole: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Opens what is at `url`. Rejects with BYTES_ABSENT for 404 and 410, BYTES_MISUSE for a server that
 * serves no ranges, BYTES_IO for every other failure. When the file changes afterwards, reads reject
 * with BYTES_MOVED: open it anew. A host without ETags is pinned by date and size, which are weaker.
 */
export async function openHttpBytes(
  deps: HttpBytesDeps,
  url: string,
  options: HttpBytesOptions = {},
): Promise<ByteStore> {
  const request = createRequest(deps, url, options);
  const pin = await openPin(request, options);
  let isClosed = false;
  const begin = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  const close = async (): Promise<void> => {
    isClosed = true;
  };
  const refuse = async (): Promise<never> => {
    if (isClosed) throw closedError();
    throw readOnlyError();
  };
  return {
    abilities: { canTruncate: false, isExclusive: false, isReadOnly: true },
    size: async (signal) => {
      begin(signal);
      return pin.size;
    },
    read: async (offset, length, signal) => {
      begin(signal);
      checkRange(offset, length);
      const end = Math.min(offset + length, pin.size);
      if (end <= offset) return new Uint8Array(0);
      if (pin.whole !== undefined) return pin.whole.slice(offset, end);
      return readRange(request, pin, { offset, end }, signal);
    },
    append: refuse,
    flush: async () => begin(undefined),
    truncate: refuse,
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Request = (headers: Record<string, string>, signal?: AbortSignal) => Promise<Response>;

function createRequest(deps: HttpBytesDeps, url: string, options: HttpBytesOptions): Request {
  return async (headers, signal) => {
    const init: FetchInit = {
      method: "GET",
      // A range of a compressed body is no range of the file.
      headers: { "accept-encoding": "identity", ...options.headers, ...headers },
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return await deps.fetch(url, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw toStreamError(error, "the request");
    }
  };
}

async function openPin(request: Request, options: HttpBytesOptions): Promise<Pin> {
  const response = await request({ range: "bytes=0-0" }, options.signal);
  try {
    checkEncoding(response);
    const etag = strongEtag(response);
    const lastModified = response.headers.get("last-modified") ?? undefined;
    if (response.status === 206) {
      return { size: contentRange(response, 0, 1), etag, lastModified, whole: undefined };
    }
    if (response.status === 416 && response.headers.get("content-range") === "bytes */0") {
      return { size: 0, etag, lastModified, whole: undefined };
    }
    if (response.status === 200) {
      const whole = await readWhole(response, options.wholeBytesMax ?? 0);
      return { size: whole.length, etag, lastModified, whole };
    }
    throw statusError(response.status);
  } finally {
    await dropBody(response);
  }
}

async function readWhole(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = response.headers.get("content-length");
  if (length !== "0" && (bytesMax === 0 || Number(length ?? 0) > bytesMax)) {
    throw new StreamError("BYTES_MISUSE", "the server serves no ranges of the file");
  }
  return readBody(response, bytesMax);
}

async function readRange(
  request: Request,
  pin: Pin,
  range: { readonly offset: number; readonly end: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { offset, end } = range;
  const headers: Record<string, string> = { range: `bytes=${offset}-${end - 1}` };
  if (pin.etag !== undefined) headers["if-match"] = pin.etag;
  const response = await request(headers, signal);
  try {
    if ([404, 410, 412, 416].includes(response.status)) throw movedError();
    // A server may send the whole file when it likes; that is no failure of the file.
    if (response.status === 200) {
      throw new StreamError("BYTES_IO", "the server sent the whole file for a range");
    }
    if (response.status !== 206) throw statusError(response.status);
    checkEncoding(response);
    if (strongEtag(response) !== pin.etag) throw movedError();
    if ((response.headers.get("last-modified") ?? undefined) !== pin.lastModified) {
      throw movedError();
    }
    if (contentRange(response, offset, end) !== pin.size) throw movedError();
    const bytes = await readBody(response, end - offset);
    if (bytes.length === end - offset) return bytes;
    throw new StreamError("BYTES_IO", `${bytes.length} of ${end - offset} bytes came`);
  } finally {
    await dropBody(response);
  }
}

/** The file's size from a Content-Range that must be the one asked for. */
function contentRange(response: Response, offset: number, end: number): number {
  const text = response.headers.get("content-range") ?? "";
  const [, from, to, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text) ?? [];
  if (Number(from) === offset && Number(to) === end - 1) return Number(total);
  throw new StreamError("BYTES_IO", "the server answered with another range, or told no size");
}

function strongEtag(response: Response): string | undefined {
  const etag = response.headers.get("etag");
  return etag !== null && etag.startsWith('"') ? etag : undefined;
}

function checkEncoding(response: Response): void {
  const encoding = response.headers.get("content-encoding");
  if (encoding === null || encoding === "identity") return;
  throw new StreamError("BYTES_IO", `the server compressed the file: ${encoding.slice(0, 40)}`);
}

function movedError(): StreamError {
  return new StreamError("BYTES_MOVED", "the file changed since it was opened");
}

function statusError(status: number): StreamError {
  if (status === 404 || status === 410) {
    return new StreamError("BYTES_ABSENT", "the server has no such file");
  }
  return new StreamError("BYTES_IO", `the server answered with ${status}`);
}
