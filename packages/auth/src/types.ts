/**
 * The words of the membership layer (docs/spec/4-auth.md). Layer 4; pure, no I/O.
 */
import type { Brand } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";

/** deriveKey("hawser auth op v1", canonical op bytes), 64 hex characters. */
export type OpId = string & Brand<"OpId">;
/** deriveKey("hawser group v1", op id of its create), 64 hex characters. */
export type GroupId = string & Brand<"GroupId">;
/** An individual's author key or a group's id. */
export type MemberId = AuthorId | GroupId;

/** pull < read < write < manage. */
export type Level = "pull" | "read" | "write" | "manage";

export interface Access {
  readonly level: Level;
  /** The separate right to mark entries deleted (TH-192); implies pull, not read. */
  readonly mayDelete: boolean;
}

export interface Member {
  readonly kind: "individual" | "group";
  readonly id: MemberId;
}

export interface Grant {
  readonly member: Member;
  readonly access: Access;
}

/** What happens to managers who remove each other concurrently. */
export type MutualRemovalPolicy = "remove-all" | "senior-wins";

export type AuthAction =
  | {
      readonly type: "create";
      /** 16 random bytes: makes the group id unguessable. */
      readonly nonce: Uint8Array;
      readonly policy: MutualRemovalPolicy;
      readonly grants: readonly Grant[];
    }
  | { readonly type: "add"; readonly grant: Grant }
  | { readonly type: "remove"; readonly member: Member }
  | { readonly type: "set"; readonly grant: Grant }
  /** The author leaves; a last manager must name a successor, who gets manage. */
  | { readonly type: "leave"; readonly successor: Member | undefined }
  /** A manager's standing offer: whoever owns the one-time key `invite` may join with `access`. */
  | {
      readonly type: "invite";
      /** Public half of the one-time secret; the invite's id. */
      readonly invite: AuthorId;
      readonly access: Access;
      /** How many joins count, ≥ 1. Among concurrent joins the smaller op ids win. */
      readonly uses: number;
      /** Unix seconds; compared with the join's own `time`. */
      readonly notAfter: number | undefined;
    }
  /** Ends an invite: joins that did not see this op's absence (concurrent ones) do not count. */
  | { readonly type: "revoke"; readonly invite: AuthorId }
  /** The author joins by an invite in this op's past, or a group joins that the author manages. */
  | {
      readonly type: "join";
      /** The group that joins; its author is then let in by it alone. */
      readonly as?: GroupId | undefined;
      readonly invite: AuthorId;
      /** 32 bytes that bind the joiner's key bundle. */
      readonly binding: Uint8Array;
      /** Unix seconds, claimed by the joiner. */
      readonly time: number;
      /** signTagged("join", group ‖ invite ‖ author ‖ binding ‖ time ‖ as) with the one-time secret. */
      readonly proof: Uint8Array;
    }
  | RuleAction
  | RaiseAction;

/**
 * A manager raises the least cipher suite in which keys of the group may be sent. Changes no
 * membership; of several the greatest counts, so nobody can lower it.
 */
export interface RaiseAction {
  readonly type: "raise";
  /** Number of a suite, 1–255. */
  readonly suite: number;
}

/**
 * A manager's ruling on quarantined content (§6.6). Changes no membership; what it means for content
 * is for the layer that reads logs.
 */
export interface RuleAction {
  readonly type: "rule";
  /** The author's log, 64 hex characters. */
  readonly log: string;
  /** seq of the first entry ruled on. */
  readonly from: number;
  /** One past the last. */
  readonly to: number;
  /** Hash (32 bytes) of a signed entry of the log, the last ruled on or one behind it. */
  readonly hash: Uint8Array;
  readonly verdict: "accept" | "reject";
}

export interface AuthOp {
  readonly id: OpId;
  readonly author: AuthorId;
  readonly group: GroupId;
  /** Sorted antichain of ops this one has seen, over every group that matters to it. */
  readonly deps: readonly OpId[];
  readonly action: AuthAction;
}

/** What an actor wants to do. */
export type Need = Level | "delete";

/**
 * How content stands: `accept`; `reject` (its author was not entitled at its own position);
 * `quarantine` (entitled there, but removed or demoted concurrently: kept as data, not counted).
 */
export type Judgement = "accept" | "reject" | "quarantine";

/**
 * Why an op is refused, for ever and everywhere (docs/spec/4-auth.md §3.1). A function of the op, its
 * place in its author's log and its causal past; all but `NOT_MONOTONIC` of the op and its past alone.
 */
