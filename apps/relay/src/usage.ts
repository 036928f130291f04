/**
 * What each space and each author takes up, and the quotas that follow from it. Layer 9.
 *
 * The store tells its totals only, so the relay counts per topic while ranges are committed, and
 * writes its counts down together with the cursor up to which they hold: after a crash only what
 * came later is read again. Cursors rise within a topic, whatever the store and however many nodes
 * share it: so each topic has its own, every node counts every range once, and whoever writes a
 * count down writes one that holds.
 */
import { decodeCbor, encodeCbor } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { KvWrite, LogContext, LogStore, StoredRange, Topic } from "@hawser/log";
import type { AdmissionRequest } from "@hawser/space";
import type { Ingest, Timers } from "@hawser/sync";
import type { RelayLimits } from "./limits.ts";

/** What a topic, or all of them, takes up. */
export interface Usage {
  /** Compact bytes. */
  readonly bytes: number;
  readonly entries: number;
}

/** Counts per topic and per author. */
export interface UsageBook {
  of(topic: Topic): Usage;
  /** Compact bytes of one author in all spaces. */
  bytesOf(author: AuthorId): number;
  total(): Usage;
  /** A reason to refuse a range, or `undefined`; then its share is held for it until `settled`. */
  admit(request: AdmissionRequest): string | undefined;
  /** So much of a log was dropped for good: adds it to the record that all nodes read. */
  dropped(context: LogContext, usage: Usage): Promise<void>;
  /** Takes what was dropped, here or by another node, off the counts. */
  applyDropped(): Promise<void>;
  /** What was admitted is stored by now or never will be. */
  settled(context: LogContext): void;
  /** Writes the counts down. */
  save(): Promise<void>;
  /** Stops counting; saves nothing. */
  stop(): void;
}

/** What a range under way may come to. */
interface Share extends Usage {
  readonly topic: Topic;
  readonly author: AuthorId;
}

/** `reason` of a refused range; sync's explain passes it on. */
export const overBudget = "OVER_BUDGET";

const none: Usage = { bytes: 0, entries: 0 };
const usagePrefix = "relay/usage/";
/** What was ever dropped of a topic. Apart from what came in, since one node drops and all count. */
const droppedPrefix = "relay/dropped/";
const saveDelayMs = 5_000;

