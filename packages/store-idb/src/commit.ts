/**
 * A group of batches as one transaction (docs/spec/store-idb.md §4), and pruning. Layer 4.
 */
import type { Crypto } from "@hawser/crypto";
import {
  emptyChain,
  encodeChainState,
  encodeForkProof,
  findMovedHead,
  markInterval,
  type CommitOutcome,
  type LogContext,
  type LogId,
  type StoredRange,
  type VerifiedRange,
  logIdOf,
} from "@hawser/log";
import { valueOf, type Tables } from "./database.ts";
import {
  bytesOf,
  countersKey,
  headOf,
  noCounters,
  recordIn,
  type Counters,
  type ForkRecord,
  type LogRecord,
  type NewRange,
  type OwnBatch,
  type RangeRecord,
} from "./records.ts";

export interface GroupResult {
  readonly outcomes: readonly CommitOutcome[];
  readonly stored: readonly StoredRange[];
  /** The counter before and after: whether all that lies between is `stored`. */
  readonly before: number;
  readonly after: number;
}

type Deriving = Pick<Crypto, "deriveKey">;

/** What the transaction has read and will write. */
interface Draft {
  readonly tables: Tables;
  readonly logs: Map<LogId, LogRecord | undefined>;
  readonly changed: Set<LogId>;
  counters: Counters;
  readonly stored: StoredRange[];
}

/** Applies batches in order; one whose head moved is left out, the rest goes on. */
export async function commitGroup(
  crypto: Deriving,
  tables: Tables,
  batches: readonly OwnBatch[],
): Promise<GroupResult> {
  const draft = await readDraft(crypto, tables, batches);
  const before = draft.counters.cursor;
  const outcomes = batches.map((batch) => applyBatch(crypto, draft, batch));
  for (const logId of draft.changed) tables("logs").put(draft.logs.get(logId));
  if (outcomes.some(({ ok }) => ok)) tables("counters").put(draft.counters, countersKey);
  return { outcomes, stored: draft.stored, before, after: draft.counters.cursor };
}

async function readDraft(
  crypto: Deriving,
  tables: Tables,
  batches: readonly OwnBatch[],
): Promise<Draft> {
  const ids = new Set<LogId>();
  for (const { ranges, forks } of batches) {
    for (const { before } of ranges) ids.add(before.logId);
    for (const { context } of forks) ids.add(logIdOf(crypto, context));
  }
  // All requests at once: the transaction answers them in one go.
  const counters = valueOf(tables("counters").get(countersKey));
  const records = [...ids].map((id) => valueOf(tables("logs").get(bytesOf(id))));
  const found = await Promise.all(records);
  const logs = new Map<LogId, LogRecord | undefined>();
  [...ids].forEach((id, index) => logs.set(id, recordIn<LogRecord>(found[index])));
  return {
    tables,
    logs,
    changed: new Set(),
    counters: recordIn<Counters>(await counters) ?? noCounters,
    stored: [],
  };
}

function applyBatch(crypto: Deriving, draft: Draft, batch: OwnBatch): CommitOutcome {
  const { ranges, writes, forks } = batch;
  // Safe: `before` and `after` are all that is looked at.
  const places = ranges as unknown as readonly VerifiedRange[];
  const moved = findMovedHead(places, (logId) => headOf(draft.logs.get(logId)));
  if (moved !== undefined) return { ok: false, reason: "STORE_HEAD_MOVED", head: moved.head };
  for (const range of ranges) draft.stored.push(addRange(crypto, draft, range));
  for (const proof of forks) {
    const record = openLog(crypto, draft, proof.context);
    if (record.forkedAt !== undefined && record.forkedAt <= proof.seq) continue;
    const fork: ForkRecord = { seq: proof.seq, proof: encodeForkProof(proof) };
    draft.tables("forks").put(fork, record.logId);
    setLog(draft, logIdOf(crypto, proof.context), { ...record, forkedAt: proof.seq });
  }
  for (const { key, value } of writes) {
    if (value === undefined) draft.tables("kv").delete(key);
    else draft.tables("kv").put(value, key);
  }
  return { ok: true, cursor: draft.counters.cursor };
}

function setLog(draft: Draft, logId: LogId, record: LogRecord): void {
  draft.logs.set(logId, record);
  draft.changed.add(logId);
}

function openLog(crypto: Deriving, draft: Draft, context: LogContext): LogRecord {
  const empty = emptyChain(crypto, context);
  const known = draft.logs.get(empty.logId);
  if (known !== undefined) return known;
  const state = encodeChainState(empty);
  return { logId: bytesOf(empty.logId), state, signedHeight: 0, prunedTo: 0, markedAt: 0 };
}

function addRange(crypto: Deriving, draft: Draft, range: NewRange): StoredRange {
  const { before, after, bytes, dataBytes, signed, lastSigned } = range;
  const { context, logId, height: first } = before;
  const count = after.height - first;
  const record = draft.logs.get(logId) ?? openLog(crypto, draft, context);
  // The first range that is left needs its own state: there is none before it to roll forward from.
  const isMarked = first === record.prunedTo || first - record.markedAt >= markInterval;
  const markedAt = isMarked ? first : record.markedAt;
  const { cursor: last, ...sums } = draft.counters;
  const cursor = last + 1;
  const topic = bytesOf(context.topic);
  const stored: RangeRecord = {
    cursor,
    size: bytes.length,
    dataBytes,
    logId: record.logId,
    topic,
    first,
    count,
    markedAt,
    bytes,
    signed,
    ...(isMarked && first > 0 ? { before: encodeChainState(before) } : {}),
  };
  draft.tables("ranges").put(stored);
  const signedHeight = lastSigned === undefined ? record.signedHeight : lastSigned.seq + 1;
  const state = encodeChainState(after);
  const signedHash = lastSigned === undefined ? {} : { signedHash: lastSigned.hash };
  setLog(draft, logId, { ...record, topic, state, signedHeight, ...signedHash, markedAt });
  draft.counters = {
    cursor,
    logs: sums.logs + (record.topic === undefined ? 1 : 0),
    entries: sums.entries + count,
    ranges: sums.ranges + 1,
    rangeBytes: sums.rangeBytes + bytes.length,
    dataBytes: sums.dataBytes + dataBytes,
  };
  const isSigned = first + count <= signedHeight;
  return { context, logId, from: first, count, bytes, signed: isSigned, cursor };
}
