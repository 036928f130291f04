/**
 * createIdbStore: LogStore on IndexedDB, for several tabs on one database. Layer 4, a leaf.
 *
 * Nothing is cached between calls, so any number of tabs and workers work on the same database at
 * the same time: the browser runs their write transactions one after another.
 */
import type { Crypto } from "@hawser/crypto";
import {
  assertStoreKey,
  createCommitQueue,
  LogError,
  tellListeners,
  type CommitBatch,
  type CommitOutcome,
  type LogHead,
  type LogId,
  type LogStore,
  type StoredRange,
  type Topic,
} from "@hawser/log";
import { commitGroup } from "./commit.ts";
import { connect, requireFactory, type Connection } from "./database.ts";
import { IdbStoreError } from "./errors.ts";
import { createFeed } from "./feed.ts";
import {
  findSignedEntry,
  readEntries,
  readRanges,
  readStateAt,
  type LogReadDeps,
} from "./log-reads.ts";
import { createPersistence, type Persistence, type StorageState } from "./persistence.ts";
import { browserPlatform, type IdbPlatform, type StoreMarker } from "./platform.ts";
import { pruneLog } from "./prune.ts";
import {
  listValues,
  readCounters,
  readForkProofs,
  readHead,
  readHeads,
  readReceivedPage,
  readTopics,
  readValue,
} from "./reads.ts";
import { noCounters, ownBatch, type OwnBatch } from "./records.ts";

export interface IdbStoreDeps {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
  /** Default: the browser this runs in. */
  readonly platform?: IdbPlatform;
  /**
   * Told at once when the database goes away while nobody asks for it: STORE_EVICTED or
   * STORE_SUPERSEDED, which every later call rejects with. Show it to the user.
   */
  readonly report?: (error: unknown) => void;
}

export interface IdbStoreOptions {
  /** Of the database within this origin; made when missing. */
  readonly name: string;
  /** `full` (default): acknowledged commits survive power loss. `normal`: a crash of the browser. */
  readonly durability?: "full" | "normal";
  /**
   * What must be there. `remembered` (default): if a marker beside it says that there was a database,
   * its absence is STORE_EVICTED. `required`: the caller knows that there was one, so its absence
   * always is. `optional`: begin empty where there is none; so an eviction is acknowledged.
   */
  readonly existing?: "remembered" | "required" | "optional";
  /** `ask` (default) asks the browser once, in the background, not to evict. */
  readonly persistence?: "ask" | "leave";
  /** How long other tabs may hold up the opening, in ms; default 20,000. */
  readonly blockedMsMax?: number;
  /** Commits that may wait; default 10,000. */
  readonly waitingMax?: number;
}

/** A LogStore that knows how safe the browser keeps it. */
export interface IdbStore extends LogStore {
  /** Whether the browser may evict what is here, and how much room there is. */
  storage(): Promise<StorageState>;
  /** Asks the browser not to evict; some ask the user, so do it on a click. */
  requestPersistence(): Promise<Persistence>;
}

/**
 * Opens the database, or makes it. Rejects with IdbStoreError STORE_UNAVAILABLE, STORE_EVICTED,
 * STORE_NEWER_FORMAT, STORE_FOREIGN_DATABASE or STORE_BLOCKED.
 */
