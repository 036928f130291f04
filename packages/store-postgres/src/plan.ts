/**
 * What a group of batches changes, worked out before anything is written: pure. Layer 4.
 * docs/spec/store-postgres.md §4, steps 3 to 5.
 */
import type { Crypto } from "@hawser/crypto";
import {
  advanceHead,
  encodeChainState,
  findMovedHead,
  logIdOf,
  markInterval,
  type CommitBatch,
  type CommitOutcome,
  type ForkProof,
  type LogHead,
  type LogId,
  type StoredRange,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";
import { PostgresStoreError } from "./errors.ts";
import { laneOf } from "./row.ts";

/** What one lane went through in a commit: its cursor before and after. */
export interface LaneStep {
  readonly lane: number;
  readonly before: number;
  readonly after: number;
}

/** The outcome of a group of batches, in their order. */
export interface GroupOutcome {
  readonly outcomes: readonly CommitOutcome[];
  readonly stored: readonly StoredRange[];
  readonly steps: readonly LaneStep[];
}

/** A log while a group is applied to it. */
export interface LogState {
  readonly topic: Topic;
  readonly isStored: boolean;
  readonly heightBefore: number;
  head: LogHead | undefined;
  markedAt: number;
  forkedAt: number | undefined;
}

/** A lane while a group is applied: its counter and its totals. */
export interface LaneState {
  readonly before: number;
  cursor: number;
  logs: number;
  entries: number;
  ranges: number;
  rangeBytes: number;
  dataBytes: number;
}

/** A range with its place. */
export interface AddedRange {
  readonly range: VerifiedRange;
  readonly cursor: number;
  readonly dataBytes: number;
  readonly before: Uint8Array | null;
}

/** Everything a group changes, before it is written. */
export interface Plan {
  readonly logs: Map<LogId, LogState>;
  readonly lanes: Map<number, LaneState>;
  readonly added: AddedRange[];
  readonly forks: Map<LogId, ForkProof>;
  readonly writes: Map<string, Uint8Array | undefined>;
  readonly outcomes: CommitOutcome[];
  cursor: number;
}

/** Adds a batch to the plan, or refuses it when a head moved. */
export function applyBatch(
  crypto: Pick<Crypto, "deriveKey">,
  plan: Plan,
  batch: CommitBatch,
): void {
  const { ranges = [], writes = [], forks = [] } = batch;
  const moved = findMovedHead(ranges, (logId) => plan.logs.get(logId)?.head);
  if (moved !== undefined) {
    plan.outcomes.push({ ok: false, reason: "STORE_HEAD_MOVED", head: moved.head });
    return;
  }
  for (const range of ranges) addRange(plan, range);
  for (const proof of forks) addFork(plan, logIdOf(crypto, proof.context), proof);
  for (const { key, value } of writes) plan.writes.set(key, value);
  plan.outcomes.push({ ok: true, cursor: plan.cursor });
}

function addRange(plan: Plan, range: VerifiedRange): void {
  const log = plan.logs.get(range.before.logId);
  const lane = plan.lanes.get(laneOf(range.context.topic));
  if (log === undefined || lane === undefined) {
    throw new PostgresStoreError("STORE_WRITE_FAILED", "a lane is missing from the tables");
  }
  // The first range that is left needs its own state: there is none before it to roll forward from.
  const isFirst = range.from === (log.head?.prunedTo ?? 0);
  const isMarked = isFirst || range.from - log.markedAt >= markInterval;
  const before = isMarked && range.from > 0 ? encodeChainState(range.before) : null;
  const dataBytes = range.entries.reduce((sum, entry) => sum + entry.data.length, 0);
  plan.cursor += 1;
  plan.added.push({ range, cursor: plan.cursor, dataBytes, before });
  lane.cursor = plan.cursor;
  lane.logs += log.head === undefined ? 1 : 0;
  lane.entries += range.count;
  lane.ranges += 1;
  lane.rangeBytes += range.bytes.length;
  lane.dataBytes += dataBytes;
  log.markedAt = isMarked ? range.from : log.markedAt;
  log.head = advanceHead(log.head, range, log.forkedAt);
}

/** The proof with the smallest seq stays. */
function addFork(plan: Plan, logId: LogId, proof: ForkProof): void {
  const log = plan.logs.get(logId);
  if (log === undefined || (log.forkedAt !== undefined && log.forkedAt <= proof.seq)) return;
  log.forkedAt = proof.seq;
  if (log.head !== undefined) log.head = { ...log.head, forkedAt: proof.seq };
  plan.forks.set(logId, proof);
}

/** What callers and listeners are told once the plan is durable. */
export function outcomeOf(plan: Plan): GroupOutcome {
  const stored = plan.added.map(({ range, cursor }): StoredRange => {
    const { context, from, count, bytes } = range;
    const { logId } = range.before;
    const signed = from + count <= (plan.logs.get(logId)?.head?.signedHeight ?? 0);
    return { context, logId, from, count, bytes, signed, cursor };
  });
  const steps = [...plan.lanes].map(([lane, { before, cursor }]) => {
    return { lane, before, after: cursor };
  });
  return { outcomes: plan.outcomes, stored, steps };
}
