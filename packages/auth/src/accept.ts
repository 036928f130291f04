/**
 * Acceptance (docs/spec/4-auth.md §3.1): whether an op gets in, judged by the op, its place in its
 * author's log and its causal past, and by nothing else. Layer 4.
 */
import type { Crypto } from "@hawser/crypto";
import { type GroupHistory, isConflicting } from "./history.ts";
import { intGet } from "./int-map.ts";
import type { Interner } from "./interner.ts";
import { verifyJoin } from "./join.ts";
import {
  allOpCount,
  compareNodes,
  extendPast,
  type GroupPast,
  hasSeen,
  isBefore,
  opCount,
  type OpEffect,
  type OpNames,
  type OpNode,
  type Past,
} from "./node.ts";
import { groupIdOf } from "./op.ts";
import { emptyState, type GroupState, isManager } from "./state.ts";
import { effectOf, transition } from "./transition.ts";
import type { AuthOp, GroupId, Member, RejectReason } from "./types.ts";

/** What acceptance needs of the graph. */
export interface Acceptance {
  readonly crypto: Crypto;
  readonly interner: Interner;
  historyOf(group: GroupId): GroupHistory | undefined;
  /** The number of a known group, or the one a new group gets. */
  groupNumber(group: GroupId): number;
}

/** An op and its causal past, all of it accepted. */
export interface Candidate {
  readonly op: AuthOp;
  /** The index it gets if it is accepted. */
  readonly index: number;
  /** The ops named by its deps. */
  readonly parents: readonly OpNode[];
  /** What they have seen. */
  readonly past: Past;
  /** What the author had acknowledged before. */
  readonly after: readonly OpNode[];
}

/** The op gets in as `node`; `history` is its group, if that exists. */
export interface Admission {
  readonly ok: true;
  readonly history: GroupHistory | undefined;
  readonly node: OpNode;
}

/** The op is refused, for ever and everywhere. */
export interface Refusal {
  readonly ok: false;
  readonly reason: RejectReason;
}

/** Judges a candidate. The order of the checks is part of the spec: replicas agree on the reason. */
export function checkOp(on: Acceptance, candidate: Candidate): Admission | Refusal {
  const { op, past } = candidate;
  const structural = checkPlace(on, candidate);
  if (structural !== undefined) return { ok: false, reason: structural };
  const isCreate = op.action.type === "create";
  const history = isCreate ? undefined : on.historyOf(op.group);
  const author = on.interner.find({ kind: "individual", id: op.author });
  if (author === undefined && !isCreate && op.action.type !== "join") {
    // As the transition would say, before a stranger's op is given any numbers.
    return { ok: false, reason: "NOT_MEMBER" };
  }
  const names = namesOf(on, op);
  const groupPast = intGet(past, names.group);
  const before = history === undefined ? emptyState : history.stateAt(groupPast);
  const node = draftNode({ candidate, names, before, history, groupPast });
  const outcome = transition(before, node, "acceptance", on.interner.numberOf);
  if (!outcome.ok) return outcome;
  if (op.action.type === "join" && !managesJoiner(on, past, op)) {
    return { ok: false, reason: "NOT_GROUP_MANAGER" };
  }
  if (op.action.type === "join" && !verifyJoin(on.crypto, op, op.action)) {
    return { ok: false, reason: "BAD_JOIN_PROOF" };
  }
  node.stateAfter = outcome.state;
  node.past = extendPast(past, node);
  return { ok: true, history, node };
}

/** Is the group that joins, if any, managed by the author himself, as far as the author has seen? */
function managesJoiner(on: Acceptance, past: Past, { author, action }: AuthOp): boolean {
  if (action.type !== "join" || action.as === undefined) return true;
  const history = on.historyOf(action.as);
  const number = on.interner.find({ kind: "individual", id: author });
  if (history === undefined || number === undefined) return false;
  const state = history.stateAt(intGet(past, history.number));
  return isManager(intGet(state.individuals, number));
}

