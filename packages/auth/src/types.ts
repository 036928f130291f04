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
  /** The author joins by an invite in this op's past. */
  | {
      readonly type: "join";
      readonly invite: AuthorId;
      /** 32 bytes that bind the joiner's key bundle. */
      readonly binding: Uint8Array;
      /** Unix seconds, claimed by the joiner. */
      readonly time: number;
      /** signTagged("join", group ‖ invite ‖ author ‖ binding ‖ time) with the one-time secret. */
      readonly proof: Uint8Array;
    };

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
