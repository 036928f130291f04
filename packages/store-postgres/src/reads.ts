/**
 * Everything that is read, page by page: no statement returns more than a page, and nothing is held
 * open between two of them. Layer 4.
 */
import type { Crypto } from "@hawser/crypto";
import {
  decodeForkProof,
  LogError,
  type ForkProof,
  type LogHead,
  type LogId,
  type StoredRange,
  type StoreStats,
  type Topic,
} from "@hawser/log";
import type { Session } from "./database.ts";
import { bytesIn, bytesOf, headIn, integerIn, storedRangeIn, topicIn } from "./row.ts";
import type { TableName } from "./schema.ts";

/** Rows of one page at most; and bytes, but for a single range that is larger. */
export const pageRowsMax = 256;
export const pageBytesMax: number = 1024 * 1024;

type ReadCrypto = Pick<Crypto, "hash" | "deriveKey">;

/** What a reader needs; `session` is the database, or a transaction on it. */
export interface ReadDeps {
  readonly crypto: ReadCrypto;
  readonly session: Session;
  readonly name: TableName;
}

const headColumns =
  "l.log_id, l.state, l.signed_height, l.signed_hash, l.pruned_to, l.marked_at, f.seq AS forked_at";

function logsWithForks(name: TableName): string {
  return `${name("logs")} l LEFT JOIN ${name("forks")} f ON f.topic = l.topic AND f.log_id = l.log_id`;
}

/** The head of a log; `undefined` for one without entries. */
export async function readHead(deps: ReadDeps, logId: LogId): Promise<LogHead | undefined> {
  const [row] = await deps.session.query(
    `SELECT ${headColumns} FROM ${logsWithForks(deps.name)} WHERE l.log_id = $1`,
    [bytesOf(logId)],
  );
  return row === undefined ? undefined : headIn(deps.crypto, row);
}

/** Heads of a topic, ordered by log id. */
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

/** All topics in order. Hops from one to the next along the primary key: the number of logs does not matter. */
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

/** The proof with the smallest seq, or none. */
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

/** The value of a key, if it has one. */
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

/** Pairs by prefix. Keys are printable ASCII in binary order, so 0x7f ends every prefix. */
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

/** What the store holds. Kept per lane by every commit and prune, so that nothing is counted. */
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

/** Bytes of tables and indexes; `undefined` where the engine has no such function. */
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
