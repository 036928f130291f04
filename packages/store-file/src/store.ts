/**
 * createFileStore: LogStore on append-only segment files (docs/spec/store-file.md). Layer 4, a leaf.
 *
 * A commit is a group of records at the end of the live segment. Commits that wait while the disk
 * syncs share the next write and the next sync. What is read goes by the directory, which holds places
 * and no contents; what is dead is rewritten away in the background.
 */
import { join } from "node:path";
import type { Crypto } from "@hawser/crypto";
import {
  assertStoreKey,
  LogError,
  tellListeners,
  type CommitBatch,
  type CommitOutcome,
  type LogId,
  type LogStore,
  type StoredRange,
  type StoreStats,
} from "@hawser/log";
import { createCompactor, type CompactionReport } from "./compact.ts";
import type { LogDirectory } from "./directory.ts";
import { toReadError } from "./errors.ts";
import { createNodeFiles, type FileLayer } from "./files.ts";
import type { FolderLock } from "./lock.ts";
import { createReader } from "./reader.ts";
import { checkFolder, openFolder, type OpenedFolder, type Recovery } from "./recover.ts";
import { createReadWindow } from "./window.ts";
import { createWriter } from "./writer.ts";

export interface FileStoreDeps {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
  /** Default: Node's file system. */
  readonly files?: FileLayer;
}

export interface FileStoreOptions {
  /** The folder, made when missing; it belongs to the store alone. */
  readonly path: string;
  /** `full` (default): acknowledged commits survive power loss. `normal`: a crash of the process. */
  readonly durability?: "full" | "normal";
  /** Size at which a segment is full, in bytes, 4 KiB to 1 GiB; default 32 MiB. */
  readonly segmentBytes?: number;
}

/** What the store did besides answering. */
export interface FileStoreReport {
  /** Bytes that commits and prunes wrote. */
  readonly writtenBytes: number;
  readonly compaction: CompactionReport;
  /** Segment files there are. */
  readonly segmentCount: number;
}

export interface FileStore extends LogStore {
  /** What opening had to mend: look at it, and tell the user. */
  readonly recovery: Recovery;
  report(): FileStoreReport;
  /** Resolves when no compaction is under way. */
  settled(): Promise<void>;
}

const segmentBytesDefault = 32 * 1024 * 1024;

/**
 * Opens the folder, and holds it until closed. Rejects with FileStoreError STORE_BUSY,
 * STORE_FOREIGN_FOLDER, STORE_NEWER_FORMAT or STORE_UNREADABLE, and with LogError STORE_CORRUPT, which
 * names file and byte, when what was stored is damaged. Commits reject with STORE_WRITE_FAILED when
 * the disk is full; they had no effect then, and the store goes on.
 */
export async function createFileStore(
  deps: FileStoreDeps,
  options: FileStoreOptions,
): Promise<FileStore> {
  const { crypto, files = createNodeFiles() } = deps;
  const { path, durability = "full" } = options;
  const wished = Math.floor(options.segmentBytes ?? segmentBytesDefault);
  const segmentBytes = Math.min(Math.max(wished, 4_096), 2 ** 30);
  const lock = openAndLock(files, path);
  try {
    const opened = await openFolder({ crypto, files }, path);
    return createStore({ crypto, files, lock, durability, segmentBytes }, opened);
  } catch (error) {
    lock.release();
    throw toReadError(error, "the folder of the store");
  }
}

function openAndLock(files: FileLayer, path: string): FolderLock {
  try {
    files.makeFolder(path);
    checkFolder(files, path);
    return files.lock(join(path, "lock"));
  } catch (error) {
    throw toReadError(error, "the folder of the store");
  }
}

interface Surroundings {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
  readonly files: FileLayer;
  readonly lock: FolderLock;
  readonly durability: "full" | "normal";
  readonly segmentBytes: number;
}

