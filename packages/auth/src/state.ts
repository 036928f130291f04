/**
 * The members and invites of one group at one position (docs/spec/4-auth.md §4). Immutable; merging
 * is commutative, associative and idempotent. Layer 4.
 */
import { equalAccess, meetAccess, rankOf } from "./access.ts";
import { type IntMap, type IntMapSort, intMerge, intSecond, intSet } from "./int-map.ts";
import { compareNodes, type OpNode } from "./node.ts";
import type { Access } from "./types.ts";

/** What is known of somebody who is or was a member. */
export interface Standing {
  /** Causal length: odd = member, even = left or removed. */
  readonly counter: number;
  /** Changes of access since the last admission. */
  readonly accessCounter: number;
  /** How often management ended by a change of access; invites die with it. */
  readonly term: number;
  readonly access: Access;
  /** The op that admitted or ended the membership. */
  readonly by: OpNode;
  /** The op that gave the present access. */
  readonly accessBy: OpNode;
}

/** What is known of an invite. */
export interface Offer {
  /** The invite op. */
  readonly by: OpNode;
  readonly revokedBy: OpNode | undefined;
  /** Effective joins, by op index. */
  readonly joins: IntMap<OpNode>;
  /** The inviter's counters when it was made: it lives as long as they hold. */
  readonly inviterCounter: number;
  readonly inviterTerm: number;
}

/** One group. Keys are interned members and invites. */
export interface GroupState {
  readonly individuals: IntMap<Standing>;
  readonly groups: IntMap<Standing>;
  readonly offers: IntMap<Offer>;
}

/** Which of the two member maps. */
export type MemberSide = "individuals" | "groups";

/** A group before its create. */
export const emptyState: GroupState = {
  individuals: undefined,
  groups: undefined,
  offers: undefined,
};

/** Is a member now? */
export function isActive(standing: Standing | undefined): standing is Standing {
  return standing !== undefined && standing.counter % 2 === 1;
}

/** The standing of a member; `undefined` for whoever is none (any more). */
export function activeOf(standing: Standing | undefined): Standing | undefined {
  return isActive(standing) ? standing : undefined;
}

/** Is a member with manage now? */
export function isManager(standing: Standing | undefined): standing is Standing {
  return isActive(standing) && standing.access.level === "manage";
}

/** Count of individuals with manage. Groups never manage. */
export function managerCount(state: GroupState): number {
  return intSecond(state.individuals);
}

const standingSort: IntMapSort<Standing> = {
  merge: mergeStandings,
  first: (standing) => (isActive(standing) ? 1 : 0),
  second: (standing) => (isManager(standing) ? 1 : 0),
};

const nodeSort: IntMapSort<OpNode> = { merge: (a) => a, first: () => 0, second: () => 0 };

const offerSort: IntMapSort<Offer> = { merge: mergeOffers, first: () => 0, second: () => 0 };

/** The state of whoever has seen both. */
export function mergeStates(a: GroupState, b: GroupState): GroupState {
  if (a === b) return a;
  return {
    individuals: intMerge(standingSort, a.individuals, b.individuals),
    groups: intMerge(standingSort, a.groups, b.groups),
    offers: intMerge(offerSort, a.offers, b.offers),
  };
}

/** Whose counter is higher is right; then who changed access more often; then the lower access. */
export function mergeStandings(a: Standing, b: Standing): Standing {
  if (a === b) return a;
  if (a.counter !== b.counter) return a.counter > b.counter ? a : b;
  const by = firstNode(a.by, b.by);
  const term = Math.max(a.term, b.term);
  const winner = a.accessCounter >= b.accessCounter ? a : b;
  const { accessCounter } = winner;
  if (a.accessCounter !== b.accessCounter) return sameOr(winner, { ...winner, by, term });
  const access = meetAccess(a.access, b.access);
  const accessBy = compareGiver(a, b) <= 0 ? a.accessBy : b.accessBy;
  return sameOr(a, sameOr(b, { counter: a.counter, accessCounter, term, access, by, accessBy }));
}

/** The smaller op id is the invite when two managers publish one key; a revoke stays. */
export function mergeOffers(a: Offer, b: Offer): Offer {
  if (a === b) return a;
  const first = firstNode(a.by, b.by) === a.by ? a : b;
  const revokedBy =
    a.revokedBy === undefined || b.revokedBy === undefined
      ? (a.revokedBy ?? b.revokedBy)
      : firstNode(a.revokedBy, b.revokedBy);
  const joins = intMerge(nodeSort, a.joins, b.joins);
  if (first.revokedBy === revokedBy && first.joins === joins) return first;
  return { ...first, revokedBy, joins };
}

/** The standing of a member with `standing` changed. */
export function withStanding(
  state: GroupState,
  side: MemberSide,
  member: number,
  standing: Standing,
): GroupState {
  return { ...state, [side]: intSet(standingSort, state[side], member, standing) };
}

/** The state with an invite changed. */
export function withOffer(state: GroupState, invite: number, offer: Offer): GroupState {
  return { ...state, offers: intSet(offerSort, state.offers, invite, offer) };
}

/** The joins with one more. */
export function withJoin(joins: IntMap<OpNode>, join: OpNode): IntMap<OpNode> {
  return intSet(nodeSort, joins, join.index, join);
}

/** The standing of somebody who becomes a member, for the first time or again. */
export function admitted(known: Standing | undefined, access: Access, by: OpNode): Standing {
  const counter = (known?.counter ?? 0) + 1;
  return { counter, accessCounter: 0, term: 0, access, by, accessBy: by };
}

/** The standing of a member who leaves or is removed. */
export function ended(known: Standing, by: OpNode): Standing {
  return { ...known, counter: known.counter + 1, accessCounter: 0, by };
}

/** The standing of a member whose access is changed; the same object when nothing changes. */
export function changed(known: Standing, access: Access, by: OpNode): Standing {
  if (equalAccess(known.access, access)) return known;
  const endsTerm = known.access.level === "manage" && access.level !== "manage";
  const term = known.term + (endsTerm ? 1 : 0);
  return { ...known, accessCounter: known.accessCounter + 1, term, access, accessBy: by };
}

function firstNode(a: OpNode, b: OpNode): OpNode {
  return compareNodes(a, b) <= 0 ? a : b;
}

/** Total order of who gave the access: the lower access first, so that merging stays a meet. */
function compareGiver(a: Standing, b: Standing): number {
  return (
    rankOf(a.access.level) - rankOf(b.access.level) ||
    Number(a.access.mayDelete) - Number(b.access.mayDelete) ||
    compareNodes(a.accessBy, b.accessBy)
  );
}

function sameOr(known: Standing, merged: Standing): Standing {
  const same =
    known.counter === merged.counter &&
    known.accessCounter === merged.accessCounter &&
    known.term === merged.term &&
    known.by === merged.by &&
    known.accessBy === merged.accessBy &&
    equalAccess(known.access, merged.access);
  return same ? known : merged;
}
