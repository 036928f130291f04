/**
 * What a device keeps about a space beside its logs (docs/spec/6-space.md §9): the few secrets that
 * stand in no log. Layer 5, pure.
 */
import type { GroupId, OpId } from "@hawser/auth";
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import { isAddress } from "./addresses.ts";
import { SpaceError } from "./errors.ts";
import { decodeSpaceId, spaceIdBytes, type SpaceId } from "./ids.ts";
import { hexBytes } from "./place.ts";
import { toOpId, toTopic } from "./words.ts";

/** How this device takes part. */
export type SpaceRole =
  /** It has the id: it reads, or waits to be let in. */
  | "member"
  /** It verifies and serves, and never had the id. */
  | "follower";

/** The lasting record of one space on this device. */
export interface About {
  readonly role: SpaceRole;
  readonly topic: Topic;
  /** Members only. */
  readonly id: SpaceId | undefined;
  readonly createOp: OpId;
  readonly metadataKey: Uint8Array;
  /** The genesis nonce once it is known and checked: the sign of having been welcomed. */
  readonly nonce: Uint8Array | undefined;
  /** One-time secret of the invite, until the join is published. */
  readonly inviteSecret: Uint8Array | undefined;
  /** The group of this device that is to join by it, or `undefined`: the device itself. */
  readonly joinAs: GroupId | undefined;
  /** Follow keys that came by link, offer or hosting request. */
  readonly givenFollowKeys: readonly Uint8Array[];
  readonly addresses: readonly string[];
  /** Why a join failed for good, or `undefined`. */
  readonly refusal: string | undefined;
}

const version = 1;
const givenFollowKeysMax = 4;

/** Canonical bytes; they hold secrets. */
export function encodeAbout(about: About): Uint8Array {
  return encodeCbor([
    version,
    about.role === "member" ? 0 : 1,
    hexBytes(about.topic),
    about.id === undefined ? null : spaceIdBytes(about.id),
    hexBytes(about.createOp),
    about.metadataKey,
    about.nonce ?? null,
    about.inviteSecret ?? null,
    about.givenFollowKeys.slice(0, givenFollowKeysMax),
    about.addresses,
    about.refusal ?? null,
    about.joinAs === undefined ? null : hexBytes(about.joinAs),
  ]);
}

/** Throws `SPACE_STATE_VERSION` for bytes of a newer version, `SPACE_STATE_CORRUPT` for others. */
export function decodeAbout(bytes: Uint8Array): About {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) throw corrupt();
  const fields: readonly CborValue[] = value;
  if (typeof fields[0] === "number" && fields[0] > version) {
    const message = `this store's spaces are of version ${fields[0]}; this program reads 1`;
    throw new SpaceError("SPACE_STATE_VERSION", message);
  }
  const [, role, topic, id, createOp, metadataKey, nonce, inviteSecret, keys, addresses] = fields;
  const [refusal, joinAs] = fields.slice(10);
  if (fields.length !== 12 || (role !== 0 && role !== 1)) throw corrupt();
  if (!is32(topic) || !is32(createOp) || !is32(metadataKey)) throw corrupt();
  if (!Array.isArray(keys) || !keys.every(is32)) throw corrupt();
  if (!Array.isArray(addresses) || !addresses.every(isAddress)) throw corrupt();
  if (joinAs !== null && !is32(joinAs)) throw corrupt();
  if (refusal !== null && typeof refusal !== "string") throw corrupt();
  return {
    role: role === 0 ? "member" : "follower",
    topic: toTopic(topic),
    id: idOf(id),
    createOp: toOpId(createOp),
    metadataKey,
    nonce: optional32(nonce),
    inviteSecret: optional32(inviteSecret),
    // Safe: 32 bytes in hex name a group.
    joinAs: joinAs === null ? undefined : (toHex(joinAs) as GroupId),
    givenFollowKeys: keys,
    addresses,
    refusal: refusal ?? undefined,
  };
}

function idOf(value: CborValue | undefined): SpaceId | undefined {
  if (value === null) return undefined;
  const parsed = value instanceof Uint8Array ? decodeSpaceId(value) : undefined;
  if (parsed?.ok !== true) throw corrupt();
  return parsed.value.id;
}

function optional32(value: CborValue | undefined): Uint8Array | undefined {
  if (value === null) return undefined;
  if (!is32(value)) throw corrupt();
  return value;
}

function is32(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function corrupt(): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", "the record of a space does not parse");
}
