/**
 * Text forms of hashes and keys (docs/spec/1-packet.md §10). Layer 2; pure.
 */
import { fromBase64url, toBase64url } from "@hawser/codec";
import { base32 } from "multiformats/bases/base32";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { PacketError } from "./errors.ts";
import { hashBytes } from "./limits.ts";

/** Multicodec "raw": the CID names bytes, not a tree. */
const rawCodec = 0x55;
/** Multihash code of BLAKE3. */
const blake3Code = 0x1e;
/** No base32 CID of a 32-byte hash is longer; checked before decoding. */
const cidCharactersMax = 64;
/** Characters of 32 bytes in base64url. */
const hashCharacters = 43;

/** Linkspace's form of a hash: 43 characters of unpadded base64url. Throws PACKET_HASH_BYTES. */
export function hashToText(hash: Uint8Array): string {
  assertHash(hash);
  return toBase64url(hash);
}

/** The 32 bytes of a base64url hash, or `undefined` when `text` is none. */
export function textToHash(text: string): Uint8Array | undefined {
  return text.length === hashCharacters ? fromBase64url(text) : undefined;
}

/**
 * A short form for people, not to be parsed: six characters, a mark of the length (`:` for every 16
 * bytes, `.` for 8 more), the last two characters. Up to 12 bytes are written out.
 */
export function toMiniText(bytes: Uint8Array): string {
  const text = toBase64url(bytes);
  if (bytes.length <= 12) return text;
  const eighths = Math.floor(bytes.length / 8);
  const mark = ":".repeat(Math.floor(eighths / 2)) + (eighths % 2 === 1 ? "." : "");
  return text.slice(0, 6) + mark + text.slice(-2);
}

/** CIDv1 (raw codec, BLAKE3 multihash) of a point hash, in base32. Throws PACKET_HASH_BYTES. */
export function hashToCid(hash: Uint8Array): string {
  assertHash(hash);
  return CID.createV1(rawCodec, createDigest(blake3Code, hash)).toString(base32);
}

/** The 32-byte hash in a base32 CIDv1 of raw bytes under BLAKE3-256, or `undefined`. */
export function cidToHash(text: string): Uint8Array | undefined {
  if (text.length > cidCharactersMax) return undefined;
  try {
    const cid = CID.parse(text, base32);
    const isHash =
      cid.version === 1 &&
      cid.code === rawCodec &&
      cid.multihash.code === blake3Code &&
      cid.multihash.digest.length === hashBytes;
    // One spelling only, whatever leniency multiformats has now or later.
    return isHash && cid.toString(base32) === text ? cid.multihash.digest : undefined;
  } catch {
    // multiformats throws on every malformed text; that is a verdict here, not a failure.
    return undefined;
  }
}

function assertHash(hash: Uint8Array): void {
  if (hash.length !== hashBytes) {
    throw new PacketError("PACKET_HASH_BYTES", `hash has ${hash.length} bytes, not 32`);
  }
}
