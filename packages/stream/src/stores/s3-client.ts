/**
 * Signed requests to an S3-compatible server, with a bounded number of tries. Layer 4; clock, fetch
 * and crypto are injected, the signature itself is aws4fetch's.
 */
import { toHex } from "@hawser/codec";
import { AwsV4Signer } from "aws4fetch";
import { StreamError } from "../errors.ts";
import { dropBody, readBody, type Fetch } from "./body.ts";
import { toStreamError } from "./common.ts";

export interface S3Deps {
  readonly fetch: Fetch;
  /** Microseconds since 1970. A server refuses a clock that is minutes wrong. */
  readonly clock: () => number;
  readonly random: (byteCount: number) => Uint8Array;
  /** SHA-256 of bodies. */
  readonly subtle: {
    digest(algorithm: "SHA-256", bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  };
  /** Waits before a further try. Default: no wait. */
  readonly delay?: (milliseconds: number) => Promise<void>;
}

export interface S3Location {
  /** The server, without a path, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly bucket: string;
  /** The folder of the stream's objects, such as `streams/mine`. Empty: the bucket itself. */
  readonly prefix: string;
  /** Default: `us-east-1`, which servers other than Amazon's accept. */
  readonly region?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** Below the prefix. */
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly bodyBytesMax?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface S3Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  /** An earlier try failed in a way that may have been a success: a 412 may be our own doing. */
  readonly isAmbiguous: boolean;
}

export interface S3Client {
  /** Rejects with BYTES_IO when no try brought an answer below 500, BYTES_FULL for a quota. */
  send(request: S3Request): Promise<S3Answer>;
}

const triesMax = 5;
const errorBytesMax = 64 << 10;

/** A client of one prefix in one bucket. */
export function createS3Client(deps: S3Deps, location: S3Location): S3Client {
  const send = async (request: S3Request): Promise<S3Answer> => {
    let isAmbiguous = false;
    for (let tries = 1; ; tries++) {
      const outcome = await trySend(deps, location, request);
      const isLast = tries === triesMax;
      if ("error" in outcome) {
        request.signal?.throwIfAborted();
        if (isLast) throw toStreamError(outcome.error, `${request.method} of an object`);
        isAmbiguous = true;
      } else {
        const { status } = outcome.answer;
        // 409: two conditional requests met; 429 and 503: slow down. All say: ask again.
        const isTransient = status >= 500 || status === 409 || status === 429;
        if (!isTransient) return { ...checkQuota(outcome.answer), isAmbiguous };
        if (isLast) throw answerError(outcome.answer, request);
        isAmbiguous ||= status >= 500;
      }
      await deps.delay?.(50 * 2 ** tries);
      request.signal?.throwIfAborted();
    }
  };
  return { send };
}

type Outcome = { readonly answer: Omit<S3Answer, "isAmbiguous"> } | { readonly error: unknown };

async function trySend(deps: S3Deps, location: S3Location, request: S3Request): Promise<Outcome> {
  const signed = await sign(deps, location, request);
  let response: Response;
  try {
    response = await deps.fetch(signed.url, {
      method: request.method,
      headers: signed.headers,
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
  } catch (error) {
    return { error };
  }
  try {
    const bytesMax = response.ok ? (request.bodyBytesMax ?? errorBytesMax) : errorBytesMax;
    const body = await readBody(response, bytesMax);
    const etag = response.headers.get("etag") ?? undefined;
    return { answer: { status: response.status, etag, headers: response.headers, body } };
  } catch (error) {
    await dropBody(response);
    return { error };
  }
}

async function sign(
  deps: S3Deps,
  location: S3Location,
  request: S3Request,
): Promise<{ readonly url: string; readonly headers: Record<string, string> }> {
  const { endpoint, bucket, prefix, region = "us-east-1" } = location;
  const path = [bucket, ...prefix.split("/"), ...request.name.split("/")];
  // Any character may stand in a prefix; only the slash keeps its meaning.
  const encoded = path.filter((part) => part !== "").map(encodeURIComponent);
  const url = new URL(`/${encoded.join("/")}`, endpoint);
  const digest = await deps.subtle.digest("SHA-256", request.body ?? new Uint8Array(0));
  const datetime = new Date(Math.floor(deps.clock() / 1000)).toISOString();
  const signer = new AwsV4Signer({
    method: request.method,
    url: url.href,
    headers: { ...request.headers, "x-amz-content-sha256": toHex(new Uint8Array(digest)) },
    accessKeyId: location.accessKeyId,
    secretAccessKey: location.secretAccessKey,
    ...(location.sessionToken === undefined ? {} : { sessionToken: location.sessionToken }),
    service: "s3",
    region,
    datetime: datetime.replace(/[:-]|\.\d{3}/g, ""),
  });
  const signed = await signer.sign();
  return { url: signed.url.href, headers: Object.fromEntries(new Headers(signed.headers)) };
}

function checkQuota<Answer extends Omit<S3Answer, "isAmbiguous">>(answer: Answer): Answer {
  if (answer.status < 400) return answer;
  const code = s3ErrorCode(answer.body);
  if (answer.status !== 507 && code !== "QuotaExceeded") return answer;
  throw new StreamError("BYTES_FULL", "the bucket has no room left");
}

/** The error for an answer nobody expected. Holds status and the server's code, no credentials. */
export function answerError(
  answer: Pick<S3Answer, "status" | "body">,
  request: Pick<S3Request, "method" | "name">,
): StreamError {
  const code = s3ErrorCode(answer.body);
  const message = `${request.method} ${request.name}: ${answer.status}${code && ` ${code}`}`;
  return new StreamError("BYTES_IO", message);
}

function s3ErrorCode(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1] ?? "";
}
