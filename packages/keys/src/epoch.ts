/**
 * What one epoch is: its secret, the keys derived from it, and an id that commits to everything
 * its announcement says (docs/spec/5-keys.md §3). Layer 4; pure.
 */
import { encodeCbor, equalBytes, equalSecrets, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { Suite } from "./suite.ts";
import type { EpochId, RekeyReason } from "./types.ts";
import { bytesOfId } from "./values.ts";

/** What the id of an epoch commits to, beside the topic. */
export interface EpochTerms {
  readonly suite: Suite;
  readonly author: AuthorId;
  /** deriveKey("hawser epoch commitment v1", secret): lets anyone given the secret check it. */
  readonly commitment: Uint8Array;
  readonly followId: Uint8Array;
  /** Sorted. */
  readonly parents: readonly EpochId[];
  /** Sorted auth op ids. */
  readonly authHeads: readonly string[];
  readonly reason: RekeyReason;
  /** Sorted; the author among them. */
  readonly recipients: readonly AuthorId[];
}

export const followIdBytes = 8;

const reasonCodes: Readonly<Record<RekeyReason, number>> = {
  create: 0,
  membership: 1,
  rotation: 2,
};
const reasons: readonly RekeyReason[] = ["create", "membership", "rotation"];

export function codeOfReason(reason: RekeyReason): number {
  return reasonCodes[reason];
}

export function reasonOfCode(code: number): RekeyReason | undefined {
  return reasons[code];
}

/** The id of an epoch with these terms in the space of `topic` (docs/spec/5-keys.md §3.2). */
export function epochIdOf(crypto: Crypto, topic: string, terms: EpochTerms): EpochId {
  const bytes = encodeCbor([
    bytesOfId(topic),
    terms.suite,
    bytesOfId(terms.author),
    terms.commitment,
    terms.followId,
    terms.parents.map(bytesOfId),
    terms.authHeads.map(bytesOfId),
    codeOfReason(terms.reason),
    terms.recipients.map(bytesOfId),
  ]);
  // Safe: this is what the brand means.
  return toHex(crypto.deriveKey("hawser epoch id v1", bytes)) as EpochId;
}

export function commitmentOf(crypto: Crypto, secret: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser epoch commitment v1", secret);
}

/** Opens the blocks of events sealed in this epoch. */
export function readKeyOf(crypto: Crypto, secret: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser read key v1", secret);
}

/** Opens outer envelopes and makes topic MACs; says nothing about the secret or the read key. */
export function followKeyOf(crypto: Crypto, secret: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser follow key v1", secret);
}

export function followIdOf(crypto: Crypto, followKey: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser follow id v1", followKey).slice(0, followIdBytes);
}

/** Seals the attachment of a rekey: once, for everybody who gets the secret. */
export function attachmentKeyOf(crypto: Crypto, secret: Uint8Array): Uint8Array {
  return crypto.deriveKey("hawser rekey attachment v1", secret);
}

/** Whether `secret` is the one that the epoch's id commits to. */
export function isSecretOf(crypto: Crypto, terms: EpochTerms, secret: Uint8Array): boolean {
  return equalSecrets(commitmentOf(crypto, secret), terms.commitment);
}

/** Whether `followKey` is the one that the epoch's id commits to. */
export function isFollowKeyOf(crypto: Crypto, terms: EpochTerms, followKey: Uint8Array): boolean {
  return equalBytes(followIdOf(crypto, followKey), terms.followId);
}
