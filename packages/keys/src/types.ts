/**
 * The words of the group-key layer (docs/spec/5-keys.md). Layer 4; pure, no I/O, no clock.
 */
import type { Brand } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Suite } from "./suite.ts";

/**
 * Hash of everything an epoch's announcement says, with a commitment to its secret; 64 hex
 * characters (docs/spec/5-keys.md §3.2). Nobody can announce the same id with other facts.
 */
export type EpochId = string & Brand<"EpochId">;

/** Bytes that hold secrets: store them sealed or guarded, never send or print them. */
export type SecretBytes = Uint8Array & Brand<"SecretBytes">;

/** A published prekey that lets others reach an author who is offline. Signed by the author. */
export interface KeyBundle {
  readonly author: AuthorId;
  /** 32 bytes of X25519, or 1,216 of X-Wing. */
  readonly prekey: Uint8Array;
  /** Unix seconds; judged at the position of the op that uses the bundle, never at replay time. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Cipher suite of the prekey; 1 = X25519 HPKE, 2 = X-Wing HPKE. */
  readonly suite: Suite;
  readonly signature: Uint8Array;
}

/** Public facts about an epoch; the same for every member who has the same control entries. */
export interface EpochInfo {
  readonly id: EpochId;
  /** First 8 bytes of deriveKey("hawser follow id v1", follow key): commits to the follow key. */
  readonly followId: Uint8Array;
  /** Suite of the messages that its rekey sent. */
  readonly suite: Suite;
  /** The weakest suite in which any of its keys was sent, gives by holders too. */
  readonly strength: Suite;
  readonly author: AuthorId;
  readonly reason: RekeyReason;
  /** Maximal epochs its author knew. */
  readonly parents: readonly EpochId[];
  /** Readers its author sealed the secret to, with the author; sorted. */
  readonly recipients: readonly AuthorId[];
  /** recipients plus everybody a holder welcomed or forwarded it to. */
  readonly holders: ReadonlySet<AuthorId>;
  /** Members who were given the follow key alone. */
  readonly followHolders: ReadonlySet<AuthorId>;
  /** Recipients differed from the readers at its own position: opens content, never seals any. */
  readonly partial: boolean;
  /** Length of the longest chain of parents, from 1; `undefined` while an ancestor is unknown. */
  readonly generation: number | undefined;
  /** Auth heads (op ids in hex) at the author's position. */
  readonly authHeads: readonly string[];
}

/** How much older content a new reader gets the keys to. */
export type HistoryPolicy = "all" | "fromJoin" | { readonly lastEpochs: number };

/** What a member's keys open: `read` = content, `follow` = the outer envelope and topic MACs. */
export type KeyLevel = "read" | "follow";

/** Why an epoch was made: the first one, a change of membership, or a rotation by choice. */
export type RekeyReason = "create" | "membership" | "rotation";

/** Who may read and who may only follow, in our merged view. Nobody is in both. */
export interface Members {
  readonly readers: readonly AuthorId[];
  readonly followers: readonly AuthorId[];
}
