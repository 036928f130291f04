/**
 * The LogStore that keeps everything in memory: for tests, short-lived peers and as the model of
 * what an adapter does. Layer 3; pure.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { LogError } from "./errors.ts";
import { storeKeyCharactersMax } from "./limits.ts";
import { createLogIndex, lastAtMost, type KeptRange, type LogIndex } from "./log-index.ts";
import type {
  CommitBatch,
  CommitOutcome,
  KvWrite,
  LogStore,
  ReadOptions,
  StoredRange,
  StoreStats,
} from "./store.ts";
import type { Entry, LogHead, LogId, Topic, VerifiedRange } from "./types.ts";
import { logIdOf } from "./context.ts";
import { emptyChain } from "./chain.ts";

/** A kept range together with its log, in receive order. */
interface Received {
  readonly log: LogIndex;
  readonly range: KeptRange;
}

interface SignedPlace {
  readonly logId: LogId;
  readonly seq: number;
}

/**
 * Keys of the key-value space: 1–512 printable ASCII characters, so that every store sorts them
 * alike. Throws STORE_KEY_INVALID.
 */
export function assertStoreKey(key: string): void {
  if (key.length > storeKeyCharactersMax || !/^[\x20-\x7e]+$/.test(key)) {
    throw new LogError("STORE_KEY_INVALID", "a key is 1 to 512 printable ASCII characters");
  }
}

