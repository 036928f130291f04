/**
 * Everything that is read, page by page: no statement returns more than a page, and nothing is held
 * open between two of them. Layer 4.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  createRangeWalk,
  cutRange,
  decodeChainState,
  decodeForkProof,
  emptyChain,
  LogError,
  startMark,
  stateWithin,
  type ChainState,
  type Entry,
  type ForkProof,
  type LogHead,
  type LogId,
  type StoredRange,
  type StoreStats,
  type Topic,
} from "@hawser/log";
import type { Session } from "./database.ts";
import {
  bytesIn,
  bytesOf,
  headIn,
  integerIn,
  logIdIn,
  placeIn,
  storedRangeIn,
  topicIn,
  type Row,
} from "./row.ts";
import type { TableName } from "./schema.ts";

/** Rows of one page at most; and bytes, but for a single range that is larger. */
const pageRowsMax = 256;
const pageBytesMax: number = 1024 * 1024;

type ReadCrypto = Pick<Crypto, "hash" | "deriveKey">;

/** What a reader needs; `session` is the database, or a transaction on it. */
export interface ReadDeps {
  readonly crypto: ReadCrypto;
  readonly session: Session;
  readonly name: TableName;
}

/** The lane of a topic: its first byte, and the key of its counter. */
export function laneOf(topic: Topic): number {
  return bytesOf(topic)[0] ?? 0;
}

const headColumns =
  "l.log_id, l.state, l.signed_height, l.signed_hash, l.pruned_to, l.marked_at, f.seq AS forked_at";

function logsWithForks(name: TableName): string {
  return `${name("logs")} l LEFT JOIN ${name("forks")} f ON f.topic = l.topic AND f.log_id = l.log_id`;
}

export async function readHead(deps: ReadDeps, logId: LogId): Promise<LogHead | undefined> {
  const [row] = await deps.session.query(
    `SELECT ${headColumns} FROM ${logsWithForks(deps.name)} WHERE l.log_id = $1`,
    [bytesOf(logId)],
  );
  return row === undefined ? undefined : headIn(deps.crypto, row);
}

export async function readHeads(deps: ReadDeps, topic: Topic): Promise<readonly LogHead[]> {
  const heads: LogHead[] = [];
  let after = new Uint8Array(0);
  for (;;) {
    const rows = await deps.session.query(
      `SELECT ${headColumns} FROM ${logsWithForks(deps.name)}
       WHERE l.topic = $1 AND l.log_id > $2 ORDER BY l.log_id LIMIT ${pageRowsMax}`,
      [bytesOf(topic), after],
    );
    for (const row of rows) heads.push(headIn(deps.crypto, row));
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRowsMax) return heads;
    after = new Uint8Array(bytesIn(last, "log_id"));
  }
}

/** Hops from topic to topic along the primary key: the number of logs does not matter. */
export async function readTopics(deps: ReadDeps): Promise<readonly Topic[]> {
  const topics: Topic[] = [];
  let after = new Uint8Array(0);
  const logs = deps.name("logs");
  for (;;) {
    const rows = await deps.session.query(
      `WITH RECURSIVE hops (topic, step) AS (
         (SELECT topic, 1 FROM ${logs} WHERE topic > $1 ORDER BY topic LIMIT 1)
         UNION ALL
         SELECT (SELECT topic FROM ${logs} l WHERE l.topic > h.topic ORDER BY topic LIMIT 1), step + 1
         FROM hops h WHERE h.topic IS NOT NULL AND step < ${pageRowsMax}
       )
       SELECT topic FROM hops WHERE topic IS NOT NULL ORDER BY topic`,
      [after],
    );
    for (const row of rows) topics.push(topicIn(row));
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRowsMax) return topics;
    after = new Uint8Array(bytesIn(last, "topic"));
  }
}

/**
 * Ranges of a log from the one that holds `from` (or the first after it) up to `to`, as many as make
 * a page; rows of `ranges`.
 */
