/**
 * createPostgresStore: LogStore on PostgreSQL, for several processes on one database. Layer 4, a leaf.
 *
 * Nothing is cached between calls but cursors, so any number of store objects, in any number of
 * processes, work on the same tables at the same time (docs/spec/store-postgres.md).
 */
import {
  assertStoreKey,
  createCommitQueue,
  LogError,
  tellListeners,
  type CommitBatch,
  type CommitOutcome,
  type CommitQueue,
  type LogHead,
  type LogId,
  type LogStore,
  type StoredRange,
} from "@hawser/log";
import { commitGroup } from "./commit.ts";
import { createDatabase, type Database } from "./database.ts";
import { PostgresStoreError } from "./errors.ts";
import { createFeed, type Feed } from "./feed.ts";
import { findSignedEntry, readEntries, readRanges, readStateAt } from "./log-reads.ts";
import { migrate } from "./migrate.ts";
import { createNotifier, type Notifier } from "./notify.ts";
import {
  readOptions,
  type PostgresStoreDeps,
  type PostgresStoreOptions,
  type Settings,
} from "./options.ts";
import { pruneLog } from "./prune.ts";
import {
  lanePage,
  listValues,
  readDiskBytes,
  readForkProofs,
  readHead,
  readHeads,
  readLaneCursor,
  readLaneCursors,
  readTopics,
  readTotals,
  readValue,
  receivedPage,
  type ReadDeps,
} from "./reads.ts";
import { tableNames, type TableName } from "./schema.ts";

/**
 * Connects, brings the schema up to date and opens the store. Rejects with PostgresStoreError
 * STORE_OPTIONS_INVALID, STORE_NEWER_FORMAT, STORE_FOREIGN_SCHEMA, STORE_REFUSED, STORE_UNREACHABLE
 * or STORE_BUSY.
 */
