/**
 * Rows: the statements of the store, each a small function. The caller owns transactions.
 */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { equalBytes, fromHex, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  createRangeWalk,
  cutRange,
  decodeChainState,
  decodeForkProof,
  emptyChain,
  encodeChainState,
  encodeForkProof,
  LogError,
  markInterval,
  startMark,
  stateWithin,
  type ChainState,
  type EncodedRange,
  type Entry,
  type ForkProof,
  type KvWrite,
  type LogHead,
  type LogId,
  type StoredRange,
  type StoreStats,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";

type Row = Record<string, SQLOutputValue>;

export interface Rows {
  head(logId: LogId): LogHead | undefined;
  heads(topic: Topic): readonly LogHead[];
  topics(): readonly Topic[];
  addRange(range: VerifiedRange): StoredRange;
  addFork(proof: ForkProof): void;
  forkProofs(logId: LogId): readonly ForkProof[];
  /** The stored range that holds `from`, or the first after it, cut to [from, to). */
  rangeAt(head: LogHead, from: number, to: number): StoredRange | undefined;
  entries(head: LogHead, from: number, to: number): Generator<Entry, void, void>;
  /** `undefined` above the head and below what is kept. */
  stateAt(head: LogHead, height: number): ChainState | undefined;
  findSigned(hash: Uint8Array): { readonly logId: LogId; readonly seq: number } | undefined;
  /** Cursors of a topic's ranges behind one cursor up to another, ascending. */
  receivedCursors(topic: Topic, after: number, last: number): readonly number[];
  /** The range that was received there; `undefined` once it is pruned. */
  rangeOf(cursor: number): StoredRange | undefined;
  lastCursor(): number;
  prune(logId: LogId, seq: number): number;
  write(write: KvWrite): void;
  get(key: string): Uint8Array | undefined;
  list(prefix: string): readonly { readonly key: string; readonly value: Uint8Array }[];
  totals(): Omit<StoreStats, "diskBytes">;
}

/**
 * What came since a cursor, whatever topic it is of: right where that is little. CROSS: by topic first,
 * as the planner would have it, each read goes through everything the topic has.
 */
export const latestSql: string =
  "SELECT cursor FROM ranges CROSS JOIN logs ON logs.id = ranges.log" +
  " WHERE cursor > ? AND cursor <= ? AND logs.topic = ? ORDER BY cursor";
/** The newest ranges of a log, from its index alone: what comes later in a log has a greater cursor. */
export const newestSql: string =
  "SELECT first, cursor FROM ranges WHERE log = ? AND first < ? ORDER BY first DESC LIMIT ?";
/** Up to so many ranges since a cursor are looked through; beyond, the logs of the topic are. */
const latestMax = 256;

/** Logs whose state is kept decoded; of a long log about a kilobyte each. */
const rememberedStatesMax = 1_024;

/** Six bytes of a hash as an exact Number: the index of signed entries. */
function hashPrefix(hash: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < 6; index++) value = value * 256 + (hash[index] ?? 0);
  return value;
}

function bytesOf(id: string): Uint8Array {
  return fromHex(id) ?? new Uint8Array(0);
}

function blob(row: Row, name: string): Uint8Array {
  const value = row[name];
  if (value instanceof Uint8Array) return value;
  throw new LogError("STORE_CORRUPT", `column ${name} holds no bytes`);
}

function integer(row: Row, name: string): number {
  return Number(row[name]);
}

function toHead(state: ChainState, row: Row): LogHead {
  const signedHash = row["signed_hash"];
  const forkedAt = row["forked_at"];
  return {
    ...state,
    signedHeight: integer(row, "signed_height"),
    signedHash: signedHash instanceof Uint8Array ? signedHash : undefined,
    forkedAt: forkedAt === null || forkedAt === undefined ? undefined : Number(forkedAt),
    prunedTo: integer(row, "pruned_to"),
  };
}

/** The chain state that a head extends. */
function chainStateOf({ context, logId, height, hash, stamp, skips }: LogHead): ChainState {
  return { context, logId, height, hash, stamp, skips };
}

