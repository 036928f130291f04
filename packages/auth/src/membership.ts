/**
 * Reading membership through nested groups (docs/spec/4-auth.md §6): the least access along a path,
 * the greatest over all paths. A worklist, not a recursion, so cycles of groups are harmless.
 * Layer 4.
 */
import type { AuthorId } from "@hawser/crypto";
import { equalAccess, joinAccess, meetAccess, rankOf } from "./access.ts";
import type { GroupHistory } from "./history.ts";
import { intEntries, intGet } from "./int-map.ts";
import { compareIds, hasSeen, type OpNode, type Position } from "./node.ts";
import { type GroupState, isActive, type Standing } from "./state.ts";
import type { Access, GroupId, Member, Membership } from "./types.ts";

/** What reading needs of the graph. */
export interface Reader {
  historyOf(group: GroupId): GroupHistory | undefined;
  /** The resolved state of a group at a position. */
  stateOf(history: GroupHistory, at: Position): GroupState;
  /** The interned number of a member. */
  numberOf(member: Member): number;
  /** The member behind an interned number. */
  memberOf(number: number): Member;
}

/** A way through nested groups, from the last one up. */
export interface Way {
  readonly group: GroupId;
  readonly above: Way | undefined;
}

/**
 * Individuals who stand removed from a group above (docs/spec/4-auth.md §6.2), each with the ops
 * whose authors knew what they let through: the removal, and the op that lists the subgroup.
 */
export type Outcasts = ReadonlyMap<number, readonly OpNode[]>;

/** A group reached from the one asked for. */
export interface Reach {
  readonly history: GroupHistory;
  readonly state: GroupState;
  /** What a member of it can have at most in the group asked for. */
  readonly cap: Access;
  /** The way to it: the group asked for is at its far end. */
  readonly way: Way;
  /** Whose grants in this group do not count for the group asked for. */
  readonly outcasts: Outcasts;
}

/** How much of a member's standing in a reached group counts; `undefined` = none. */
export type Edge = (reach: Reach, member: number, standing: Standing) => Access | undefined;

const unlimited: Access = { level: "manage", mayDelete: true };
const noOutcasts: Outcasts = new Map();

/** A standing counts, except for what an outcast granted. */
export const plainEdge: Edge = (reach, member, standing) => {
  if (!isActive(standing)) return undefined;
  const counted = countedStanding(member, standing, (node) => isByOutcast(reach.outcasts, node));
  return isActive(counted) ? counted.access : undefined;
};

/**
 * Goes back over ops that do not count to the standing that does. Ends, because each step is into
 * the past.
 */
export function countedStanding(
  member: number,
  standing: Standing,
  isIgnored: (node: OpNode) => boolean,
): Standing | undefined {
  let counted: Standing | undefined = standing;
  while (counted !== undefined) {
    const culprit: OpNode | undefined = [counted.by, counted.accessBy].find(isIgnored);
    if (culprit === undefined) return counted;
    counted = standingIn(culprit.stateBefore, member);
  }
  return undefined;
}

/** Did somebody grant this who stands removed above, without anybody there knowing of it? */
export function isByOutcast(outcasts: Outcasts, node: OpNode): boolean {
  if (node.effect.strike !== undefined || node.effect.settles !== undefined) return false;
  const clearing = outcasts.get(node.effect.inviter ?? node.names.author);
  return clearing !== undefined && !clearing.some((knowing) => hasSeen(knowing.past, node));
}

/** Where and how to read. */
export interface Reading {
  readonly at: Position;
  readonly edge: Edge;
  /** The position whose removals make outcasts; `at` by default. */
  readonly outcastsAt?: Position;
}

/** The groups reached from `group`, itself first. Empty when it is unknown at that position. */
export function reachOf(
  reader: Reader,
  group: GroupId,
  reading: Reading,
): ReadonlyMap<GroupId, Reach> {
  const { at, edge, outcastsAt = at } = reading;
  const reached = new Map<GroupId, Reach>();
  const root = reader.historyOf(group);
  if (root === undefined) return reached;
  reached.set(group, {
    history: root,
    state: reader.stateOf(root, at),
    cap: unlimited,
    way: { group, above: undefined },
    outcasts: noOutcasts,
  });
  const queue: GroupId[] = [group];
  // A group is queued again only when its cap grew or its outcasts became fewer.
  for (let head = 0; head < queue.length; head++) {
    const from = reached.get(queue[head] ?? group);
    if (from === undefined) continue;
    const subgroups = subgroupsOf(reader, from, edge);
    if (subgroups.length === 0) continue;
    const removed = outcastsOf(reader.stateOf(from.history, outcastsAt));
    for (const { id, access, standing } of subgroups) {
      const history = reader.historyOf(id);
      if (history === undefined) continue;
      const outcasts = addOutcasts(from.outcasts, removed, standing);
      const known = reached.get(id);
      const cap = meetAccess(access, from.cap);
      const way: Way = { group: id, above: from.way };
      const next: Reach = { history, state: reader.stateOf(history, at), cap, way, outcasts };
      const merged = known === undefined ? next : mergeReach(known, next);
      if (merged === known) continue;
      reached.set(id, merged);
      queue.push(id);
    }
  }
  return reached;
}

