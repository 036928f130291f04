/**
 * Sealed offers (docs/spec/6-space.md §6.3, §6.4): what a known device needs to open a space as a
 * member, or to follow it as a relay, sealed to its key bundle. Layer 5, pure.
 *
 *   offer = CBOR [1, "space" | "follow" | "raw", author, HPKE-seal(prekey, payload)]
 */
import type { OpId } from "@hawser/auth";
import { concatBytes, decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";
import type { AuthorId, Crypto, HpkeMessage, Random } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { isAddress } from "./addresses.ts";
import { decodeSpaceId, spaceIdBytes, type SpaceId } from "./ids.ts";
import { hexBytes } from "./place.ts";
import { toAuthorId, toOpId, toTopic } from "./words.ts";

/** For a device that becomes a member. */
export interface SpaceOffer {
  readonly kind: "space";
  readonly id: SpaceId;
  readonly createOp: OpId;
  readonly followKey: Uint8Array;
  readonly addresses: readonly string[];
}

/** For a device that follows: no id, no nonce, no read key. */
export interface HostingOffer {
  readonly kind: "follow";
  readonly topic: Topic;
  readonly metadataKey: Uint8Array;
  readonly createOp: OpId;
  readonly followKey: Uint8Array;
  readonly addresses: readonly string[];
}

/** For a device that follows a raw space: no id, no read key. */
export interface RawHostingOffer {
  readonly kind: "raw";
  readonly topic: Topic;
  readonly metadataKey: Uint8Array;
  readonly followKey: Uint8Array;
  readonly addresses: readonly string[];
}

export type Offer = SpaceOffer | HostingOffer | RawHostingOffer;

/** Bytes of the longest offer that is read. */
export const offerBytesMax = 8_192;

const addressCountMax = 8;
const empty = new Uint8Array(0);

/** Seals an offer to one device. */
export function sealOffer(
  deps: { readonly crypto: Crypto; readonly random: Random },
  recipient: { readonly author: AuthorId; readonly prekey: Uint8Array },
  offer: Offer,
): Uint8Array {
  const author = hexBytes(recipient.author);
  const message = messageOf(offer.kind, author);
  const payload = encodeCbor(payloadOf(offer));
  const sealed = deps.crypto.hpkeSeal(recipient.prekey, payload, message, deps.random);
  return encodeCbor([1, offer.kind, author, sealed]);
}

/** Opens an offer with whichever prekey fits; `undefined` when it is malformed or not for us. */
export function openOffer(
  self: AuthorId,
  bytes: Uint8Array,
  open: (sealed: Uint8Array, message: HpkeMessage) => Uint8Array | undefined,
): Offer | undefined {
  if (bytes.length > offerBytesMax) return undefined;
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 4 || value[0] !== 1) return undefined;
  const [, kind, author, sealed]: readonly CborValue[] = value;
  if (!is32(author) || toAuthorId(author) !== self || !(sealed instanceof Uint8Array)) {
    return undefined;
  }
  if (kind !== "space" && kind !== "follow" && kind !== "raw") return undefined;
  const payload = open(sealed, messageOf(kind, author));
  if (payload === undefined) return undefined;
  if (kind === "raw") return decodeRawHosting(payload);
  return kind === "space" ? decodeSpaceOffer(payload) : decodeHosting(payload);
}

function messageOf(kind: Offer["kind"], author: Uint8Array): HpkeMessage {
  return { info: concatBytes(utf8(labels[kind]), author), associatedData: empty };
}

const labels: Readonly<Record<Offer["kind"], string>> = {
  space: "hawser offer v1",
  follow: "hawser hosting v1",
  raw: "hawser raw hosting v1",
};

/** What `decodeSpaceOffer` reads. */
export function encodeSpaceOffer(offer: SpaceOffer): Uint8Array {
  return encodeCbor(payloadOf(offer));
}

function payloadOf(offer: Offer): readonly CborValue[] {
  if (offer.kind === "raw") {
    return [hexBytes(offer.topic), offer.metadataKey, offer.followKey, offer.addresses];
  }
  const rest = [hexBytes(offer.createOp), offer.followKey, offer.addresses] as const;
  return offer.kind === "space"
    ? [spaceIdBytes(offer.id), ...rest]
    : [hexBytes(offer.topic), offer.metadataKey, ...rest];
}

/** The offer in bytes that were sealed; `undefined` when they are none. */
export function decodeSpaceOffer(payload: Uint8Array): SpaceOffer | undefined {
  const value = decodeCbor(payload);
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [idBytes, createOp, followKey, addresses]: readonly CborValue[] = value;
  const parsed = idBytes instanceof Uint8Array ? decodeSpaceId(idBytes) : undefined;
  if (parsed?.ok !== true || parsed.value.variant !== "access-controlled") return undefined;
  if (!is32(createOp) || !is32(followKey) || !areAddresses(addresses)) return undefined;
  const { id } = parsed.value;
  return { kind: "space", id, createOp: toOpId(createOp), followKey, addresses };
}

function decodeHosting(payload: Uint8Array): HostingOffer | undefined {
  const value = decodeCbor(payload);
  if (!Array.isArray(value) || value.length !== 5) return undefined;
  const [topic, metadataKey, createOp, followKey, addresses]: readonly CborValue[] = value;
  if (!is32(topic) || !is32(metadataKey) || !is32(createOp) || !is32(followKey)) return undefined;
  if (!areAddresses(addresses)) return undefined;
  return {
    kind: "follow",
    topic: toTopic(topic),
    metadataKey,
    createOp: toOpId(createOp),
    followKey,
    addresses,
  };
}

function decodeRawHosting(payload: Uint8Array): RawHostingOffer | undefined {
  const value = decodeCbor(payload);
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [topic, metadataKey, followKey, addresses]: readonly CborValue[] = value;
  if (!is32(topic) || !is32(metadataKey) || !is32(followKey)) return undefined;
  if (!areAddresses(addresses)) return undefined;
  return { kind: "raw", topic: toTopic(topic), metadataKey, followKey, addresses };
}

function is32(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function areAddresses(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= addressCountMax && value.every(isAddress);
}
