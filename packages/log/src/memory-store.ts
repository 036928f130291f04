/**
 * The LogStore that keeps everything in memory: for tests, short-lived peers and as the model of
 * what an adapter does. Layer 3; pure.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { LogError } from "./errors.ts";
import { storeKeyCharactersMax } from "./limits.ts";
import { LogIndex, lastAtMost, type KeptRange } from "./log-index.ts";
import type {
  CommitBatch,
  CommitOutcome,
  LogStore,
  ReadOptions,
  StoredRange,
  StoreStats,
} from "./store.ts";
import type { LogContext, LogHead, LogId, Topic, VerifiedRange } from "./types.ts";
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

/** Everything a memory store holds; its methods are the store's, without promises. */
class MemoryTables {
  readonly #crypto: Pick<Crypto, "hash" | "deriveKey">;
  readonly #logs = new Map<LogId, LogIndex>();
  readonly #logsByTopic = new Map<Topic, Map<LogId, LogIndex>>();
  readonly #receivedByTopic = new Map<Topic, Received[]>();
  readonly #signedPlaces = new Map<string, SignedPlace>();
  readonly #totals = { entries: 0, ranges: 0, rangeBytes: 0, dataBytes: 0 };
  readonly values = new Map<string, Uint8Array>();
  #cursor = 0;

  constructor(crypto: Pick<Crypto, "hash" | "deriveKey">) {
    this.#crypto = crypto;
  }

