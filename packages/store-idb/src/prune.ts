/**
 * Pruning (docs/spec/store-idb.md §6). Layer 4.
 */
import { encodeChainState, type ChainState, type LogHead, type LogId } from "@hawser/log";
import { valueOf, type Connection } from "./database.ts";
import { readStateAt, type LogReadDeps } from "./log-reads.ts";
import { firstAtMost, rangeKeys, readHead, readLog } from "./reads.ts";
import {
  bytesOf,
  countersKey,
  noCounters,
  recordIn,
  type Counters,
  type RangeRecord,
} from "./records.ts";

/** Keys that are looked at and deleted at a time. */
const keysMax = 1_000;

/** Drops whole ranges before `seq`, never unsigned entries; the log's new prunedTo. */
export async function pruneLog(
  reads: LogReadDeps,
  durability: "strict" | "relaxed",
  logId: LogId,
  seq: number,
): Promise<number> {
  const { connection } = reads;
  const head = await readHead(connection, logId);
  if (head === undefined) return 0;
  const cut = await cutOf(connection, head, seq);
  if (cut <= head.prunedTo) return head.prunedTo;
  const state = await readStateAt(reads, head, cut);
  // Another tab has cut further meanwhile.
  if (state === undefined) return (await readHead(connection, logId))?.prunedTo ?? 0;
  return await dropBefore(connection, durability, logId, state);
}

/** Where a prune up to `seq` would cut: the start of the range that holds the first entry to keep. */
async function cutOf(connection: Connection, head: LogHead, seq: number): Promise<number> {
  const target = Math.min(seq, head.signedHeight);
  if (target >= head.height || target <= head.prunedTo) return Math.max(target, head.prunedTo);
  const id = bytesOf(head.logId);
  return connection.run({ mode: "readonly" }, (tables) =>
    firstAtMost(connection, tables, id, target),
  );
}

/**
 * Drops the ranges before `cut`, the start of a range or the height, where the chain state is
 * `state`; that is so for ever, whatever was committed meanwhile. Returns the log's new prunedTo.
 */
function dropBefore(
  connection: Connection,
  durability: "strict" | "relaxed",
  logId: LogId,
  state: ChainState,
): Promise<number> {
  const { keyRange } = connection;
  const cut = state.height;
  const id = bytesOf(logId);
  return connection.run({ mode: "readwrite", durability }, async (tables) => {
    const log = await readLog(tables, logId);
    // Another tab may have cut further.
    if (log === undefined || log.prunedTo >= cut) return log?.prunedTo ?? 0;
    const ranges = tables("ranges");
    const found = await valueOf(tables("counters").get(countersKey));
    const counters = recordIn<Counters>(found) ?? noCounters;
    const next = recordIn<RangeRecord>(await valueOf(ranges.index("place").get([id, cut])));
    // The first range that is left has its state beside it.
    if (next !== undefined) ranges.put({ ...next, before: encodeChainState(state) });
    let [count, size, data] = [0, 0, 0];
    const before = keyRange.bound([id, log.prunedTo], [id, cut], false, true);
    for (;;) {
      const keys = rangeKeys(await valueOf(ranges.index("place").getAllKeys(before, keysMax)));
      for (const key of keys) {
        count += 1;
        size += key[1];
        data += key[2];
        ranges.delete(key);
      }
      if (keys.length < keysMax) break;
    }
    tables("logs").put({ ...log, prunedTo: cut });
    const { cursor, logs, entries, ...sums } = counters;
    const left: Counters = {
      cursor,
      logs,
      entries: entries - (cut - log.prunedTo),
      ranges: sums.ranges - count,
      rangeBytes: sums.rangeBytes - size,
      dataBytes: sums.dataBytes - data,
    };
    tables("counters").put(left, countersKey);
    return cut;
  });
}
