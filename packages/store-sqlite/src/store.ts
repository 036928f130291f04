/**
 * createSqliteStore: LogStore on the SQLite that Node carries. Layer 4, a leaf.
 *
 * A verified range is one row in compact form. Every 64 entries at most a row also keeps the chain
 * state before it, so that reading from the middle of a log starts nearby. Commits that wait at the
 * same time share one transaction, and therefore one sync of the disk.
 */
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { Crypto } from "@hawser/crypto";
import {
  assertStoreKey,
  findMovedHead,
  LogError,
  tellListeners,
  type CommitBatch,
  type CommitOutcome,
  type LogHead,
  type LogId,
  type LogStore,
  type StoredRange,
  type StoreStats,
} from "@hawser/log";
import { createRows, type Rows } from "./rows.ts";
import { logFormat, openDatabase } from "./schema.ts";
import { inTransaction } from "./transaction.ts";

export interface SqliteStoreDeps {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
}

export interface SqliteStoreOptions {
  /** The database file, made when missing; ":memory:" for none. */
  readonly path: string;
  /** `full` (default): acknowledged commits survive power loss. `normal`: a crash of the process. */
  readonly durability?: "full" | "normal";
  /** How long to wait for another process's write lock, in ms; default 5,000. */
  readonly busyTimeoutMs?: number;
  /** A quota: pages (of 8,192 bytes) the file may grow to; a commit beyond fails as on a full disk. */
  readonly pagesMax?: number;
}

interface Waiting {
  readonly batch: CommitBatch;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Opens the store. Throws SqliteStoreError STORE_NEWER_FORMAT, STORE_FOREIGN_FILE, STORE_UNREADABLE
 * or STORE_BUSY; commits reject with STORE_WRITE_FAILED when the disk is full.
 */
export function createSqliteStore(deps: SqliteStoreDeps, options: SqliteStoreOptions): LogStore {
  const { path, durability = "full", busyTimeoutMs = 5_000, pagesMax } = options;
  const database = openDatabase({
    format: logFormat,
    path,
    durability,
    busyTimeoutMs,
    pagesMax,
  });
  const rows = createRows(deps.crypto, database);
  const listeners = new Set<(ranges: readonly StoredRange[]) => void>();
  let waiting: Waiting[] = [];
  let isClosed = false;

  const assertOpen = (): void => {
    if (isClosed) throw new LogError("STORE_CLOSED", "the store is closed");
  };

  const flush = (): void => {
    const group = waiting;
    waiting = [];
    if (group.length > 0) commitGroup({ database, rows, listeners, path }, group);
  };

  const close = async (): Promise<void> => {
    if (isClosed) return;
    flush();
    isClosed = true;
    listeners.clear();
    database.close();
  };

  return {
    commit: async (batch) => {
      assertOpen();
      for (const { key } of batch.writes ?? []) assertStoreKey(key);
      return await new Promise<CommitOutcome>((resolve, reject) => {
        waiting.push({ batch, resolve, reject });
        // One turn later, so that commits made in the same turn share the transaction.
        if (waiting.length === 1) void Promise.resolve().then(flush);
      });
    },
    head: async (logId) => {
      assertOpen();
      return rows.head(logId);
    },
    heads: async (topic) => {
      assertOpen();
      return rows.heads(topic);
    },
    topics: async () => {
      assertOpen();
      return rows.topics();
    },
    async *ranges(logId, readOptions = {}) {
      assertOpen();
      const head = rows.head(logId);
      if (head === undefined) return;
      let { from = 0 } = readOptions;
      const { to = Number.MAX_SAFE_INTEGER, signal } = readOptions;
      // Row by row: nothing is held open between steps, so a commit in between does no harm.
      for (;;) {
        signal?.throwIfAborted();
        assertOpen();
        const range = rows.rangeAt(head, from, to);
        if (range === undefined) return;
        yield range;
        from = range.from + range.count;
      }
    },
    async *entries(logId, readOptions = {}) {
      assertOpen();
      const head = rows.head(logId);
      if (head === undefined) return;
      const { from = 0, to = head.height, signal } = readOptions;
      for (const entry of rows.entries(head, from, Math.min(to, head.height))) {
        signal?.throwIfAborted();
        assertOpen();
        yield entry;
      }
    },
    stateAt: async (logId, height) => {
      assertOpen();
      const head = rows.head(logId);
      return head === undefined ? undefined : rows.stateAt(head, height);
    },
    findSigned: async (hash) => {
      assertOpen();
      return rows.findSigned(hash);
    },
    async *received(topic, cursor, readOptions = {}) {
      assertOpen();
      for (const place of rows.receivedCursors(topic, cursor, rows.lastCursor())) {
        readOptions.signal?.throwIfAborted();
        assertOpen();
        const range = rows.rangeOf(place);
        if (range !== undefined) yield range;
      }
    },
    onCommit: (listener) => {
      assertOpen();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forkProofs: async (logId) => {
      assertOpen();
      return rows.forkProofs(logId);
    },
    prune: async (logId, seq) => {
      assertOpen();
      flush();
      return inTransaction(database, path, () => rows.prune(logId, seq));
    },
    get: async (key) => {
      assertOpen();
      return rows.get(key);
    },
    list: async (prefix) => {
      assertOpen();
      return rows.list(prefix);
    },
    stats: async (): Promise<StoreStats> => {
      assertOpen();
      return { ...rows.totals(), diskBytes: path === ":memory:" ? undefined : diskBytes(path) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface CommitTarget {
  readonly database: DatabaseSync;
  readonly rows: Rows;
  readonly listeners: ReadonlySet<(ranges: readonly StoredRange[]) => void>;
  readonly path: string;
}

/** Applies waiting batches in one transaction. A batch whose head moved is left out, the rest goes on. */
function commitGroup(target: CommitTarget, group: readonly Waiting[]): void {
  const { database, rows, listeners, path } = target;
  const outcomes: CommitOutcome[] = [];
  const stored: StoredRange[] = [];
  try {
    inTransaction(database, path, () => {
      for (const { batch } of group) outcomes.push(applyBatch(rows, batch, stored));
    });
  } catch (error) {
    for (const { reject } of group) reject(error);
    return;
  }
  group.forEach(({ resolve }, index) => {
    const outcome = outcomes[index];
    if (outcome !== undefined) resolve(outcome);
  });
  if (stored.length > 0) tellListeners(listeners, stored);
}

function applyBatch(rows: Rows, batch: CommitBatch, stored: StoredRange[]): CommitOutcome {
  const { ranges = [], writes = [], forks = [] } = batch;
  const heads = new Map<LogId, LogHead | undefined>();
  const headOf = (logId: LogId): LogHead | undefined => {
    if (!heads.has(logId)) heads.set(logId, rows.head(logId));
    return heads.get(logId);
  };
  const moved = findMovedHead(ranges, headOf);
  if (moved !== undefined) return { ok: false, reason: "STORE_HEAD_MOVED", head: moved.head };
  for (const range of ranges) stored.push(rows.addRange(range));
  for (const proof of forks) rows.addFork(proof);
  for (const write of writes) rows.write(write);
  return { ok: true, cursor: rows.lastCursor() };
}

/** The database and its write-ahead log. */
function diskBytes(path: string): number {
  let byteCount = 0;
  for (const file of [path, `${path}-wal`]) {
    byteCount += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }
  return byteCount;
}