export async function createPostgresStore(
  deps: PostgresStoreDeps,
  options: PostgresStoreOptions,
): Promise<LogStore> {
  const settings = readOptions(options);
  const name = tableNames(settings.schema);
  const database = createDatabase(deps.timers, settings);
  try {
    await migrate(database, name, settings.schema);
    const writer = await enrol(database, name);
    const reads: ReadDeps = { crypto: deps.crypto, session: database, name };
    const cursors = await readLaneCursors(reads);
    return openStore({ ...deps, settings, database, reads, name, writer }, cursors);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** A name for this store object; forgets those of ones that are long gone. */
async function enrol(database: Database, name: TableName): Promise<string> {
  await database.query(`DELETE FROM ${name("commits")} WHERE at < now() - interval '7 days'`);
  const [row] = await database.query("SELECT gen_random_uuid()::text AS writer");
  return String(row?.["writer"]);
}

interface OpenParts extends PostgresStoreDeps {
  readonly settings: Settings;
  readonly database: Database;
  readonly reads: ReadDeps;
  readonly name: TableName;
  readonly writer: string;
}

/** What goes on in the background of an open store. */
interface Background {
  readonly feed: Feed;
  readonly notifier: Notifier | undefined;
  readonly queue: CommitQueue;
}

type Listeners = Set<(ranges: readonly StoredRange[]) => void>;

function openStore(parts: OpenParts, cursors: readonly number[]): LogStore {
  const { reads } = parts;
  const listeners: Listeners = new Set();
  const background = startBackground(parts, listeners, cursors);
  let isClosed = false;
  let closing: Promise<void> | undefined;
  const assertOpen = (): void => {
    if (isClosed) throw new LogError("STORE_CLOSED", "the store is closed");
  };
  const open = (): ReadDeps => {
    assertOpen();
    return reads;
  };
  const close = (): Promise<void> => {
    isClosed = true;
    closing ??= closeParts(parts, background, listeners);
    return closing;
  };
  return {
    ...readers(open),
    commit: async (batch) => {
      assertOpen();
      for (const { key } of batch.writes ?? []) assertStoreKey(key);
      return background.queue.add(batch);
    },
    onCommit: (listener) => {
      assertOpen();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    prune: async (logId, seq) => {
      assertOpen();
      return pruneLog({ ...reads, database: parts.database }, logId, seq);
    },
    stats: async () => {
      const totals = await readTotals(open());
      return { ...totals, diskBytes: await readDiskBytes(open(), parts.settings.schema) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The methods that only read. `open` throws once the store is closed. */
function readers(
  open: () => ReadDeps,
): Omit<
  LogStore,
  "commit" | "onCommit" | "prune" | "stats" | "close" | typeof Symbol.asyncDispose
> {
  const withHead = async function* <Item>(
    logId: LogId,
    signal: AbortSignal | undefined,
    read: (deps: ReadDeps, head: LogHead) => AsyncIterable<Item>,
  ): AsyncGenerator<Item, void, void> {
    const head = await readHead(open(), logId);
    if (head === undefined) return;
    signal?.throwIfAborted();
    for await (const item of read(open(), head)) {
      yield item;
      signal?.throwIfAborted();
      open();
    }
  };
  return {
    head: async (logId) => readHead(open(), logId),
    heads: async (topic) => readHeads(open(), topic),
    topics: async () => readTopics(open()),
    ranges: (logId, { from = 0, to = Number.MAX_SAFE_INTEGER, signal } = {}) =>
      withHead(logId, signal, (deps, head) => readRanges(deps, head, from, to)),
    entries: (logId, { from = 0, to = Number.MAX_SAFE_INTEGER, signal } = {}) =>
      withHead(logId, signal, (deps, head) => readEntries(deps, head, from, to)),
    stateAt: async (logId, height) => {
      const head = await readHead(open(), logId);
      return head === undefined ? undefined : readStateAt(open(), head, height);
    },
    findSigned: async (hash) => findSignedEntry(open(), hash),
    async *received(topic, cursor, { signal } = {}) {
      const last = await readLaneCursor(open(), topic);
      for (let after = cursor; ;) {
        signal?.throwIfAborted();
        const page = await receivedPage(open(), topic, { after, last });
        if (page.length === 0) return;
        for (const range of page) {
          yield range;
          signal?.throwIfAborted();
          open();
          after = range.cursor;
        }
      }
    },
    forkProofs: async (logId) => readForkProofs(open(), logId),
    get: async (key) => readValue(open(), key),
    list: async (prefix) => listValues(open(), prefix),
  };
}

function startBackground(
  parts: OpenParts,
  listeners: Listeners,
  cursors: readonly number[],
): Background {
  const { crypto, database, name, reads, settings, timers, writer } = parts;
  const report = parts.report ?? ((): void => {});
  let number = 0;
  const feed = createFeed(
    {
      timers,
      report,
      laneCursors: () => readLaneCursors(reads),
      lanePage: (lane, bounds) => lanePage(reads, lane, bounds),
      tell: (ranges) => tellListeners(listeners, ranges),
      hasListeners: () => listeners.size > 0,
    },
    settings,
    cursors,
  );
  const notifier =
    settings.wakeUp === "poll"
      ? undefined
      : createNotifier(
          {
            database,
            timers,
            report,
            onHint: feed.wake,
            onConnection: feed.setNotified,
          },
          `hawser_${settings.schema}`,
          writer,
        );
  const commit = async (batches: readonly CommitBatch[]): Promise<readonly CommitOutcome[]> => {
    number += 1;
    const group = await commitGroup(
      { crypto, database, name, writer, seen: feed.seen },
      batches,
      number,
    );
    feed.committed(group.stored, group.steps);
    if (group.stored.length > 0) notifier?.send();
    return group.outcomes;
  };
  const queue = createCommitQueue(
    {
      own: ownBatch,
      commit,
      hadNoEffect: (error) =>
        error instanceof PostgresStoreError && error.code === "STORE_WRITE_FAILED",
      fullError: (waiting) =>
        new PostgresStoreError("STORE_QUEUE_FULL", `${waiting} commits wait already`),
    },
    settings.waitingMax,
  );
  return { feed, notifier, queue };
}

function ownBatch({ ranges = [], writes = [], forks = [] }: CommitBatch): CommitBatch {
  return {
    ranges: ranges.map((range) => ({ ...range, bytes: range.bytes.slice() })),
    writes: writes.map(({ key, value }) => ({ key, value: value?.slice() })),
    forks: forks.map((proof) => ({ ...proof, a: proof.a.slice(), b: proof.b.slice() })),
  };
}

/** What was accepted before is still committed; then everything ends. */
async function closeParts(
  { database, name, writer }: OpenParts,
  { feed, notifier, queue }: Background,
  listeners: Listeners,
): Promise<void> {
  await queue.drained();
  listeners.clear();
  database.stopRetrying();
  await Promise.all([feed.stop(), notifier?.stop()]);
  // Left behind it does no harm: the next store to open forgets it after a week.
  await database
    .query(`DELETE FROM ${name("commits")} WHERE writer = $1`, [writer])
    .catch(() => undefined);
  await database.close();
}
