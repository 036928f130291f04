/**
 * The writer: one group at a time from the queue to the disk (docs/spec/store-file.md §4). Layer 4, a
 * leaf. Heads are checked when a group is made, after all groups before it were applied.
 */
import type { Crypto } from "@hawser/crypto";
import type { CommitBatch, CommitOutcome, LogId, StoredRange } from "@hawser/log";
import {
  addEnd,
  addRecord,
  createPlan,
  planBatch,
  type GroupPlan,
  type PlanDeps,
} from "./commit.ts";
import type { LogDirectory } from "./directory.ts";
import { FileStoreError, toWriteError } from "./errors.ts";
import { writeFully } from "./files.ts";
import { createFrameWriter, recordTypes } from "./format.ts";
import {
  createLive,
  cutLive,
  endOf,
  sealLive,
  syncLive,
  writeIndex,
  type LiveHome,
  type LiveSegment,
} from "./live.ts";
import type { Reader } from "./reader.ts";
import { writeMeta } from "./records.ts";
import { ScratchWriter } from "./scratch.ts";
import { placeOf } from "./segments.ts";
import { writeState } from "./states.ts";

export interface WriterDeps extends LiveHome {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly reader: Reader;
}

export interface WriterOptions {
  readonly durability: "full" | "normal";
  readonly segmentBytes: number;
  readonly live: LiveSegment | undefined;
}

export interface Writer {
  /** Bytes written since the store was opened. */
  readonly writtenBytes: number;
  commit(batch: CommitBatch): Promise<CommitOutcome>;
  /** The log's new prunedTo. */
  prune(logId: LogId, seq: number): Promise<number>;
  /** Brings everything that was committed to the disk. */
  sync(): Promise<void>;
  /** Calls back after each group, with the ranges it added. */
  onWritten(listener: (stored: readonly StoredRange[]) => void): void;
  /** Writes what waits, and the live segment's index. */
  close(): Promise<void>;
}

/** What waits: a step that adds to the plan and, once the group is on the disk, is settled. */
interface Waiting {
  /** Adds records; returns how to resolve. Throws to reject this one alone. */
  readonly plan: (deps: PlanDeps, plan: GroupPlan) => () => void;
  readonly reject: (error: unknown) => void;
  /** Bytes it brings, about. */
  readonly byteCount: number;
  /** Must see all before it applied, and be applied before what follows. */
  readonly isAlone: boolean;
}

/** Bytes after which a group takes no more batches: what one write and one sync cover. */
const groupBytesGoal = 8 * 1024 * 1024;

