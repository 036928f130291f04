/**
 * Commits: batches that wait together become one transaction, which gives every range its place in
 * receive order (docs/spec/store-postgres.md §4). Layer 4.
 */
import type { Crypto } from "@hawser/crypto";
import {
  advanceHead,
  encodeChainState,
  encodeForkProof,
  findMovedHead,
  logIdOf,
  markInterval,
  type CommitBatch,
  type CommitOutcome,
  type ForkProof,
  type LogHead,
  type LogId,
  type StoredRange,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";
import type { Database, Session } from "./database.ts";
import { PostgresStoreError } from "./errors.ts";
import { bulkInsert, bulkUpdate } from "./bulk.ts";
import { hashPrefix, laneOf } from "./reads.ts";
import { bytesOf, headIn, integerIn, logIdIn } from "./row.ts";
import type { TableName } from "./schema.ts";

/** What one lane went through in a commit: its cursor before and after. */
export interface LaneStep {
  readonly lane: number;
  readonly before: number;
  readonly after: number;
}

/** The outcome of a group of batches, in their order. */
export interface GroupOutcome {
  readonly outcomes: readonly CommitOutcome[];
  readonly stored: readonly StoredRange[];
  readonly steps: readonly LaneStep[];
}

export interface CommitDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly database: Database;
  readonly name: TableName;
  /** This store object, among all that ever opened the schema. */
  readonly writer: string;
  /** The highest cursor this store object has come across. */
  readonly seen: () => number;
}

/** A log while a group is applied to it. */
interface LogState {
  readonly topic: Topic;
  readonly isStored: boolean;
  readonly heightBefore: number;
  head: LogHead | undefined;
  markedAt: number;
  forkedAt: number | undefined;
}

/** A lane while a group is applied: its counter and its totals. */
interface LaneState {
  readonly before: number;
  cursor: number;
  logs: number;
  entries: number;
  ranges: number;
  rangeBytes: number;
  dataBytes: number;
}

interface AddedRange {
  readonly range: VerifiedRange;
  readonly cursor: number;
  readonly dataBytes: number;
  readonly before: Uint8Array | null;
}

/** Everything a group changes, before it is written. */
interface Plan {
  readonly logs: Map<LogId, LogState>;
  readonly lanes: Map<number, LaneState>;
  readonly added: AddedRange[];
  readonly forks: Map<LogId, ForkProof>;
  readonly writes: Map<string, Uint8Array | undefined>;
  readonly outcomes: CommitOutcome[];
  cursor: number;
}

/**
 * Applies batches in one transaction; one whose head moved is left out, the rest goes on. `number`
 * differs from one call to the next: it tells after a broken connection whether it was applied.
 */
export async function commitGroup(
  deps: CommitDeps,
  batches: readonly CommitBatch[],
  number: number,
): Promise<GroupOutcome> {
  const key = noteKeyOf(batches);
  let latest: GroupOutcome | undefined;
  return deps.database.transaction(async (session, attempt) => {
    if (attempt.isOutcomeUnknown && latest !== undefined) {
      if ((await lastNumber(deps, session, key)) === number) return latest;
    }
    const plan = await preparePlan(deps, session, batches);
    for (const batch of batches) applyBatch(deps, plan, batch);
    await Promise.all([
      ...writePlan(deps, session, plan),
      session.query(
        `INSERT INTO ${deps.name("commits")} (topic, writer, number) VALUES ($1, $2, $3)
         ON CONFLICT (topic, writer) DO UPDATE SET number = excluded.number, at = now()`,
        [key, deps.writer, number],
      ),
    ]);
    latest = outcomeOf(plan);
    return latest;
  });
}

/** The key of a lane that the group locks anyway: no further shard, and few rows a store. */
function noteKeyOf(batches: readonly CommitBatch[]): Uint8Array {
  const contexts = batches.flatMap(({ ranges = [], forks = [] }) =>
    [...ranges, ...forks].map((item) => item.context),
  );
  return bytesOf(contexts[0]?.topic ?? "").subarray(0, 1);
}

/**
 * The number this store object noted last under a key. The upsert waits for a transaction of ours
 * that the server may still be ending; a plain read would not.
 */
