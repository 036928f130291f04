/** The words of access control (docs/spec/7-views.md §9). Layer 7; no platform globals. */
import type { AuthorId } from "@hawser/crypto";
import type { EventRef, ViewEvent } from "@hawser/view";

/** The paper's roles (Def 3.20–3.24). */
export type Role = "no-access" | "follow" | "read" | "write" | "delete";

/** What somebody wants to do. */
export type Need = "follow" | "read" | "write" | "delete";

/** An access control document: who may do what with a space, a sequence, or with documents. */
export interface AclDocument {
  /** Space id; space id and `-acl`; or a sequence id. */
  readonly id: string;
  /** What everybody may do. */
  readonly default: Role;
  /** Peer or group id → what it may do besides. */
  readonly peers: ReadonlyMap<string, readonly Role[]>;
}

/**
 * Tells groups. Must be a function of its arguments alone, the same at every reader and for ever:
 * who is in a group *at that event*, never now.
 */
export interface GroupSource {
  /** Ids of the groups the author is in at the event, through other groups too; at most 256. */
  groupsOf(author: AuthorId, event: ViewEvent): readonly string[];
}

/** By what rules documents are read; the same at every reader. */
export interface AclRules {
  /** The space id, as the documents name it. */
  readonly id: string;
  /**
   * May this author do everything while nobody holds `write` in the `-acl` document? The space's
   * creator, or whoever managed its membership at the event. Must depend on author, log, seq, hash
   * and stamp alone, the same at every reader and for ever.
   */
  readonly isFounder: (author: AuthorId, event: ViewEvent) => boolean;
  /** Default: there are no groups. */
  readonly groups?: GroupSource;
}

/** A change of one document. */
export type AclOp =
  | { readonly type: "default"; readonly role: Role }
  | { readonly type: "grant" | "revoke"; readonly peer: string; readonly role: Role }
  /** Lets an event count that is in quarantine. */
  | { readonly type: "accept"; readonly target: EventName };

/** Names one event and its contents. */
export interface EventName extends EventRef {
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/**
 * What became of an edit. `effective`: counts. `struck`: its author's right was taken away
 * concurrently. `overruled`: so too, by somebody senior. `refused`: its author had no right.
 */
export type EditStatus = "effective" | "struck" | "overruled" | "refused";
