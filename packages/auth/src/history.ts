/**
 * The ops of one group in canonical order, cut into segments (docs/spec/4-auth.md §5.1): a cut lies
 * in front of an op that has seen everything before it. A segment of one op needs no resolution;
 * the others are bubbles. A late op reopens only what lies after the last cut its past covers.
 * Layer 4.
 */
import { type GroupPast, compareNodes, isBefore, opCount, type OpNode } from "./node.ts";
import { intEntries, intGet, intSecond } from "./int-map.ts";
import { mergeHeads, resolveBubble, type VoidCause } from "./resolve.ts";
import { emptyState, type GroupState, mergeStates } from "./state.ts";
import type { MemberNumber } from "./transition.ts";
import type { GroupId, MutualRemovalPolicy } from "./types.ts";

/** One group of the graph. */
export interface GroupHistory {
  readonly id: GroupId;
  readonly number: number;
  /** The create op. */
  readonly root: OpNode;
  /** Count of accepted ops. */
  size(): number;
  insert(node: OpNode): void;
  /** Ops that no other op of the group has seen, in canonical order. */
  heads(): readonly OpNode[];
  /** Maximal ops of a past, in canonical order. */
  headsOf(past: GroupPast): readonly OpNode[];
  /** The resolved state after all ops, or after the ops of `past`. */
  stateNow(): GroupState;
  stateAt(past: GroupPast): GroupState;
  /** Why an op does not count among all ops known now; `undefined` = it counts. */
  voidCause(node: OpNode): VoidCause | undefined;
  /** The chain an op with this past extends, and its position in it. */
  placeOf(parents: readonly OpNode[], past: GroupPast): ChainPlace;
  /** Every op, causes first. */
  nodes(): readonly OpNode[];
  /** Strikes at a member, in order of arrival. */
  strikesAt(member: number): readonly OpNode[];
  /** All strikes at members, in order of arrival. */
  strikes(): readonly OpNode[];
  /** Ops that admit or raise a member, in order of arrival. */
  grantsTo(member: number): readonly OpNode[];
  /** Ops that list a group as a member, with its number. */
  links(): readonly GroupLink[];
}

/** An op that makes a group a member of this one. */
export interface GroupLink {
  readonly node: OpNode;
  readonly group: GroupId;
}

/** Where an op goes in its group's chains. */
export interface ChainPlace {
  readonly chain: number;
  readonly pos: number;
  /** Conflicting ops in the chain before it. */
  readonly conflictsBefore: number;
}

/** Settings of a history. */
export interface HistoryOptions {
  readonly numberOf: MemberNumber;
  /** How many states at merged past positions are kept. */
  readonly cachedStatesMax: number;
}

interface Segment {
  /** Count of ops before it. */
  readonly start: number;
  /** In canonical order. */
  readonly nodes: OpNode[];
  /** Conflicting ops before it. */
  readonly conflictsBefore: number;
  /** Filled when it is first needed. */
  outcome:
    | { readonly state: GroupState; readonly dead: ReadonlyMap<OpNode, VoidCause> }
    | undefined;
}

const noneDead: ReadonlyMap<OpNode, VoidCause> = new Map();

/** Can this op make concurrent ops void, or become void by them through more than its author? */
export function isConflicting(node: Pick<OpNode, "op" | "effect">): boolean {
  return node.effect.strike !== undefined || node.op.action.type === "join";
}

