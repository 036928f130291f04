/**
 * The statements that carry out a plan. None needs what another returns, so all are sent at once.
 * Layer 4.
 */
import { encodeChainState, encodeForkProof, type ForkProof, type LogId } from "@hawser/log";
import { bulkInsert, bulkUpdate } from "./bulk.ts";
import type { Session } from "./database.ts";
import type { AddedRange, LaneState, Plan } from "./plan.ts";
import { bytesOf, hashPrefix, laneOf } from "./row.ts";
import type { TableName } from "./schema.ts";

/** Every statement of the plan, under way; all have to be awaited. */
export function writePlan(name: TableName, session: Session, plan: Plan): Promise<unknown>[] {
  const sent: Promise<unknown>[] = [];
  if (plan.added.length > 0) {
    sent.push(writeRanges(name, session, plan.added));
    sent.push(writeSigned(name, session, plan.added));
    sent.push(writeLogs(name, session, plan));
    sent.push(writeLanes(name, session, plan.lanes));
  }
  sent.push(writeForks(name, session, plan.forks));
  sent.push(writeValues(name, session, plan.writes));
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