async function lastNumber(
  { name, writer }: CommitDeps,
  session: Session,
  key: Uint8Array,
): Promise<number> {
  const [row = {}] = await session.query(
    `INSERT INTO ${name("commits")} AS own (topic, writer, number) VALUES ($1, $2, 0)
     ON CONFLICT (topic, writer) DO UPDATE SET at = now() RETURNING number`,
    [key, writer],
  );
  return integerIn(row, "number");
}

/** Locks the lanes and reads the heads that the batches are about. */
async function preparePlan(
  deps: CommitDeps,
  session: Session,
  batches: readonly CommitBatch[],
): Promise<Plan> {
  const topics = new Map<LogId, Topic>();
  for (const { ranges = [], forks = [] } of batches) {
    for (const { before } of ranges) topics.set(before.logId, before.context.topic);
    for (const { context } of forks) topics.set(logIdOf(deps.crypto, context), context.topic);
  }
  // Sent together, carried out one after the other: the heads are those after the locks.
  const [lanes, logs] = await Promise.all([
    lockLanes(deps.name, session, [...topics.values()]),
    readLogs(deps, session, topics),
  ]);
  const cursor = Math.max(deps.seen(), ...[...lanes.values()].map((lane) => lane.before));
  return { logs, lanes, added: [], forks: new Map(), writes: new Map(), outcomes: [], cursor };
}

/**
 * Until the transaction ends nobody else adds to these lanes. So a cursor can be read as soon as,
 * and only if, all lower ones of its lane can. Always in ascending order: no deadlocks.
 */
export async function lockLanes(
  name: TableName,
  session: Session,
  topics: readonly Topic[],
): Promise<Map<number, LaneState>> {
  const lanes = new Map<number, LaneState>();
  if (topics.length === 0) return lanes;
  const wanted = [...new Set(topics.map(laneOf))].map((lane) => new Uint8Array([lane]));
  const rows = await session.query(
    `SELECT topic, cursor FROM ${name("lanes")} WHERE topic = ANY($1::bytea[])
     ORDER BY topic FOR UPDATE`,
    [wanted],
  );
  for (const row of rows) {
    const lane = row["topic"] instanceof Uint8Array ? (row["topic"][0] ?? 0) : 0;
    const before = integerIn(row, "cursor");
    const nothing = { logs: 0, entries: 0, ranges: 0, rangeBytes: 0, dataBytes: 0 };
    lanes.set(lane, { before, cursor: before, ...nothing });
  }
  return lanes;
}

async function readLogs(
  { crypto, name }: CommitDeps,
  session: Session,
  topics: ReadonlyMap<LogId, Topic>,
): Promise<Map<LogId, LogState>> {
  const logs = new Map<LogId, LogState>();
  if (topics.size === 0) return logs;
  const rows = await session.query(
    `SELECT k.log_id, l.state, l.signed_height, l.signed_hash, l.pruned_to, l.marked_at,
       f.seq AS forked_at
     FROM unnest($1::bytea[], $2::bytea[]) AS k (topic, log_id)
     LEFT JOIN ${name("logs")} l ON l.topic = k.topic AND l.log_id = k.log_id
     LEFT JOIN ${name("forks")} f ON f.topic = k.topic AND f.log_id = k.log_id`,
    [[...topics.values()].map(bytesOf), [...topics.keys()].map(bytesOf)],
  );
  for (const row of rows) {
    const logId = logIdIn(row);
    const topic = topics.get(logId);
    if (topic === undefined) continue;
    const isStored = row["state"] !== null;
    const head = isStored ? headIn(crypto, row) : undefined;
    logs.set(logId, {
      topic,
      isStored,
      heightBefore: head?.height ?? 0,
      head,
      markedAt: isStored ? integerIn(row, "marked_at") : 0,
      forkedAt: row["forked_at"] === null ? undefined : integerIn(row, "forked_at"),
    });
  }
  return logs;
}

function applyBatch(deps: CommitDeps, plan: Plan, batch: CommitBatch): void {
  const { ranges = [], writes = [], forks = [] } = batch;
  const moved = findMovedHead(ranges, (logId) => plan.logs.get(logId)?.head);
  if (moved !== undefined) {
    plan.outcomes.push({ ok: false, reason: "STORE_HEAD_MOVED", head: moved.head });
    return;
  }
  for (const range of ranges) addRange(plan, range);
  for (const proof of forks) addFork(plan, logIdOf(deps.crypto, proof.context), proof);
  for (const { key, value } of writes) plan.writes.set(key, value);
  plan.outcomes.push({ ok: true, cursor: plan.cursor });
}

