/**
 * The newest range of each log, kept in memory for the sessions that are about to send it: many
 * devices follow one space, and each would read the same range from the database. Layer 9.
 */
import type { LogId, LogStore, StoredRange } from "@hawser/log";

/** Bytes of ranges that are kept. */
const keptBytesMax: number = 8 * 1024 * 1024;

/** `store`, whose newest ranges are read from memory. */
export function withRecentRanges(store: LogStore): LogStore {
  // The oldest first: a map is in order of insertion.
  const kept = new Map<LogId, StoredRange>();
  let keptBytes = 0;
  const drop = (logId: LogId): void => {
    keptBytes -= kept.get(logId)?.bytes.length ?? 0;
    kept.delete(logId);
  };
  const keep = (range: StoredRange): void => {
    drop(range.logId);
    // A tail that waits for its signature may be cut and signed yet.
    if (!range.signed || range.bytes.length > keptBytesMax) return;
    kept.set(range.logId, range);
    keptBytes += range.bytes.length;
    for (const logId of kept.keys()) {
      if (keptBytes <= keptBytesMax) return;
      drop(logId);
    }
  };
  store.onCommit((ranges) => {
    for (const range of ranges) keep(range);
  });
  const one = async function* (range: StoredRange): AsyncGenerator<StoredRange> {
    yield range;
  };
  return {
    ...store,
    ranges: (logId, options = {}) => {
      const range = kept.get(logId);
      const isIt =
        range !== undefined &&
        range.from === options.from &&
        range.from + range.count === options.to;
      return isIt ? one(range) : store.ranges(logId, options);
    },
    prune: (logId, seq) => {
      drop(logId);
      return store.prune(logId, seq);
    },
  };
}
