/**
 * One author's control log while it is folded (docs/spec/6-space.md §3). Layer 5, pure; used by
 * fold.ts alone.
 */
import type { AuthOp, OpId } from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import type { VerifiedBundle } from "@hawser/keys";
import type { Dep, LogId } from "@hawser/log";
import { createPartJoiner, type PartJoiner } from "./control.ts";

/** How an operation of the log stands. */
export type OpStanding = "pending" | "accepted" | "rejected";

/** An operation with its place. */
export interface PlacedOp {
  readonly seq: number;
  /** µs, of its entry. */
  readonly stamp: number;
  readonly op: AuthOp;
  standing: OpStanding;
}

/** Why a control entry has no effect. */
export interface ControlVerdict {
  readonly state: "rejected" | "pending";
  /** A code of this chapter, of chapter 4 (operations) or of chapter 5 (key ops). */
  readonly reason: string;
}

/** Deps of one control entry: what its author had seen. */
export interface SeenDeps {
  readonly seq: number;
  readonly deps: readonly Dep[];
}

/** Grows as entries are folded, in seq order. */
export interface ControlLog {
  /** Names the log; of a branch, nothing but the branch. */
  readonly logId: LogId;
  /** The log that its entries stand in. */
  readonly placeId: LogId;
  /** The log that this is a branch of. */
  readonly parent: ControlLog | undefined;
  /** seq of the first entry that is not the parent's; 0 of a whole log. */
  readonly branchedAt: number;
  readonly author: AuthorId;
  /** Entries folded. */
  height: number;
  readonly ops: PlacedOp[];
  /** Ops before this index are decided. */
  decidedOps: number;
  /** Operations of nested groups that entries of the log carry. */
  readonly carried: PlacedOp[];
  /** Carried ops before this index are decided. */
  decidedCarried: number;
  /** Maximal ops among the first `end` of `carried` that count; ascending by `end`. */
  readonly carriedHeads: { readonly end: number; readonly heads: readonly OpId[] }[];
  /** An operation in it bore a false signature: nothing it carries from here on has an effect. */
  forgedAt: number | undefined;
  /** Bundles that stood in this log, by whom they are of. */
  readonly bundles: Map<AuthorId, VerifiedBundle[]>;
  readonly seen: SeenDeps[];
  /** Only of entries that have no effect. */
  readonly verdicts: Map<number, ControlVerdict>;
  readonly parts: PartJoiner;
}

/** A log, or a branch of one, of which nothing was folded yet. */
export function createControlLog(
  logId: LogId,
  author: AuthorId,
  branch?: { readonly parent: ControlLog; readonly at: number },
): ControlLog {
  return {
    logId,
    placeId: branch?.parent.placeId ?? logId,
    parent: branch?.parent,
    branchedAt: branch?.at ?? 0,
    author,
    height: 0,
    ops: [],
    decidedOps: 0,
    carried: [],
    decidedCarried: 0,
    carriedHeads: [],
    forgedAt: undefined,
    bundles: new Map(),
    seen: [],
    verdicts: new Map(),
    parts: createPartJoiner(),
  };
}

/** Entries up to the first whose operation is still pending: what a position may rest on. */
export function decidedHeight(log: ControlLog): number {
  const own = log.ops[log.decidedOps]?.seq ?? log.height;
  return Math.min(own, log.carried[log.decidedCarried]?.seq ?? log.height);
}

/** Moves `decidedOps` and `decidedCarried` past what was decided meanwhile. */
export function advanceDecided(log: ControlLog): void {
  log.decidedOps = firstPending(log.ops, log.decidedOps);
  log.decidedCarried = firstPending(log.carried, log.decidedCarried);
}

function firstPending(ops: readonly PlacedOp[], from: number): number {
  let index = from;
  for (let next = ops[index]; next !== undefined; next = ops[index]) {
    if (next.standing === "pending") break;
    index += 1;
  }
  return index;
}

/** The last accepted operation at or before `seq`: it stands for all before it. */
export function lastOpAt(log: ControlLog, seq: number): OpId | undefined {
  for (let index = firstAfter(log.ops, seq) - 1; index >= 0; index--) {
    const placed = log.ops[index];
    if (placed?.standing === "accepted") return placed.op.id;
  }
  return log.parent === undefined ? undefined : lastOpAt(log.parent, log.branchedAt - 1);
}

/** What a log had carried up to an entry, without ops that others of them have seen. */
export function carriedHeadsAt(
  log: ControlLog,
  seq: number,
  antichain: (ops: readonly OpId[]) => readonly OpId[],
): readonly OpId[] {
  const end = firstAfter(log.carried, seq);
  const { parent, branchedAt } = log;
  const before = parent === undefined ? [] : carriedHeadsAt(parent, branchedAt - 1, antichain);
  if (end === 0) return before;
  const known = log.carriedHeads.findLast((item) => item.end <= end);
  if (known?.end === end) return known.heads;
  const fresh = log.carried.slice(known?.end ?? 0, end);
  const accepted = fresh.filter(({ standing }) => standing === "accepted");
  const heads = antichain([...(known?.heads ?? before), ...accepted.map(({ op }) => op.id)]);
  // What is decided stays so.
  const isLast = (log.carriedHeads.at(-1)?.end ?? 0) < end;
  if (isLast && end <= log.decidedCarried) log.carriedHeads.push({ end, heads });
  return heads;
}

/** The operation before index `index` that its author must have seen: the last not rejected. */
export function opBefore(log: ControlLog, index: number): OpId | undefined {
  for (let at = index - 1; at >= 0; at--) {
    const placed = log.ops[at];
    if (placed !== undefined && placed.standing !== "rejected") return placed.op.id;
  }
  const { parent, branchedAt } = log;
  return parent === undefined
    ? undefined
    : opBefore(parent, firstAfter(parent.ops, branchedAt - 1));
}

/** Index of the first item whose seq is greater than `seq`; items ascend by seq. */
export function firstAfter(items: readonly { readonly seq: number }[], seq: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.seq ?? 0) <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