export type RejectReason =
  /** It depends on an op that was refused. */
  | "DEP_REJECTED"
  /** One dep is an ancestor of another. */
  | "DEPS_NOT_ANTICHAIN"
  /** A dep is of a group that neither contains nor is named by this one. */
  | "DEP_UNRELATED"
  /** Its author had acknowledged ops that are missing from its past. */
  | "NOT_MONOTONIC"
  /** The group's create is not in its past. */
  | "GROUP_NOT_IN_PAST"
  /** The group id is not the hash of this create. */
  | "GROUP_UNBOUND"
  /** A create whose author is not listed with manage. */
  | "CREATOR_NOT_MANAGER"
  /** A group would get manage. */
  | "GROUP_MANAGER"
  /** A group becomes a member whose create is not in the op's past. */
  | "UNKNOWN_GROUP"
  /** The author was never a member. */
  | "NOT_MEMBER"
  /** The author has left or was removed. */
  | "NO_LONGER_MEMBER"
  /** The author may not change membership. */
  | "NOT_MANAGER"
  /** A group joins by somebody who does not manage it himself. */
  | "NOT_GROUP_MANAGER"
  /** The member to be changed was never a member. */
  | "UNKNOWN_MEMBER"
  /** The member to be changed has left or was removed. */
  | "MEMBER_GONE"
  /** The newcomer is a member. */
  | "ALREADY_MEMBER"
  /** Nobody removes himself: that is `leave`. */
  | "USE_LEAVE"
  /** The last manager goes or steps down without a successor, or names himself. */
  | "LAST_MANAGER"
  /** An invite with this key exists. */
  | "INVITE_EXISTS"
  | "UNKNOWN_INVITE"
  | "INVITE_REVOKED"
  /** The inviter no longer manages, or ceased to in between. */
  | "INVITER_GONE"
  | "INVITE_EXPIRED"
  | "INVITE_EXHAUSTED"
  /** The joiner left or was removed after the invite was made, or concurrently. */
  | "INVITE_OLDER_THAN_EXIT"
  | "BAD_JOIN_PROOF";

/** What became of an op that was handed to the graph. */
export type AddVerdict =
  | { readonly status: "accepted" }
  | { readonly status: "rejected"; readonly reason: RejectReason }
  /** Hand it in again when these are known. The graph keeps no queue. */
  | { readonly status: "pending"; readonly missing: readonly OpId[] };

/** Why an accepted op has no effect. */
export type VoidReason =
  /** Its author (or a join's inviter) was removed or demoted concurrently. */
  | "AUTHOR_REMOVED"
  /** It admits or raises somebody who was removed or lowered concurrently. */
  | "TARGET_REMOVED"
  /** A join whose invite was revoked concurrently. */
  | "INVITE_REVOKED"
  /** A join over the invite's uses. */
  | "INVITE_EXHAUSTED"
  /** It lost a mutual removal against somebody more senior. */
  | "OUTRANKED"
  /** What it builds on is void. */
  | "DEPENDS_ON_VOID";

/** Whether an accepted op counts, now. */
export type OpStatus =
  | { readonly state: "effective" }
  | { readonly state: "void"; readonly reason: VoidReason; readonly by: OpId | undefined };

/** What somebody may do in a group, and by which way. */
export interface Membership extends Access {
  /** Groups from the one asked for down to the one that lists the member; the first is the asked. */
  readonly path: readonly GroupId[];
  /** The op that gave the member its access in the last group of `path`. */
  readonly grantedBy: OpId;
}

/** One op of an explanation. */
export interface WhyStep {
  readonly op: OpId;
  readonly author: AuthorId;
  readonly group: GroupId;
  readonly member: MemberId;
  /** What the op did to the member. `void` = it would have, but does not count. */
  readonly effect: "created" | "admitted" | "changed" | "ended" | "void";
  readonly access: Access | undefined;
  /** For `void`: the reason, and the op that caused it. */
  readonly reason: VoidReason | undefined;
  readonly causedBy: OpId | undefined;
}

/** The answer to "why may (or may not) this author do that?". */
export interface Why {
  readonly allowed: boolean;
  readonly access: Access | undefined;
  /**
   * Allowed: the ops from the create of the group down to the grant. Denied: what ended, lowered or
   * voided the author's membership, or nothing when there never was one.
   */
  readonly chain: readonly WhyStep[];
}

/** A removal or demotion as people should see it. */
export interface RemovalReport {
  readonly op: OpId;
  readonly author: AuthorId;
  readonly member: Member;
  /** `undefined` = removed; else what the member was lowered to. */
  readonly access: Access | undefined;
  /** `pending`: some current manager has not acknowledged it and could still be concurrent. */
  readonly finality: "stable" | "pending";
  readonly status: OpStatus;
}

/** An invite that can still admit somebody. */
export interface OpenInvite {
  readonly op: OpId;
  readonly invite: AuthorId;
  readonly author: AuthorId;
  readonly access: Access;
  readonly usesLeft: number;
  /** Unix seconds; the graph has no clock, the caller compares. */
  readonly notAfter: number | undefined;
}