/** Loads the counts and begins to count. `onFailure` hears of counts that could not be saved. */
export async function openUsageBook(deps: {
  readonly store: LogStore;
  readonly timers: Timers;
  readonly limits: RelayLimits;
  readonly onFailure: (cause: unknown) => void;
}): Promise<UsageBook> {
  const { store, timers, limits } = deps;
  // What ever came in, which is what is saved; what was dropped of it is kept apart.
  const usageByTopic = new Map<Topic, Usage>();
  const authorsByTopic = new Map<Topic, Map<AuthorId, number>>();
  const droppedByTopic = new Map<Topic, Usage>();
  const bytesByAuthor = new Map<AuthorId, number>();
  const heldByLog = new Map<string, Share>();
  let total = none;
  let held = none;
  const cursors = new Map<Topic, number>();
  let dirty = new Set<Topic>();
  let stopTimer: (() => void) | undefined;

  const add = (topic: Topic, usage: Usage): void => {
    usageByTopic.set(topic, plus(usageByTopic.get(topic) ?? none, usage));
    total = plus(total, usage);
  };
  const addAuthor = (topic: Topic, author: AuthorId, bytes: number): void => {
    const authors = authorsByTopic.get(topic) ?? new Map<AuthorId, number>();
    authorsByTopic.set(topic, authors);
    authors.set(author, (authors.get(author) ?? 0) + bytes);
    bytesByAuthor.set(author, (bytesByAuthor.get(author) ?? 0) + bytes);
  };
  const release = (context: LogContext): void => {
    const share = heldByLog.get(logKey(context));
    if (share === undefined) return;
    heldByLog.delete(logKey(context));
    held = minus(held, share);
  };
  const dropped = createDroppedBook(store, (topic, author, usage) => {
    droppedByTopic.set(topic, plus(droppedByTopic.get(topic) ?? none, usage));
    total = minus(total, usage);
    bytesByAuthor.set(author, (bytesByAuthor.get(author) ?? 0) - usage.bytes);
  });
  const stored = (topic: Topic): Usage =>
    minus(usageByTopic.get(topic) ?? none, droppedByTopic.get(topic) ?? none);
  const count = (range: StoredRange): void => {
    const { topic, author } = range.context;
    if (range.cursor <= (cursors.get(topic) ?? 0)) return;
    cursors.set(topic, range.cursor);
    add(topic, { bytes: range.bytes.length, entries: range.count });
    addAuthor(topic, author, range.bytes.length);
    dirty.add(topic);
    release(range.context);
  };
  const save = async (): Promise<void> => {
    stopTimer?.();
    stopTimer = undefined;
    if (dirty.size === 0) return;
    const topics = [...dirty].sort();
    dirty = new Set();
    const writes = topics.map((topic) =>
      usageWrite({
        topic,
        usage: usageByTopic.get(topic) ?? none,
        cursor: cursors.get(topic) ?? 0,
        authors: [...(authorsByTopic.get(topic) ?? [])],
      }),
    );
    try {
      await store.commit({ writes });
    } catch (error) {
      for (const topic of topics) dirty.add(topic);
      throw error;
    }
  };
  const saveLater = (): void => {
    stopTimer ??= timers.after(saveDelayMs, () => {
      save().catch(deps.onFailure);
    });
  };

  // Other nodes go on while we read: what they commit is counted after what was there before.
  let early: StoredRange[] | undefined = [];
  const unsubscribe = store.onCommit((ranges) => {
    if (early !== undefined) return void early.push(...ranges);
    for (const range of ranges) count(range);
    saveLater();
  });
  for (const { topic, usage, cursor, authors } of await loadSaved(store)) {
    add(topic, usage);
    for (const [author, bytes] of authors) addAuthor(topic, author, bytes);
    cursors.set(topic, cursor);
  }
  const topics = await store.topics();
  // Those are counted anew from what is still there: then nothing of it was dropped.
  for (const topic of topics) if (!cursors.has(topic)) await dropped.forget(topic);
  await dropped.apply();
  for (const topic of topics) {
    for await (const range of store.received(topic, cursors.get(topic) ?? 0)) count(range);
  }
  for (const range of early) count(range);
  early = undefined;

  return {
    of: stored,
    total: () => total,
    bytesOf: (author) => bytesByAuthor.get(author) ?? 0,
    admit: (request) => {
      const { topic, author, byteCount: bytes, count: entries } = request;
      let wanted = plus(stored(topic), { bytes, entries });
      let authorBytes = (bytesByAuthor.get(author) ?? 0) + bytes;
      for (const share of heldByLog.values()) {
        if (share.topic === topic) wanted = plus(wanted, share);
        if (share.author === author) authorBytes += share.bytes;
      }
      if (authorBytes > limits.authorBytesMax) return overBudget;
      if (wanted.bytes > limits.topicBytesMax) return overBudget;
      if (wanted.entries > limits.topicEntriesMax) return overBudget;
      if (total.bytes + held.bytes + bytes > limits.storeBytesMax) return overBudget;
      release(request);
      heldByLog.set(logKey(request), { topic, author, bytes, entries });
      held = plus(held, { bytes, entries });
      return undefined;
    },
    settled: release,
    dropped: dropped.add,
    applyDropped: dropped.apply,
    save,
    stop: () => {
      stopTimer?.();
      unsubscribe();
    },
  };
}

type DroppedListener = (topic: Topic, author: AuthorId, usage: Usage) => void;

