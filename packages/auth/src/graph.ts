/**
 * The membership graph (docs/spec/4-auth.md): ops go in, in any causal order; who may do what comes
 * out, now and at every past position. Pure: no clock, no random, no I/O. Layer 4.
 */
import { createByteReader, createByteWriter } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { allows } from "./access.ts";
import { checkOp } from "./accept.ts";
import { createHistory, type GroupHistory } from "./history.ts";
import { createInterner } from "./interner.ts";
import { intEntries, intGet } from "./int-map.ts";
import { judgeContent, type SeenBy } from "./judge.ts";
import { opBytesMax } from "./limits.ts";
import {
  accessThrough,
  listMembers,
  plainEdge,
  type Reach,
  reachOf,
  type Reader,
} from "./membership.ts";
import {
  compareIds,
  compareOverall,
  hasSeen,
  mergePasts,
  type OpNode,
  type Past,
  type Position,
} from "./node.ts";
import { encodeOp, parseOp } from "./op.ts";
import { type ManagerSaw, openInvites, removalReports } from "./reports.ts";
import { isActive, managerCount } from "./state.ts";
import type {
  Access,
  AddVerdict,
  AuthOp,
  Grant,
  GroupId,
  Judgement,
  Membership,
  Need,
  OpenInvite,
  OpId,
  OpStatus,
  RejectReason,
  RemovalReport,
  Why,
} from "./types.ts";
import { explain } from "./why.ts";

/** What the graph needs. */
export interface AuthGraphDeps {
  readonly crypto: Crypto;
}

/** Settings of a graph. */
export interface AuthGraphOptions {
  /** States kept for merged past positions; the oldest goes first. Default 256. */
  readonly cachedStatesMax?: number;
  /** Refused ops remembered, so that what depends on them is refused too. Default 65,536. */
  readonly rejectedMax?: number;
}

/** Where an op stands in its author's log. */
export interface AddContext {
  /**
   * What the author had acknowledged before, in earlier entries of the log that carries the op: its
   * own earlier ops and the heads it wrote content at. All of it must be in the op's past.
   */
  readonly after?: readonly OpId[];
}

/** A set of op ids: "everything these ops have seen, and they themselves". */
export type Heads = readonly OpId[];

/**
 * Who may do what, and why. A question about a position (`at`) that names an op this graph does not
 * hold has no answer yet: `undefined`. A group it does not hold has no members.
 */
export interface AuthGraph {
  /**
   * Takes an op in, once its deps are in. Idempotent. An op that stands at several places, on branches
   * of a forked log, is in if it may stand at one of them; the verdict is about the place asked for.
   */
  add(op: AuthOp, context?: AddContext): AddVerdict;
  has(op: OpId): boolean;
  get(op: OpId): AuthOp | undefined;
  /** Ids of all groups, sorted. */
  groups(): readonly GroupId[];
  /**
   * Maximal ops of a group and of the groups it contains: the deps of the next op, and the position
   * at which content is written. Sorted.
   */
  heads(group: GroupId): Heads;
  /** Individuals and what they may do, over nested groups. Sorted by id. */
  members(group: GroupId): ReadonlyMap<AuthorId, Membership>;
  members(group: GroupId, at: Heads | undefined): ReadonlyMap<AuthorId, Membership> | undefined;
  /** Individuals and groups listed in the group itself. Sorted by id. */
  directMembers(group: GroupId): readonly Grant[];
  directMembers(group: GroupId, at: Heads | undefined): readonly Grant[] | undefined;
  /** `undefined`: no access, or the position is not known. */
  accessOf(group: GroupId, actor: AuthorId, at?: Heads): Access | undefined;
  can(group: GroupId, actor: AuthorId, need: Need): boolean;
  can(group: GroupId, actor: AuthorId, need: Need, at: Heads | undefined): boolean | undefined;
  /**
   * How content stands whose author had acknowledged `atHeads`. `seenBy(op)` says whether the author
   * of a removal had seen the content when issuing it: then the removal came after it and leaves it
   * alone. Without `seenBy` every removal outside `atHeads` counts as concurrent.
   */
  judge(
    group: GroupId,
    actor: AuthorId,
    atHeads: Heads,
    need: Need,
    seenBy?: SeenBy,
  ): Judgement | undefined;
  why(group: GroupId, actor: AuthorId, need: Need, at?: Heads): Why | undefined;
  /** No individual manages the group: nobody can change it any more. False for an unknown group. */
  orphaned(group: GroupId): boolean;
  /** Invites that can still admit somebody; expiry is for the caller to compare. Sorted by op. */
  invites(group: GroupId): readonly OpenInvite[];
  /** Removals and demotions with their finality. `managerSaw` adds acknowledgements from logs. */
  removals(group: GroupId, managerSaw?: ManagerSaw): readonly RemovalReport[];
  /** Does an accepted op count among everything known now? */
  status(op: OpId): OpStatus | undefined;
  /** Ops in causal order, those in the past of `after` left out. */
  ops(after?: Heads): readonly AuthOp[] | undefined;
  /** The maximal ones; unknown ids are left out. Sorted. */
  antichain(ops: readonly OpId[]): Heads;
  /** Has whoever saw all of `a` seen all of `b`? `undefined` when an id is unknown. */
  dominates(a: Heads, b: Heads): boolean | undefined;
  /** Canonical bytes: equal for every graph that holds the same ops. */
  encode(): Uint8Array;
}