function addRange(plan: Plan, range: VerifiedRange): void {
  const log = plan.logs.get(range.before.logId);
  const lane = plan.lanes.get(laneOf(range.context.topic));
  if (log === undefined || lane === undefined) {
    throw new PostgresStoreError("STORE_WRITE_FAILED", "a lane is missing from the tables");
  }
  // The first range that is left needs its own state: there is none before it to roll forward from.
  const isFirst = range.from === (log.head?.prunedTo ?? 0);
  const isMarked = isFirst || range.from - log.markedAt >= markInterval;
  const before = isMarked && range.from > 0 ? encodeChainState(range.before) : null;
  const dataBytes = range.entries.reduce((sum, entry) => sum + entry.data.length, 0);
  plan.cursor += 1;
  plan.added.push({ range, cursor: plan.cursor, dataBytes, before });
  lane.cursor = plan.cursor;
  lane.logs += log.head === undefined ? 1 : 0;
  lane.entries += range.count;
  lane.ranges += 1;
  lane.rangeBytes += range.bytes.length;
  lane.dataBytes += dataBytes;
  log.markedAt = isMarked ? range.from : log.markedAt;
  log.head = advanceHead(log.head, range, log.forkedAt);
}

/** The proof with the smallest seq stays. */
function addFork(plan: Plan, logId: LogId, proof: ForkProof): void {
  const log = plan.logs.get(logId);
  if (log === undefined || (log.forkedAt !== undefined && log.forkedAt <= proof.seq)) return;
  log.forkedAt = proof.seq;
  if (log.head !== undefined) log.head = { ...log.head, forkedAt: proof.seq };
  plan.forks.set(logId, proof);
}

/** All statements at once: none needs what another returns. */
function writePlan(deps: CommitDeps, session: Session, plan: Plan): Promise<unknown>[] {
  const sent: Promise<unknown>[] = [];
  if (plan.added.length > 0) {
    sent.push(writeRanges(deps.name, session, plan.added));
    sent.push(writeSigned(deps.name, session, plan.added));
    sent.push(writeLogs(deps.name, session, plan));
    sent.push(writeLanes(deps.name, session, plan.lanes));
  }
  sent.push(writeForks(deps.name, session, plan.forks));
  sent.push(writeValues(deps.name, session, plan.writes));
  return sent;
}

async function writeRanges(
  name: TableName,
  session: Session,
  added: readonly AddedRange[],
): Promise<void> {
  const rows = added.map(({ range, cursor, dataBytes, before }) => [
    bytesOf(range.context.topic),
    cursor,
    laneOf(range.context.topic),
    bytesOf(range.before.logId),
    range.from,
    range.count,
    dataBytes,
    before,
    range.bytes,
  ]);
  const columns = "topic, cursor, lane, log_id, first, count, data_bytes, before, bytes";
  await bulkInsert(session, `${name("ranges")} (${columns})`, rows);
}

/** What findSigned looks up. */
async function writeSigned(
  name: TableName,
  session: Session,
  added: readonly AddedRange[],
): Promise<void> {
  const signed = added.flatMap(({ range }) =>
    range.entries
      .filter((entry) => entry.signature !== undefined)
      .map((entry) => [
        bytesOf(range.context.topic),
        bytesOf(range.before.logId),
        entry.seq,
        hashPrefix(entry.hash),
      ]),
  );
  await bulkInsert(session, `${name("signed")} (topic, log_id, seq, prefix)`, signed);
}