/** The groups of a way, the group asked for first. */
export function pathOf(way: Way): readonly GroupId[] {
  const path: GroupId[] = [];
  for (let step: Way | undefined = way; step !== undefined; step = step.above) {
    path.push(step.group);
  }
  return path.reverse();
}

/** Two ways to one group: what either lets through. Returns `known` when nothing is new. */
function mergeReach(known: Reach, next: Reach): Reach {
  const cap = joinAccess(known.cap, next.cap);
  const shared = [...known.outcasts].filter(([member]) => next.outcasts.has(member));
  if (equalAccess(cap, known.cap) && shared.length === known.outcasts.size) return known;
  const way = rankOf(cap.level) > rankOf(known.cap.level) ? next.way : known.way;
  const outcasts = new Map(
    shared.map(([member, ops]) => [member, [...ops, ...(next.outcasts.get(member) ?? [])]]),
  );
  return { ...known, cap, way, outcasts };
}

/** Individuals who were removed and did not come back, with the removal. */
function outcastsOf(state: GroupState): readonly (readonly [number, OpNode])[] {
  return intEntries(state.individuals)
    .filter(([, standing]) => standing.by.op.action.type === "remove" && !isActive(standing))
    .map(([member, standing]) => [member, standing.by]);
}

function addOutcasts(
  above: Outcasts,
  removed: readonly (readonly [number, OpNode])[],
  listing: Standing,
): Outcasts {
  if (removed.length === 0) return above;
  const outcasts = new Map(above);
  for (const [member, removal] of removed) {
    if (!outcasts.has(member)) outcasts.set(member, [removal, listing.by, listing.accessBy]);
  }
  return outcasts;
}

/** A number names one member, so it is on one side of a state only. */
function standingIn(state: GroupState, member: number): Standing | undefined {
  return intGet(state.individuals, member) ?? intGet(state.groups, member);
}

/** What one individual has in the group asked for, and where from; `undefined` = nothing. */
export function accessThrough(
  reached: ReadonlyMap<GroupId, Reach>,
  individual: number,
  edge: Edge,
): { readonly access: Access; readonly via: Reach; readonly standing: Standing } | undefined {
  let best: { access: Access; via: Reach; standing: Standing } | undefined;
  for (const via of reached.values()) {
    const standing = intGet(via.state.individuals, individual);
    const own = standing === undefined ? undefined : edge(via, individual, standing);
    if (standing === undefined || own === undefined) continue;
    const access = meetAccess(own, via.cap);
    if (best === undefined) {
      best = { access, via, standing };
    } else {
      const wider = joinAccess(best.access, access);
      const isBetterWay = rankOf(access.level) > rankOf(best.access.level);
      best = isBetterWay ? { access: wider, via, standing } : { ...best, access: wider };
    }
  }
  return best;
}

/** Every individual reached, sorted by id. */
export function listMembers(
  reached: ReadonlyMap<GroupId, Reach>,
  reader: Reader,
): ReadonlyMap<AuthorId, Membership> {
  const found = new Map<number, Membership>();
  for (const reach of reached.values()) {
    const path = pathOf(reach.way);
    for (const [number, standing] of intEntries(reach.state.individuals)) {
      const own = plainEdge(reach, number, standing);
      if (own === undefined) continue;
      const access = meetAccess(own, reach.cap);
      const known = found.get(number);
      const wider = known === undefined ? access : joinAccess(known, access);
      const isBetterWay = known === undefined || rankOf(access.level) > rankOf(known.level);
      const way = isBetterWay ? { path, grantedBy: standing.accessBy.op.id } : known;
      const { level, mayDelete } = wider;
      found.set(number, { level, mayDelete, path: way.path, grantedBy: way.grantedBy });
    }
  }
  // Safe: the individual side of a state holds members of kind "individual".
  return new Map(
    [...found]
      .map(([number, entry]) => [reader.memberOf(number).id as AuthorId, entry] as const)
      .sort(([a], [b]) => compareIds(a, b)),
  );
}

interface Subgroup {
  readonly id: GroupId;
  readonly access: Access;
  readonly standing: Standing;
}

function subgroupsOf(reader: Reader, from: Reach, edge: Edge): readonly Subgroup[] {
  const groups: Subgroup[] = [];
  for (const [number, standing] of intEntries(from.state.groups)) {
    const access = edge(from, number, standing);
    if (access === undefined) continue;
    // Safe: the group side of a state holds members of kind "group".
    groups.push({ id: reader.memberOf(number).id as GroupId, access, standing });
  }
  return groups.sort((a, b) => compareIds(a.id, b.id));
}
