/**
 * One log read page by page: its ranges, entries and states. Nothing is held open between two pages.
 * Layer 4.
 */
import { equalBytes } from "@hawser/codec";
import {
  createRangeWalk,
  cutRange,
  decodeChainState,
  emptyChain,
  LogError,
  startMark,
  stateWithin,
  type ChainState,
  type Entry,
  type LogHead,
  type LogId,
  type StoredRange,
} from "@hawser/log";
import { pageBytesMax, pageRowsMax, readHead, type ReadDeps } from "./reads.ts";
import { bytesIn, bytesOf, hashPrefix, integerIn, logIdIn, placeIn, type Row } from "./row.ts";

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

/** The state at a height; `undefined` above the head and below what is kept. */
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

/** A signed entry by its hash. */
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
