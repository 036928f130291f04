/**
 * Reading by key, in pages of bounded size; nothing stays open between two pages
 * (docs/spec/store-idb.md §5). Layer 4.
 */
import {
  decodeForkProof,
  LogError,
  type ForkProof,
  type LogHead,
  type LogId,
  type StoredRange,
  type Topic,
} from "@hawser/log";
import { toHex } from "@hawser/codec";
import { failureOf } from "./errors.ts";
import { valueOf, type Connection, type Tables } from "./database.ts";
import type { IdbKey, IdbKeyRange, IdbReadable } from "./idb-types.ts";
import {
  bytesOf,
  countersKey,
  headOf,
  noCounters,
  recordIn,
  storedOf,
  type Counters,
  type ForkRecord,
  type LogRecord,
  type RangeRecord,
} from "./records.ts";

/** Ranges of one page, and compact bytes unless a single one is larger. */
const pageRangesMax = 128;
const pageBytesMax: number = 1024 * 1024;
/** Heads and topics of one page. */
const pageHeadsMax = 64;

/** Sorts after every key that continues the one before it. */
const afterAll: IdbKey = [];

const reading = { mode: "readonly" } as const;

/** [cursor, size, dataBytes]. */
export type RangeKey = readonly [number, number, number];

/** The primary keys that an index gave. */
export function rangeKeys(keys: readonly unknown[]): readonly RangeKey[] {
  // Safe: the key path of the table.
  return keys as readonly RangeKey[];
}

/** Ranges of an index within `range`, first to last, as many as make a page. */
async function readPage(index: IdbReadable, range: IdbKeyRange): Promise<readonly RangeRecord[]> {
  const keys = rangeKeys(await valueOf(index.getAllKeys(range, pageRangesMax)));
  let byteCount = 0;
  let count = 0;
  for (const [, size] of keys) {
    byteCount += size;
    if (count > 0 && byteCount > pageBytesMax) break;
    count += 1;
  }
  if (count === 0) return [];
  // Safe: records of that table.
  return (await valueOf(index.getAll(range, count))) as readonly RangeRecord[];
}

/** One log's record. */
export async function readLog(tables: Tables, logId: LogId): Promise<LogRecord | undefined> {
  return recordIn<LogRecord>(await valueOf(tables("logs").get(bytesOf(logId))));
}

export function readHead(connection: Connection, logId: LogId): Promise<LogHead | undefined> {
  return connection.run(reading, async (tables) => headOf(await readLog(tables, logId)));
}

export function readCounters(connection: Connection): Promise<Counters> {
  return connection.run(reading, async (tables) => {
    const found = await valueOf(tables("counters").get(countersKey));
    return recordIn<Counters>(found) ?? noCounters;
  });
}

/** Heads of a topic in pages: decoding thousands in one go would hold up the page. */
export async function readHeads(connection: Connection, topic: Topic): Promise<readonly LogHead[]> {
  const { keyRange } = connection;
  const topicBytes = bytesOf(topic);
  const heads: LogHead[] = [];
  // Numbers sort before bytes.
  let after: IdbKey = 0;
  for (;;) {
    const range = keyRange.bound([topicBytes, after], [topicBytes, afterAll], true);
    const records = await connection.run(reading, (tables) =>
      valueOf(tables("logs").index("topic").getAll(range, pageHeadsMax)),
    );
    for (const value of records) {
      const record = recordIn<LogRecord>(value);
      const head = headOf(record);
      if (record === undefined || head === undefined) continue;
      heads.push(head);
      after = record.logId;
    }
    if (records.length < pageHeadsMax) return heads;
  }
}

/** From one topic to the next, whatever the number of logs. */
export function readTopics(connection: Connection): Promise<readonly Topic[]> {
  return connection.run(
    reading,
    (tables) =>
      new Promise((resolve, reject) => {
        const topics: Topic[] = [];
        const request = tables("logs").index("topic").openKeyCursor();
        request.onerror = () => reject(failureOf(request.error));
        request.onsuccess = () => {
          const cursor = request.result;
          if (cursor === null) {
            resolve(topics);
            return;
          }
          // Safe: the key path of the index; engines give its bytes as an ArrayBuffer.
          const [topic] = cursor.key as readonly [ArrayBuffer];
          const bytes = new Uint8Array(topic);
          topics.push(toHex(bytes) as Topic);
          cursor.continue([bytes, afterAll]);
        };
      }),
  );
}

/** One page of a log, and where the log starts as of the same moment. */
export interface LogPage {
  readonly prunedTo: number;
  readonly records: readonly RangeRecord[];
}

/** Ranges from the one that holds `from` (or the first after it) that start before `to`. */
export function readLogPage(
  connection: Connection,
  logId: LogId,
  from: number,
  to: number,
): Promise<LogPage> {
  const { keyRange } = connection;
  const id = bytesOf(logId);
  return connection.run(reading, async (tables) => {
    const index = tables("ranges").index("place");
    const log = readLog(tables, logId);
    const start = await firstAtMost(connection, tables, id, from);
    const { prunedTo = 0 } = { ...(await log) };
    if (Math.max(start, 0) >= to) return { prunedTo, records: [] };
    const range = keyRange.bound([id, Math.max(start, 0)], [id, to], false, true);
    const records = await readPage(index, range);
    return { prunedTo, records: records.filter(({ first, count }) => first + count > from) };
  });
}

