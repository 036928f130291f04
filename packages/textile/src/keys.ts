/**
 * Keys of Textile Threads and their spellings (docs/spec/textile.md §1). Layer 7, pure.
 */
import { concatBytes, equalBytes } from "@hawser/codec";
import { ed25519 } from "@noble/curves/ed25519.js";
import { base32 } from "multiformats/bases/base32";
import { base58btc } from "multiformats/bases/base58";
import { TextileError } from "./errors.ts";

/** The keys of a thread: the service key seals records, the read key headers. 32 bytes each. */
export interface ThreadKey {
  readonly service: Uint8Array;
  /** Absent with those who only follow. */
  readonly read?: Uint8Array;
}

/** An Ed25519 pair; `seed` is the secret half. 32 bytes each. */
export interface TextileKeyPair {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Bytes of keys, seeds and content keys. */
export const keyBytes = 32;

const publicPrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x20);
const privatePrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x40);
/** Old clients repeated the public half. */
const longPrivatePrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x60);
const identityHash = Uint8Array.of(0x00, 0x24);

/** The pair of a seed. Throws TEXTILE_KEY_INVALID. */
export function keyPairOf(seed: Uint8Array): TextileKeyPair {
  assertKey(seed, "a seed");
  return { seed, publicKey: ed25519.getPublicKey(seed) };
}

/** A public key as libp2p writes it, 36 bytes. Throws TEXTILE_KEY_INVALID. */
export function marshalPublicKey(publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  assertKey(publicKey, "a public key");
  return concatBytes(publicPrefix, publicKey);
}

/** The 32 bytes inside a marshalled Ed25519 public key, or `undefined`. */
export function unmarshalPublicKey(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (bytes.length !== publicPrefix.length + keyBytes) return undefined;
  return equalBytes(bytes.subarray(0, publicPrefix.length), publicPrefix)
    ? bytes.slice(publicPrefix.length)
    : undefined;
}

/** A private key as libp2p writes it, 68 bytes. */
export function marshalPrivateKey(pair: TextileKeyPair): Uint8Array<ArrayBuffer> {
  assertKey(pair.seed, "a seed");
  return concatBytes(privatePrefix, pair.seed, pair.publicKey);
}

/** The pair of a marshalled private key of Go (68 bytes) or of old JavaScript clients (100). */
export function unmarshalPrivateKey(bytes: Uint8Array): TextileKeyPair | undefined {
  const prefix = bytes.subarray(0, privatePrefix.length);
  const isLong = equalBytes(prefix, longPrivatePrefix);
  if (!isLong && !equalBytes(prefix, privatePrefix)) return undefined;
  if (bytes.length !== privatePrefix.length + (isLong ? 3 : 2) * keyBytes) return undefined;
  const pair = keyPairOf(bytes.slice(4, 4 + keyBytes));
  for (let at = 4 + keyBytes; at < bytes.length; at += keyBytes) {
    if (!equalBytes(bytes.subarray(at, at + keyBytes), pair.publicKey)) return undefined;
  }
  return pair;
}

/** The text by which users are known, `bbaarei…`: their marshalled public key in base32. */
export function identityOf(publicKey: Uint8Array): string {
  return base32.encode(marshalPublicKey(publicKey));
}

/** The id of a log or host: its public key inside an identity multihash; text is base58. */
export function peerId(publicKey: Uint8Array): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
} {
  const bytes = concatBytes(identityHash, marshalPublicKey(publicKey));
  return { bytes, text: base58btc.encode(bytes).slice(1) };
}

/** A thread key in text: multibase base32 of one or both keys. */
export function formatThreadKey({ service, read }: ThreadKey): string {
  assertKey(service, "a service key");
  if (read === undefined) return base32.encode(service);
  assertKey(read, "a read key");
  return base32.encode(concatBytes(service, read));
}

/** The thread key of a text, or `undefined`. */
export function parseThreadKey(text: string): ThreadKey | undefined {
  if (text.length > 128 || !text.startsWith("b")) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = base32.decode(text);
  } catch {
    return undefined;
  }
  if (bytes.length !== keyBytes && bytes.length !== 2 * keyBytes) return undefined;
  const service = bytes.slice(0, keyBytes);
  return bytes.length === keyBytes ? { service } : { service, read: bytes.slice(keyBytes) };
}

/** Throws TEXTILE_KEY_INVALID unless `key` has 32 bytes. */
export function assertKey(key: Uint8Array, what: string): void {
  if (key.length !== keyBytes) {
    throw new TextileError("TEXTILE_KEY_INVALID", `${what} has ${String(keyBytes)} bytes`);
  }
}
