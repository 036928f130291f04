/**
 * Control entries (docs/spec/6-space.md §3): membership, bundles, keys and addresses, sealed under
 * the metadata key that members and followers hold. Layer 5, pure.
 *
 *   data      = nonce (24) ‖ XChaCha20-Poly1305(metadata key, nonce, plaintext, AAD = place)
 *   plaintext = canonical CBOR [0, auth op] | [1, bundle] | [2, keys op] | [3, address, ttl s]
 *             | [4, more, part of a plaintext]
 */
import { concatBytes, decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { addressTtlSecondsMax, isAddress } from "./addresses.ts";
import { SpaceError } from "./errors.ts";
import { associatedData, type Place } from "./place.ts";

/** Bytes of a plaintext that still stands in one entry. */
export const controlPartBytes: number = 48 * 1024;
/** Parts of one plaintext. */
export const controlPartsMax = 16;

/** What a control entry says. Bytes are the canonical encodings of the layers that own them. */
export type ControlContent =
  | { readonly kind: "auth"; readonly op: Uint8Array }
  | { readonly kind: "bundle"; readonly bundle: Uint8Array }
  | { readonly kind: "keys"; readonly op: Uint8Array }
  | { readonly kind: "address"; readonly address: string; readonly ttlSeconds: number };

/** Content too long for one entry is cut: parts in consecutive entries, the last with `more` false. */
export interface ControlPart {
  readonly kind: "part";
  readonly more: boolean;
  readonly bytes: Uint8Array;
}

const nonceBytes = 24;

/** The plaintexts of one content: one, or its parts. Throws `SPACE_BODY_TOO_LARGE` over 16 parts. */
export function encodeControl(content: ControlContent): readonly Uint8Array[] {
  const whole = encodeContent(content);
  if (whole.length <= controlPartBytes) return [whole];
  const count = Math.ceil(whole.length / controlPartBytes);
  if (count > controlPartsMax) {
    throw new SpaceError("SPACE_BODY_TOO_LARGE", `control content of ${whole.length} bytes`);
  }
  return Array.from({ length: count }, (_, index) => {
    const bytes = whole.subarray(index * controlPartBytes, (index + 1) * controlPartBytes);
    return encodeCbor([4, index + 1 < count, bytes]);
  });
}

/** The content that parts make together, or `undefined`. */
export function joinParts(parts: readonly Uint8Array[]): ControlContent | undefined {
  if (parts.length > controlPartsMax) return undefined;
  const content = decodeControl(concatBytes(...parts));
  return content?.kind === "part" ? undefined : content;
}

/**
 * Seals one plaintext. The nonce is synthetic: a keyed hash of place and content, so that a
 * restored backup cannot use one nonce for two texts.
 */
export function sealControl(
  crypto: Crypto,
  metadataKey: Uint8Array,
  place: Place,
  plaintext: Uint8Array,
): Uint8Array {
  const data = associatedData(place);
  const nonceKey = crypto.deriveKey("hawser control nonce v1", metadataKey);
  const nonce = crypto.keyedHash(nonceKey, concatBytes(data, plaintext)).slice(0, nonceBytes);
  return concatBytes(nonce, crypto.seal(metadataKey, nonce, plaintext, data));
}

/** Opens one control entry, or `undefined`: another key, another place, or nothing we know. */
export function openControl(
  crypto: Crypto,
  metadataKey: Uint8Array,
  place: Place,
  data: Uint8Array,
): ControlContent | ControlPart | undefined {
  if (data.length < nonceBytes + 16) return undefined;
  const nonce = data.subarray(0, nonceBytes);
  const sealed = data.subarray(nonceBytes);
  const plaintext = crypto.open(metadataKey, nonce, sealed, associatedData(place));
  return plaintext === undefined ? undefined : decodeControl(plaintext);
}

function encodeContent(content: ControlContent): Uint8Array {
  switch (content.kind) {
    case "auth":
      return encodeCbor([0, content.op]);
    case "bundle":
      return encodeCbor([1, content.bundle]);
    case "keys":
      return encodeCbor([2, content.op]);
    case "address":
      return encodeCbor([3, content.address, content.ttlSeconds]);
  }
}

function decodeControl(plaintext: Uint8Array): ControlContent | ControlPart | undefined {
  const value = decodeCbor(plaintext);
  if (!Array.isArray(value)) return undefined;
  const [kind, first, second]: readonly CborValue[] = value;
  if (kind === 3) return decodeAddress(value.length, first, second);
  if (kind === 4) return decodePart(value.length, first, second);
  if (value.length !== 2 || !(first instanceof Uint8Array)) return undefined;
  if (kind === 0) return { kind: "auth", op: first };
  if (kind === 1) return { kind: "bundle", bundle: first };
  if (kind === 2) return { kind: "keys", op: first };
  return undefined;
}

function decodePart(
  fieldCount: number,
  more: CborValue | undefined,
  bytes: CborValue | undefined,
): ControlPart | undefined {
  if (fieldCount !== 3 || typeof more !== "boolean" || !(bytes instanceof Uint8Array)) {
    return undefined;
  }
  return { kind: "part", more, bytes };
}

function decodeAddress(
  fieldCount: number,
  address: CborValue | undefined,
  ttlSeconds: CborValue | undefined,
): ControlContent | undefined {
  if (fieldCount !== 3 || !isAddress(address) || typeof ttlSeconds !== "number") return undefined;
  if (ttlSeconds < 0 || ttlSeconds > addressTtlSecondsMax) return undefined;
  return { kind: "address", address, ttlSeconds };
}
