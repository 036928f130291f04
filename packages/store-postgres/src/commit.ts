/**
 * Commits: batches that wait together become one transaction, which gives every range its place in
 * receive order (docs/spec/store-postgres.md §4). Layer 4.
 */
import type { Crypto } from "@hawser/crypto";
import { logIdOf, type CommitBatch, type LogId, type Topic } from "@hawser/log";
import type { Database, Session } from "./database.ts";
import {
  applyBatch,
  outcomeOf,
  type GroupOutcome,
  type LaneState,
  type LogState,
  type Plan,
} from "./plan.ts";
import { bytesOf, headIn, integerIn, laneOf, logIdIn } from "./row.ts";
import type { TableName } from "./schema.ts";
import { writePlan } from "./write.ts";

/** What a commit needs. */
export interface CommitDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly database: Database;
  readonly name: TableName;
  /** This store object, among all that ever opened the schema. */
  readonly writer: string;
  /** The highest cursor this store object has come across. */
  readonly seen: () => number;
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
    for (const batch of batches) applyBatch(deps.crypto, plan, batch);
    await Promise.all([
      ...writePlan(deps.name, session, plan),
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