async function logPage(
  { session, name }: ReadDeps,
  head: LogHead,
  from: number,
  to: number,
): Promise<readonly Row[]> {
  const ranges = name("ranges");
  return session.query(
    `WITH page AS (
       SELECT first, count, cursor, before, bytes FROM ${ranges}
       WHERE topic = $1 AND log_id = $2 AND first < $4 AND first >= coalesce(
         (SELECT max(first) FROM ${ranges} WHERE topic = $1 AND log_id = $2 AND first <= $3), 0)
       ORDER BY first LIMIT ${pageRowsMax}
     ), sized AS (
       SELECT page.*, sum(octet_length(bytes)) OVER (ORDER BY first) - octet_length(bytes) AS ahead
       FROM page
     )
     SELECT first, count, cursor, before, bytes, $5::bigint AS signed_height
     FROM sized WHERE ahead < ${pageBytesMax} AND first + count > $3 ORDER BY first`,
    [bytesOf(head.context.topic), bytesOf(head.logId), from, to, head.signedHeight],
  );
}

/** Where reading in receive order goes on, and where it ends. */
export interface ReceivedBounds {
  readonly after: number;
  readonly last: number;
}

/** The next page of a topic in receive order; empty at the end. */
export async function receivedPage(
  deps: ReadDeps,
  topic: Topic,
  bounds: ReceivedBounds,
): Promise<readonly StoredRange[]> {
  return cursorPage(deps, "r.topic = $1", bytesOf(topic), bounds);
}

/** The next page of all topics of a lane in receive order; empty at the end. */
export async function lanePage(
  deps: ReadDeps,
  lane: number,
  bounds: ReceivedBounds,
): Promise<readonly StoredRange[]> {
  return cursorPage(deps, "r.lane = $1", lane, bounds);
}

async function cursorPage(
  { session, name }: ReadDeps,
  where: string,
  key: unknown,
  { after, last }: ReceivedBounds,
): Promise<readonly StoredRange[]> {
  // The upper bound stays out of the inner query: before the first ANALYZE an engine takes a range
  // with two ends for a few rows, and sorts all of them instead of following the index.
  const rows = await session.query(
    `WITH page AS (
       SELECT r.topic, r.log_id, r.first, r.count, r.cursor, r.bytes FROM ${name("ranges")} r
       WHERE ${where} AND r.cursor > $2 ORDER BY r.cursor LIMIT ${pageRowsMax}
     ), sized AS (
       SELECT page.*, sum(octet_length(bytes)) OVER (ORDER BY cursor) - octet_length(bytes)
         AS ahead
       FROM page
     )
     SELECT s.log_id, s.first, s.count, s.cursor, s.bytes, l.signed_height,
       substring(l.state FROM 1 FOR 80) AS context
     FROM sized s JOIN ${name("logs")} l ON l.topic = s.topic AND l.log_id = s.log_id
     WHERE s.ahead < ${pageBytesMax} AND s.cursor <= $3 ORDER BY s.cursor`,
    [key, after, last],
  );
  return rows.map(storedRangeIn);
}

/** The cursor of a topic's lane: everything up to it can be read, and nothing comes below it. */
export async function readLaneCursor({ session, name }: ReadDeps, topic: Topic): Promise<number> {
  const [row] = await session.query(`SELECT cursor FROM ${name("lanes")} WHERE topic = $1`, [
    bytesOf(topic).subarray(0, 1),
  ]);
  return row === undefined ? 0 : integerIn(row, "cursor");
}

/** The cursors of all lanes, by lane. */
export async function readLaneCursors({ session, name }: ReadDeps): Promise<readonly number[]> {
  const rows = await session.query(`SELECT topic, cursor FROM ${name("lanes")} ORDER BY topic`);
  return rows.map((row) => integerIn(row, "cursor"));
}

