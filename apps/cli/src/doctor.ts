/**
 * doctor: reads everything in a device's database as a stranger would, and says what is wrong. It
 * changes nothing and needs no key: structure, hashes, links, signatures, forks, unsigned tails.
 */
import { existsSync } from "node:fs";
import { createCrypto, type Crypto } from "@hawser/crypto";
import {
  emptyChain,
  joinRanges,
  verifyForkProof,
  verifyRange,
  type ChainState,
  type LogHead,
  type LogStore,
  type StoredRange,
} from "@hawser/log";
import { checkSqliteFile, createSqliteStore } from "@hawser/store-sqlite";
import type { Home } from "./home.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount } from "./table.ts";

/** One log as the doctor found it. */
export interface LogFinding {
  readonly topic: string;
  readonly author: string;
  readonly domain: string;
  readonly height: number;
  /** Entries whose hashes, links and signatures hold. */
  readonly verified: number;
  /** Written here, not signed yet: signed when the device starts next. */
  readonly unsigned: number;
  readonly problems: readonly string[];
}

/** True when nothing is wrong. */
export async function doctor(home: Home, output: Output): Promise<boolean> {
  if (!existsSync(home.database)) {
    const text = `There is no database at ${home.database} yet; nothing to check.`;
    output.event("doctor", { healthy: true, logs: [] }, text);
    return true;
  }
  const damage = checkSqliteFile(home.database);
  const crypto = await createCrypto();
  await using store = createSqliteStore({ crypto }, { path: home.database });
  const logs = await examine(store, crypto);
  const stats = await store.stats();
  const problems = [...damage, ...logs.flatMap((log) => log.problems)];
  const healthy = problems.length === 0;
  const lines = [
    ...damage.map((problem) => `✗ database: ${problem}`),
    ...logs.map(describeLog),
    `${formatCount(stats.entries)} entries in ${formatCount(stats.logs)} logs, ` +
      `${formatBytes(stats.diskBytes ?? 0)} on disk.`,
    healthy
      ? "Everything verifies."
      : "Restore the database from a backup, or remove it and join again by a new invite.",
  ];
  output.event("doctor", { healthy, database: damage, logs }, lines.join("\n"));
  return healthy;
}

function describeLog(log: LogFinding): string {
  const name = `${log.author.slice(0, 12)}… ${log.domain} in ${log.topic.slice(0, 8)}…`;
  const tail = log.unsigned === 0 ? "" : `, ${formatCount(log.unsigned)} not signed yet`;
  const mark = log.problems.length === 0 ? "✓" : "✗";
  const problems = log.problems.map((problem) => `\n    ${problem}`).join("");
  return `${mark} ${name}: ${formatCount(log.verified)} entries verified${tail}${problems}`;
}

/** Every log of a store. */
export async function examine(store: LogStore, crypto: Crypto): Promise<readonly LogFinding[]> {
  const findings: LogFinding[] = [];
  for (const topic of await store.topics()) {
    for (const head of await store.heads(topic)) {
      findings.push(await examineLog(store, crypto, head));
    }
  }
  return findings;
}

async function examineLog(store: LogStore, crypto: Crypto, head: LogHead): Promise<LogFinding> {
  const { topic, author, domain } = head.context;
  const problems: string[] = [];
  let state: ChainState =
    (head.prunedTo > 0 ? await store.stateAt(head.logId, head.prunedTo) : undefined) ??
    emptyChain(crypto, head.context);
  const start = state.height;
  try {
    state = await verifyRanges(store, crypto, head, state, problems);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  if (problems.length === 0 && state.height !== head.signedHeight) {
    problems.push(`the head says ${head.signedHeight} signed entries, ${state.height} were found`);
  }
  for (const proof of await store.forkProofs(head.logId)) {
    const verdict = verifyForkProof({ crypto }, proof);
    const claim = `its author signed two branches at entry ${proof.seq}`;
    problems.push(verdict.ok ? claim : `a fork proof at entry ${proof.seq} does not verify`);
  }
  const unsigned = head.height - head.signedHeight;
  const verified = state.height - start;
  return { topic, author, domain, height: head.height, verified, unsigned, problems };
}

/** Ranges that end unsigned are vouched for by a later one: they are verified together with it. */
async function verifyRanges(
  store: LogStore,
  crypto: Crypto,
  head: LogHead,
  before: ChainState,
  problems: string[],
): Promise<ChainState> {
  let state = before;
  let pending: StoredRange[] = [];
  const wanted = { from: before.height, to: head.signedHeight };
  for await (const range of store.ranges(head.logId, wanted)) {
    pending.push(range);
    if (!(await endsSigned(store, range))) continue;
    const verdict = verifyRange({ crypto }, state, joinRanges(pending));
    pending = [];
    if (verdict.ok) {
      state = verdict.range.after;
      continue;
    }
    problems.push(`entry ${verdict.failedSeq}: ${verdict.reason}`);
    return verdict.accepted?.after ?? state;
  }
  return state;
}

async function endsSigned(store: LogStore, range: StoredRange): Promise<boolean> {
  const end = range.from + range.count;
  for await (const last of store.entries(range.logId, { from: end - 1, to: end })) {
    return last.signature !== undefined;
  }
  return false;
}
