/**
 * Space ids and what is derived from them (docs/spec/6-space.md §2). Layer 5.
 *
 *   text  = multibase character ‖ base(bytes)
 *   bytes = varint version (1) ‖ varint variant (0x55 raw, 0x70 access-controlled) ‖ random (≥ 16)
 *
 * The same bytes as a Textile thread id, so either side reads the other's.
 */
import {
  concatBytes,
  createByteReader,
  encodeCbor,
  equalBytes,
  fromHex,
  toHex,
  type Brand,
} from "@hawser/codec";
import type { OpId } from "@hawser/auth";
import type { Crypto, Random } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { base16 } from "multiformats/bases/base16";
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import { base64url } from "multiformats/bases/base64";
import { SpaceError, type SpaceIdErrorCode } from "./errors.ts";

/** A space id in its one canonical spelling: multibase base32, lower case. A secret. */
export type SpaceId = string & Brand<"SpaceId">;

/** What readers may assume: nothing, or a membership graph that must be applied. */
export type SpaceVariant = "raw" | "access-controlled";

/** A taken-apart space id. */
export interface SpaceIdParts {
  readonly id: SpaceId;
  readonly bytes: Uint8Array;
  readonly variant: SpaceVariant;
  readonly random: Uint8Array;
}

export type ParsedSpaceId =
  | { readonly ok: true; readonly value: SpaceIdParts }
  | { readonly ok: false; readonly reason: SpaceIdErrorCode };

/** Random bytes an id must have at least (TH-085). */
export const spaceIdRandomBytesMin = 16;
/** Random bytes of the ids this package makes. */
export const spaceIdRandomBytes = 32;
/** Longest id that is read, in bytes. */
export const spaceIdBytesMax = 128;

const variantCodes = { raw: 0x55, "access-controlled": 0x70 } as const;

/** Bases an id may be spelled in, by name. */
export type SpaceIdBase = "base16" | "base32" | "base36" | "base58btc" | "base64url";

const bases = { base16, base32, base36, base58btc, base64url } as const;

/** Parses an id in any supported base. Never throws: the text may come from anybody. */
export function parseSpaceId(text: string): ParsedSpaceId {
  const base = Object.values(bases).find((candidate) => candidate.prefix === text.slice(0, 1));
  if (base === undefined) {
    return { ok: false, reason: text === "" ? "SPACE_ID_TOO_SHORT" : "SPACE_ID_BASE" };
  }
  // Base 16 needs most characters: two a byte. Checked first, for base 58 decodes in O(n²).
  if (text.length > 1 + 2 * spaceIdBytesMax) return { ok: false, reason: "SPACE_ID_TOO_LONG" };
  let bytes: Uint8Array;
  try {
    bytes = base.decode(text);
  } catch {
    return { ok: false, reason: "SPACE_ID_MALFORMED" };
  }
  // One id, one spelling per base: reject upper case, padding and left-over bits.
  if (base.encode(bytes) !== text) return { ok: false, reason: "SPACE_ID_MALFORMED" };
  return decodeSpaceId(bytes);
}

/** Takes an id's bytes apart. Never throws. */
export function decodeSpaceId(bytes: Uint8Array): ParsedSpaceId {
  if (bytes.length > spaceIdBytesMax) return { ok: false, reason: "SPACE_ID_TOO_LONG" };
  if (bytes.length < 2) return { ok: false, reason: "SPACE_ID_TOO_SHORT" };
  const reader = createByteReader(bytes);
  const version = reader.varint();
  if (reader.failed) return { ok: false, reason: "SPACE_ID_MALFORMED" };
  if (version !== 1) return { ok: false, reason: "SPACE_ID_VERSION" };
  const code = reader.varint();
  if (reader.failed) return { ok: false, reason: "SPACE_ID_MALFORMED" };
  const variant = variantOf(code);
  if (variant === undefined) return { ok: false, reason: "SPACE_ID_VARIANT" };
  const random = bytes.slice(reader.offset);
  if (random.length < spaceIdRandomBytesMin) return { ok: false, reason: "SPACE_ID_RANDOM" };
  return { ok: true, value: { id: toSpaceId(bytes), bytes: bytes.slice(), variant, random } };
}

/**
 * The id with these random bytes; raw unless told otherwise (TH-086). Throws `SPACE_ID_RANDOM` for
 * fewer than 16 bytes and `SPACE_ID_TOO_LONG` for more than the limit.
 */
export function createSpaceId(random: Uint8Array, variant: SpaceVariant = "raw"): SpaceId {
  const bytes = concatBytes(Uint8Array.of(1, variantCodes[variant]), random);
  const parsed = decodeSpaceId(bytes);
  if (!parsed.ok)
    throw new SpaceError(parsed.reason, `${random.length} random bytes in a space id`);
  return parsed.value.id;
}

/** A fresh raw id with `byteCount` random bytes. */
export function randomSpaceId(random: Random, byteCount: number = spaceIdRandomBytes): SpaceId {
  return createSpaceId(random(byteCount));
}

/** The id spelled in another base. Throws for a text that is no id. */
export function formatSpaceId(id: SpaceId, base: SpaceIdBase): string {
  return bases[base].encode(spaceIdBytes(id));
}

/** The bytes of an id. Throws the parser's code for a text that is no id. */
export function spaceIdBytes(id: SpaceId): Uint8Array {
  const parsed = parseSpaceId(id);
  if (!parsed.ok) throw new SpaceError(parsed.reason, "not a space id");
  return parsed.value.bytes;
}

/** deriveKey("hawser topic v1", id): the sync scope, which does not give away the id. */
export function topicOf(crypto: Crypto, id: SpaceId): Topic {
  // Safe: 32 derived bytes in hex are what a topic is.
  return toHex(crypto.deriveKey("hawser topic v1", spaceIdBytes(id))) as Topic;
}

/** deriveKey("hawser metadata v1", id): opens control entries, for members and followers. */
export function metadataKeyOf(crypto: Crypto, id: SpaceId): Uint8Array {
  return crypto.deriveKey("hawser metadata v1", spaceIdBytes(id));
}

/**
 * The id of the access-controlled space that a create operation and a nonce found: whoever holds
 * all three can check that they belong together, and nobody can guess one from another.
 */
export function genesisSpaceId(crypto: Crypto, createOp: OpId, nonce: Uint8Array): SpaceId {
  const opBytes = fromHex(createOp);
  if (opBytes?.length !== 32 || nonce.length !== 32) {
    throw new SpaceError("SPACE_ID_MALFORMED", "genesis needs a 32-byte op id and nonce");
  }
  const random = crypto.deriveKey("hawser space genesis v1", encodeCbor([1, opBytes, nonce]));
  return createSpaceId(random, "access-controlled");
}

/** True when `nonce` and `createOp` found exactly `id`. */
export function isGenesisOf(
  crypto: Crypto,
  id: SpaceId,
  genesis: { readonly createOp: OpId; readonly nonce: Uint8Array },
): boolean {
  if (genesis.nonce.length !== 32) return false;
  const derived = genesisSpaceId(crypto, genesis.createOp, genesis.nonce);
  return equalBytes(spaceIdBytes(derived), spaceIdBytes(id));
}

function variantOf(code: number): SpaceVariant | undefined {
  if (code === variantCodes.raw) return "raw";
  if (code === variantCodes["access-controlled"]) return "access-controlled";
  return undefined;
}

function toSpaceId(bytes: Uint8Array): SpaceId {
  // Safe: this is the canonical spelling the brand stands for.
  return base32.encode(bytes) as SpaceId;
}