/** The history of the group that `root` creates, holding `root`. */
export function createHistory(root: OpNode, options: HistoryOptions): GroupHistory {
  const segments: Segment[] = [];
  const chains: OpNode[][] = [];
  const tips = new Set<OpNode>();
  const admissions = new Map<number, OpNode[]>();
  const raises = new Map<number, OpNode[]>();
  const strikesByTarget = new Map<number, OpNode[]>();
  const strikeList: OpNode[] = [];
  const linkList: GroupLink[] = [];
  const states = new Map<string, GroupState>();
  const { action } = root.op;
  const policy: MutualRemovalPolicy = action.type === "create" ? action.policy : "remove-all";
  let size = 0;

  const conflictsOf = (nodes: readonly OpNode[]): number => nodes.filter(isConflicting).length;

  const insertSorted = (segment: Segment, node: OpNode): void => {
    let low = 0;
    let high = segment.nodes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = segment.nodes[middle];
      if (other !== undefined && compareNodes(other, node) < 0) low = middle + 1;
      else high = middle;
    }
    segment.nodes.splice(low, 0, node);
    segment.outcome = undefined;
  };

  const place = (node: OpNode): void => {
    const last = segments.at(-1);
    if (last === undefined || node.ancestors === size) {
      const conflictsBefore =
        last === undefined ? 0 : last.conflictsBefore + conflictsOf(last.nodes);
      segments.push({
        start: size,
        nodes: [node],
        conflictsBefore,
        outcome: { state: node.stateAfter, dead: noneDead },
      });
      return;
    }
    // Cuts behind more ops than the newcomer has seen are cuts no longer.
    let first = segments.length - 1;
    while (first > 0 && (segments[first]?.start ?? 0) > node.ancestors) first--;
    const reopened = segments.splice(first + 1);
    const segment = segments[first];
    if (segment === undefined) return;
    for (const { nodes } of reopened) for (const moved of nodes) segment.nodes.push(moved);
    insertSorted(segment, node);
  };

  const noteAdmissions = (node: OpNode): void => {
    const { op, names } = node;
    if (op.action.type === "create") {
      for (const { member } of op.action.grants) note(admissions, options.numberOf(member), node);
    }
    if (op.action.type === "add" || op.action.type === "leave") {
      note(admissions, names.member, node);
    }
    if (op.action.type === "join") note(admissions, names.member ?? names.author, node);
    if (op.action.type === "set") note(raises, node.effect.raises, node);
  };

  const noteLinks = (node: OpNode): void => {
    const { action: made } = node.op;
    const grants = made.type === "create" ? made.grants : made.type === "add" ? [made.grant] : [];
    if (made.type === "join" && made.as !== undefined) linkList.push({ node, group: made.as });
    for (const { member } of grants) {
      // Safe: a member of kind "group" carries a group id.
      if (member.kind === "group") linkList.push({ node, group: member.id as GroupId });
    }
  };

  const insert = (node: OpNode): void => {
    place(node);
    size++;
    const chain = chains[node.chain];
    if (chain === undefined) chains[node.chain] = [node];
    else chain.push(node);
    for (const parent of node.parents) tips.delete(parent);
    tips.add(node);
    noteAdmissions(node);
    noteLinks(node);
    const { strike } = node.effect;
    if (strike === undefined || strike.kind === "revoke") return;
    strikeList.push(node);
    note(strikesByTarget, strike.target, node);
  };

  const seniorityAmong = (contains: (node: OpNode) => boolean) => {
    const firstOf = (member: number): OpNode | undefined =>
      (admissions.get(member) ?? []).filter(contains).sort(compareNodes)[0];
    return (a: number, b: number): number => {
      const firstA = firstOf(a);
      const firstB = firstOf(b);
      if (firstA === undefined || firstB === undefined) {
        return Number(firstA === undefined) - Number(firstB === undefined);
      }
      if (firstA !== firstB) return compareNodes(firstA, firstB);
      return grantIndex(firstA, a, options.numberOf) - grantIndex(firstA, b, options.numberOf);
    };
  };

  const resolve = (
    nodes: readonly OpNode[],
    before: GroupState,
    contains: (node: OpNode) => boolean,
  ): { readonly state: GroupState; readonly dead: ReadonlyMap<OpNode, VoidCause> } => {
    if (!nodes.some(isConflicting)) return { state: mergeHeads(nodes, before), dead: noneDead };
    return resolveBubble({
      nodes,
      before,
      policy,
      compareSeniority: seniorityAmong(contains),
      numberOf: options.numberOf,
    });
  };

  const outcomeOf = (index: number) => {
    const segment = segments[index];
    if (segment === undefined) return { state: emptyState, dead: noneDead };
    if (segment.outcome !== undefined) return segment.outcome;
    // Only the last segment is ever open: whatever follows it was made from its resolved state.
    const before = segments[index - 1]?.outcome?.state ?? emptyState;
    segment.outcome = resolve(segment.nodes, before, () => true);
    return segment.outcome;
  };

  const stateNow = (): GroupState => outcomeOf(segments.length - 1).state;

  const lastSegmentBefore = (count: number): number => {
    let low = 0;
    let high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((segments[middle]?.start ?? 0) < count) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  const headsOf = (past: GroupPast): readonly OpNode[] => {
    if (opCount(past) === size) return heads();
    const candidates = intEntries(past).map(([, node]) => node);
    return maximalOf(candidates);
  };

  const heads = (): readonly OpNode[] => [...tips].sort(compareNodes);

  const stateAt = (past: GroupPast): GroupState => {
    const count = opCount(past);
    if (count === 0) return emptyState;
    if (count === size) return stateNow();
    const tops = headsOf(past);
    const [only] = tops;
    if (only !== undefined && tops.length === 1) return only.stateAfter;
    const key = tops.map((node) => node.index).join();
    const known = states.get(key);
    if (known !== undefined) return known;
    const state = resolvePast(past, tops, count);
    if (states.size >= options.cachedStatesMax) {
      for (const oldest of states.keys()) {
        states.delete(oldest);
        break;
      }
    }
    states.set(key, state);
    return state;
  };

  /** Resolves a causally closed part of the group: from the last cut that lies inside it. */
  const resolvePast = (past: GroupPast, tops: readonly OpNode[], count: number): GroupState => {
    const index = lastSegmentBefore(count);
    const segment = segments[index];
    if (segment === undefined) return emptyState;
    let state = index === 0 ? emptyState : outcomeOf(index - 1).state;
    if (intSecond(past) === segment.conflictsBefore) {
      for (const top of tops) state = mergeStates(state, top.stateAfter);
      return state;
    }
    const tail = tailOf(past, segment.start);
    const contains = (node: OpNode): boolean => {
      const seen = intGet(past, node.chain);
      return seen !== undefined && seen.pos >= node.pos;
    };
    for (const part of segmentsOf(tail, segment.start)) {
      const [single] = part;
      if (single !== undefined && part.length === 1) state = single.stateAfter;
      else state = resolve(part, state, contains).state;
    }
    return state;
  };

  /** The ops of `past` at or after position `start`, in canonical order. */
  const tailOf = (past: GroupPast, start: number): readonly OpNode[] => {
    const tail: OpNode[] = [];
    for (const [chain, last] of intEntries(past)) {
      for (let pos = last.pos; pos >= 0; pos--) {
        const node = chains[chain]?.[pos];
        if (node === undefined || node.ancestors < start) break;
        tail.push(node);
      }
    }
    return tail.sort(compareNodes);
  };

  const voidCause = (node: OpNode): VoidCause | undefined => {
    const index = lastSegmentBefore(node.ancestors + 1);
    return outcomeOf(index).dead.get(node);
  };

  const placeOf = (parents: readonly OpNode[], past: GroupPast): ChainPlace => {
    const tip = parents.find(isTip) ?? intEntries(past).find(([, node]) => isTip(node))?.[1];
    if (tip === undefined) return { chain: chains.length, pos: 0, conflictsBefore: 0 };
    return { chain: tip.chain, pos: tip.pos + 1, conflictsBefore: tip.conflictsInChain };
  };

  const isTip = (node: OpNode): boolean => chains[node.chain]?.length === node.pos + 1;

  insert(root);
  return {
    id: root.op.group,
    number: root.names.group,
    root,
    size: () => size,
    insert,
    heads,
    headsOf,
    stateNow,
    stateAt,
    voidCause,
    placeOf,
    nodes: () => segments.flatMap((segment) => segment.nodes),
    strikesAt: (member) => strikesByTarget.get(member) ?? [],
    strikes: () => strikeList,
    grantsTo: (member) => [...(admissions.get(member) ?? []), ...(raises.get(member) ?? [])],
    links: () => linkList,
  };
}

