/**
 * Reading membership through nested groups (docs/spec/4-auth.md §6): the least access along a path,
 * the greatest over all paths. A worklist, not a recursion, so cycles of groups are harmless.
 * Layer 4.
 */
import { equalAccess, joinAccess, meetAccess, rankOf } from "./access.ts";
import type { GroupHistory } from "./history.ts";
import { intEntries, intGet } from "./int-map.ts";
import { compareIds, type Position } from "./node.ts";
import { type GroupState, isActive, type Standing } from "./state.ts";
import type { AuthorId } from "@hawser/crypto";
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

/** How much of a member's standing counts; `undefined` = none. */
export type Edge = (
  history: GroupHistory,
  member: number,
  standing: Standing,
) => Access | undefined;

/** A group reached from the one asked for. */
export interface Reach {
  readonly history: GroupHistory;
  readonly state: GroupState;
  /** What a member of it can have at most in the group asked for. */
  readonly cap: Access;
  /** The way to it, for explanations: the group asked for first, this group last. */
  readonly path: readonly GroupId[];
}

const unlimited: Access = { level: "manage", mayDelete: true };

/** Every standing of a member counts in full. */
export const plainEdge: Edge = (_history, _member, standing) =>
  isActive(standing) ? standing.access : undefined;

/** The groups reached from `group`, itself first. Empty when it is unknown at that position. */
export function reachOf(
  reader: Reader,
  group: GroupId,
  at: Position,
  edge: Edge,
): ReadonlyMap<GroupId, Reach> {
  const reached = new Map<GroupId, Reach>();
  const enter = (id: GroupId, cap: Access, path: readonly GroupId[]): boolean => {
    const history = reader.historyOf(id);
    if (history === undefined) return false;
    reached.set(id, { history, state: reader.stateOf(history, at), cap, path });
    return true;
  };
  const queue: GroupId[] = [];
  if (enter(group, unlimited, [group])) queue.push(group);
  // A group is queued again only when its cap grew, which can happen four times at most.
  for (let head = 0; head < queue.length; head++) {
    const from = reached.get(queue[head] ?? group);
    if (from === undefined) continue;
    for (const { id, access } of subgroupsOf(reader, from, edge)) {
      const limited = meetAccess(access, from.cap);
      const known = reached.get(id);
      const cap = known === undefined ? limited : joinAccess(known.cap, limited);
      if (known !== undefined && equalAccess(known.cap, cap)) continue;
      const isBetterWay = known === undefined || rankOf(cap.level) > rankOf(known.cap.level);
      if (enter(id, cap, isBetterWay ? [...from.path, id] : known.path)) queue.push(id);
    }
  }
  return reached;
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
    const own = standing === undefined ? undefined : edge(via.history, individual, standing);
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
  for (const { state, cap, path } of reached.values()) {
    for (const [number, standing] of intEntries(state.individuals)) {
      if (!isActive(standing)) continue;
      const access = meetAccess(standing.access, cap);
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

function subgroupsOf(
  reader: Reader,
  from: Reach,
  edge: Edge,
): readonly { readonly id: GroupId; readonly access: Access }[] {
  const groups: { readonly id: GroupId; readonly access: Access }[] = [];
  for (const [number, standing] of intEntries(from.state.groups)) {
    const access = edge(from.history, number, standing);
    // Safe: the group side of a state holds members of kind "group".
    if (access !== undefined) groups.push({ id: reader.memberOf(number).id as GroupId, access });
  }
  return groups.sort((a, b) => compareIds(a.id, b.id));
}