/** Heads move on the condition that they stand where they were read. */
async function writeLogs(name: TableName, session: Session, plan: Plan): Promise<void> {
  const made: unknown[][] = [];
  const moved: unknown[][] = [];
  for (const logId of new Set(plan.added.map(({ range }) => range.before.logId))) {
    const log = plan.logs.get(logId);
    if (log?.head === undefined) continue;
    const { head, topic, markedAt, heightBefore } = log;
    const { height, signedHeight, signedHash = null, prunedTo } = head;
    const keys = [bytesOf(topic), bytesOf(logId)];
    const values = [height, encodeChainState(head), signedHeight, signedHash, markedAt];
    if (log.isStored) moved.push([...keys, heightBefore, ...values]);
    else made.push([...keys, ...values, prunedTo]);
  }
  const columns = "topic, log_id, height, state, signed_height, signed_hash, marked_at";
  const inserted = bulkInsert(session, `${name("logs")} (${columns}, pruned_to)`, made);
  const updated = bulkUpdate(session, moved, {
    types: ["bytea", "bytea", "bigint", "bigint", "bytea", "bigint", "bytea", "bigint"],
    statement: (values) => `UPDATE ${name("logs")} l
      SET height = v.height, state = v.state, signed_height = v.signed_height,
        signed_hash = v.signed_hash, marked_at = v.marked_at
      FROM (VALUES ${values}) AS v (topic, log_id, expected, height, state, signed_height,
        signed_hash, marked_at)
      WHERE l.topic = v.topic AND l.log_id = v.log_id AND l.height = v.expected
      RETURNING 1 AS done`,
  });
  await Promise.all([inserted, updated]);
}

/** Adds to the totals and moves the counters, on the same condition. */
export async function writeLanes(
  name: TableName,
  session: Session,
  lanes: ReadonlyMap<number, LaneState>,
): Promise<void> {
  const rows = [...lanes].map(([lane, state]) => [
    new Uint8Array([lane]),
    state.before,
    state.cursor,
    state.logs,
    state.entries,
    state.ranges,
    state.rangeBytes,
    state.dataBytes,
  ]);
  await bulkUpdate(session, rows, {
    types: ["bytea", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint"],
    statement: (values) => `UPDATE ${name("lanes")} l
      SET cursor = v.cursor, logs = l.logs + v.logs, entries = l.entries + v.entries,
        ranges = l.ranges + v.ranges, range_bytes = l.range_bytes + v.range_bytes,
        data_bytes = l.data_bytes + v.data_bytes
      FROM (VALUES ${values}) AS v (topic, expected, cursor, logs, entries, ranges, range_bytes,
        data_bytes)
      WHERE l.topic = v.topic AND l.cursor = v.expected
      RETURNING 1 AS done`,
  });
}

async function writeForks(
  name: TableName,
  session: Session,
  forks: ReadonlyMap<LogId, ForkProof>,
): Promise<void> {
  for (const [logId, proof] of [...forks].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await session.query(
      `INSERT INTO ${name("forks")} AS f (topic, log_id, seq, proof) VALUES ($1, $2, $3, $4)
       ON CONFLICT (topic, log_id) DO UPDATE SET seq = excluded.seq, proof = excluded.proof
       WHERE f.seq > excluded.seq`,
      [bytesOf(proof.context.topic), bytesOf(logId), proof.seq, encodeForkProof(proof)],
    );
  }
}

/** Puts and deletes of two writers may cross, so all lock what is there first, in order of key. */
async function writeValues(
  name: TableName,
  session: Session,
  writes: ReadonlyMap<string, Uint8Array | undefined>,
): Promise<void> {
  const sorted = [...writes].sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length === 0) return;
  const none = new Uint8Array(0);
  const keys = sorted.map(([key]) => key);
  const puts = sorted.flatMap(([key, value]) => (value === undefined ? [] : [[none, key, value]]));
  const gone = sorted.flatMap(([key, value]) => (value === undefined ? [key] : []));
  const where = "WHERE topic = $1 AND key = ANY($2::text[])";
  await Promise.all([
    session.query(`SELECT 1 FROM ${name("kv")} ${where} ORDER BY key FOR UPDATE`, [none, keys]),
    bulkInsert(
      session,
      `${name("kv")} (topic, key, value)`,
      puts,
      "ON CONFLICT (topic, key) DO UPDATE SET value = excluded.value",
    ),
    gone.length === 0
      ? undefined
      : session.query(`DELETE FROM ${name("kv")} ${where}`, [none, gone]),
  ]);
}

function outcomeOf(plan: Plan): GroupOutcome {
  const stored = plan.added.map(({ range, cursor }): StoredRange => {
    const { context, from, count, bytes } = range;
    const { logId } = range.before;
    const signed = from + count <= (plan.logs.get(logId)?.head?.signedHeight ?? 0);
    return { context, logId, from, count, bytes, signed, cursor };
  });
  const steps = [...plan.lanes].map(([lane, { before, cursor }]) => {
    return { lane, before, after: cursor };
  });
  return { outcomes: plan.outcomes, stored, steps };
}
