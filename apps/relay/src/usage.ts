/**
 * What each space takes up, and the quota that follows from it. Layer 9.
 *
 * The store tells its totals only, so the relay counts per topic while ranges are committed, and
 * writes its counts down together with the cursor up to which they hold: after a crash only what
 * came later is read again. Cursors rise within a topic, whatever the store and however many nodes
 * share it: so each topic has its own, every node counts every range once, and whoever writes a
 * count down writes one that holds.
 */
import { decodeCbor, encodeCbor } from "@hawser/codec";
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

/** Counts per topic. */
export interface UsageBook {
  of(topic: Topic): Usage;
  total(): Usage;
  /** A reason to refuse a range, or `undefined`; then its share is held for it until `settled`. */
  admit(request: AdmissionRequest): string | undefined;
  /** What was admitted is stored by now or never will be. */
  settled(context: LogContext): void;
  /** Writes the counts down. */
  save(): Promise<void>;
  /** Stops counting; saves nothing. */
  stop(): void;
}

/** `reason` of a refused range; sync's explain passes it on. */
export const overBudget = "OVER_BUDGET";

const none: Usage = { bytes: 0, entries: 0 };
const usagePrefix = "relay/usage/";
const saveDelayMs = 5_000;

/** Loads the counts and begins to count. `onFailure` hears of counts that could not be saved. */
export async function openUsageBook(deps: {
  readonly store: LogStore;
  readonly timers: Timers;
  readonly limits: RelayLimits;
  readonly onFailure: (cause: unknown) => void;
}): Promise<UsageBook> {
  const { store, timers, limits } = deps;
  const usageByTopic = new Map<Topic, Usage>();
  const heldByLog = new Map<string, Usage & { readonly topic: Topic }>();
  let total = none;
  let held = none;
  const cursors = new Map<Topic, number>();
  let dirty = new Set<Topic>();
  let stopTimer: (() => void) | undefined;

  const add = (topic: Topic, usage: Usage): void => {
    usageByTopic.set(topic, plus(usageByTopic.get(topic) ?? none, usage));
    total = plus(total, usage);
  };
  const release = (context: LogContext): void => {
    const share = heldByLog.get(logKey(context));
    if (share === undefined) return;
    heldByLog.delete(logKey(context));
    held = minus(held, share);
  };
  const count = (range: StoredRange): void => {
    const { topic } = range.context;
    if (range.cursor <= (cursors.get(topic) ?? 0)) return;
    cursors.set(topic, range.cursor);
    add(topic, { bytes: range.bytes.length, entries: range.count });
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
      usageWrite(topic, usageByTopic.get(topic) ?? none, cursors.get(topic) ?? 0),
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
  for (const { topic, usage, cursor } of await loadSaved(store)) {
    add(topic, usage);
    cursors.set(topic, cursor);
  }
  for (const topic of await store.topics()) {
    for await (const range of store.received(topic, cursors.get(topic) ?? 0)) count(range);
  }
  for (const range of early) count(range);
  early = undefined;

  return {
    of: (topic) => usageByTopic.get(topic) ?? none,
    total: () => total,
    admit: (request) => {
      const { topic, byteCount: bytes, count: entries } = request;
      let wanted = plus(usageByTopic.get(topic) ?? none, { bytes, entries });
      for (const share of heldByLog.values()) {
        if (share.topic === topic) wanted = plus(wanted, share);
      }
      if (wanted.bytes > limits.topicBytesMax) return overBudget;
      if (wanted.entries > limits.topicEntriesMax) return overBudget;
      if (total.bytes + held.bytes + bytes > limits.storeBytesMax) return overBudget;
      release(request);
      heldByLog.set(logKey(request), { topic, bytes, entries });
      held = plus(held, { bytes, entries });
      return undefined;
    },
    settled: release,
    save,
    stop: () => {
      stopTimer?.();
      unsubscribe();
    },
  };
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

function usageWrite(topic: Topic, { bytes, entries }: Usage, cursor: number): KvWrite {
  return { key: `${usagePrefix}${topic}`, value: encodeCbor([bytes, entries, cursor]) };
}

interface SavedUsage {
  readonly topic: Topic;
  readonly usage: Usage;
  /** Up to which it holds. */
  readonly cursor: number;
}

/** The counts as last written down; a topic whose record is damaged is counted anew. */
async function loadSaved(store: LogStore): Promise<readonly SavedUsage[]> {
  const saved: SavedUsage[] = [];
  for (const { key, value } of await store.list(usagePrefix)) {
    const [bytes, entries, cursor] = readCounts(value) ?? [];
    if (bytes === undefined || entries === undefined || cursor === undefined) continue;
    // Safe: only topics are written under this prefix.
    saved.push({
      topic: key.slice(usagePrefix.length) as Topic,
      usage: { bytes, entries },
      cursor,
    });
  }
  return saved;
}

/** Numbers of a record of ours; `undefined` for none, or for one that is damaged. */
function readCounts(value: Uint8Array | undefined): readonly number[] | undefined {
  const decoded = value === undefined ? undefined : decodeCbor(value);
  if (!Array.isArray(decoded)) return undefined;
  return decoded.every((item) => typeof item === "number") ? decoded : undefined;
}
