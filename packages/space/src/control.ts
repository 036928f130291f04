/**
 * Control entries (docs/spec/6-space.md §3): membership, bundles, keys and addresses, sealed under
 * the metadata key that members and followers hold. Layer 5, pure.
 *
 *   data      = nonce (24) ‖ XChaCha20-Poly1305(metadata key, nonce, plaintext, AAD = place)
 *   plaintext = canonical CBOR [0, auth op, signature] | [1, bundle] | [2, keys op] | [3, address, ttl s]
 *             | [4, more, part of a plaintext] | [5, author, from, count, range]
 *             | [6, author, seq, entry hash, [auth head, …]] | [7, [auth op, signature], …]
 *             | [8, epoch id, nonce, sealed offer]
 */
import type { OpId } from "@hawser/auth";
import { concatBytes, decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { authHeadsMax, type EpochId } from "@hawser/keys";
import { addressTtlSecondsMax, isAddress } from "./addresses.ts";
import { SpaceError } from "./errors.ts";
import { associatedData, hexBytes, type Place } from "./place.ts";
import { toAuthorId, toOpId } from "./words.ts";

/** Bytes of a plaintext that still stands in one entry. */
export const controlPartBytes: number = 48 * 1024;
/** Parts of one plaintext. */
export const controlPartsMax = 16;

/** Bytes of the longest range that fits into one plaintext. */
export const evidenceBytesMax: number = controlPartsMax * controlPartBytes - 256;

/** What a control entry says. Bytes are the canonical encodings of the layers that own them. */
export type ControlContent =
  | ({ readonly kind: "auth" } & SignedOp)
  | { readonly kind: "bundle"; readonly bundle: Uint8Array }
  | { readonly kind: "keys"; readonly op: Uint8Array }
  | { readonly kind: "address"; readonly address: string; readonly ttlSeconds: number }
  | { readonly kind: "evidence"; readonly evidence: Evidence }
  | { readonly kind: "shred"; readonly shred: Shred }
  | { readonly kind: "carry"; readonly ops: readonly SignedOp[] }
  | { readonly kind: "offer"; readonly offer: SealedOffer };

/** A space that a group is in, told to the group's readers. */
export interface SealedOffer {
  readonly epochId: EpochId;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

/** An operation with its author's signature: it proves itself wherever it stands. */
export interface SignedOp {
  readonly op: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** The detached body of an entry is to be forgotten by everybody. */
export interface Shred {
  /** Of the entry. */
  readonly author: AuthorId;
  readonly seq: number;
  /** Of the entry, 32 bytes: another branch of a forked log is not meant. */
  readonly hash: Uint8Array;
  /** What its author had acknowledged of the membership. */
  readonly authHeads: readonly OpId[];
}

/**
 * A stretch of another author's forked control log, from where its branches part: shown by a member
 * who built on it to those who hold another branch.
 */
export interface Evidence {
  readonly author: AuthorId;
  /** seq of the first entry. */
  readonly from: number;
  readonly count: number;
  /** A range in compact form (chapter 2). */
  readonly bytes: Uint8Array;
}

/** Content too long for one entry is cut: parts in consecutive entries, the last with `more` false. */
export interface ControlPart {
  readonly kind: "part";
  readonly more: boolean;
  readonly bytes: Uint8Array;
}

const nonceBytes = 24;
const signatureBytes = 64;

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

/** Puts the contents of consecutive entries together. */
export interface PartJoiner {
  /** The content that ends with an entry; `undefined` in the middle of one. */
  next(opened: ControlContent | ControlPart | undefined): ControlContent | "unreadable" | undefined;
}

/** A joiner at the start of a log. */
export function createPartJoiner(): PartJoiner {
  let parts: Uint8Array[] = [];
  return {
    next: (opened) => {
      if (opened?.kind !== "part") {
        parts = [];
        return opened ?? "unreadable";
      }
      parts.push(opened.bytes);
      if (opened.more && parts.length < controlPartsMax) return undefined;
      const content = decodeControl(concatBytes(...parts));
      parts = [];
      return content === undefined || content.kind === "part" ? "unreadable" : content;
    },
  };
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
      return encodeCbor([0, content.op, content.signature]);
    case "bundle":
      return encodeCbor([1, content.bundle]);
    case "keys":
      return encodeCbor([2, content.op]);
    case "address":
      return encodeCbor([3, content.address, content.ttlSeconds]);
    case "evidence":
      return encodeEvidence(content.evidence);
    case "shred":
      return encodeShred(content.shred);
    case "offer":
      return encodeOffer(content.offer);
    case "carry":
      return encodeCbor([7, ...content.ops.map(({ op, signature }) => [op, signature])]);
  }
}

function encodeShred({ author, seq, hash, authHeads }: Shred): Uint8Array {
  return encodeCbor([6, hexBytes(author), seq, hash, [...authHeads].sort().map(hexBytes)]);
}

function decodeShred(fields: readonly CborValue[]): ControlContent | undefined {
  const [, author, seq, hash, heads] = fields;
  if (fields.length !== 5 || !is32(author) || !isCount(seq) || !is32(hash)) return undefined;
  if (!Array.isArray(heads) || heads.length > authHeadsMax || !heads.every(is32)) return undefined;
  const authHeads = heads.map(toOpId);
  return { kind: "shred", shred: { author: toAuthorId(author), seq, hash, authHeads } };
}

/** Bytes of the longest sealed offer. */
const sealedOfferBytesMax = 4_096;

function encodeOffer({ epochId, nonce, sealed }: SealedOffer): Uint8Array {
  return encodeCbor([8, hexBytes(epochId), nonce, sealed]);
}

function decodeOffer(fields: readonly CborValue[]): ControlContent | undefined {
  const [, epoch, nonce, sealed] = fields;
  if (fields.length !== 4 || !is32(epoch)) return undefined;
  if (!(nonce instanceof Uint8Array) || nonce.length !== nonceBytes) return undefined;
  if (!(sealed instanceof Uint8Array) || sealed.length > sealedOfferBytesMax) return undefined;
  // Safe: 32 bytes in hex name an epoch.
  return { kind: "offer", offer: { epochId: toHex(epoch) as EpochId, nonce, sealed } };
}

/** Operations one entry may carry. */
export const carriedOpsMax = 1_024;

function decodeCarry(items: readonly CborValue[]): ControlContent | undefined {
  if (items.length === 0 || items.length > carriedOpsMax) return undefined;
  const ops: SignedOp[] = [];
  for (const item of items) {
    const signed = Array.isArray(item) ? decodeSignedOp(item) : undefined;
    if (signed === undefined) return undefined;
    ops.push(signed);
  }
  return { kind: "carry", ops };
}

function decodeSignedOp(fields: readonly CborValue[]): SignedOp | undefined {
  const [op, signature] = fields;
  if (fields.length !== 2 || !(op instanceof Uint8Array)) return undefined;
  if (!(signature instanceof Uint8Array) || signature.length !== signatureBytes) return undefined;
  return { op, signature };
}

function is32(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

/** `[5, author, from, count, range]`. */
export function encodeEvidence({ author, from, count, bytes }: Evidence): Uint8Array {
  return encodeCbor([5, hexBytes(author), from, count, bytes]);
}

/** The fields of an array that was decoded, or `undefined`. */
export function decodeEvidence(fields: readonly CborValue[]): Evidence | undefined {
  const [kind, author, from, count, bytes] = fields;
  if (fields.length !== 5 || kind !== 5) return undefined;
  if (!(author instanceof Uint8Array) || author.length !== 32) return undefined;
  if (!isCount(from) || !isCount(count) || count === 0) return undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length > evidenceBytesMax) return undefined;
  return { author: toAuthorId(author), from, count, bytes };
}

function isCount(value: CborValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function decodeControl(plaintext: Uint8Array): ControlContent | ControlPart | undefined {
  const value = decodeCbor(plaintext);
  if (!Array.isArray(value)) return undefined;
  const [kind, first, second]: readonly CborValue[] = value;
  if (kind === 3) return decodeAddress(value.length, first, second);
  if (kind === 4) return decodePart(value.length, first, second);
  if (kind === 5) {
    const evidence = decodeEvidence(value);
    return evidence && { kind: "evidence", evidence };
  }
  if (kind === 6) return decodeShred(value);
  if (kind === 7) return decodeCarry(value.slice(1));
  if (kind === 8) return decodeOffer(value);
  if (kind === 0) {
    const signed = decodeSignedOp(value.slice(1));
    return signed && { kind: "auth", ...signed };
  }
  if (value.length !== 2 || !(first instanceof Uint8Array)) return undefined;
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
