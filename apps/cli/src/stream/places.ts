/** Where streams are: a file, a web address, an `iw://` address, or an S3 bucket. */
import type { ByteStore, StreamId } from "@hawser/stream";
import { openHttpBytes, parseStreamAddress, type StreamAddress } from "@hawser/stream/http";
import { openFileBytes } from "@hawser/stream/node";
import { openS3Bytes } from "@hawser/stream/s3";
import { usage } from "./errors.ts";
import type { StreamIo } from "./io.ts";

export type Place =
  | { readonly kind: "file"; readonly text: string; readonly pin?: undefined }
  | {
      readonly kind: "http";
      readonly text: string;
      readonly url: string;
      /** The id that an address names. */
      readonly pin?: StreamId;
    }
  | {
      readonly kind: "s3";
      readonly text: string;
      readonly bucket: string;
      readonly prefix: string;
      readonly pin?: undefined;
    };

const loopback = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;
const streamIdPattern = /^[0-9a-f]{64}$/;

/** The place that a word names. Throws CLI_USAGE for an address that is none. */
export function parsePlace(text: string): Place {
  if (text.startsWith("iw://")) return parseAddress(text);
  if (text.startsWith("s3://")) return parseBucket(text);
  if (!/^https?:\/\//.test(text)) return { kind: "file", text };
  if (!URL.canParse(text))
    throw usage("that is no web address", "It is http://HOST/ID or https://HOST/ID.");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw usage("an address must not hold a password", "Use a server that needs none to read.");
  }
  // What stands behind the ? may be a credential, as in signed addresses: it is not for messages.
  const shown = `${url.origin}${url.pathname}${url.search === "" ? "" : "?…"}`;
  // The last part of the path of our own servers is the id: it pins what must come.
  const id = url.pathname.split("/").at(-1) ?? "";
  // Safe: the pattern is what the brand stands for.
  return { kind: "http", text: shown, url: text, ...(isId(id) ? { pin: id as StreamId } : {}) };
}

function isId(text: string): boolean {
  return streamIdPattern.test(text);
}

function parseAddress(text: string): Place {
  const address = parseStreamAddress(text);
  if (address?.host === undefined || !isId(address.id) || address.block !== undefined) {
    const remedy = "It is iw://HOST[:PORT]/ID with the 64 hex digits of the id.";
    throw usage(`${text} names no stream at a server`, remedy);
  }
  // Safe: 64 hex digits.
  return { kind: "http", text, url: urlOf(address), pin: address.id as StreamId };
}

/** Encrypted, except on this machine. */
function urlOf({ host = "", port, id }: StreamAddress): string {
  const scheme = loopback.test(host) ? "http" : "https";
  return `${scheme}://${host}${port === undefined ? "" : `:${port}`}/${id}`;
}

function parseBucket(text: string): Place {
  const [, bucket, prefix] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,62})\/([^?#]{1,512}?)\/?$/.exec(text) ?? [];
  if (bucket !== undefined && prefix !== undefined) return { kind: "s3", text, bucket, prefix };
  throw usage(`${text} is no place in a bucket`, "It is s3://BUCKET/NAME.");
}

/** Opens the bytes at a place. Throws what the stores throw, and CLI_USAGE. */
export async function openPlace(
  io: StreamIo,
  place: Place,
  mode: "read" | "append" | "create",
): Promise<ByteStore> {
  switch (place.kind) {
    case "file":
      return openFileBytes(place.text, { mode });
    case "http": {
      if (mode === "read") return openHttpBytes(io, place.url, { signal: io.signal });
      const remedy = "Use a file, and `hawser stream mirror FILE ADDRESS` to send it there.";
      throw usage(`${place.text} cannot be written in place`, remedy);
    }
    case "s3":
      return openBucket(io, place, mode);
  }
}

async function openBucket(
  io: StreamIo,
  { bucket, prefix }: Extract<Place, { kind: "s3" }>,
  mode: "read" | "append" | "create",
): Promise<ByteStore> {
  const { env, fetch, random } = io;
  const [accessKeyId, secretAccessKey] = [env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]];
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1";
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const remedy =
      "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, unless it is Amazon's, " +
      "AWS_ENDPOINT_URL.";
    throw usage("no access to buckets is set up", remedy);
  }
  const endpoint =
    env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? `https://s3.${region}.amazonaws.com`;
  const sessionToken = env["AWS_SESSION_TOKEN"];
  return openS3Bytes(
    { fetch, random, clock: io.nowMicros, subtle: globalThis.crypto.subtle },
    {
      endpoint,
      bucket,
      prefix,
      region,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    { mode, signal: io.signal },
  );
}
