/**
 * Our own strict emulation of what an S3-compatible server does with the requests a store makes:
 * signatures, ranges, conditional puts, listing. It is no S3: a real server is asked by the opt-in
 * test. It refuses whatever it does not know, so that a store cannot lean on leniency.
 */

const { subtle } = globalThis.crypto;

export interface S3EmulationOptions {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Compares `If-Match` with the tag without its quotes, as Ceph does. Default: with them. */
  readonly bareEtags?: boolean;
}

/** What happens to one request: an answer in place of the real one, or a failure after it. */
export type S3Fault =
  | { readonly kind: "status"; readonly status: number; readonly code?: string }
  /** The request is not carried out, and the connection breaks. */
  | { readonly kind: "lost" }
  /** The request is carried out, and the answer is lost. */
  | { readonly kind: "answerLost" };

export interface S3Emulation {
  readonly fetch: (url: string, init: S3FetchInit) => Promise<Response>;
  /** Objects by key. */
  readonly objects: Map<string, S3Object>;
  /** `METHOD key` of each request that was well formed, in order. A test may empty it. */
  readonly requests: string[];
  /** Asked before each request; a fault is what happens to it. */
  faultOf: (method: string, key: string) => S3Fault | undefined;
}

export interface S3FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

export interface S3Object {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface ParsedRequest {
  readonly method: string;
  readonly url: URL;
  readonly key: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** An empty bucket. */
export function createS3Emulation(options: S3EmulationOptions): S3Emulation {
  const objects = new Map<string, S3Object>();
  const requests: string[] = [];
  const emulation: S3Emulation = {
    objects,
    requests,
    faultOf: () => undefined,
    fetch: async (address, init) => {
      const parsed = await parseRequest(address, init, options);
      if (parsed instanceof Response) return parsed;
      requests.push(`${parsed.method} ${parsed.key}`);
      const fault = emulation.faultOf(parsed.method, parsed.key);
      if (fault?.kind === "lost") throw new TypeError("fetch failed");
      if (fault?.kind === "status") return failure(fault.status, fault.code ?? "Emulated");
      const response = await answer(objects, parsed, options.bareEtags ?? false);
      if (fault?.kind === "answerLost") throw new TypeError("fetch failed");
      return response;
    },
  };
  return emulation;
}

function failure(status: number, code: string): Response {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`;
  return new Response(xml, { status, headers: { "content-type": "application/xml" } });
}

async function parseRequest(
  address: string,
  init: S3FetchInit,
  options: S3EmulationOptions,
): Promise<ParsedRequest | Response> {
  const url = new URL(address);
  const headers = new Headers(init.headers);
  const body = init.body ?? new Uint8Array(0);
  const [, bucket, ...rest] = url.pathname.split("/");
  if (bucket !== options.bucket) return failure(404, "NoSuchBucket");
  if (init.method !== "PUT" && body.length > 0) return failure(400, "InvalidRequest");
  const digest = await hexDigest(body);
  if (headers.get("x-amz-content-sha256") !== digest) {
    return failure(400, "XAmzContentSHA256Mismatch");
  }
  const request = {
    method: init.method,
    url,
    key: decodeURIComponent(rest.join("/")),
    headers,
    body,
  };
  const isSigned = await checkSignature(request, digest, options);
  return isSigned ? request : failure(403, "SignatureDoesNotMatch");
}

/** AWS Signature Version 4, from its specification; the store's signer is another one. */
async function checkSignature(
  request: ParsedRequest,
  bodyDigest: string,
  options: S3EmulationOptions,
): Promise<boolean> {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const match = pattern.exec(request.headers.get("authorization") ?? "");
  if (match === null) return false;
  const [, keyId, day = "", region = "", signedNames = "", signature] = match;
  const names = signedNames.split(";");
  const mustSign = [
    "host",
    ...[...request.headers.keys()].filter((name) => name.startsWith("x-amz-")),
  ];
  const time = request.headers.get("x-amz-date") ?? "";
  if (keyId !== options.accessKeyId || !mustSign.every((name) => names.includes(name)))
    return false;
  if (!/^\d{8}T\d{6}Z$/.test(time) || !time.startsWith(day)) return false;
  const valueOf = (name: string): string =>
    name === "host" ? request.url.host : (request.headers.get(name) ?? "").trim();
  const canonical = [
    request.method,
    canonicalPath(request.url.pathname),
    [...request.url.searchParams]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .toSorted()
      .join("&"),
    ...names.map((name) => `${name}:${valueOf(name)}`),
    "",
    signedNames,
    bodyDigest,
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${await hexDigest(utf8(canonical))}`;
  let key = utf8(`AWS4${options.secretAccessKey}`);
  for (const part of [day, region, "s3", "aws4_request"]) key = await hmac(key, part);
  return hex(await hmac(key, toSign)) === signature;
}

/** Each character but the unreserved ones of RFC 3986 and the slash, percent-encoded once. */
function canonicalPath(pathname: string): string {
  const encode = (character: string): string =>
    `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(decodeURIComponent(pathname))
    .replaceAll("%2F", "/")
    .replaceAll(/[!'()*]/g, encode);
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function hexDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await subtle.digest("SHA-256", bytes)));
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, utf8(text)));
}

async function answer(
  objects: Map<string, S3Object>,
  request: ParsedRequest,
  bareEtags: boolean,
): Promise<Response> {
  if (request.key === "") return failure(501, "NotImplemented");
  switch (request.method) {
    case "PUT":
      return put(objects, request, bareEtags);
    case "GET":
    case "HEAD":
      return get(objects, request);
    case "DELETE":
      objects.delete(request.key);
      return new Response(null, { status: 204 });
    default:
      return failure(405, "MethodNotAllowed");
  }
}

async function put(
  objects: Map<string, S3Object>,
  request: ParsedRequest,
  bareEtags: boolean,
): Promise<Response> {
  const { key, headers, body } = request;
  // Before the condition is looked at: nothing may come between the look and the write.
  const etag = `"${(await hexDigest(body)).slice(0, 32)}"`;
  const current = objects.get(key);
  const ifNoneMatch = headers.get("if-none-match");
  const ifMatch = headers.get("if-match");
  if (ifNoneMatch !== null && ifNoneMatch !== "*") return failure(501, "NotImplemented");
  if (ifNoneMatch !== null && ifMatch !== null) return failure(400, "InvalidRequest");
  if (ifNoneMatch === "*" && current !== undefined) return failure(412, "PreconditionFailed");
  if (ifMatch !== null && current === undefined) return failure(404, "NoSuchKey");
  const expected = bareEtags ? current?.etag.replaceAll('"', "") : current?.etag;
  if (ifMatch !== null && expected !== ifMatch) return failure(412, "PreconditionFailed");
  const metadata = [...headers].filter(([name]) => name.startsWith("x-amz-meta-"));
  objects.set(key, { bytes: body.slice(), etag, metadata: Object.fromEntries(metadata) });
  return new Response(null, { status: 200, headers: { etag } });
}

function get(objects: ReadonlyMap<string, S3Object>, request: ParsedRequest): Response {
  const object = objects.get(request.key);
  const isHead = request.method === "HEAD";
  if (object === undefined) {
    return isHead ? new Response(null, { status: 404 }) : failure(404, "NoSuchKey");
  }
  const { bytes, etag, metadata } = object;
  const headers = { etag, ...metadata };
  const range = request.headers.get("range");
  if (range === null) {
    const length = { "content-length": String(bytes.length) };
    return new Response(isHead ? null : bytes, { status: 200, headers: { ...headers, ...length } });
  }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  if (from === undefined || to === undefined || Number(from) >= bytes.length) {
    return failure(416, "InvalidRange");
  }
  const part = bytes.slice(Number(from), Number(to) + 1);
  const content = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  return new Response(part, { status: 206, headers: { ...headers, "content-range": content } });
}
