/** Small conversions between ids and bytes, and the domains of a space's logs. Layer 5. */
import type { OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Topic } from "@hawser/log";

/** Membership, key bundles, direct messages and addresses. */
export const controlDomain = "hawser.control";
/** Sealed events. */
export const dataDomain = "hawser.data";
/** View snapshots. */
export const snapDomain = "hawser.snap";

/** 32 public-key bytes as an author id. */
export function toAuthorId(bytes: Uint8Array): AuthorId {
  // Safe: 32 bytes in hex are what the brand stands for; callers check the length.
  return toHex(bytes) as AuthorId;
}

/** 32 bytes as an op id. */
export function toOpId(bytes: Uint8Array): OpId {
  // Safe: as above.
  return toHex(bytes) as OpId;
}

/** 32 bytes as a topic. */
export function toTopic(bytes: Uint8Array): Topic {
  // Safe: as above.
  return toHex(bytes) as Topic;
}
