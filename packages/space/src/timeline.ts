/**
 * The membership of a space as a history that people can read (docs/spec/6-space.md §7 *history*): who
 * changed what, when he says he did, and whether it counts. Layer 5.
 */
import type { AuthOp, MemberId, OpId, RemovalReport } from "@hawser/auth";
import type { ControlLog, PlacedOp } from "./control-log.ts";
import type { Core } from "./core.ts";
import { grantsOf } from "./grants.ts";
import type { TimelineItem, TimelineStatus } from "./types.ts";

interface Found {
  readonly log: ControlLog;
  readonly placed: PlacedOp;
  /** At least as late as everything it has seen, whatever its author claims. */
  time: number;
  depth: number;
}

/** Every operation that is here, causes first; concurrent ones by claimed time, then op id. */
export function timelineOf(core: Core): readonly TimelineItem[] {
  const fold = core.fold();
  const { graph } = fold;
  const found = findOps(fold.controlLogs());
  placeInTime(found);
  const removals = graph.groups().flatMap((group) => graph.removals(group));
  const reports = new Map(removals.map((report) => [report.op, report]));
  return [...found.values()]
    .sort((a, b) => a.time - b.time || a.depth - b.depth || compareOps(a, b))
    .map(({ log, placed }) => {
      const { op, seq, stamp } = placed;
      return {
        op: op.id,
        author: op.author,
        stamp,
        place: { logId: log.placeId, seq },
        change: op.action.type,
        group: op.group,
        members: membersOf(op),
        action: op.action,
        deps: op.deps,
        status: statusOf(core, log, placed, reports.get(op.id)),
      };
    });
}

function findOps(logs: Iterable<ControlLog>): Map<OpId, Found> {
  const found = new Map<OpId, Found>();
  for (const log of logs) {
    for (const placed of [...log.ops, ...log.carried]) {
      const known = found.get(placed.op.id);
      // Two branches may hold one operation: the one in the log itself, else by the branch's name.
      if (known !== undefined && !isBefore(log, known.log)) continue;
      found.set(placed.op.id, { log, placed, time: placed.stamp, depth: 0 });
    }
  }
  return found;
}

function isBefore(a: ControlLog, b: ControlLog): boolean {
  if ((a.parent === undefined) !== (b.parent === undefined)) return a.parent === undefined;
  return a.logId < b.logId;
}

/** Kahn's order: no operation is placed before one it has seen. */
function placeInTime(found: ReadonlyMap<OpId, Found>): void {
  const waiting = new Map<OpId, number>();
  const followers = new Map<OpId, Found[]>();
  const ready: Found[] = [];
  for (const item of found.values()) {
    const deps = item.placed.op.deps.filter((dep) => found.has(dep));
    if (deps.length === 0) ready.push(item);
    waiting.set(item.placed.op.id, deps.length);
    for (const dep of deps) {
      const known = followers.get(dep) ?? [];
      known.push(item);
      followers.set(dep, known);
    }
  }
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const follower of followers.get(next.placed.op.id) ?? []) {
      follower.time = Math.max(follower.time, next.time);
      follower.depth = Math.max(follower.depth, next.depth + 1);
      const left = (waiting.get(follower.placed.op.id) ?? 1) - 1;
      waiting.set(follower.placed.op.id, left);
      if (left === 0) ready.push(follower);
    }
  }
}

function compareOps(a: Found, b: Found): number {
  return a.placed.op.id < b.placed.op.id ? -1 : 1;
}

/** Whom an operation is about; nobody for invites, their ends, and rulings. */
function membersOf(op: AuthOp): readonly MemberId[] {
  const { action } = op;
  const named = grantsOf(op).map(({ member }) => member.id);
  if (action.type === "remove") return [action.member.id];
  return action.type === "leave" ? [op.author, ...named] : named;
}

function statusOf(
  core: Core,
  log: ControlLog,
  { op, seq, standing }: PlacedOp,
  report: RemovalReport | undefined,
): TimelineStatus {
  switch (standing) {
    case "pending":
      return { state: "pending" };
    case "rejected":
      return {
        state: "rejected",
        reason: core.fold().verdictOf(log.logId, seq)?.reason ?? "DEP_REJECTED",
      };
    case "accepted": {
      const status = core.fold().graph.status(op.id) ?? { state: "effective" };
      if (status.state === "void") return status;
      return { state: "effective", finality: report?.finality };
    }
  }
}
