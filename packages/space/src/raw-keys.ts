/**
 * Raw spaces: what is derived from the id, and what a device keeps about one (docs/spec/6-space.md
 * §13). Layer 5, pure.
 */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import type { Topic } from "@hawser/log";
import { isAddress } from "./addresses.ts";
import { SpaceError } from "./errors.ts";
import { decodeSpaceId, metadataKeyOf, spaceIdBytes, topicOf, type SpaceId } from "./ids.ts";
import { hexBytes } from "./place.ts";
import { toTopic } from "./words.ts";

/** The lasting record of one raw space on this device. */
export interface RawAbout {
  readonly topic: Topic;
  /** `undefined` on followers. */
  readonly id: SpaceId | undefined;
  readonly metadataKey: Uint8Array;
  readonly followKey: Uint8Array;
  readonly addresses: readonly string[];
}

/** What opens the content of a raw space: one epoch for good. */
export interface RawEpoch {
  readonly id: EpochId;
  readonly readKey: Uint8Array;
}

const version = 1;
const addressCountMax = 8;

/** The record of a raw space whose id is known. */
export function rawAboutOf(crypto: Crypto, id: SpaceId, addresses: readonly string[]): RawAbout {
  return {
    topic: topicOf(crypto, id),
    id,
    metadataKey: metadataKeyOf(crypto, id),
    followKey: crypto.deriveKey("hawser raw follow v1", spaceIdBytes(id)),
    addresses,
  };
}

/** Read key and the id by which entries name it. */
export function rawEpochOf(crypto: Crypto, id: SpaceId): RawEpoch {
  const bytes = spaceIdBytes(id);
  return {
    // Safe: 32 derived bytes in hex, as every epoch's id.
    id: toHex(crypto.deriveKey("hawser raw epoch v1", bytes)) as EpochId,
    readKey: crypto.deriveKey("hawser raw read v1", bytes),
  };
}

/** Canonical bytes; they hold secrets. */
export function encodeRawAbout({ topic, id, ...about }: RawAbout): Uint8Array {
  const idBytes = id === undefined ? null : spaceIdBytes(id);
  const { metadataKey, followKey, addresses } = about;
  return encodeCbor([version, hexBytes(topic), idBytes, metadataKey, followKey, addresses]);
}

/** Throws `SPACE_STATE_VERSION` for bytes of a newer version, `SPACE_STATE_CORRUPT` for others. */
export function decodeRawAbout(bytes: Uint8Array): RawAbout {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) throw corrupt();
  const [found, topic, idBytes, metadataKey, followKey, addresses]: readonly CborValue[] = value;
  if (typeof found === "number" && found > version) {
    const message = `this store's raw spaces are of version ${found}; this program reads 1`;
    throw new SpaceError("SPACE_STATE_VERSION", message);
  }
  if (value.length !== 6 || !is32(topic) || !is32(metadataKey) || !is32(followKey)) throw corrupt();
  if (!Array.isArray(addresses) || addresses.length > addressCountMax) throw corrupt();
  if (!addresses.every(isAddress)) throw corrupt();
  return { topic: toTopic(topic), id: rawIdOf(idBytes), metadataKey, followKey, addresses };
}

function rawIdOf(value: CborValue | undefined): SpaceId | undefined {
  if (value === null) return undefined;
  const parsed = value instanceof Uint8Array ? decodeSpaceId(value) : undefined;
  if (parsed?.ok !== true || parsed.value.variant !== "raw") throw corrupt();
  return parsed.value.id;
}

function is32(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function corrupt(): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", "the record of a raw space does not parse");
}
