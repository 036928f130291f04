import { afterAll, expect, test } from "vitest";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { equalBytes, toHex } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import {
  createLogWriter,
  emptyChain,
  joinRanges,
  logIdOf,
  verifyRange,
  type LogContext,
  type LogStore,
  type StoredRange,
  type Topic,
} from "@hawser/log";
import { createSqliteStore } from "@hawser/store-sqlite";

const crypto = createNobleCrypto();
const secret = new Uint8Array(32).fill(7);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const context: LogContext = { topic: "11".repeat(32) as Topic, domain: "crash", author };
const program = fileURLToPath(new URL("./crash-writer.ts", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "hawser-crash-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The last acknowledged place. */
interface Acknowledged {
  readonly seq: number;
  readonly hash: string;
}

/** Runs the writer and kills it right after it acknowledged `count` appends. */
async function runAndKill(path: string, seed: string, count: number): Promise<Acknowledged> {
  const args = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning", program];
  const child = spawn(process.execPath, [...args, path, seed], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compiled") },
  });
  const trouble: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => void trouble.push(line));
  let last: Acknowledged | undefined;
  let acknowledged = 0;
  const ended = new Promise((settle) => child.once("close", settle));
  for await (const line of createInterface({ input: child.stdout })) {
    const [seq = "", hash = ""] = line.split(" ");
    // A line that the kill cut short acknowledges nothing.
    if (hash.length === 64) last = { seq: Number(seq), hash };
    acknowledged += 1;
    if (acknowledged === count) child.kill("SIGKILL");
  }
  await ended;
  if (last === undefined) throw new Error(`the writer acknowledged nothing\n${trouble.join("\n")}`);
  return last;
}

/** Reads and verifies everything that is signed from nothing, as a stranger would. */
async function verifiedHeight(store: LogStore): Promise<number> {
  const logId = logIdOf(crypto, context);
  const head = await store.head(logId);
  const parts: StoredRange[] = [];
  for await (const range of store.ranges(logId, { to: head?.signedHeight ?? 0 })) parts.push(range);
  const verdict = verifyRange({ crypto }, emptyChain(crypto, context), joinRanges(parts));
  if (!verdict.ok) throw new Error(`entry ${verdict.failedSeq}: ${verdict.reason}`);
  return verdict.range.after.height;
}

async function checkAfterCrash(path: string, last: Acknowledged): Promise<void> {
  await using store = createSqliteStore({ crypto }, { path, durability: "normal" });
  const logId = logIdOf(crypto, context);
  const found = [];
  for await (const entry of store.entries(logId, { from: last.seq, to: last.seq + 1 }))
    found.push(entry);
  expect(found.map((entry) => toHex(entry.hash))).toEqual([last.hash]);
  const clock = { nowMicros: () => Date.now() * 1_000 };
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append([{ data: new Uint8Array([1]) }]);
  const head = await store.head(logId);
  expect(head?.signedHeight).toBe(head?.height);
  expect(equalBytes(head?.hash ?? new Uint8Array(), head?.signedHash ?? new Uint8Array(1))).toBe(
    true,
  );
}

const killCount = 200;
const laneCount = 4;

test(
  `[TH-153] ${killCount} kills in the middle of appends lose nothing that was acknowledged`,
  { timeout: 400_000 },
  async () => {
    const lane = async (index: number): Promise<void> => {
      const path = join(scratch, `${index}.sqlite`);
      for (let round = 0; round < killCount / laneCount; round++) {
        const count = 1 + ((round * 7 + index * 3) % 12);
        const last = await runAndKill(path, `${index}-${round}`, count);
        await checkAfterCrash(path, last);
      }
      await using store = createSqliteStore({ crypto }, { path });
      const head = await store.head(logIdOf(crypto, context));
      expect(await verifiedHeight(store)).toBe(head?.signedHeight);
    };
    await Promise.all(Array.from({ length: laneCount }, (_, index) => lane(index)));
  },
);
