/**
 * doctor: reads everything in a device's database as a stranger would, and says what is wrong. It
 * changes nothing and needs no key: structure, hashes, links, signatures, forks, unsigned tails. It
 * may run while another process has the home.
 */
import { equalBytes } from "@hawser/codec";
import { createCrypto, type Crypto } from "@hawser/crypto";
import {
  emptyChain,
  joinRanges,
  stateWithin,
  verifyForkProof,
  verifyRange,
  type ChainState,
  type LogHead,
  type LogStore,
  type StoredRange,
} from "@hawser/log";
import { checkSqliteFile, createSqliteStore } from "@hawser/store-sqlite";
import { existsSync } from "node:fs";
import { codeOf, messageOf, remedyOf } from "./errors.ts";
import type { Home } from "./home.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount, plural } from "./table.ts";

/** One log as the doctor found it. */
export interface LogFinding {
  readonly topic: string;
  readonly author: string;
  readonly domain: string;
  readonly height: number;
  /** Entries whose hashes, links and signatures hold. */
  readonly verified: number;
  /** Written here, hashes and links hold, not signed yet: signed when the device starts next. */
  readonly unsigned: number;
  readonly problems: readonly string[];
}

interface Findings {
  readonly logs: readonly LogFinding[];
  readonly entries: number;
  readonly diskBytes: number;
}

/** True when nothing is wrong. */
export async function doctor(home: Home, output: Output): Promise<boolean> {
  if (!existsSync(home.database)) {
    const text = `There is no database at ${home.database} yet: nothing to check.`;
    output.event("doctor", { healthy: true, database: [], logs: [] }, text);
    return true;
  }
  const damage = [...checkSqliteFile(home.database)];
  const remedies: string[] = [];
  let findings: Findings = { logs: [], entries: 0, diskBytes: 0 };
  try {
    findings = await examineFile(home.database);
  } catch (error) {
    damage.push(`${messageOf(error)} [${codeOf(error)}]`);
    remedies.push(remedyOf(error));
  }
  const { logs } = findings;
  const healthy = damage.length === 0 && logs.every((log) => log.problems.length === 0);
  const advice =
    "Restore the database from a backup, or use a new --home and join again by a new invite.";
  const lines = [
    ...damage.map((problem) => `✗ database: ${problem}`),
    ...logs.map(describeLog),
    `${plural(findings.entries, "entry", "entries")} in ${plural(logs.length, "log")}, ` +
      `${formatBytes(findings.diskBytes)} on disk.`,
    healthy ? "Everything verifies." : `→ ${remedies[0] ?? advice}`,
  ];
  output.event("doctor", { healthy, database: damage, logs }, lines.join("\n"));
  return healthy;
}

async function examineFile(path: string): Promise<Findings> {
  const crypto = await createCrypto();
  await using store = createSqliteStore({ crypto }, { path });
  const logs = await examine(store, crypto);
  const { entries, diskBytes = 0 } = await store.stats();
  return { logs, entries, diskBytes };
}

function describeLog(log: LogFinding): string {
  const domain = log.domain.padEnd("hawser.control".length);
  const name = `${log.topic.slice(0, 8)}…  ${log.author.slice(0, 12)}…  ${domain}`;
  const tail =
    log.unsigned === 0
      ? ""
      : `, ${formatCount(log.unsigned)} not signed yet (the device signs them when it starts)`;
  const mark = log.problems.length === 0 ? "✓" : "✗";
  const problems = log.problems.map((problem) => `\n    ${problem}`).join("");
  const verified = plural(log.verified, "entry", "entries");
  return `${mark} ${name}  ${verified} verified${tail}${problems}`;
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
  const pruned = head.prunedTo > 0 ? await store.stateAt(head.logId, head.prunedTo) : undefined;
  const start = pruned ?? emptyChain(crypto, head.context);
  let state = start;
  let unsigned = 0;
  try {
    state = await verifyRanges(store, crypto, head, state, problems);
    if (problems.length === 0) {
      checkSignedHead(head, state, problems);
      unsigned = await walkTail(store, crypto, head, state, problems);
    }
  } catch (error) {
    problems.push(`after entry ${state.height}: ${messageOf(error)} [${codeOf(error)}]`);
  }
  for (const proof of await store.forkProofs(head.logId)) {
    const verdict = verifyForkProof({ crypto }, proof);
    problems.push(
      verdict.ok
        ? `its author signed two branches at entry ${proof.seq}: what follows counts for nothing`
        : `a proof of a fork at entry ${proof.seq} does not verify`,
    );
  }
  const verified = state.height - start.height;
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
    const end = range.from + range.count;
    if (end < head.signedHeight && !(await isSigned(store, range, end - 1))) continue;
    const verdict = verifyRange({ crypto }, state, joinRanges(pending));
    pending = [];
    if (verdict.ok) {
      state = verdict.range.after;
      continue;
    }
    problems.push(`entry ${verdict.failedSeq} does not verify [${verdict.reason}]`);
    return verdict.accepted?.after ?? state;
  }
  return state;
}

async function isSigned(store: LogStore, range: StoredRange, seq: number): Promise<boolean> {
  for await (const entry of store.entries(range.logId, { from: seq, to: seq + 1 })) {
    return entry.signature !== undefined;
  }
  return false;
}

function checkSignedHead(head: LogHead, state: ChainState, problems: string[]): void {
  if (state.height !== head.signedHeight) {
    problems.push(`${head.signedHeight} signed entries are noted, ${state.height} were found`);
  } else if (!isSameHash(head.signedHash, state.hash)) {
    problems.push(`the head does not name entry ${state.height - 1}`);
  }
}

/** Hashes and links of what is not signed yet; how many entries that is. */
async function walkTail(
  store: LogStore,
  crypto: Crypto,
  head: LogHead,
  signed: ChainState,
  problems: string[],
): Promise<number> {
  let state = signed;
  for await (const range of store.ranges(head.logId, { from: state.height })) {
    state = stateWithin(crypto, state, range, range.from + range.count);
  }
  // Another process may have appended since the head was read.
  const isWhole = state.height > head.height || isSameHash(state.hash, head.hash);
  if (!isWhole)
    problems.push(`the unsigned entries after ${signed.height} are not what was written`);
  return head.height - head.signedHeight;
}

function isSameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