export async function createIdbStore(
  deps: IdbStoreDeps,
  options: IdbStoreOptions,
): Promise<IdbStore> {
  const { platform = browserPlatform() } = deps;
  const report = onceEach(deps.report ?? (() => {}));
  const { name, existing = "remembered", blockedMsMax = 20_000 } = options;
  const memory = createMemory(platform.marker, name);
  const isRequired = existing === "required" || (existing === "remembered" && memory.has());
  const connection = await connect(platform, { name, isRequired, blockedMsMax }, report);
  try {
    const counters = await readCounters(connection);
    if (counters !== noCounters) memory.set();
    return openStore({ ...deps, platform, report, options, connection, memory }, counters.cursor);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The loss of the database is one error, whoever comes across it. */
function onceEach(report: (error: unknown) => void): (error: unknown) => void {
  let last: unknown;
  return (error) => {
    if (error !== last) report(error);
    last = error;
  };
}

/** Deletes a database and the memory of it. Rejects with STORE_UNAVAILABLE or STORE_BLOCKED. */
export async function deleteIdbStore(
  name: string,
  platform: IdbPlatform = browserPlatform(),
): Promise<void> {
  const factory = requireFactory(platform);
  // First: a database that outlives its marker is marked again, the other way round it seems evicted.
  createMemory(platform.marker, name).remove();
  const request = factory.deleteDatabase(name);
  await new Promise<void>((resolve, reject) => {
    request.onsuccess = () => resolve();
    request.onerror = () => {
      const message = "the browser does not delete the database";
      reject(new IdbStoreError("STORE_UNAVAILABLE", message, { cause: request.error }));
    };
    request.onblocked = () => {
      const message = "another program has the database open; it is deleted when that closes";
      reject(new IdbStoreError("STORE_BLOCKED", message));
    };
  });
}

/** The marker, whose failures only mean that nothing is remembered. */
interface Memory {
  has(): boolean;
  set(): void;
  remove(): void;
}

function createMemory(marker: StoreMarker | undefined, name: string): Memory {
  let isSet = false;
  const tried = (work: () => void): void => {
    try {
      work();
    } catch {
      // Storage that is full or forbidden: the caller's own word (`existing`) is what remains.
      return;
    }
  };
  return {
    has: () => {
      let found = false;
      tried(() => (found = marker?.has(name) ?? false));
      return found;
    },
    set: () => {
      if (isSet) return;
      tried(() => marker?.set(name));
      isSet = true;
    },
    remove: () => tried(() => marker?.remove(name)),
  };
}

interface OpenParts extends IdbStoreDeps {
  readonly platform: IdbPlatform;
  readonly report: (error: unknown) => void;
  readonly options: IdbStoreOptions;
  readonly connection: Connection;
  readonly memory: Memory;
}

type Listeners = Set<(ranges: readonly StoredRange[]) => void>;

/** Commits, and everything told of them. */
interface Writing {
  readonly durability: "strict" | "relaxed";
  commit(batch: CommitBatch): Promise<CommitOutcome>;
  close(): Promise<void>;
}

function openWriting(parts: OpenParts, listeners: Listeners, cursor: number): Writing {
  const { connection, crypto, memory, options, platform } = parts;
  const durability = options.durability === "normal" ? "relaxed" : "strict";
  const feed = createFeed(
    {
      lastCursor: async () => (await readCounters(connection)).cursor,
      page: (after, last) => readReceivedPage(connection, { after, last }),
      hasListeners: () => listeners.size > 0,
      tell: (ranges) => tellListeners(listeners, ranges),
      report: parts.report,
    },
    cursor,
  );
  const channel = platform.openChannel(options.name, feed.wake);
  const endShown = platform.onShown(feed.wake);
  const commit = async (batches: readonly OwnBatch[]): Promise<readonly CommitOutcome[]> => {
    const group = await connection.run({ mode: "readwrite", durability }, (tables) =>
      commitGroup(crypto, tables, batches),
    );
    if (group.outcomes.some(({ ok }) => ok)) memory.set();
    feed.committed(group.stored, group.before, group.after);
    if (group.stored.length > 0) channel?.tell();
    return group.outcomes;
  };
  const queue = createCommitQueue(
    {
      own: ownBatch,
      commit,
      // A failed transaction of IndexedDB has no effect.
      hadNoEffect: () => true,
      fullError: (waiting) =>
        new IdbStoreError("STORE_QUEUE_FULL", `${waiting} commits wait already`),
    },
    options.waitingMax ?? 10_000,
  );
  const close = async (): Promise<void> => {
    await queue.drained();
    endShown();
    channel?.close();
    await feed.stop();
  };
  return { durability, commit: queue.add, close };
}

function openStore(parts: OpenParts, cursor: number): IdbStore {
  const { connection, crypto, platform } = parts;
  const listeners: Listeners = new Set();
  const writing = openWriting(parts, listeners, cursor);
  const persistence = createPersistence(platform.storage);
  if (parts.options.persistence !== "leave") void persistence.request();
  const reads = { crypto, connection, pause: platform.pause };
  let closing: Promise<void> | undefined;
  const assertOpen = (): void => {
    if (closing !== undefined) throw new LogError("STORE_CLOSED", "the store is closed");
  };
  const open = (): Connection => {
    assertOpen();
    return connection;
  };
  const shut = async (): Promise<void> => {
    await writing.close();
    listeners.clear();
    connection.close();
  };
  const close = (): Promise<void> => (closing ??= shut());
  return {
    commit: async (batch) => {
      assertOpen();
      for (const { key } of batch.writes ?? []) assertStoreKey(key);
      return await writing.commit(batch);
    },
    head: async (logId) => await readHead(open(), logId),
    heads: async (topic) => await readHeads(open(), topic),
    topics: async () => await readTopics(open()),
    ...openLists(reads, assertOpen),
    stateAt: async (logId, height) => {
      const head = await readHead(open(), logId);
      return head === undefined ? undefined : await readStateAt(reads, head, height);
    },
    findSigned: async (hash) => {
      assertOpen();
      return await findSignedEntry(reads, hash);
    },
    onCommit: (listener) => {
      assertOpen();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forkProofs: async (logId) => await readForkProofs(open(), logId),
    prune: async (logId, seq) => {
      assertOpen();
      return await pruneLog(reads, writing.durability, logId, seq);
    },
    get: async (key) => await readValue(open(), key),
    list: async (prefix) => await listValues(open(), prefix),
    stats: async () => {
      const { cursor: _, ...totals } = await readCounters(open());
      return { ...totals, diskBytes: (await persistence.state()).databaseBytes };
    },
    storage: async () => {
      assertOpen();
      return await persistence.state();
    },
    requestPersistence: async () => {
      assertOpen();
      return await persistence.request();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The lists of a store. */
function openLists(
  reads: LogReadDeps,
  assertOpen: () => void,
): Pick<LogStore, "ranges" | "entries" | "received"> {
  const { connection } = reads;
  const guarded = <Item>(
    items: AsyncIterable<Item>,
    signal: AbortSignal | undefined,
  ): AsyncIterable<Item> => guard(items, assertOpen, signal);
  return {
    ranges: (logId, { from = 0, to = Number.MAX_SAFE_INTEGER, signal } = {}) =>
      guarded(
        ofLog(connection, logId, (head) => readRanges(reads, head, from, to)),
        signal,
      ),
    entries: (logId, { from = 0, to = Number.MAX_SAFE_INTEGER, signal } = {}) =>
      guarded(
        ofLog(connection, logId, (head) => readEntries(reads, head, from, to)),
        signal,
      ),
    received: (topic, after, { signal } = {}) =>
      guarded(readReceived(connection, topic, after), signal),
  };
}

/** What is read of a log, if there is one. */
async function* ofLog<Item>(
  connection: Connection,
  logId: LogId,
  read: (head: LogHead) => AsyncIterable<Item>,
): AsyncGenerator<Item, void, void> {
  const head = await readHead(connection, logId);
  if (head !== undefined) yield* read(head);
}

/** Ranges of a topic after a cursor, up to what was there at the start. */
async function* readReceived(
  connection: Connection,
  topic: Topic,
  cursor: number,
): AsyncGenerator<StoredRange, void, void> {
  const { cursor: last } = await readCounters(connection);
  for (let after = cursor; after < last;) {
    const page = await readReceivedPage(connection, { topic, after, last });
    yield* page;
    after = page.at(-1)?.cursor ?? last;
  }
}

/** A list that looks before each step whether it may go on. */
async function* guard<Item>(
  items: AsyncIterable<Item>,
  assertOpen: () => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, void> {
  assertOpen();
  signal?.throwIfAborted();
  for await (const item of items) {
    signal?.throwIfAborted();
    assertOpen();
    yield item;
  }
}
