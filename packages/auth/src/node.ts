/**
 * An accepted op at its place in the graph, with everything later steps ask of it. Local numbers
 * (`index`, `chain`, `pos`, interned members) never leave the replica; ids decide every order that
 * can be seen. Layer 4.
 */
import type { IntMap, IntMapSort } from "./int-map.ts";
import { intFirst, intGet, intMerge, intSet } from "./int-map.ts";
import type { GroupState } from "./state.ts";
import type { AuthOp } from "./types.ts";

/** The small numbers behind an op's ids. */
export interface OpNames {
  /** Number of the op's group. */
  readonly group: number;
  /** Number of the author as an individual member. */
  readonly author: number;
  /** Number of the member the action is about: target, newcomer or successor. */
  readonly member: number | undefined;
  /** Number of the invite the action is about. */
  readonly invite: number | undefined;
}

/**
 * What an op takes away (docs/spec/4-auth.md §5.2): `remove` and `lower` end authority of `target`
 * (a member), `narrow` only takes the delete right, `revoke` ends an invite (`target`) that was not
 * spent.
 */
export interface Strike {
  readonly kind: "remove" | "lower" | "narrow" | "revoke";
  readonly target: number;
}

/** What an op means at its own position; fixed for ever when it is accepted. */
export interface OpEffect {
  readonly strike: Strike | undefined;
  /** Member that it admits or gives more access to. */
  readonly raises: number | undefined;
  /** Member that it makes a manager or (a join) lets act at all. */
  readonly delegates: number | undefined;
  /** The member by whose authority a join counts. */
  readonly inviter: number | undefined;
  /** The invite that it ends as spent: the joins in its past come before others. */
  readonly settles: number | undefined;
}

/**
 * Which ops of one group an op has seen: chain number → last op seen in that chain. A chain is a
 * list of ops each of which has seen the one before, so its last seen op stands for all of it.
 */
export type GroupPast = IntMap<OpNode>;

/** Group number → the ops seen in it. */
export type Past = IntMap<Exclude<GroupPast, undefined>>;

/** A past position, or everything known. */
export type Position = Past | "now";

/** An accepted op. */
export interface OpNode {
  readonly op: AuthOp;
  /** Order of acceptance on this replica: causes come first. */
  readonly index: number;
  readonly names: OpNames;
  readonly effect: OpEffect;
  readonly chain: number;
  readonly pos: number;
  /** Count of ops in this chain up to this one that can conflict. */
  readonly conflictsInChain: number;
  /** Count of ops of the same group in its past, without itself. */
  readonly ancestors: number;
  /** Count of ops of any group in its past. */
  readonly allAncestors: number;
  /** Maximal ops of the same group in its past, in canonical order. */
  readonly parents: readonly OpNode[];
  /** What it has seen, itself included. */
  readonly past: Past;
  /** The group just before and just after it, resolved from its own past alone. */
  readonly stateBefore: GroupState;
  readonly stateAfter: GroupState;
}

/** Merges what was seen in one group; counts ops and ops that can conflict. */
export const groupPastSort: IntMapSort<OpNode> = {
  merge: (a, b) => (a.pos >= b.pos ? a : b),
  first: (node) => node.pos + 1,
  second: (node) => node.conflictsInChain,
};

const pastSort: IntMapSort<Exclude<GroupPast, undefined>> = {
  merge: (a, b) => intMerge(groupPastSort, a, b) ?? a,
  first: intFirst,
  second: () => 0,
};

/** What whoever saw all of `nodes` has seen. */
export function mergePasts(nodes: readonly OpNode[]): Past {
  let past: Past;
  for (const node of nodes) past = intMerge(pastSort, past, node.past);
  return past;
}

/** A past with one more op of a group, whose own past it already holds. */
export function extendPast(past: Past, node: OpNode): Past {
  const own = intSet(groupPastSort, intGet(past, node.names.group), node.chain, node);
  return intSet(pastSort, past, node.names.group, own);
}

/** Count of ops of all groups that are in a past. */
export function allOpCount(past: Past): number {
  return intFirst(past);
}

/** Is `a` the op `past` ends with, or an ancestor of it? */
export function hasSeen(past: Past, a: OpNode): boolean {
  const seen = intGet(intGet(past, a.names.group), a.chain);
  return seen !== undefined && seen.pos >= a.pos;
}

/** Is `a` a strict ancestor of `b`? */
export function isBefore(a: OpNode, b: OpNode): boolean {
  return a !== b && hasSeen(b.past, a);
}

/** Neither has seen the other. */
export function isConcurrent(a: OpNode, b: OpNode): boolean {
  return !hasSeen(a.past, b) && !hasSeen(b.past, a);
}

/** Canonical order within a group: causes first, ties by op id. */
export function compareNodes(a: OpNode, b: OpNode): number {
  return a.ancestors - b.ancestors || compareIds(a.op.id, b.op.id);
}

/** Canonical order over all groups: causes first, ties by op id. */
export function compareOverall(a: OpNode, b: OpNode): number {
  return a.allAncestors - b.allAncestors || compareIds(a.op.id, b.op.id);
}

/** Order of lower-case hex ids, which is the order of their bytes. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Count of ops of a group that are in a past. */
export function opCount(past: GroupPast): number {
  return intFirst(past);
}