/** Ranges of a log in seq order, each cut to [from, to). A prune meanwhile skips what it dropped. */
export async function* readRanges(
  deps: ReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<StoredRange, void, void> {
  const { context, logId } = head;
  for await (const row of logRows(deps, head, from, to)) {
    const range: StoredRange = { ...placeIn(row), context, logId };
    const end = Math.min(to, head.height, range.from + range.count);
    const part = cutRange(range, Math.max(from, range.from), end);
    yield { ...range, ...part, signed: part.from + part.count <= head.signedHeight };
  }
}

/** Decoded entries of a log in seq order. A prune meanwhile skips what it dropped. */
export async function* readEntries(
  deps: ReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<Entry, void, void> {
  let state: ChainState | undefined;
  for await (const row of logRows(deps, head, from, to)) {
    const first = integerIn(row, "first");
    if (state?.height !== first) state = await stateBefore(deps, head, row);
    if (state === undefined) {
      // Pruned while it was looked up; what is left has a state of its own.
      await prunedSince(deps, head.logId, first);
      continue;
    }
    const walk = createRangeWalk(deps.crypto, bytesIn(row, "bytes"), startMark(state));
    const end = Math.min(to, head.height, first + integerIn(row, "count"));
    while (walk.cursor.height < end) {
      const entry = walk.next();
      if (typeof entry === "string") throw new LogError("STORE_CORRUPT", "a stored range went bad");
      if (entry.seq >= from) yield entry;
    }
    state = walk.cursor.state();
  }
}

/** The rows that hold [from, to) of a log as long as it was at `head`, without a gap but a prune's. */
async function* logRows(
  deps: ReadDeps,
  head: LogHead,
  from: number,
  to: number,
): AsyncGenerator<Row, void, void> {
  const end = Math.min(to, head.height);
  for (let next = Math.max(from, head.prunedTo); next < end;) {
    const rows = await logPage(deps, head, next, end);
    if (rows.length === 0) await prunedSince(deps, head.logId, next);
    if (rows.length === 0) return;
    for (const row of rows) {
      const first = integerIn(row, "first");
      if (first > next) await prunedSince(deps, head.logId, next);
      yield row;
      next = first + integerIn(row, "count");
    }
  }
}

/** Resolves when a log was meanwhile pruned beyond `seq`. Throws STORE_CORRUPT when it was not. */
async function prunedSince(deps: ReadDeps, logId: LogId, seq: number): Promise<void> {
  const now = await readHead(deps, logId);
  if (now !== undefined && now.prunedTo > seq) return;
  throw new LogError("STORE_CORRUPT", `the range of entry ${seq} is missing`);
}

/**
 * The state before the range in `row`: at the closest mark, or rolled forward from it. `undefined`
 * when ranges on the way are missing.
 */
async function stateBefore(
  deps: ReadDeps,
  head: LogHead,
  row: Row,
): Promise<ChainState | undefined> {
  const first = integerIn(row, "first");
  const own = row["before"];
  if (own instanceof Uint8Array) return decodeChainState(deps.crypto, own);
  if (first === 0) return emptyChain(deps.crypto, head.context);
  const [marked] = await deps.session.query(
    `SELECT first, before FROM ${deps.name("ranges")}
     WHERE topic = $1 AND log_id = $2 AND first <= $3 AND before IS NOT NULL
     ORDER BY first DESC LIMIT 1`,
    [bytesOf(head.context.topic), bytesOf(head.logId), first],
  );
  let state =
    marked === undefined
      ? emptyChain(deps.crypto, head.context)
      : decodeChainState(deps.crypto, bytesIn(marked, "before"));
  while (state.height < first) {
    const rows = await logPage(deps, head, state.height, first);
    for (const next of rows) {
      const range = { ...placeIn(next), context: head.context };
      if (range.from !== state.height) return undefined;
      state = stateWithin(deps.crypto, state, range, range.from + range.count);
    }
    if (rows.length === 0) return undefined;
  }
  return state.height === first ? state : undefined;
}

/** `undefined` above the head and below what is kept. */
export async function readStateAt(
  deps: ReadDeps,
  head: LogHead,
  height: number,
): Promise<ChainState | undefined> {
  if (height > head.height || height < head.prunedTo) return undefined;
  if (height === head.height) {
    const { context, logId, hash, stamp, skips } = head;
    return { context, logId, height, hash, stamp, skips };
  }
  const [row] = await logPage(deps, head, height, height + 1);
  const before = row === undefined ? undefined : await stateBefore(deps, head, row);
  if (row === undefined || before === undefined) {
    await prunedSince(deps, head.logId, height);
    return undefined;
  }
  return stateWithin(deps.crypto, before, { ...placeIn(row), context: head.context }, height);
}

/** Six bytes of a hash as an exact Number: the index of signed entries. */
export function hashPrefix(hash: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < 6; index++) value = value * 256 + (hash[index] ?? 0);
  return value;
}

export async function findSignedEntry(
  deps: ReadDeps,
  hash: Uint8Array,
): Promise<{ readonly logId: LogId; readonly seq: number } | undefined> {
  const places = await deps.session.query(
    `SELECT log_id, seq FROM ${deps.name("signed")} WHERE prefix = $1`,
    [hashPrefix(hash)],
  );
  for (const place of places) {
    const [logId, seq] = [logIdIn(place), integerIn(place, "seq")];
    const head = await readHead(deps, logId);
    if (head === undefined) continue;
    for await (const entry of readEntries(deps, head, seq, seq + 1)) {
      if (equalBytes(entry.hash, hash)) return { logId, seq };
    }
  }
  return undefined;
}

export async function readForkProofs(
  { session, name }: ReadDeps,
  logId: LogId,
): Promise<readonly ForkProof[]> {
  const rows = await session.query(
    `SELECT proof FROM ${name("forks")} WHERE log_id = $1 ORDER BY seq`,
    [bytesOf(logId)],
  );
  return rows.map((row) => {
    const proof = decodeForkProof(bytesIn(row, "proof"));
    if (proof !== undefined) return proof;
    throw new LogError("STORE_CORRUPT", "a stored fork proof does not parse");
  });
}

export async function readValue(
  { session, name }: ReadDeps,
  key: string,
): Promise<Uint8Array | undefined> {
  const [row] = await session.query(
    `SELECT value FROM ${name("kv")} WHERE topic = $1 AND key = $2`,
    [new Uint8Array(0), key],
  );
  return row === undefined ? undefined : bytesIn(row, "value");
}

/** Keys are printable ASCII in binary order, so 0x7f ends every prefix. */
export async function listValues(
  { session, name }: ReadDeps,
  prefix: string,
): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
  const pairs: { key: string; value: Uint8Array }[] = [];
  const end = `${prefix}\u007f`;
  for (let after: string | undefined; ;) {
    const rows = await session.query(
      `SELECT key, value FROM ${name("kv")}
       WHERE topic = $1 AND key ${after === undefined ? ">=" : ">"} $2 AND key < $3
       ORDER BY key LIMIT ${pageRowsMax}`,
      [new Uint8Array(0), after ?? prefix, end],
    );
    for (const row of rows) pairs.push({ key: String(row["key"]), value: bytesIn(row, "value") });
    if (rows.length < pageRowsMax) return pairs;
    after = pairs.at(-1)?.key;
  }
}

/** Kept per lane by every commit and prune, so that nothing is counted. */
export async function readTotals({
  session,
  name,
}: ReadDeps): Promise<Omit<StoreStats, "diskBytes">> {
  const [row = {}] = await session.query(
    `SELECT sum(logs)::bigint AS logs, sum(entries)::bigint AS entries,
       sum(ranges)::bigint AS ranges, sum(range_bytes)::bigint AS range_bytes,
       sum(data_bytes)::bigint AS data_bytes FROM ${name("lanes")}`,
  );
  return {
    logs: integerIn(row, "logs"),
    entries: integerIn(row, "entries"),
    ranges: integerIn(row, "ranges"),
    rangeBytes: integerIn(row, "range_bytes"),
    dataBytes: integerIn(row, "data_bytes"),
  };
}

/** Tables and indexes; `undefined` where the engine has no such function. */
export async function readDiskBytes(
  { session }: ReadDeps,
  schema: string,
): Promise<number | undefined> {
  const rows = await session
    .query(
      `SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'`,
      [schema],
    )
    .catch(() => []);
  const [row] = rows;
  return row === undefined || row["bytes"] === null ? undefined : integerIn(row, "bytes");
}