function note(lists: Map<number, OpNode[]>, member: number | undefined, node: OpNode): void {
  if (member === undefined) return;
  const list = lists.get(member);
  if (list === undefined) lists.set(member, [node]);
  else list.push(node);
}

/** The maximal ones of some ops of one group, in canonical order. */
export function maximalOf(candidates: readonly OpNode[]): readonly OpNode[] {
  // Later ops first: whatever one of the chosen has seen is not maximal.
  let rest = [...candidates].sort((a, b) => compareNodes(b, a));
  const chosen: OpNode[] = [];
  for (let next = rest[0]; next !== undefined; next = rest[0]) {
    const top = next;
    chosen.push(top);
    rest = rest.filter((node) => node !== top && !isBefore(node, top));
  }
  return chosen.sort(compareNodes);
}

function grantIndex(create: OpNode, member: number, numberOf: MemberNumber): number {
  const { action } = create.op;
  if (action.type !== "create") return 0;
  return action.grants.findIndex((grant) => numberOf(grant.member) === member);
}

/**
 * Ops in canonical order, split at the cuts (§5.1): a cut lies in front of the op at position k that
 * has exactly k ancestors. `start` is the position of the first one.
 */
export function segmentsOf<T extends { readonly ancestors: number }>(
  nodes: readonly T[],
  start: number,
): readonly (readonly T[])[] {
  const parts: T[][] = [];
  for (const [index, node] of nodes.entries()) {
    const last = parts.at(-1);
    if (last === undefined || node.ancestors === start + index) parts.push([node]);
    else last.push(node);
  }
  return parts;
}