  get topics(): readonly Topic[] {
    return [...this.#receivedByTopic.keys()].sort();
  }

  log(logId: LogId): LogIndex | undefined {
    return this.#logs.get(logId);
  }

  heads(topic: Topic): readonly LogHead[] {
    const heads: LogHead[] = [];
    for (const { head } of this.#logsByTopic.get(topic)?.values() ?? []) {
      if (head !== undefined) heads.push(head);
    }
    return heads.sort((a, b) => (a.logId < b.logId ? -1 : 1));
  }

  received(topic: Topic): readonly Received[] {
    return this.#receivedByTopic.get(topic) ?? [];
  }

  signedPlace(hash: Uint8Array): SignedPlace | undefined {
    return this.#signedPlaces.get(toHex(hash));
  }

  /** Applies a batch wholly, or refuses it. */
  commit(batch: CommitBatch): { readonly outcome: CommitOutcome; readonly stored: StoredRange[] } {
    const { ranges = [], writes = [], forks = [] } = batch;
    for (const { key } of writes) assertStoreKey(key);
    const moved = findMovedHead(ranges, (logId) => this.#logs.get(logId)?.head);
    if (moved !== undefined) {
      return { outcome: { ok: false, reason: "STORE_HEAD_MOVED", head: moved.head }, stored: [] };
    }
    const added = ranges.map((range) => this.#addRange(range));
    for (const proof of forks) {
      this.#openLog(proof.context, logIdOf(this.#crypto, proof.context)).addFork(proof);
    }
    for (const { key, value } of writes) {
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value.slice());
    }
    const stored = added.map(({ log, range }) => log.toStored(range));
    return { outcome: { ok: true, cursor: this.#cursor }, stored };
  }

  /** Drops whole ranges; the log's new prunedTo. */
  prune(logId: LogId, seq: number): number {
    const log = this.#logs.get(logId);
    if (log?.head === undefined) return 0;
    this.#uncount(log, log.prunable(seq));
    const gone = new Set(log.prune(seq));
    const { topic } = log.head.context;
    const kept = this.received(topic).filter((item) => !gone.has(item.range));
    this.#receivedByTopic.set(topic, kept);
    return log.head.prunedTo;
  }

  stats(): StoreStats {
    let logs = 0;
    for (const log of this.#logs.values()) if (log.head !== undefined) logs++;
    return { logs, ...this.#totals, diskBytes: undefined };
  }

  #openLog(context: LogContext, logId: LogId): LogIndex {
    const known = this.#logs.get(logId);
    if (known !== undefined) return known;
    const log = new LogIndex(this.#crypto, emptyChain(this.#crypto, context));
    this.#logs.set(logId, log);
    const ofTopic = this.#logsByTopic.get(context.topic) ?? new Map<LogId, LogIndex>();
    this.#logsByTopic.set(context.topic, ofTopic.set(logId, log));
    return log;
  }

  #addRange(range: VerifiedRange): Received {
    const { topic } = range.context;
    const log = this.#openLog(range.context, range.before.logId);
    const kept = log.add(range, ++this.#cursor);
    const item = { log, range: kept };
    const received = this.#receivedByTopic.get(topic);
    if (received === undefined) this.#receivedByTopic.set(topic, [item]);
    else received.push(item);
    this.#totals.ranges++;
    this.#totals.entries += range.count;
    this.#totals.rangeBytes += kept.bytes.length;
    for (const entry of range.entries) {
      this.#totals.dataBytes += entry.data.length;
      if (entry.signature === undefined) continue;
      this.#signedPlaces.set(toHex(entry.hash), { logId: entry.logId, seq: entry.seq });
    }
    return item;
  }

  #uncount(log: LogIndex, ranges: readonly KeptRange[]): void {
    for (const { from, to, bytes } of ranges) {
      this.#totals.ranges--;
      this.#totals.rangeBytes -= bytes.length;
      for (const entry of log.read(from, to)) {
        this.#totals.entries--;
        this.#totals.dataBytes -= entry.data.length;
        if (entry.signature !== undefined) this.#signedPlaces.delete(toHex(entry.hash));
      }
    }
  }
}

/** A new, empty store. What is committed is as durable as the process. */
export function createMemoryStore(deps: {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
}): LogStore {
  const all = new MemoryTables(deps.crypto);
  const listeners = new Set<(ranges: readonly StoredRange[]) => void>();
  let closed = false;
  const tables = (): MemoryTables => {
    if (closed) throw new LogError("STORE_CLOSED", "the store is closed");
    return all;
  };
  const close = async (): Promise<void> => {
    closed = true;
    listeners.clear();
  };
  return {
    commit: async (batch) => {
      const { outcome, stored } = tables().commit(batch);
      if (stored.length > 0) tellListeners(listeners, stored);
      return outcome;
    },
    head: async (logId) => tables().log(logId)?.head,
    heads: async (topic) => tables().heads(topic),
    topics: async () => tables().topics,
    async *ranges(logId, options = {}) {
      const { from, to } = bounds(options);
      for (const range of tables().log(logId)?.overlapping(from, to) ?? []) {
        options.signal?.throwIfAborted();
        const stored = tables().log(logId)?.toStored(range, from, to);
        if (stored !== undefined) yield stored;
      }
    },
    async *entries(logId, options = {}) {
      const { from, to } = bounds(options);
      for (const entry of tables().log(logId)?.read(from, to) ?? []) {
        options.signal?.throwIfAborted();
        tables();
        yield entry;
      }
    },
    stateAt: async (logId, height) => tables().log(logId)?.stateAt(height),
    findSigned: async (hash) => tables().signedPlace(hash),
    async *received(topic, after, options = {}) {
      const items = tables().received(topic);
      const first = lastAtMost(items, after, (item) => item.range.cursor) + 1;
      for (const { log, range } of items.slice(first)) {
        options.signal?.throwIfAborted();
        tables();
        yield log.toStored(range);
      }
    },
    onCommit: (listener) => {
      tables();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forkProofs: async (logId) => tables().log(logId)?.proofs ?? [],
    prune: async (logId, seq) => tables().prune(logId, seq),
    get: async (key) => tables().values.get(key)?.slice(),
    list: async (prefix) =>
      [...tables().values]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => ({ key, value: value.slice() })),
    stats: async () => tables().stats(),
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

/** A listener that throws must not undo a commit: its error surfaces as an unhandled rejection. */
export function tellListeners(
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
