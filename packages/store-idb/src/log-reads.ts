/**
 * One log read page by page: its ranges, entries and states. Long work is cut into slices, between
 * which the browser's main thread gets its turn (docs/spec/store-idb.md §5). Layer 4.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  createPointWriter,
  createRangeWalk,
  cutRange,
  emptyChain,
  LogError,
  startMark,
  type ChainState,
  type Entry,
  type LogHead,
  type LogId,
  type PointWriter,
  type RangeWalk,
  type StoredRange,
} from "@hawser/log";
import type { Connection } from "./database.ts";
import { readHead, readLogPage, readRangeAt, readRangeByKey, readSignedKeys } from "./reads.ts";
import { hashPrefix, stateOf, storedOf, type RangeRecord } from "./records.ts";

/** Entries and bytes of one slice: a few milliseconds of hashing, and the caller's work on them. */
const sliceEntriesMax = 64;
const sliceBytesMax: number = 64 * 1024;

export interface LogReadDeps {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
  readonly connection: Connection;
  readonly pause: () => Promise<void>;
}

/** Counts work; `spend` says when a slice is full. */
interface Pace {
  spend(byteCount: number): boolean;
}

function createPace(): Pace {
  let entries = 0;
  let bytes = 0;
  return {
    spend: (byteCount) => {
      entries += 1;
      bytes += byteCount;
      if (entries < sliceEntriesMax && bytes < sliceBytesMax) return false;
      entries = 0;
      bytes = 0;
      return true;
    },
  };
}