const formatVersion = 1;

/** The one refusal that is about a place of an op and not about the op. */
const misplaced = { status: "rejected", reason: "NOT_MONOTONIC" } as const satisfies AddVerdict;

/** The number of whoever no op has ever named: no state holds it. */
const nobody = 0xffff_ffff;

/** A new, empty graph. */
export function createAuthGraph(deps: AuthGraphDeps, options: AuthGraphOptions = {}): AuthGraph {
  const cachedStatesMax = options.cachedStatesMax ?? 256;
  const rejectedMax = options.rejectedMax ?? 65_536;
  const interner = createInterner();
  const nodes = new Map<OpId, OpNode>();
  const rejected = new Map<OpId, RejectReason>();
  const histories: GroupHistory[] = [];
  const numberOfGroup = new Map<GroupId, number>();
  const pasts = new Map<string, Past>();
  const reaches = new Map<string, ReadonlyMap<GroupId, Reach>>();

  const historyOf = (group: GroupId): GroupHistory | undefined =>
    histories[numberOfGroup.get(group) ?? -1];
  const reader: Reader = {
    historyOf,
    stateOf: (history, at) =>
      at === "now" ? history.stateNow() : history.stateAt(intGet(at, history.number)),
    numberOf: interner.numberOf,
    memberOf: interner.memberOf,
  };

  const reject = (op: AuthOp, reason: RejectReason): AddVerdict => {
    rejected.set(op.id, reason);
    if (rejected.size > rejectedMax) dropOldest(rejected);
    return { status: "rejected", reason };
  };

  const add = (op: AuthOp, context: AddContext = {}): AddVerdict => {
    const refused = rejected.get(op.id);
    if (refused !== undefined) return { status: "rejected", reason: refused };
    if (op.deps.some((dep) => rejected.has(dep))) return reject(op, "DEP_REJECTED");
    const acknowledged = (context.after ?? []).filter((id) => !rejected.has(id));
    const missing = [...new Set([...op.deps, ...acknowledged])].filter((id) => !nodes.has(id));
    if (missing.length > 0) return { status: "pending", missing: missing.sort() };
    const after = nodesOf(acknowledged) ?? [];
    const known = nodes.get(op.id);
    if (known !== undefined) {
      const isInOrder = after.every((node) => hasSeen(known.past, node));
      return isInOrder ? { status: "accepted" } : misplaced;
    }
    const parents = nodesOf(op.deps) ?? [];
    const past = mergePasts(parents);
    const candidate = { op, index: nodes.size, parents, past, after };
    const checked = checkOp({ crypto: deps.crypto, interner, historyOf, groupNumber }, candidate);
    // Another branch of a forked log may hold the op where its author had not acknowledged more.
    if (!checked.ok && checked.reason === misplaced.reason) return misplaced;
    if (!checked.ok) return reject(op, checked.reason);
    const { node } = checked;
    nodes.set(op.id, node);
    if (checked.history === undefined) {
      numberOfGroup.set(op.group, histories.length);
      histories.push(createHistory(node, { numberOf: interner.numberOf, cachedStatesMax }));
    } else {
      checked.history.insert(node);
    }
    reaches.clear();
    return { status: "accepted" };
  };

  const groupNumber = (group: GroupId): number => numberOfGroup.get(group) ?? histories.length;

  const nodesOf = (ids: Heads): readonly OpNode[] | undefined => {
    const found: OpNode[] = [];
    for (const id of ids) {
      const node = nodes.get(id);
      if (node === undefined) return undefined;
      found.push(node);
    }
    return found;
  };

  /** What whoever saw these ops has seen. Cached by the ids; a past never changes. */
  const pastOf = (at: Heads): Past | "unknown" => {
    const key = at.join();
    const known = pasts.get(key);
    if (known !== undefined) return known;
    const found = nodesOf(at);
    if (found === undefined) return "unknown";
    const past = mergePasts(found);
    pasts.set(key, past);
    if (pasts.size > cachedStatesMax) dropOldest(pasts);
    return past;
  };

  /** Answers a question at a position; no answer where the position is not known. */
  const asked = <T>(at: Heads | undefined, answer: (at: Position) => T): T | undefined => {
    const position = at === undefined ? "now" : pastOf(at);
    return position === "unknown" ? undefined : answer(position);
  };

  const reachedAt = (
    group: GroupId,
    at: Heads | undefined,
    position: Position,
  ): ReadonlyMap<GroupId, Reach> => {
    const key = `${group} ${at === undefined ? "now" : at.join()}`;
    const known = reaches.get(key);
    if (known !== undefined) return known;
    const reach = reachOf(reader, group, { at: position, edge: plainEdge });
    reaches.set(key, reach);
    if (reaches.size > cachedStatesMax) dropOldest(reaches);
    return reach;
  };

  const individual = (actor: AuthorId): number =>
    interner.find({ kind: "individual", id: actor }) ?? nobody;

  const accessOf = (group: GroupId, actor: AuthorId, at?: Heads): Access | undefined =>
    asked(at, (position) => {
      const reach = reachedAt(group, at, position);
      return accessThrough(reach, individual(actor), plainEdge)?.access;
    });

  const can = (group: GroupId, actor: AuthorId, need: Need, at?: Heads): boolean | undefined =>
    asked(at, () => allows(accessOf(group, actor, at), need));

  const membersAt = (group: GroupId, at?: Heads) =>
    asked(at, (position) => listMembers(reachedAt(group, at, position), reader));

  const directAt = (group: GroupId, at?: Heads): readonly Grant[] | undefined =>
    asked(at, (position) => {
      const history = historyOf(group);
      if (history === undefined) return [];
      const state = reader.stateOf(history, position);
      return [...intEntries(state.individuals), ...intEntries(state.groups)]
        .filter(([, standing]) => isActive(standing))
        .map(([number, { access }]) => ({ member: interner.memberOf(number), access }))
        .sort((a, b) => compareIds(a.member.id, b.member.id));
    });

  const heads = (group: GroupId): Heads => {
    const candidates: OpNode[] = [];
    for (const { history } of reachedAt(group, undefined, "now").values()) {
      candidates.push(...history.heads());
    }
    return maximalIds(candidates);
  };

  const judge = (
    group: GroupId,
    actor: AuthorId,
    atHeads: Heads,
    need: Need,
    seenBy: SeenBy = () => false,
  ): Judgement | undefined =>
    asked(atHeads, (position) => {
      const at = position === "now" ? undefined : position;
      const content = { group, actor: individual(actor), need, at, seenBy };
      return judgeContent(reader, content, reachedAt(group, atHeads, at));
    });

  const encode = (): Uint8Array => {
    const writer = createByteWriter(1024);
    writer.u8(formatVersion);
    writer.varint(nodes.size);
    const ordered = [...nodes.values()].sort(compareOverall);
    for (const { op } of ordered) writer.sized(encodeOp(op));
    return writer.finish();
  };

  const status = (id: OpId): OpStatus | undefined => {
    const node = nodes.get(id);
    if (node === undefined) return undefined;
    const cause = histories[node.names.group]?.voidCause(node);
    if (cause === undefined) return { state: "effective" };
    return { state: "void", reason: cause.reason, by: cause.by?.op.id };
  };

  const ops = (after?: Heads): readonly AuthOp[] | undefined =>
    asked(after ?? [], (position) => {
      const past = position === "now" ? undefined : position;
      const fresh = [...nodes.values()].filter((node) => !hasSeen(past, node));
      return fresh.sort(compareOverall).map((node) => node.op);
    });

  const dominates = (a: Heads, b: Heads): boolean | undefined =>
    asked(a, (position) => {
      const past = position === "now" ? undefined : position;
      return nodesOf(b)?.every((node) => hasSeen(past, node));
    });

  return {
    add,
    has: (op) => nodes.has(op),
    get: (op) => nodes.get(op)?.op,
    groups: () => histories.map((history) => history.id).sort(),
    heads,
    // Safe, here and below: only a position that is not known leaves a question unanswered.
    members: membersAt as AuthGraph["members"],
    directMembers: directAt as AuthGraph["directMembers"],
    accessOf,
    can: can as AuthGraph["can"],
    judge,
    why: (group, actor, need, at) =>
      asked(at, (position) => {
        const reach = reachedAt(group, at, position);
        return explain(reader, reach, { actor: individual(actor), need, position });
      }),
    orphaned: (group) => {
      const history = historyOf(group);
      return history !== undefined && managerCount(history.stateNow()) === 0;
    },
    invites: (group) => {
      const history = historyOf(group);
      return history === undefined ? [] : openInvites(history);
    },
    removals: (group, managerSaw) => {
      const history = historyOf(group);
      return history === undefined ? [] : removalReports(history, reader, managerSaw);
    },
    status,
    ops,
    antichain: (ids) => maximalIds(ids.map((id) => nodes.get(id)).filter((n) => n !== undefined)),
    dominates,
    encode,
  };
}

