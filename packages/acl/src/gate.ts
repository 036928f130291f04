/**
 * The gate that access control documents are to every other view (docs/spec/7-views.md §9.7).
 */
import {
  compareEvents,
  type EventRange,
  type Gate,
  type GateChange,
  type GateFold,
  type GateVerdict,
  type ViewEvent,
} from "@hawser/view";
import { createJudge } from "./judge.ts";
import { createLedger, type Ledger, type LedgerChange } from "./ledger.ts";
import { aclType, tombstoneType } from "./ops.ts";
import { createTombstones, rangeOf, type Tombstones } from "./tombstones.ts";
import type { AclRules } from "./types.ts";

/** A gate by the documents that the events themselves make. */
export function createAclGate(rules: AclRules): Gate {
  return { start: () => startGate(rules) };
}

function startGate(rules: AclRules): GateFold {
  const ledger = createLedger(rules);
  const tombstones = createTombstones();
  const judge = createJudge(rules, ledger);
  const seen = createSeen();
  return {
    add: (events) => {
      const marked = tombstones.add(events.filter((event) => event.type === tombstoneType));
      const change = ledger.add(events.filter((event) => event.type === aclType));
      judge.take(change);
      const affected = affectedBy(ledger, seen, change, events);
      for (const event of events) seen.add(event);
      if (affected === "all") return "all";
      const ranges = [...marked, ...affected, ...affected.flatMap((r) => tombstones.targetsIn(r))];
      return ranges.length === 0 ? "none" : ranges;
    },
    judge: (event) => gateVerdict(event, judge, tombstones),
  };
}

function gateVerdict(
  event: ViewEvent,
  judge: ReturnType<typeof createJudge>,
  tombstones: Tombstones,
): GateVerdict {
  if (event.type === aclType) return judge.edit(event);
  // Which sequence the event belongs to that it marks, its author need not know.
  if (event.type === tombstoneType) return judge.event(event, "delete", undefined);
  const verdict = judge.event(event, "write", event.sequence);
  if (verdict.verdict !== "admit") return verdict;
  return tombstones.verdictOn(
    event,
    (mark) => judge.event(mark, "delete", event.sequence).verdict === "admit",
  );
}

/** What was handed in so far. */
interface Seen {
  add(event: ViewEvent): void;
  readonly heights: ReadonlyMap<string, number>;
  /** Did an event come that does not tell what its author had seen? */
  readonly hasBlind: boolean;
  /** The last in total order. */
  readonly last: ViewEvent | undefined;
}

function createSeen(): Seen {
  const heights = new Map<string, number>();
  let hasBlind = false;
  let last: ViewEvent | undefined;
  return {
    heights,
    get hasBlind() {
      return hasBlind;
    },
    get last() {
      return last;
    },
    add: (event) => {
      hasBlind ||= event.frontier === undefined;
      heights.set(event.logId, Math.max(heights.get(event.logId) ?? 0, event.seq + 1));
      if (last === undefined || compareEvents(last, event) < 0) last = event;
    },
  };
}

/**
 * Events handed in before on which the new edits may change the verdict: those that an edit's
 * author had not seen; and any, when edits are concurrent with each other.
 */
function affectedBy(
  ledger: Ledger,
  seen: Seen,
  change: LedgerChange,
  arrived: readonly ViewEvent[],
): Exclude<GateChange, "none"> {
  if (change.admitted.length === 0 && !change.isRebuilt) return [];
  if (seen.hasBlind || arrived.some((event) => event.frontier === undefined)) {
    const { last } = seen;
    const isLate = change.admitted.some(
      (edit) => last !== undefined && compareEvents(edit.event, last) < 0,
    );
    if (isLate || change.isRebuilt) return "all";
  }
  const ranges: EventRange[] = [];
  const unseenFrom = new Map<string, number>();
  for (const edit of change.admitted) {
    if (ledger.concurrentAt(ledger.vantageOf(edit.event)).length > 0) return "all";
    const { frontier, logId: own } = edit.event;
    for (const [logId, height] of seen.heights) {
      const from = frontier?.get(logId) ?? 0;
      if (logId === own || frontier === undefined || from >= height) continue;
      unseenFrom.set(logId, Math.min(from, unseenFrom.get(logId) ?? from));
    }
    for (const target of edit.accepts) ranges.push(rangeOf(target));
  }
  const to = Number.MAX_SAFE_INTEGER;
  for (const [logId, from] of unseenFrom) ranges.push({ logId, from, to });
  return ranges;
}
