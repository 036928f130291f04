/** What the tests share: crypto, packets to start from, and readable verdicts. */
import { concatBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  parsePacket,
  publicGroup,
  readPacket,
  type LinkpointDraft,
  type Packet,
  type ParseOptions,
} from "@hawser/packet";

export const crypto: Crypto = createNobleCrypto();

/** Linkspace's published test secret. */
export const testSecret: Uint8Array = bytesOf(
  "923ea6fac0ba20b61749f8ebb65839a383b2df48a0c618e44420d69beefb127c",
);

export function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex.replaceAll(/\s/g, ""));
  if (bytes === undefined) throw new Error(`no hex: ${hex}`);
  return bytes;
}

export const draft: LinkpointDraft = {
  group: publicGroup(),
  domain: "test",
  path: ["a", "bc"],
  links: [
    { tag: "one", pointer: publicGroup() },
    { tag: "two", pointer: new Uint8Array(32).fill(7) },
  ],
  stamp: 1_700_000_000_000_000,
  data: utf8("hello"),
};

export const hello: Packet<"verified"> = buildDatapoint(crypto, utf8("hello"));
export const problem: Packet<"verified"> = buildErrorPoint(crypto, "gone");
export const linkpoint: Packet<"verified"> = buildLinkpoint(crypto, draft);
export const keypoint: Packet<"verified"> = buildKeypoint(crypto, draft, testSecret);
export const samples: readonly Packet<"verified">[] = [hello, problem, linkpoint, keypoint];

/** A copy of `bytes` with values written at offsets. */
export function patch(
  bytes: Uint8Array,
  changes: { readonly [offset: number]: readonly number[] },
): Uint8Array {
  const copy = bytes.slice();
  for (const [offset, values] of Object.entries(changes)) copy.set(values, Number(offset));
  return copy;
}

/** The same bytes with the hash that belongs to the point. */
export function rehash(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy.set(crypto.hash(copy.subarray(64)), 32);
  return copy;
}

/** `"ok"` or the code of the verdict, hash and signature included. */
export function verdict(bytes: Uint8Array, options?: ParseOptions): string {
  const read = readPacket(crypto, bytes, options);
  return read.ok ? "ok" : read.reason;
}

/** `"ok"` or the code of the verdict on structure alone. */
export function structure(bytes: Uint8Array, options?: ParseOptions): string {
  const parsed = parsePacket(bytes, options);
  return parsed.ok ? "ok" : parsed.reason;
}

/** A linkpoint whose rooted path and data are given raw, offsets and hash fitting. */
export function withRootedPath(rooted: Uint8Array, data: Uint8Array = utf8("x")): Uint8Array {
  const pointBytes = 64 + rooted.length + data.length;
  const padded = Math.ceil(pointBytes / 8) * 8;
  const dataOffset = 64 + rooted.length;
  const point = concatBytes(
    Uint8Array.of(0, 3, pointBytes >> 8, pointBytes & 255),
    Uint8Array.of(0, 64, dataOffset >> 8, dataOffset & 255),
    new Uint8Array(8),
    publicGroup(),
    new Uint8Array(16),
    rooted,
    data,
    new Uint8Array(padded - pointBytes).fill(0xff),
  );
  return rehash(concatBytes(hello.bytes.subarray(0, 32), new Uint8Array(32), point));
}

export { toHex, utf8 };