function createStore(around: Surroundings, opened: OpenedFolder): FileStore {
  const { crypto, files, lock, durability, segmentBytes } = around;
  const { directory, segments } = opened;
  const reader = createReader(crypto, directory, segments);
  const listeners = new Set<(ranges: readonly StoredRange[]) => void>();
  const writer = createWriter(
    { crypto, files, directory, segments, reader },
    { durability, segmentBytes, live: opened.live },
  );
  const syncNewest = writer.sync;
  const compactor = createCompactor({ files, directory, segments, segmentBytes, syncNewest });
  let closing: Promise<void> | undefined;

  const assertOpen = (): void => {
    if (closing !== undefined) throw new LogError("STORE_CLOSED", "the store is closed");
  };
  const openLog = (logId: LogId): LogDirectory | undefined => {
    assertOpen();
    return directory.log(logId);
  };

  const closeNow = async (): Promise<void> => {
    try {
      await compactor.stop();
      await writer.close();
    } finally {
      listeners.clear();
      segments.close();
      lock.release();
    }
  };
  const close = (): Promise<void> => (closing ??= closeNow());

  writer.onWritten((stored) => {
    if (stored.length > 0) tellListeners(listeners, stored);
    compactor.wake();
  });
  compactor.wake();

  return {
    recovery: opened.recovery,
    report: () => ({
      writtenBytes: writer.writtenBytes,
      compaction: compactor.report(),
      segmentCount: segments.all.length,
    }),
    settled: () => compactor.idle(),
    commit: async (batch: CommitBatch): Promise<CommitOutcome> => {
      assertOpen();
      for (const { key } of batch.writes ?? []) assertStoreKey(key);
      return writer.commit(batch);
    },
    head: async (logId) => {
      const log = openLog(logId);
      return log === undefined ? undefined : reader.head(log);
    },
    heads: async (topic) => {
      assertOpen();
      const heads = directory.logsOf(topic).map((log) => reader.head(log));
      return heads.filter((head) => head !== undefined);
    },
    topics: async () => {
      assertOpen();
      return directory.topics;
    },
    async *ranges(logId, readOptions = {}) {
      const log = openLog(logId);
      if (log === undefined) return;
      let { from = 0 } = readOptions;
      const { to = Number.MAX_SAFE_INTEGER, signal } = readOptions;
      const window = createReadWindow();
      // By place in the log and not by place on the disk: prunes and compactions may come between.
      for (;;) {
        signal?.throwIfAborted();
        assertOpen();
        const range = reader.rangeAt(log, { from, to }, window);
        if (range === undefined) return;
        yield range;
        from = range.from + range.count;
      }
    },
    async *entries(logId, readOptions = {}) {
      const log = openLog(logId);
      const height = log === undefined ? 0 : (reader.head(log)?.height ?? 0);
      if (log === undefined || height === 0) return;
      const { from = 0, to = height, signal } = readOptions;
      for (const entry of reader.entries(log, from, Math.min(to, height))) {
        signal?.throwIfAborted();
        assertOpen();
        yield entry;
      }
    },
    stateAt: async (logId, height) => {
      const log = openLog(logId);
      return log === undefined ? undefined : reader.stateAt(log, height);
    },
    findSigned: async (hash) => {
      assertOpen();
      return reader.findSigned(hash);
    },
    async *received(topic, cursor, readOptions = {}) {
      assertOpen();
      const last = directory.cursor;
      const window = createReadWindow();
      for (let after = cursor; ;) {
        readOptions.signal?.throwIfAborted();
        assertOpen();
        const found = directory.receivedAfter(topic, after, last);
        if (found === undefined) return;
        yield reader.stored(found.log, found.row, window);
        after = found.row.cursor;
      }
    },
    onCommit: (listener) => {
      assertOpen();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forkProofs: async (logId) => {
      const log = openLog(logId);
      return log === undefined ? [] : reader.forkProofs(log);
    },
    prune: async (logId, seq) => {
      assertOpen();
      return writer.prune(logId, seq);
    },
    get: async (key) => {
      assertOpen();
      const at = directory.value(key);
      return at === undefined ? undefined : reader.value(at);
    },
    list: async (prefix) => {
      assertOpen();
      return directory.keysWithPrefix(prefix).flatMap((key) => {
        const at = directory.value(key);
        return at === undefined ? [] : [{ key, value: reader.value(at) }];
      });
    },
    stats: async (): Promise<StoreStats> => {
      assertOpen();
      return { ...directory.totals, diskBytes: segments.diskBytes };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