/** Everything that does not depend on the group's state. */
function checkPlace(on: Acceptance, candidate: Candidate): RejectReason | undefined {
  const { op, parents, past, after } = candidate;
  for (const parent of parents) {
    if (parents.some((other) => isBefore(parent, other))) return "DEPS_NOT_ANTICHAIN";
  }
  const isCreate = op.action.type === "create";
  if (isCreate && op.group !== groupIdOf(on.crypto, op.id)) return "GROUP_UNBOUND";
  if (!isCreate && !knowsGroup(on, past, op.group)) return "GROUP_NOT_IN_PAST";
  for (const id of newGroupsOf(op)) if (!knowsGroup(on, past, id)) return "UNKNOWN_GROUP";
  if (parents.some((parent) => parent.op.group !== op.group)) {
    const related = relatedGroups(on, candidate);
    if (parents.some((parent) => !related.has(parent.op.group))) return "DEP_UNRELATED";
  }
  return after.every((node) => hasSeen(past, node)) ? undefined : "NOT_MONOTONIC";
}

function knowsGroup(on: Acceptance, past: Past, group: GroupId): boolean {
  const history = on.historyOf(group);
  return history !== undefined && hasSeen(past, history.root);
}

function newGroupsOf(op: AuthOp): readonly GroupId[] {
  const { action } = op;
  if (action.type === "join") return action.as === undefined ? [] : [action.as];
  const grants = action.type === "create" ? action.grants : [];
  const members = action.type === "add" ? [action.grant.member] : grants.map((g) => g.member);
  // Safe: a member of kind "group" carries a group id.
  return members.filter((member) => member.kind === "group").map((member) => member.id as GroupId);
}

/** The op's group and every group that its past, or it, has ever put below that. */
function relatedGroups(on: Acceptance, { op, past }: Candidate): ReadonlySet<GroupId> {
  const related = new Set<GroupId>([op.group, ...newGroupsOf(op)]);
  // A set is iterated in order of insertion, including what is inserted meanwhile.
  for (const group of related) {
    for (const link of on.historyOf(group)?.links() ?? []) {
      if (hasSeen(past, link.node)) related.add(link.group);
    }
  }
  return related;
}

function namesOf(on: Acceptance, op: AuthOp): OpNames {
  const { action } = op;
  const member = memberNamed(op);
  const isAboutInvite =
    action.type === "invite" || action.type === "revoke" || action.type === "join";
  return {
    group: on.groupNumber(op.group),
    author: on.interner.numberOf({ kind: "individual", id: op.author }),
    member: member === undefined ? undefined : on.interner.numberOf(member),
    invite: isAboutInvite ? on.interner.inviteNumberOf(action.invite) : undefined,
  };
}

function memberNamed({ action }: AuthOp): Member | undefined {
  switch (action.type) {
    case "add":
    case "set":
      return action.grant.member;
    case "remove":
      return action.member;
    case "leave":
      return action.successor;
    case "join":
      return action.as === undefined ? undefined : { kind: "group", id: action.as };
    case "create":
    case "invite":
    case "revoke":
    case "rule":
    case "raise":
      return undefined;
  }
}

type MutableNode = { -readonly [Key in keyof OpNode]: OpNode[Key] };

/**
 * The node of a candidate, its state and past still to be filled in: the state after an op refers to
 * the op itself, so one of the two must exist first.
 */
function draftNode(input: {
  readonly candidate: Candidate;
  readonly names: OpNames;
  readonly before: GroupState;
  readonly history: GroupHistory | undefined;
  readonly groupPast: GroupPast;
}): MutableNode {
  const { candidate, names, before, history, groupPast } = input;
  const { op, past } = candidate;
  const own = candidate.parents.filter((parent) => parent.op.group === op.group);
  const isWhole = own.length === candidate.parents.length;
  // Deps of other groups may have seen ops of this group that no own dep has.
  const parents = isWhole ? [...own].sort(compareNodes) : (history?.headsOf(groupPast) ?? []);
  const place = history?.placeOf(parents, groupPast);
  const effect: OpEffect = effectOf({ op, names }, before);
  const conflicts = isConflicting({ op, effect }) ? 1 : 0;
  return {
    op,
    index: candidate.index,
    names,
    effect,
    chain: place?.chain ?? 0,
    pos: place?.pos ?? 0,
    conflictsInChain: (place?.conflictsBefore ?? 0) + conflicts,
    ancestors: opCount(groupPast),
    allAncestors: allOpCount(past),
    parents,
    past,
    stateBefore: before,
    stateAfter: before,
  };
}
