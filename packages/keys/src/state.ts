/**
 * What a member knows about epochs: a growing set of facts from ops, and the keys it was given
 * (docs/spec/5-keys.md §6.1). Layer 4; pure, internal but for the type `KeyState`.
 *
 * A state is the union of its facts. Every judgement (who holds an epoch, which one seals, what is
 * owed) is derived from the set, so the order in which ops came cannot matter.
 */
import type { AuthorId } from "@hawser/crypto";
import type { EpochTerms } from "./epoch.ts";
import type { Secret } from "./secret.ts";
import type { Suite } from "./suite.ts";
import type { EpochId, KeyLevel } from "./types.ts";

/** An epoch as its author announced it. */
export interface Announcement {
  readonly terms: EpochTerms;
  /** Recipients differed from the readers at the op's auth heads. */
  readonly partial: boolean;
}

/** "giver says that recipient was given this epoch." */
export interface Give {
  readonly giver: AuthorId;
  readonly recipient: AuthorId;
  readonly level: KeyLevel;
  readonly answers: string | undefined;
  readonly suite: Suite;
}

/** Everything ops say about one epoch. */
export interface EpochFacts {
  /** `undefined` while only welcomes or forwards have named the epoch. */
  readonly announcement: Announcement | undefined;
  /** Whom its author sent the follow key; sorted. */
  readonly followRecipients: readonly AuthorId[];
  readonly gives: readonly Give[];
}

/** "author cannot find the keys of these epochs." */
export interface KeyRequest {
  readonly author: AuthorId;
  readonly level: KeyLevel;
  readonly epochIds: readonly EpochId[];
}

/** A key that was given before the announcement that would prove it arrived. */
export interface AsideKey {
  readonly level: KeyLevel;
  readonly key: Secret;
}

/** Immutable; printing it shows no secret. Made by a key ring, encoded by `encode`. */
export interface KeyState {
  readonly epochs: ReadonlyMap<EpochId, EpochFacts>;
  /** By `opRef`. */
  readonly requests: ReadonlyMap<string, KeyRequest>;
  /** Secrets proven by the ids of their epochs, or made here. */
  readonly secrets: ReadonlyMap<EpochId, Secret>;
  /** Follow keys proven likewise, of epochs whose secret we were not given. */
  readonly followKeys: ReadonlyMap<EpochId, Secret>;
  readonly aside: ReadonlyMap<EpochId, readonly AsideKey[]>;
  /** Epochs whose secret does not give the follow key that was announced: they never seal. */
  readonly broken: ReadonlySet<EpochId>;
}

export const emptyState: KeyState = {
  epochs: new Map(),
  requests: new Map(),
  secrets: new Map(),
  followKeys: new Map(),
  aside: new Map(),
  broken: new Set(),
};

/** The gives of one epoch while a batch is taken in: a list of its own, and what is in it. */
export interface GivesDraft {
  readonly list: Give[];
  readonly keys: Set<string>;
}

/** A copy to change in place while one batch of ops is taken in. */
export interface Draft {
  readonly epochs: Map<EpochId, EpochFacts>;
  readonly requests: Map<string, KeyRequest>;
  readonly secrets: Map<EpochId, Secret>;
  readonly followKeys: Map<EpochId, Secret>;
  readonly aside: Map<EpochId, readonly AsideKey[]>;
  readonly broken: Set<EpochId>;
  /** Of epochs that this batch gave away; copying a list for each give would be quadratic. */
  readonly gives: Map<EpochId, GivesDraft>;
}

/** The state that a draft has come to. The draft must not be used any more. */
export function stateOf(draft: Draft): KeyState {
  const { gives: _, ...state } = draft;
  return state;
}

export function draftOf(state: KeyState): Draft {
  return {
    epochs: new Map(state.epochs),
    requests: new Map(state.requests),
    secrets: new Map(state.secrets),
    followKeys: new Map(state.followKeys),
    aside: new Map(state.aside),
    broken: new Set(state.broken),
    gives: new Map(),
  };
}

export const noFacts: EpochFacts = { announcement: undefined, followRecipients: [], gives: [] };