export function createWriter(deps: WriterDeps, options: WriterOptions): Writer {
  const { directory, reader } = deps;
  const { durability, segmentBytes } = options;
  const frames = createFrameWriter();
  const scratch = new ScratchWriter();
  const planning = { crypto: deps.crypto, directory, reader, frames, scratch };
  let live = options.live;
  let waiting: Waiting[] = [];
  /** How many of `waiting` were taken. */
  let taken = 0;
  let pumping: Promise<void> | undefined;
  let writtenBytes = 0;
  let tell: (stored: readonly StoredRange[]) => void = () => undefined;

  /** The segment to write to: a new one when the last is full. */
  const ensureLive = async (): Promise<LiveSegment> => {
    if (live?.failure !== undefined) throw live.failure;
    if (live !== undefined && live.segment.size >= segmentBytes) {
      const full = live;
      await sealLive(deps, full);
      live = undefined;
    }
    live ??= await createLive(deps);
    cutLive(live);
    return live;
  };

  const write = async (target: LiveSegment): Promise<void> => {
    const bytes = frames.bytes();
    target.needsCut = true;
    writeFully(target.file, bytes, target.segment.size);
    if (durability === "full") {
      try {
        await target.file.sync();
      } catch (error) {
        await undoAfterFailedSync(target, error);
        throw error;
      }
      target.durable = target.segment.size + bytes.length;
    }
    target.needsCut = false;
    target.segment.size += bytes.length;
    target.checksum = frames.checksum;
    writtenBytes += bytes.length;
  };

  /**
   * The kernel reports a lost page once and then forgets it. Only this group's bytes were waiting, so
   * without them all is well, if the disk says so; else nothing more is written.
   */
  const undoAfterFailedSync = async (target: LiveSegment, cause: unknown): Promise<void> => {
    try {
      cutLive(target);
      await target.file.sync();
    } catch {
      const message = "a sync failed; reopen the store";
      target.failure = new FileStoreError("STORE_WRITE_FAILED", message, { cause });
    }
  };

  const apply = (target: LiveSegment, plan: GroupPlan): void => {
    for (const record of plan.records) {
      const { meta, offset, length } = record;
      target.index.add(record);
      target.segment.heldBytes += length;
      directory.apply(meta, { place: placeOf(target.segment, offset), length });
    }
    directory.cursor = plan.cursor;
    for (const [logId, { head }] of plan.logs) {
      const log = directory.log(logId);
      if (log !== undefined) log.head = head;
    }
  };

  const writeGroup = async (group: readonly Waiting[]): Promise<void> => {
    const settle: (() => void)[] = [];
    let plan: GroupPlan;
    try {
      const target = await ensureLive();
      plan = createPlan(directory);
      frames.start(target.segment.id, target.segment.size);
      const planDeps = { ...planning, durable: target.durable };
      for (const each of group) {
        try {
          settle.push(each.plan(planDeps, plan));
        } catch (error) {
          settle.push(() => each.reject(error));
        }
      }
      if (plan.records.length > 0) {
        await write(target);
        apply(target, plan);
      }
    } catch (error) {
      const failure = toWriteError(error);
      for (const { reject } of group) reject(failure);
      return;
    }
    for (const done of settle) done();
    tell(plan.stored);
  };

  const takeGroup = (): readonly Waiting[] => {
    const group: Waiting[] = [];
    let byteCount = 0;
    for (let each = waiting[taken]; each !== undefined; each = waiting[taken]) {
      if (group.length > 0 && (each.isAlone || byteCount >= groupBytesGoal)) return group;
      group.push(each);
      taken++;
      byteCount += each.byteCount;
      if (each.isAlone) return group;
    }
    waiting = [];
    taken = 0;
    return group;
  };

  const pump = async (): Promise<void> => {
    // One turn later, so that commits made in the same turn share the write.
    await Promise.resolve();
    for (let group = takeGroup(); group.length > 0; group = takeGroup()) await writeGroup(group);
    pumping = undefined;
  };

  const enqueue = (item: Waiting): void => {
    waiting.push(item);
    pumping ??= pump();
  };

  return {
    get writtenBytes() {
      return writtenBytes;
    },
    commit: (batch) =>
      new Promise((resolve, reject) => {
        const plan: Waiting["plan"] = (planDeps, group) => {
          const outcome = planBatch(planDeps, group, batch);
          return () => resolve(outcome);
        };
        enqueue({ plan, reject, byteCount: bytesOf(batch), isAlone: false });
      }),
    prune: (logId, seq) =>
      new Promise((resolve, reject) => {
        const plan: Waiting["plan"] = (planDeps, group) => {
          const prunedTo = planPrune(planDeps, group, directory.log(logId), seq);
          return () => resolve(prunedTo);
        };
        enqueue({ plan, reject, byteCount: 0, isAlone: true });
      }),
    sync: async () => {
      if (live !== undefined && !live.needsCut) await syncLive(live);
    },
    onWritten: (listener) => {
      tell = listener;
    },
    close: async () => {
      await pumping;
      if (live === undefined) return;
      try {
        cutLive(live);
        await syncLive(live);
        writeIndex(deps, live.segment, live.index, endOf(deps, live));
      } finally {
        live.file.close();
        live = undefined;
      }
    },
  };

  function planPrune(
    planDeps: PlanDeps,
    plan: GroupPlan,
    log: LogDirectory | undefined,
    seq: number,
  ): number {
    const head = log === undefined ? undefined : reader.head(log);
    if (log === undefined || head === undefined) return 0;
    const wished = Math.min(seq, head.signedHeight);
    const row = log.ranges.row(log.ranges.indexAt(wished));
    // Whole ranges: up to the start of the one that holds the seq.
    const prunedTo = row !== undefined && row.to > wished ? row.from : wished;
    if (prunedTo <= head.prunedTo) return head.prunedTo;
    const state = reader.stateAt(log, prunedTo);
    if (state === undefined) return head.prunedTo;
    const meta = { type: recordTypes.prune, log: log.number, prunedTo };
    scratch.reset();
    writeMeta(scratch, meta);
    writeState(scratch, state, 0);
    addRecord(planDeps, plan, meta, [scratch.view()]);
    addEnd(planDeps, plan.cursor);
    const { number, logId, markedAt, fork } = log;
    const view = { number, logId, head: { ...head, prunedTo }, markedAt, forkSeq: fork?.seq };
    plan.logs.set(logId, view);
    return prunedTo;
  }
}

function bytesOf({ ranges = [], writes = [], forks = [] }: CommitBatch): number {
  let sum = 0;
  for (const { bytes } of ranges) sum += bytes.length;
  for (const { value } of writes) sum += value?.length ?? 0;
  for (const { a, b } of forks) sum += a.length + b.length;
  return sum;
}
