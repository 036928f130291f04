/**
 * What the two sides compute from their hellos and identities (docs/spec/3-sync.md §4). Layer 4;
 * pure. Everything is bound to both nonces and to the role of its maker, so nothing can be
 * reflected, replayed or carried into another session.
 */
import { compareBytes, concatBytes, createByteWriter, fromHex, toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";

/** 0 belongs to the side with the smaller nonce. */
export type Role = 0 | 1;

/** Label of identity signatures. */
export const identityLabel = "sync identity";
const transcriptContext = "hawser sync transcript v1";
const sessionContext = "hawser sync session v1";
const topicContext = "hawser sync topic v1";
const setContext = "hawser sync set v1";
const paddingContext = "hawser sync padding v1";
const proofLabel: Uint8Array = utf8("hawser follow proof v1");

/** Our role, or `undefined` when both nonces are equal: the peer is a mirror. */
export function roleOf(ownNonce: Uint8Array, peerNonce: Uint8Array): Role | undefined {
  const order = compareBytes(ownNonce, peerNonce);
  if (order === 0) return undefined;
  return order < 0 ? 0 : 1;
}

export function otherRole(role: Role): Role {
  return role === 0 ? 1 : 0;
}

/** Both values in role order. */
function inRoleOrder(role: Role, own: Uint8Array, peer: Uint8Array): readonly Uint8Array[] {
  return role === 0 ? [own, peer] : [peer, own];
}

/** Hash over both hello frames, in role order, and the transport's channel binding. */
export function transcriptOf(
  crypto: Crypto,
  role: Role,
  parts: {
    readonly ownHello: Uint8Array;
    readonly peerHello: Uint8Array;
    readonly channelBinding: Uint8Array;
  },
): Uint8Array {
  const writer = createByteWriter();
  for (const hello of inRoleOrder(role, parts.ownHello, parts.peerHello)) writer.sized(hello);
  writer.sized(parts.channelBinding);
  return crypto.deriveKey(transcriptContext, writer.finish());
}

/** What an identity key signs: the transcript and the role of its owner. */
export function identityBytes(transcript: Uint8Array, role: Role): Uint8Array {
  return concatBytes(transcript, Uint8Array.of(role));
}

/** The transcript extended by who both sides are; topic hashes and follow proofs hang on it. */
export function sessionOf(
  crypto: Crypto,
  role: Role,
  parts: {
    readonly transcript: Uint8Array;
    readonly ownIdentities: Uint8Array;
    readonly peerIdentities: Uint8Array;
  },
): Uint8Array {
  const writer = createByteWriter();
  writer.bytes(parts.transcript);
  for (const frame of inRoleOrder(role, parts.ownIdentities, parts.peerIdentities)) {
    writer.sized(frame);
  }
  return crypto.deriveKey(sessionContext, writer.finish());
}

/** A topic as the side with `role` announces it: 16 bytes, meaningless without the topic. */
export function topicHash(
  crypto: Crypto,
  session: Uint8Array,
  role: Role,
  topic: Topic,
): Uint8Array {
  const bytes = concatBytes(session, Uint8Array.of(role), topicBytes(topic));
  return crypto.deriveKey(topicContext, bytes, 16);
}

/** The key under which both sides fingerprint sets of logs of a topic in this session. */
export function setKey(crypto: Crypto, session: Uint8Array, topic: Topic): Uint8Array {
  return crypto.deriveKey(setContext, concatBytes(session, topicBytes(topic)));
}

/** Filler that looks like topic hashes or MACs; `seed` never leaves this side. */
export function paddingBytes(
  crypto: Crypto,
  seed: Uint8Array,
  counter: number,
  byteCount: number,
): Uint8Array {
  const writer = createByteWriter(48);
  writer.bytes(seed);
  writer.u64(counter);
  return crypto.deriveKey(paddingContext, writer.finish(), byteCount);
}

/** The MAC by which the side with `role` shows that it holds `followKey` of a topic. */
export function followProof(
  crypto: Crypto,
  followKey: Uint8Array,
  parts: { readonly session: Uint8Array; readonly role: Role; readonly topicHash: Uint8Array },
): Uint8Array {
  const bytes = concatBytes(proofLabel, parts.session, Uint8Array.of(parts.role), parts.topicHash);
  return crypto.keyedHash(followKey, bytes);
}

/** Verifies the peer's identity signatures. */
export function identitiesHold(
  crypto: Crypto,
  proofs: readonly { readonly id: AuthorId; readonly signature: Uint8Array }[],
  parts: { readonly transcript: Uint8Array; readonly role: Role },
): boolean {
  const bytes = identityBytes(parts.transcript, parts.role);
  return proofs.every(({ id, signature }) => {
    const key = fromHex(id);
    return key !== undefined && crypto.verifyTagged(identityLabel, bytes, signature, key);
  });
}

/** Map key of 16 or more bytes. */
export function hashKey(bytes: Uint8Array): string {
  return toHex(bytes);
}

function topicBytes(topic: Topic): Uint8Array {
  const bytes = fromHex(topic);
  // Safe by its brand: parsers alone make topics, from 32 bytes.
  if (bytes === undefined) throw new TypeError("topic is not hex");
  return bytes;
}
