/** What crosses the channel of a pairing (docs/spec/account.md §2.4). Layer 6, pure. */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import { encodeBundle, parseBundle, verifyBundle, type VerifiedBundle } from "@hawser/keys";
import type { Crypto } from "@hawser/crypto";
import { isName } from "./device-names.ts";

const version = 1;

/** What a new device says of itself. */
export interface DeviceRequest {
  readonly bundle: VerifiedBundle;
  /** What it calls itself. */
  readonly name: string;
}

/** `[1, bundle, name]`. */
export function encodeRequest({ bundle, name }: DeviceRequest): Uint8Array {
  return encodeCbor([version, encodeBundle(bundle), name]);
}

/** `undefined` for anything else, and for a bundle that its author did not sign. */
export function decodeRequest(crypto: Crypto, bytes: Uint8Array): DeviceRequest | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== version) return undefined;
  const [, encoded, name]: readonly CborValue[] = value;
  if (!(encoded instanceof Uint8Array) || !isName(name)) return undefined;
  const parsed = parseBundle(encoded);
  if (!parsed.ok) return undefined;
  const verified = verifyBundle(crypto, parsed.bundle, parsed.bundle.author);
  return verified.ok ? { bundle: verified.bundle, name } : undefined;
}

/** `[1, offer, relays]`: the offer of the account's space, and where its devices meet. */
export interface DeviceAnswer {
  readonly offer: Uint8Array;
  /** Addresses of relays, at most 8. */
  readonly relays: readonly string[];
}

const relaysMax = 8;
const relayCharactersMax = 256;

/** Canonical bytes; only the first eight relays are named, and none of over 256 characters. */
export function encodeAnswer({ offer, relays }: DeviceAnswer): Uint8Array {
  const short = relays.filter(({ length }) => length <= relayCharactersMax);
  return encodeCbor([version, offer, short.slice(0, relaysMax)]);
}

/** `undefined` for anything else. */
export function decodeAnswer(bytes: Uint8Array): DeviceAnswer | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== version) return undefined;
  const [, offer, relays]: readonly CborValue[] = value;
  if (!(offer instanceof Uint8Array) || !isRelays(relays)) return undefined;
  return { offer, relays };
}

function isRelays(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > relaysMax) return false;
  return value.every((item) => typeof item === "string" && item.length <= relayCharactersMax);
}
