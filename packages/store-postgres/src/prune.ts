/** Dropping the old end of a log, in steps that each hold the lane only briefly. Layer 4. */
import { encodeChainState, type LogId } from "@hawser/log";
import { lockLanes } from "./commit.ts";
import type { Database, Session } from "./database.ts";
import { readStateAt } from "./log-reads.ts";
import { readHead, type ReadDeps } from "./reads.ts";
import { bytesOf, integerIn } from "./row.ts";
import { writeLanes } from "./write.ts";

/** Ranges that one transaction drops at most. */
const stepRangesMax = 1_000;

/**
 * Drops whole ranges before `seq` that are signed for; the log's new prunedTo. What a step dropped
 * stays dropped when a later one fails.
 */
export async function pruneLog(
  deps: Omit<ReadDeps, "session"> & { readonly database: Database },
  logId: LogId,
  seq: number,
): Promise<number> {
  for (;;) {
    const step = await deps.database.transaction((session) =>
      pruneStep({ ...deps, session }, logId, seq),
    );
    if (step.isLast) return step.prunedTo;
  }
}

interface PruneStep {
  readonly prunedTo: number;
  readonly isLast: boolean;
}

async function pruneStep(deps: ReadDeps, logId: LogId, seq: number): Promise<PruneStep> {
  const { session, name } = deps;
  const found = await readHead(deps, logId);
  if (found === undefined) return { prunedTo: 0, isLast: true };
  const { topic } = found.context;
  const lanes = await lockLanes(name, session, [topic]);
  // Again: it may have moved while the lane was waited for.
  const head = (await readHead(deps, logId)) ?? found;
  const key = [bytesOf(topic), bytesOf(logId)];
  const rows = await session.query(
    `SELECT first, count, data_bytes, octet_length(bytes)::bigint AS range_bytes
     FROM ${name("ranges")}
     WHERE topic = $1 AND log_id = $2 AND first < $3 AND first + count <= $3
     ORDER BY first LIMIT ${stepRangesMax}`,
    [...key, Math.min(seq, head.signedHeight)],
  );
  const last = rows.at(-1);
  if (last === undefined) return { prunedTo: head.prunedTo, isLast: true };
  const limit = integerIn(last, "first") + integerIn(last, "count");
  const state = limit < head.height ? await readStateAt(deps, head, limit) : undefined;
  if (state !== undefined) {
    // What is left needs its own state: there is none before it to roll forward from.
    await session.query(
      `UPDATE ${name("ranges")} SET before = $4
       WHERE topic = $1 AND log_id = $2 AND first = $3`,
      [...key, limit, encodeChainState(state)],
    );
  }
  await dropBefore(deps, session, key, limit);
  const lane = [...lanes.values()][0];
  if (lane !== undefined) {
    for (const row of rows) {
      lane.entries -= integerIn(row, "count");
      lane.ranges -= 1;
      lane.rangeBytes -= integerIn(row, "range_bytes");
      lane.dataBytes -= integerIn(row, "data_bytes");
    }
    await writeLanes(name, session, lanes);
  }
  return { prunedTo: limit, isLast: rows.length < stepRangesMax };
}

async function dropBefore(
  { name }: ReadDeps,
  session: Session,
  key: readonly unknown[],
  limit: number,
): Promise<void> {
  for (const statement of [
    `DELETE FROM ${name("ranges")} WHERE topic = $1 AND log_id = $2 AND first < $3`,
    `DELETE FROM ${name("signed")} WHERE topic = $1 AND log_id = $2 AND seq < $3`,
    `UPDATE ${name("logs")} SET pruned_to = $3 WHERE topic = $1 AND log_id = $2`,
  ]) {
    await session.query(statement, [...key, limit]);
  }
}