/** What was dropped: written down in all, and told as it grows. */
function createDroppedBook(
  store: LogStore,
  tell: DroppedListener,
): {
  add(context: LogContext, usage: Usage): Promise<void>;
  apply(): Promise<void>;
  forget(topic: Topic): Promise<void>;
} {
  const known = new Map<string, Usage>();
  const keyOf = ({ topic, author }: Pick<LogContext, "topic" | "author">): string =>
    `${droppedPrefix}${topic}/${author}`;
  return {
    add: async (context, usage) => {
      const key = keyOf(context);
      const value = plus(decodeUsage(await store.get(key)), usage);
      const write = { key, value: encodeCbor([value.bytes, value.entries]) };
      await store.commit({ writes: [write] });
    },
    apply: async () => {
      for (const { key, value } of await store.list(droppedPrefix)) {
        const [topic = "", author = ""] = key.slice(droppedPrefix.length).split("/");
        const now = decodeUsage(value);
        // Safe: only topics and authors are written there.
        tell(topic as Topic, author as AuthorId, minus(now, known.get(key) ?? none));
        known.set(key, now);
      }
    },
    forget: async (topic) => {
      const writes: KvWrite[] = [];
      for (const { key } of await store.list(`${droppedPrefix}${topic}/`)) {
        writes.push({ key, value: undefined });
      }
      if (writes.length > 0) await store.commit({ writes });
    },
  };
}

function decodeUsage(value: Uint8Array | undefined): Usage {
  const [bytes, entries] = numbersOf(value === undefined ? undefined : decodeCbor(value)) ?? [];
  return bytes === undefined || entries === undefined ? none : { bytes, entries };
}

/** Gives back what an admitted range did not use, and knows when the last one is done. */
export function withQuota(
  ingest: Ingest,
  usage: Pick<UsageBook, "settled">,
): {
  readonly ingest: Ingest;
  readonly idle: () => Promise<void>;
  /** Ranges under way. */
  readonly count: () => number;
} {
  const running = new Set<Promise<unknown>>();
  return {
    ingest: async (range) => {
      const work = ingest(range);
      running.add(work);
      try {
        return await work;
      } finally {
        running.delete(work);
        usage.settled(range.context);
      }
    },
    idle: async () => {
      await Promise.allSettled(running);
    },
    count: () => running.size,
  };
}

function plus(a: Usage, b: Usage): Usage {
  return { bytes: a.bytes + b.bytes, entries: a.entries + b.entries };
}

function minus(a: Usage, b: Usage): Usage {
  return { bytes: a.bytes - b.bytes, entries: a.entries - b.entries };
}

function logKey({ topic, domain, author }: LogContext): string {
  return `${topic} ${domain} ${author}`;
}

/** What is written down of a topic. */
interface SavedUsage {
  readonly topic: Topic;
  readonly usage: Usage;
  /** Up to which it holds. */
  readonly cursor: number;
  /** Bytes of each author. */
  readonly authors: readonly (readonly [author: AuthorId, bytes: number])[];
}

function usageWrite({ topic, usage, cursor, authors }: SavedUsage): KvWrite {
  const { bytes, entries } = usage;
  const sorted = authors.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const value = [bytes, entries, cursor, sorted.map(([id]) => id), sorted.map(([, each]) => each)];
  return { key: `${usagePrefix}${topic}`, value: encodeCbor(value) };
}

/** The counts as last written down; a topic whose record is damaged is counted anew. */
async function loadSaved(store: LogStore): Promise<readonly SavedUsage[]> {
  const saved: SavedUsage[] = [];
  for (const { key, value } of await store.list(usagePrefix)) {
    const counts = decodeCounts(value);
    // Safe: only topics are written under this prefix.
    if (counts !== undefined)
      saved.push({ topic: key.slice(usagePrefix.length) as Topic, ...counts });
  }
  return saved;
}

/** A record of ours; `undefined` for one that is damaged. */
function decodeCounts(value: Uint8Array): Omit<SavedUsage, "topic"> | undefined {
  const decoded = decodeCbor(value);
  if (!Array.isArray(decoded) || decoded.length !== 5) return undefined;
  const [bytes, entries, cursor] = numbersOf(decoded.slice(0, 3)) ?? [];
  const each = numbersOf(decoded[4]);
  const ids: unknown = decoded[3];
  if (bytes === undefined || entries === undefined || cursor === undefined) return undefined;
  if (!Array.isArray(ids) || ids.length !== each?.length) return undefined;
  // Safe: only authors are written there.
  const authors = each.map((count, index) => [String(ids[index]) as AuthorId, count] as const);
  return { usage: { bytes, entries }, cursor, authors };
}

function numbersOf(value: unknown): readonly number[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "number")
    ? value
    : undefined;
}