/** Why stored bytes are no graph. */
export type RestoreReason = "BAD_VERSION" | "MALFORMED" | "BAD_OP" | "REJECTED_OP";

/** The graph in bytes from `encode`, every op checked again as if a peer had sent it. */
export function restoreAuthGraph(
  deps: AuthGraphDeps,
  bytes: Uint8Array,
  options: AuthGraphOptions = {},
):
  | { readonly ok: true; readonly graph: AuthGraph }
  | { readonly ok: false; readonly reason: RestoreReason } {
  const reader = createByteReader(bytes);
  if (reader.u8() !== formatVersion) return { ok: false, reason: "BAD_VERSION" };
  const count = reader.varint();
  const graph = createAuthGraph(deps, options);
  for (let index = 0; index < count; index++) {
    const opBytes = reader.sized(opBytesMax);
    if (reader.failed) return { ok: false, reason: "MALFORMED" };
    const parsed = parseOp(deps.crypto, opBytes);
    if (!parsed.ok) return { ok: false, reason: "BAD_OP" };
    if (graph.add(parsed.op).status !== "accepted") return { ok: false, reason: "REJECTED_OP" };
  }
  return reader.finished ? { ok: true, graph } : { ok: false, reason: "MALFORMED" };
}

function maximalIds(candidates: readonly OpNode[]): Heads {
  // Later ops first: whatever a chosen one has seen is not maximal.
  const ordered = [...new Set(candidates)].sort((a, b) => compareOverall(b, a));
  const chosen: OpNode[] = [];
  for (const node of ordered) {
    if (!chosen.some((top) => hasSeen(top.past, node))) chosen.push(node);
  }
  return chosen.map((node) => node.op.id).sort();
}

function dropOldest(cache: Map<string, unknown>): void {
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    return;
  }
}
