/**
 * Entries that passed through a moment ago, so that taking them in and handing them on does not
 * decode them from the store again. Layer 5, internal.
 */
import type { Entry, LogId, LogStore } from "@hawser/log";

/** A window on the newest entries of each log. */
export interface RecentEntries {
  /** Consecutive entries of one log, just committed. */
  remember(logId: LogId, entries: readonly Entry[]): void;
  /** Entries [from, to) of a log: from memory when all are there, else from the store. */
  read(logId: LogId, from: number, to: number): AsyncIterable<Entry>;
}

/**
 * Data bytes kept over all logs; the log that was touched longest ago goes first. What own entries say
 * is kept with them (`Opener.know`): as much again at most.
 */
const keptBytesMax: number = 4 * 1024 * 1024;

interface Window {
  readonly entries: readonly Entry[];
  readonly byteCount: number;
}

/** An empty memory in front of `store`. */
export function createRecentEntries(store: LogStore): RecentEntries {
  const windows = new Map<LogId, Window>();
  let keptBytes = 0;

  const drop = (logId: LogId): void => {
    keptBytes -= windows.get(logId)?.byteCount ?? 0;
    windows.delete(logId);
  };
  const remember = (logId: LogId, entries: readonly Entry[]): void => {
    drop(logId);
    let byteCount = 0;
    for (const { data } of entries) byteCount += data.length + 256;
    if (byteCount > keptBytesMax) return;
    windows.set(logId, { entries, byteCount });
    keptBytes += byteCount;
    for (const oldest of windows.keys()) {
      if (keptBytes <= keptBytesMax) break;
      drop(oldest);
    }
  };
  async function* read(logId: LogId, from: number, to: number): AsyncGenerator<Entry> {
    const entries = windows.get(logId)?.entries ?? [];
    const first = entries[0]?.seq ?? Infinity;
    const isHere = first <= from && to <= first + entries.length;
    if (isHere) yield* entries.slice(from - first, to - first);
    else yield* store.entries(logId, { from, to });
  }
  return { remember, read };
}