/** The largest `first` of a log's ranges that is at most `seq`; −1 when there is none. */
export async function firstAtMost(
  { keyRange }: Connection,
  tables: Tables,
  logId: Uint8Array,
  seq: number,
): Promise<number> {
  const range = keyRange.bound([logId, 0], [logId, seq]);
  const request = tables("ranges").index("place").openKeyCursor(range, "prev");
  const cursor = await valueOf(request);
  if (cursor === null) return -1;
  // Safe: the key path of the index.
  return (cursor.key as readonly [unknown, number])[1];
}

/** The range of a log that starts exactly at `first`. */
export function readRangeAt(
  connection: Connection,
  logId: LogId,
  first: number,
): Promise<RangeRecord | undefined> {
  const key = [bytesOf(logId), first];
  return connection.run(reading, async (tables) =>
    recordIn<RangeRecord>(await valueOf(tables("ranges").index("place").get(key))),
  );
}

/** Keys of the ranges with a signed entry whose hash begins so. */
export function readSignedKeys(
  connection: Connection,
  prefix: number,
): Promise<readonly RangeKey[]> {
  const range = connection.keyRange.bound(prefix, prefix);
  return connection.run(reading, async (tables) =>
    rangeKeys(await valueOf(tables("ranges").index("signed").getAllKeys(range))),
  );
}

/** One range by its key. */
export function readRangeByKey(
  connection: Connection,
  key: RangeKey,
): Promise<RangeRecord | undefined> {
  return connection.run(reading, async (tables) =>
    recordIn<RangeRecord>(await valueOf(tables("ranges").get(key))),
  );
}

/** A page of ranges after one cursor up to another: of one topic, or of all. */
export function readReceivedPage(
  connection: Connection,
  place: { readonly topic?: Topic; readonly after: number; readonly last: number },
): Promise<readonly StoredRange[]> {
  const { topic, after, last } = place;
  if (after >= last) return Promise.resolve([]);
  const { keyRange } = connection;
  return connection.run(reading, async (tables) => {
    const table = tables("ranges");
    // An array sorts after every number, so [n, []] is above all keys that begin with n.
    const records = await (topic === undefined
      ? readPage(table, keyRange.bound([after, afterAll], [last, afterAll]))
      : readPage(
          table.index("received"),
          keyRange.bound([bytesOf(topic), after], [bytesOf(topic), last], true),
        ));
    return withHeads(tables, records);
  });
}

/** Ranges as values, with the heads of their logs as of the same moment. */
async function withHeads(
  tables: Tables,
  records: readonly RangeRecord[],
): Promise<readonly StoredRange[]> {
  const ids = new Map(records.map(({ logId }) => [toHex(logId), logId]));
  const found = await Promise.all([...ids.values()].map((id) => valueOf(tables("logs").get(id))));
  const heads = new Map<string, LogHead>();
  [...ids.keys()].forEach((id, index) => {
    const head = headOf(recordIn<LogRecord>(found[index]));
    if (head !== undefined) heads.set(id, head);
  });
  return records.map((record) => {
    const head = heads.get(toHex(record.logId));
    if (head === undefined) throw new LogError("STORE_CORRUPT", "a range belongs to no log");
    return storedOf(head, record);
  });
}

/** The proof of a log. */
export async function readForkProofs(
  connection: Connection,
  logId: LogId,
): Promise<readonly ForkProof[]> {
  const record = await connection.run(reading, async (tables) =>
    recordIn<ForkRecord>(await valueOf(tables("forks").get(bytesOf(logId)))),
  );
  if (record === undefined) return [];
  const proof = decodeForkProof(record.proof);
  if (proof !== undefined) return [proof];
  throw new LogError("STORE_CORRUPT", "a stored fork proof does not parse");
}

/** One value. */
export function readValue(connection: Connection, key: string): Promise<Uint8Array | undefined> {
  return connection.run(reading, async (tables) =>
    recordIn<Uint8Array>(await valueOf(tables("kv").get(key))),
  );
}

/** Pairs of a prefix, in key order. Keys are printable ASCII, so 0x7f ends every prefix. */
export function listValues(
  connection: Connection,
  prefix: string,
): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
  const range = connection.keyRange.bound(prefix, `${prefix}\u007f`, false, true);
  return connection.run(reading, async (tables) => {
    const keys = valueOf(tables("kv").getAllKeys(range));
    const values = await valueOf(tables("kv").getAll(range));
    const names = await keys;
    return values.map((value, index) => {
      // Safe: values of that table are bytes.
      return { key: String(names[index]), value: value as Uint8Array };
    });
  });
}