/** The statements on one open database. */
export function createRows(
  crypto: Pick<Crypto, "hash" | "deriveKey">,
  database: DatabaseSync,
): Rows {
  const sql = {
    log: database.prepare("SELECT * FROM logs WHERE log_id = ?"),
    logById: database.prepare("SELECT * FROM logs WHERE id = ?"),
    logsOfTopic: database.prepare(
      "SELECT * FROM logs WHERE topic = ? AND height > 0 ORDER BY log_id",
    ),
    topics: database.prepare("SELECT DISTINCT topic FROM logs WHERE height > 0 ORDER BY topic"),
    addLog: database.prepare(
      "INSERT INTO logs (log_id, topic, height, state, signed_height, pruned_to, marked_at)" +
        " VALUES (?, ?, 0, ?, 0, 0, 0)",
    ),
    setHead: database.prepare(
      "UPDATE logs SET height = ?, state = ?, signed_height = ?, signed_hash = ?, marked_at = ?" +
        " WHERE id = ?",
    ),
    nextCursor: database.prepare(
      "UPDATE counters SET value = value + 1 WHERE name = 'cursor' RETURNING value",
    ),
    lastCursor: database.prepare("SELECT value FROM counters WHERE name = 'cursor'"),
    addRange: database.prepare(
      "INSERT INTO ranges (cursor, log, first, count, data_bytes, before, bytes)" +
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    rangeAt: database.prepare(
      "SELECT * FROM ranges WHERE log = ? AND first <= ? ORDER BY first DESC LIMIT 1",
    ),
    rangeAfter: database.prepare(
      "SELECT * FROM ranges WHERE log = ? AND first >= ? ORDER BY first LIMIT 1",
    ),
    markedAt: database.prepare(
      "SELECT * FROM ranges WHERE log = ? AND first <= ? AND before IS NOT NULL" +
        " ORDER BY first DESC LIMIT 1",
    ),
    latest: database.prepare(latestSql),
    newest: database.prepare(newestSql),
    logIds: database.prepare("SELECT id FROM logs WHERE topic = ?"),
    rangeOf: database.prepare("SELECT * FROM ranges WHERE cursor = ?"),
    addSigned: database.prepare("INSERT OR IGNORE INTO signed VALUES (?, ?, ?)"),
    signed: database.prepare("SELECT log, seq FROM signed WHERE prefix = ?"),
    dropSigned: database.prepare("DELETE FROM signed WHERE log = ? AND seq < ? AND prefix = ?"),
    addFork: database.prepare("INSERT OR IGNORE INTO forks VALUES (?, ?, ?)"),
    dropForks: database.prepare("DELETE FROM forks WHERE log = ?"),
    forks: database.prepare("SELECT proof FROM forks WHERE log = ? ORDER BY seq"),
    setFork: database.prepare("UPDATE logs SET forked_at = ? WHERE id = ?"),
    put: database.prepare(
      "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    ),
    del: database.prepare("DELETE FROM kv WHERE key = ?"),
    get: database.prepare("SELECT value FROM kv WHERE key = ?"),
    list: database.prepare("SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key"),
    dropRanges: database.prepare("DELETE FROM ranges WHERE log = ? AND first < ?"),
    mark: database.prepare("UPDATE ranges SET before = ? WHERE log = ? AND first = ?"),
    setPruned: database.prepare("UPDATE logs SET pruned_to = ? WHERE id = ?"),
    totals: database.prepare(
      "SELECT count(*) AS ranges, coalesce(sum(count), 0) AS entries," +
        " coalesce(sum(length(bytes)), 0) AS range_bytes," +
        " coalesce(sum(data_bytes), 0) AS data_bytes FROM ranges",
    ),
    logCount: database.prepare("SELECT count(*) AS n FROM logs WHERE height > 0"),
  };

  // States as their bytes were last read or written: a row whose bytes are the same needs no decoding.
  const states = new Map<number, { readonly bytes: Uint8Array; readonly state: ChainState }>();

  const rememberState = (log: number, bytes: Uint8Array, state: ChainState): void => {
    if (states.size >= rememberedStatesMax) states.clear();
    states.set(log, { bytes, state });
  };

  const headOf = (row: Row): LogHead => {
    const log = integer(row, "id");
    const bytes = blob(row, "state");
    const known = states.get(log);
    if (known !== undefined && equalBytes(known.bytes, bytes)) return toHead(known.state, row);
    const state = decodeChainState(crypto, bytes);
    rememberState(log, bytes, state);
    return toHead(state, row);
  };

  const logRow = (logId: LogId): Row | undefined => sql.log.get(bytesOf(logId));

  const openLog = (start: ChainState): Row => {
    const known = logRow(start.logId);
    if (known !== undefined) return known;
    const empty = emptyChain(crypto, start.context);
    const { topic } = start.context;
    sql.addLog.run(bytesOf(start.logId), bytesOf(topic), encodeChainState(empty));
    const made = logRow(start.logId);
    if (made === undefined) throw new LogError("STORE_CORRUPT", "a new log row is missing");
    return made;
  };

  const head = (logId: LogId): LogHead | undefined => {
    const row = logRow(logId);
    return row === undefined || integer(row, "height") === 0 ? undefined : headOf(row);
  };

  const toStored = (
    log: Pick<LogHead, "context" | "logId" | "signedHeight">,
    row: Row,
  ): StoredRange => {
    const from = integer(row, "first");
    const count = integer(row, "count");
    return {
      context: log.context,
      logId: log.logId,
      from,
      count,
      bytes: blob(row, "bytes"),
      signed: from + count <= log.signedHeight,
      cursor: integer(row, "cursor"),
    };
  };

  const cut = (log: LogHead, range: StoredRange, from: number, to: number): StoredRange => {
    const end = range.from + range.count;
    const part: EncodedRange = cutRange(range, Math.max(from, range.from), Math.min(to, end));
    const signed = part.from + part.count <= log.signedHeight;
    return { ...range, ...part, signed };
  };

  const addRange = (range: VerifiedRange): StoredRange => {
    const row = openLog(range.before);
    const log = integer(row, "id");
    const lastSigned = range.entries.findLast((entry) => entry.signature !== undefined);
    const signedHeight =
      lastSigned === undefined ? integer(row, "signed_height") : lastSigned.seq + 1;
    const oldHash = row["signed_hash"] ?? null;
    const signedHash = lastSigned === undefined ? oldHash : lastSigned.hash;
    // The first range that is left needs its own state: there is none before it to roll forward from.
    const isFirst = range.from === integer(row, "pruned_to");
    const isMarked = isFirst || range.from - integer(row, "marked_at") >= markInterval;
    const before = isMarked && range.from > 0 ? encodeChainState(range.before) : null;
    const markedAt = isMarked ? range.from : integer(row, "marked_at");
    const cursor = integer(sql.nextCursor.get() ?? {}, "value");
    let dataBytes = 0;
    for (const entry of range.entries) {
      dataBytes += entry.data.length;
      if (entry.signature !== undefined) sql.addSigned.run(hashPrefix(entry.hash), log, entry.seq);
    }
    sql.addRange.run(cursor, log, range.from, range.count, dataBytes, before, range.bytes);
    const state = encodeChainState(range.after);
    sql.setHead.run(range.after.height, state, signedHeight, signedHash, markedAt, log);
    rememberState(log, state, range.after);
    const { context, from, count, bytes } = range;
    const signed = from + count <= signedHeight;
    return { context, logId: range.before.logId, from, count, bytes, signed, cursor };
  };

  /** The chain state before the range in `row`: at the closest mark, or rolled forward from it. */
  const stateBefore = (log: LogHead, id: number, row: Row): ChainState => {
    const first = integer(row, "first");
    const marked = sql.markedAt.get(id, first);
    let state = marked === undefined ? emptyChain(crypto, log.context) : stateOf(marked);
    while (state.height < first) {
      const next = sql.rangeAt.get(id, state.height);
      if (next === undefined || integer(next, "first") !== state.height) break;
      state = stateWithin(
        crypto,
        state,
        toStored(log, next),
        state.height + integer(next, "count"),
      );
    }
    if (state.height === first) return state;
    throw new LogError("STORE_CORRUPT", `a range before entry ${first} is missing`);
  };
  const stateOf = (row: Row): ChainState => decodeChainState(crypto, blob(row, "before"));

  const stateAt = (log: LogHead, height: number): ChainState | undefined => {
    if (height > log.height || height < log.prunedTo) return undefined;
    if (height === log.height) return chainStateOf(log);
    const id = integer(logRow(log.logId) ?? {}, "id");
    const row = sql.rangeAt.get(id, height);
    if (row === undefined) return height === 0 ? emptyChain(crypto, log.context) : undefined;
    return stateWithin(crypto, stateBefore(log, id, row), toStored(log, row), height);
  };

  const rowAt = (id: number, from: number): Row | undefined => {
    const holding = sql.rangeAt.get(id, from);
    if (holding !== undefined && integer(holding, "first") + integer(holding, "count") > from) {
      return holding;
    }
    return sql.rangeAfter.get(id, from);
  };

  const findSigned = (hash: Uint8Array): { logId: LogId; seq: number } | undefined => {
    for (const place of sql.signed.all(hashPrefix(hash))) {
      const row = sql.logById.get(place["log"] ?? null);
      if (row === undefined) continue;
      const log = headOf(row);
      const seq = integer(place, "seq");
      for (const entry of entries(log, seq, seq + 1)) {
        if (toHex(entry.hash) === toHex(hash)) return { logId: log.logId, seq };
      }
    }
    return undefined;
  };

  function* entries(log: LogHead, from: number, to: number): Generator<Entry, void, void> {
    const id = integer(logRow(log.logId) ?? {}, "id");
    let state: ChainState | undefined;
    for (let next = Math.max(from, log.prunedTo); next < to;) {
      const row = rowAt(id, next);
      if (row === undefined) return;
      const start = state ?? stateBefore(log, id, row);
      const walk = createRangeWalk(crypto, blob(row, "bytes"), startMark(start));
      const end = Math.min(to, integer(row, "first") + integer(row, "count"));
      while (walk.cursor.height < end) {
        const entry = walk.next();
        if (typeof entry === "string")
          throw new LogError("STORE_CORRUPT", "a stored range went bad");
        if (entry.seq >= next) yield entry;
      }
      state = walk.cursor.state();
      next = end;
    }
  }

  const cursorsByLog = (topic: Topic, after: number, last: number): readonly number[] => {
    const found: number[] = [];
    for (const { id = null } of sql.logIds.all(bytesOf(topic))) {
      // Most logs have nothing new: their newest range alone says so.
      let limit = 1;
      let cursor = Infinity;
      for (let before = Number.MAX_SAFE_INTEGER; cursor > after; limit = latestMax) {
        const rows = sql.newest.all(id, before, limit);
        if (rows.length === 0) break;
        for (const row of rows) {
          cursor = integer(row, "cursor");
          if (cursor > after && cursor <= last) found.push(cursor);
          before = integer(row, "first");
        }
      }
    }
    return found.sort((a, b) => a - b);
  };

  const prune = (logId: LogId, seq: number): number => {
    const row = logRow(logId);
    if (row === undefined) return 0;
    const log = headOf(row);
    const id = integer(row, "id");
    const holding = rowAt(id, Math.min(seq, log.signedHeight));
    const limit = holding === undefined ? log.signedHeight : integer(holding, "first");
    if (limit <= log.prunedTo) return log.prunedTo;
    if (holding !== undefined) {
      const before = encodeChainState(stateBefore(log, id, holding));
      sql.mark.run(before, id, limit);
    }
    for (const entry of entries(log, log.prunedTo, limit)) {
      if (entry.signature !== undefined) sql.dropSigned.run(id, limit, hashPrefix(entry.hash));
    }
    sql.dropRanges.run(id, limit);
    sql.setPruned.run(limit, id);
    return limit;
  };

  return {
    head,
    heads: (topic) => sql.logsOfTopic.all(bytesOf(topic)).map((row) => headOf(row)),
    // Safe: only topics are stored in that column.
    topics: () => sql.topics.all().map((row) => toHex(blob(row, "topic")) as Topic),
    addRange,
    addFork: (proof) => {
      const row = openLog(emptyChain(crypto, proof.context));
      const forkedAt = row["forked_at"];
      if (typeof forkedAt === "number" && forkedAt <= proof.seq) return;
      const log = integer(row, "id");
      sql.dropForks.run(log);
      sql.addFork.run(log, proof.seq, encodeForkProof(proof));
      sql.setFork.run(proof.seq, log);
    },
    forkProofs: (logId) => {
      const row = logRow(logId);
      if (row === undefined) return [];
      return sql.forks.all(integer(row, "id")).map((fork) => {
        const proof = decodeForkProof(blob(fork, "proof"));
        if (proof !== undefined) return proof;
        throw new LogError("STORE_CORRUPT", "a stored fork proof does not parse");
      });
    },
    rangeAt: (log, from, to) => {
      const row = rowAt(integer(logRow(log.logId) ?? {}, "id"), from);
      if (row === undefined || integer(row, "first") >= to || from >= to) return undefined;
      return cut(log, toStored(log, row), from, to);
    },
    entries,
    stateAt,
    findSigned,
    receivedCursors: (topic, after, last) => {
      if (after >= last) return [];
      if (last - after > latestMax) return cursorsByLog(topic, after, last);
      return sql.latest.all(after, last, bytesOf(topic)).map((row) => integer(row, "cursor"));
    },
    rangeOf: (cursor) => {
      const row = sql.rangeOf.get(cursor);
      const log = row && sql.logById.get(row["log"] ?? null);
      return row && log && toStored(headOf(log), row);
    },
    lastCursor: () => integer(sql.lastCursor.get() ?? {}, "value"),
    prune,
    write: ({ key, value }) => {
      if (value === undefined) sql.del.run(key);
      else sql.put.run(key, value);
    },
    get: (key) => {
      const row = sql.get.get(key);
      return row === undefined ? undefined : blob(row, "value");
    },
    // Keys are printable ASCII, so 0x7f ends every prefix.
    list: (prefix) =>
      sql.list.all(prefix, `${prefix}\u007f`).map((row) => ({
        key: String(row["key"]),
        value: blob(row, "value"),
      })),
    totals: () => {
      const sums = sql.totals.get() ?? {};
      return {
        logs: integer(sql.logCount.get() ?? {}, "n"),
        entries: integer(sums, "entries"),
        ranges: integer(sums, "ranges"),
        rangeBytes: integer(sums, "range_bytes"),
        dataBytes: integer(sums, "data_bytes"),
      };
    },
  };
}
