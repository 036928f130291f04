/**
 * Turning batches into groups of records (docs/spec/store-file.md §4). Layer 4; no I/O but reading.
 */
import type { Crypto } from "@hawser/crypto";
import {
  advanceHead,
  emptyChain,
  encodeForkProof,
  findMovedHead,
  markInterval,
  type CommitBatch,
  type CommitOutcome,
  type ForkProof,
  type KvWrite,
  type LogContext,
  type LogHead,
  type LogId,
  type StoredRange,
  type VerifiedRange,
} from "@hawser/log";
import type { Directory } from "./directory.ts";
import { FileStoreError } from "./errors.ts";
import {
  payloadBytesMax,
  recordTypes,
  segmentBytesMax,
  writeEnd,
  type FrameWriter,
} from "./format.ts";
import type { IndexedRecord } from "./index-file.ts";
import { rangeMeta, writeMeta, writeRangeRecord, type RecordMeta } from "./records.ts";
import type { Reader } from "./reader.ts";
import type { ScratchWriter } from "./scratch.ts";

/** A log as the batches so far leave it. */
interface LogView {
  readonly number: number;
  readonly logId: LogId;
  readonly head: LogHead | undefined;
  readonly markedAt: number;
  readonly forkSeq: number | undefined;
}

/** What a group of batches will have changed, once it is on the disk. */
export interface GroupPlan {
  readonly records: IndexedRecord[];
  readonly stored: StoredRange[];
  readonly logs: Map<LogId, LogView>;
  /** The plan of the batches before, while one is being added. */
  readonly base: GroupPlan | undefined;
  cursor: number;
  logCount: number;
}

export interface PlanDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly directory: Directory;
  readonly reader: Reader;
  readonly frames: FrameWriter;
  readonly scratch: ScratchWriter;
  /** Bytes of the live segment that are known to be on the disk. */
  readonly durable: number;
}

export function createPlan(directory: Directory): GroupPlan {
  const { cursor, logCount } = directory;
  return { records: [], stored: [], logs: new Map(), base: undefined, cursor, logCount };
}

/**
 * Adds a batch to the plan and its records to `deps.frames`, or refuses it and leaves both as they
 * are. Throws STORE_TOO_LARGE and what reading a head throws; then, too, both are as they were.
 */
export function planBatch(deps: PlanDeps, plan: GroupPlan, batch: CommitBatch): CommitOutcome {
  const { ranges = [], writes = [], forks = [] } = batch;
  const headOf = (logId: LogId): LogHead | undefined => {
    const view = plan.logs.get(logId);
    if (view !== undefined) return view.head;
    const log = deps.directory.log(logId);
    return log === undefined ? undefined : deps.reader.head(log);
  };
  const moved = findMovedHead(ranges, headOf);
  if (moved !== undefined) return { ok: false, reason: "STORE_HEAD_MOVED", head: moved.head };
  const start = deps.frames.offset;
  const draft: GroupPlan = { ...plan, records: [], stored: [], logs: new Map(), base: plan };
  try {
    for (const range of ranges) addRange(deps, draft, range);
    for (const proof of forks) addFork(deps, draft, proof);
    for (const write of writes) addWrite(deps, draft, write);
    if (draft.records.length > 0) addEnd(deps, draft.cursor);
  } catch (error) {
    deps.frames.cutTo(start);
    throw error;
  }
  for (const record of draft.records) plan.records.push(record);
  for (const range of draft.stored) plan.stored.push(range);
  for (const [logId, view] of draft.logs) plan.logs.set(logId, view);
  plan.cursor = draft.cursor;
  plan.logCount = draft.logCount;
  return { ok: true, cursor: plan.cursor };
}

/** Ends a group. */
export function addEnd({ frames, scratch, durable }: PlanDeps, cursor: number): void {
  scratch.reset();
  writeEnd(scratch, { cursor, durable });
  frames.add(recordTypes.commit, [scratch.view()]);
}

/** Adds a record. Throws STORE_TOO_LARGE. */
export function addRecord(
  { frames }: PlanDeps,
  plan: GroupPlan,
  meta: RecordMeta,
  parts: readonly Uint8Array[],
): void {
  const { offset } = frames;
  const payloadBytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (payloadBytes > payloadBytesMax || offset + payloadBytes > segmentBytesMax / 2) {
    throw new FileStoreError("STORE_TOO_LARGE", "a batch is larger than a segment can hold");
  }
  const length = frames.add(meta.type, parts);
  plan.records.push({ meta, offset, length });
}

/** Until the next record. */
function encodeMeta({ scratch }: PlanDeps, meta: RecordMeta): Uint8Array {
  scratch.reset();
  writeMeta(scratch, meta);
  return scratch.view();
}

/** The log as it stands, made when there is none. */
function openLog(deps: PlanDeps, plan: GroupPlan, context: LogContext, logId: LogId): LogView {
  const known = plan.logs.get(logId) ?? plan.base?.logs.get(logId);
  if (known !== undefined) return known;
  const log = deps.directory.log(logId);
  if (log !== undefined) {
    const { number, markedAt, fork } = log;
    return { number, logId, head: deps.reader.head(log), markedAt, forkSeq: fork?.seq };
  }
  const meta = { type: recordTypes.log, log: plan.logCount++, context };
  addRecord(deps, plan, meta, [encodeMeta(deps, meta)]);
  return { number: meta.log, logId, head: undefined, markedAt: 0, forkSeq: undefined };
}

function addRange(deps: PlanDeps, plan: GroupPlan, range: VerifiedRange): void {
  const { context, from, count, bytes } = range;
  const { logId } = range.before;
  const log = openLog(deps, plan, context, logId);
  // The first range that is left after a prune, and one every 64 entries at least.
  const isFirst = from === (log.head?.prunedTo ?? 0);
  const hasState = from > 0 && (isFirst || from - log.markedAt >= markInterval);
  const cursor = ++plan.cursor;
  const meta = rangeMeta(range, { log: log.number, cursor, hasState });
  deps.scratch.reset();
  writeRangeRecord(deps.scratch, meta, range);
  addRecord(deps, plan, meta, [deps.scratch.view(), bytes]);
  const head = advanceHead(log.head, range, log.forkSeq);
  plan.logs.set(logId, { ...log, head, markedAt: hasState ? from : log.markedAt });
  const signed = from + count <= head.signedHeight;
  plan.stored.push({ context, logId, from, count, bytes, signed, cursor });
}

function addFork(deps: PlanDeps, plan: GroupPlan, proof: ForkProof): void {
  const { logId } = emptyChain(deps.crypto, proof.context);
  const log = openLog(deps, plan, proof.context, logId);
  if (log.forkSeq !== undefined && log.forkSeq <= proof.seq) return;
  const meta = { type: recordTypes.fork, log: log.number, seq: proof.seq };
  addRecord(deps, plan, meta, [encodeMeta(deps, meta), encodeForkProof(proof)]);
  const head = log.head === undefined ? undefined : { ...log.head, forkedAt: proof.seq };
  plan.logs.set(logId, { ...log, head, forkSeq: proof.seq });
}

function addWrite(deps: PlanDeps, plan: GroupPlan, { key, value }: KvWrite): void {
  const type = value === undefined ? recordTypes.delete : recordTypes.put;
  const meta = { type, key };
  const parts = [encodeMeta(deps, meta)];
  if (value !== undefined) parts.push(value);
  addRecord(deps, plan, meta, parts);
}