/** A new, empty store. What is committed is as durable as the process. */
export function createMemoryStore(deps: {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
}): LogStore {
  const { crypto } = deps;
  const logs = new Map<LogId, LogIndex>();
  const logsByTopic = new Map<Topic, Map<LogId, LogIndex>>();
  const receivedByTopic = new Map<Topic, Received[]>();
  const signedPlaces = new Map<string, SignedPlace>();
  const values = new Map<string, Uint8Array>();
  const listeners = new Set<(ranges: readonly StoredRange[]) => void>();
  const totals = { entries: 0, ranges: 0, rangeBytes: 0, dataBytes: 0 };
  let cursor = 0;
  let closed = false;

  const assertOpen = (): void => {
    if (closed) throw new LogError("STORE_CLOSED", "the store is closed");
  };

  const openLog = (context: LogHead["context"], logId: LogId): LogIndex => {
    const known = logs.get(logId);
    if (known !== undefined) return known;
    const log = createLogIndex(crypto, emptyChain(crypto, context));
    logs.set(logId, log);
    const ofTopic = logsByTopic.get(context.topic) ?? new Map<LogId, LogIndex>();
    logsByTopic.set(context.topic, ofTopic.set(logId, log));
    return log;
  };

  const addRange = (range: VerifiedRange): StoredRange => {
    const { topic } = range.context;
    const log = openLog(range.context, range.before.logId);
    const kept = log.add(range, ++cursor);
    const received = receivedByTopic.get(topic);
    if (received === undefined) receivedByTopic.set(topic, [{ log, range: kept }]);
    else received.push({ log, range: kept });
    totals.ranges++;
    totals.entries += range.count;
    totals.rangeBytes += kept.bytes.length;
    for (const entry of range.entries) {
      totals.dataBytes += entry.data.length;
      if (entry.signature === undefined) continue;
      signedPlaces.set(toHex(entry.hash), { logId: entry.logId, seq: entry.seq });
    }
    return log.toStored(kept);
  };

  const apply = (batch: CommitBatch): CommitOutcome => {
    const { ranges = [], writes = [], forks = [] } = batch;
    for (const { key } of writes) assertStoreKey(key);
    const moved = findMovedHead(ranges, (logId) => logs.get(logId)?.head);
    if (moved !== undefined) return { ok: false, reason: "STORE_HEAD_MOVED", head: moved.head };
    const stored = ranges.map(addRange);
    for (const proof of forks) {
      openLog(proof.context, logIdOf(crypto, proof.context)).addFork(proof);
    }
    for (const write of writes) applyWrite(values, write);
    if (stored.length > 0) tell(listeners, stored);
    return { ok: true, cursor };
  };

  const dropped = (log: LogIndex, ranges: readonly KeptRange[]): void => {
    const first = ranges[0]?.from ?? 0;
    const last = ranges.at(-1)?.to ?? 0;
    for (const entry of log.read(first, last)) {
      totals.entries--;
      totals.dataBytes -= entry.data.length;
      if (entry.signature !== undefined) signedPlaces.delete(toHex(entry.hash));
    }
    for (const range of ranges) {
      totals.ranges--;
      totals.rangeBytes -= range.bytes.length;
    }
  };

  const close = async (): Promise<void> => {
    closed = true;
    listeners.clear();
  };

  return {
    commit: async (batch) => {
      assertOpen();
      return apply(batch);
    },
    head: async (logId) => {
      assertOpen();
      return logs.get(logId)?.head;
    },
    heads: async (topic) => {
      assertOpen();
      return headsOf(logsByTopic.get(topic)?.values() ?? []);
    },
    topics: async () => {
      assertOpen();
      return [...receivedByTopic.keys()].sort();
    },
    async *ranges(logId, options = {}) {
      assertOpen();
      const log = logs.get(logId);
      if (log === undefined) return;
      const { from, to } = bounds(options);
      for (const range of log.overlapping(from, to)) {
        checkpointRead(options.signal, assertOpen);
        yield log.toStored(range, from, to);
      }
    },
    async *entries(logId, options = {}): AsyncGenerator<Entry, void, void> {
      assertOpen();
      const log = logs.get(logId);
      if (log === undefined) return;
      const { from, to } = bounds(options);
      for (const entry of log.read(from, Math.min(to, log.head?.height ?? 0))) {
        checkpointRead(options.signal, assertOpen);
        yield entry;
      }
    },
    stateAt: async (logId, height) => {
      assertOpen();
      return logs.get(logId)?.stateAt(height);
    },
    findSigned: async (hash) => {
      assertOpen();
      return signedPlaces.get(toHex(hash));
    },
    async *received(topic, after, options = {}) {
      assertOpen();
      const all = receivedByTopic.get(topic) ?? [];
      const end = all.length;
      for (let at = lastAtMost(all, after, (item) => item.range.cursor) + 1; at < end; at++) {
        checkpointRead(options.signal, assertOpen);
        const item = all[at];
        if (item !== undefined) yield item.log.toStored(item.range);
      }
    },
    onCommit: (listener) => {
      assertOpen();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forkProofs: async (logId) => {
      assertOpen();
      return logs.get(logId)?.proofs ?? [];
    },
    prune: async (logId, seq) => {
      assertOpen();
      const log = logs.get(logId);
      if (log?.head === undefined) return 0;
      const limit = Math.min(seq, log.head.signedHeight);
      dropped(
        log,
        log.overlapping(0, limit).filter((range) => range.to <= limit),
      );
      const gone = new Set(log.prune(seq));
      const { topic } = log.head.context;
      const received = receivedByTopic.get(topic) ?? [];
      if (gone.size > 0) {
        receivedByTopic.set(
          topic,
          received.filter((item) => !gone.has(item.range)),
        );
      }
      return log.head.prunedTo;
    },
    get: async (key) => {
      assertOpen();
      return values.get(key)?.slice();
    },
    list: async (prefix) => {
      assertOpen();
      return [...values]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => ({ key, value: value.slice() }));
    },
    stats: async (): Promise<StoreStats> => {
      assertOpen();
      const used = [...logs.values()].filter((log) => log.head !== undefined).length;
      return { logs: used, ...totals, diskBytes: undefined };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The first range that does not extend its log's head (as the ranges before it in the batch leave
 * it), with that head; or nothing. Every adapter makes this check inside its transaction.
 */
export function findMovedHead(
  ranges: readonly VerifiedRange[],
  headOf: (logId: LogId) => LogHead | undefined,
): { readonly head: LogHead | undefined } | undefined {
  const reached = new Map<LogId, Pick<LogHead, "height" | "hash">>();
  for (const { before, after } of ranges) {
    const head = headOf(before.logId);
    const current = reached.get(before.logId) ?? head;
    if ((current?.height ?? 0) !== before.height || !sameHash(current?.hash, before.hash)) {
      return { head };
    }
    reached.set(before.logId, after);
  }
  return undefined;
}

function sameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function bounds(options: ReadOptions): { readonly from: number; readonly to: number } {
  return { from: options.from ?? 0, to: options.to ?? Number.POSITIVE_INFINITY };
}

function checkpointRead(signal: AbortSignal | undefined, assertOpen: () => void): void {
  signal?.throwIfAborted();
  assertOpen();
}

function headsOf(logs: Iterable<LogIndex>): LogHead[] {
  const heads: LogHead[] = [];
  for (const { head } of logs) if (head !== undefined) heads.push(head);
  return heads.sort((a, b) => (a.logId < b.logId ? -1 : 1));
}

function applyWrite(values: Map<string, Uint8Array>, { key, value }: KvWrite): void {
  if (value === undefined) values.delete(key);
  else values.set(key, value.slice());
}

/** A listener that throws must not undo a commit: its error surfaces as an unhandled rejection. */
function tell(
  listeners: ReadonlySet<(ranges: readonly StoredRange[]) => void>,
  ranges: readonly StoredRange[],
): void {
  for (const listener of listeners) {
    try {
      listener(ranges);
    } catch (error) {
      void Promise.resolve().then(() => {
        throw error;
      });
    }
  }
}