/** Ranges of a log in seq order, each cut to [from, to). A prune meanwhile skips what it dropped. */
export async function* readRanges(
  deps: LogReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<StoredRange, void, void> {
  for await (const record of logRecords(deps, head, from, to)) {
    const range = storedOf(head, record);
    const end = Math.min(to, head.height, range.from + range.count);
    const part = cutRange(range, Math.max(from, range.from), end);
    yield { ...range, ...part, signed: part.from + part.count <= head.signedHeight };
  }
}

/** Decoded entries of a log in seq order. A prune meanwhile skips what it dropped. */
export async function* readEntries(
  deps: LogReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<Entry, void, void> {
  const pace = createPace();
  const points = createPointWriter(head.context);
  let state: ChainState | undefined;
  for await (const record of logRecords(deps, head, from, to)) {
    if (state?.height !== record.first) state = await stateBefore(deps, head, record);
    // Pruned while it was looked up; what is left has a state of its own.
    if (state === undefined) continue;
    const walk = createRangeWalk(deps.crypto, record.bytes, startMark(state), points);
    const end = Math.min(to, head.height, record.first + record.count);
    while (walk.cursor.height < end) {
      const entry = step(walk);
      if (pace.spend(entry.data.length)) await deps.pause();
      if (entry.seq >= from) yield entry;
    }
    state = walk.cursor.state();
  }
}

function step(walk: RangeWalk): Entry {
  const entry = walk.next();
  if (typeof entry === "string") throw new LogError("STORE_CORRUPT", "a stored range went bad");
  return entry;
}

/** The records that hold [from, to) of a log as long as it was at `head`; no gaps but a prune's. */
async function* logRecords(
  { connection }: LogReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<RangeRecord, void, void> {
  const end = Math.min(to, head.height);
  for (let next = Math.max(from, head.prunedTo); next < end;) {
    const { prunedTo, records } = await readLogPage(connection, head.logId, next, end);
    if (records.length === 0 && prunedTo < end) throw missing(next);
    if (records.length === 0) return;
    for (const record of records) {
      if (record.first > next && prunedTo < record.first) throw missing(next);
      yield record;
      next = record.first + record.count;
    }
  }
}

function missing(seq: number): LogError {
  return new LogError("STORE_CORRUPT", `the range of entry ${seq} is missing`);
}

/**
 * The state before a range: its own, or rolled forward from the nearest one. `undefined` when the
 * range was pruned meanwhile.
 */
async function stateBefore(
  deps: LogReadDeps,
  head: LogHead,
  record: RangeRecord,
): Promise<ChainState | undefined> {
  const { first, before, logId } = record;
  if (before !== undefined) return stateOf(logId, before);
  if (first === 0) return emptyChain(deps.crypto, head.context);
  const points = createPointWriter(head.context);
  let prunedTo = head.prunedTo;
  for (;;) {
    const start = Math.max(record.markedAt, prunedTo);
    const state = await rollForward(deps, { head, points }, start, first);
    if (state !== undefined) return state;
    // The way there was cut: the log now starts later, with a state of its own.
    const now = (await readHead(deps.connection, head.logId))?.prunedTo ?? 0;
    if (now > first) return undefined;
    if (now <= prunedTo) throw missing(start);
    prunedTo = now;
    if (now === first) return ownState(await readRangeAt(deps.connection, head.logId, first));
  }
}

function ownState(record: RangeRecord | undefined): ChainState | undefined {
  return record?.before === undefined ? undefined : stateOf(record.logId, record.before);
}

/** The state at `to`, from the range that starts at `from` and has a state before it. */
async function rollForward(
  deps: LogReadDeps,
  log: { readonly head: LogHead; readonly points: PointWriter },
  from: number,
  to: number,
): Promise<ChainState | undefined> {
  const marked = await readRangeAt(deps.connection, log.head.logId, from);
  let state = from === 0 ? emptyChain(deps.crypto, log.head.context) : ownState(marked);
  if (marked === undefined || state === undefined) return undefined;
  while (state.height < to) {
    const { records } = await readLogPage(deps.connection, log.head.logId, state.height, to);
    for (const record of records) {
      if (record.first !== state.height) return undefined;
      state = await walkTo(deps, log.points, state, record, record.first + record.count);
    }
    if (records.length === 0) return undefined;
  }
  return state;
}

/** The state at a height within a range, hashed in slices. */
async function walkTo(
  deps: LogReadDeps,
  points: PointWriter,
  before: ChainState,
  record: RangeRecord,
  height: number,
): Promise<ChainState> {
  if (height === before.height) return before;
  const pace = createPace();
  const walk = createRangeWalk(deps.crypto, record.bytes, startMark(before), points);
  while (walk.cursor.height < height) {
    if (pace.spend(step(walk).data.length)) await deps.pause();
  }
  return walk.cursor.state();
}

/** The state at a height; `undefined` above the head and below what is kept. */
export async function readStateAt(
  deps: LogReadDeps,
  head: LogHead,
  height: number,
): Promise<ChainState | undefined> {
  if (height > head.height || height < head.prunedTo) return undefined;
  if (height === head.height) {
    const { context, logId, hash, stamp, skips } = head;
    return { context, logId, height, hash, stamp, skips };
  }
  for await (const record of logRecords(deps, head, height, height + 1)) {
    if (record.first > height) return undefined;
    const before = await stateBefore(deps, head, record);
    if (before === undefined) return undefined;
    return await walkTo(deps, createPointWriter(head.context), before, record, height);
  }
  return undefined;
}

/** Where a signed entry lies, by its hash. */
export async function findSignedEntry(
  deps: LogReadDeps,
  hash: Uint8Array,
): Promise<{ readonly logId: LogId; readonly seq: number } | undefined> {
  for (const key of await readSignedKeys(deps.connection, hashPrefix(hash))) {
    const record = await readRangeByKey(deps.connection, key);
    if (record === undefined) continue;
    // Safe: the hex of the 32 bytes that were made from one.
    const logId = toHex(record.logId) as LogId;
    const head = await readHead(deps.connection, logId);
    if (head === undefined) continue;
    const end = record.first + record.count;
    for await (const entry of readEntries(deps, head, record.first, end)) {
      const isIt = entry.signature !== undefined && equalBytes(entry.hash, hash);
      if (isIt) return { logId, seq: entry.seq };
    }
  }
  return undefined;
}
