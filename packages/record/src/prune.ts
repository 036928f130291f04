/**
 * Which entries of a log nothing depends on any more (docs/spec/record.md §6.5). Dropping them
 * changes no document at any time.
 */
import type { EventRef, ViewEvent } from "@hawser/view";
import { applyOp } from "./apply.ts";
import { aliveAt, type HeldDict } from "./held.ts";
import { isRefusal } from "./merge.ts";
import { decodeOp, eventType } from "./ops.ts";

/** What is kept for one key while going through the log. */
interface Trail {
  document: HeldDict | undefined;
  /** Entries that the document may depend on. */
  refs: EventRef[];
}

/**
 * The entries that may go, of one author's, in the order of its log, with none missing in between.
 * With `nowMicros` also what has expired by then; only the author itself may ask so, since nobody
 * else knows that none of its entries is older and still to come.
 */
export function prunable(
  events: readonly ViewEvent[],
  options: { readonly nowMicros?: number } = {},
): readonly EventRef[] {
  const gone: EventRef[] = [];
  const trails = new Map<string, Trail>();
  for (const event of events) {
    if (event.type !== eventType) continue;
    const ref = { logId: event.logId, seq: event.seq };
    const verdict = decodeOp(event.body, event.stamp);
    if (!verdict.ok) {
      gone.push(ref);
      continue;
    }
    const { op } = verdict;
    const trail = trails.get(op.key) ?? { document: undefined, refs: [] };
    trails.set(op.key, trail);
    const alive = aliveAtMoment(trail, event.stamp);
    const result = applyOp(alive, op, event.stamp);
    if (result !== undefined && isRefusal(result)) {
      // Refused for what is there, so it goes when that goes and not before.
      trail.refs.push(ref);
      continue;
    }
    if (alive === undefined || op.op === "snapshot") gone.push(...trail.refs.splice(0));
    trail.document = result;
    trail.refs.push(ref);
  }
  const { nowMicros } = options;
  for (const trail of trails.values()) {
    if (nowMicros !== undefined && aliveAtMoment(trail, nowMicros) === undefined) {
      gone.push(...trail.refs);
    }
  }
  return gone.sort((a, b) => a.seq - b.seq);
}

function aliveAtMoment({ document }: Trail, stamp: number): HeldDict | undefined {
  return document === undefined ? undefined : aliveAt(document, stamp);
}
