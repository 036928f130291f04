import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { equalBytes, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
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
import { createFileStore } from "@hawser/store-file";
import { afterAll, expect, test } from "vitest";
import { crypto } from "./support.ts";

const secret = new Uint8Array(32).fill(7);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const context: LogContext = { topic: "11".repeat(32) as Topic, domain: "crash", author };
const logId = logIdOf(crypto, context);
const program = fileURLToPath(new URL("./crash-writer.ts", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "hawser-crash-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** What was acknowledged last. */
interface Acknowledged {
  readonly seq: number;
  readonly hash: string;
  readonly counter: number;
}

/** Runs the writer and kills it right after it acknowledged `count` rounds. */
async function runAndKill(args: readonly string[], count: number): Promise<Acknowledged> {
  const flags = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning", program];
  const child = spawn(process.execPath, [...flags, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compiled") },
  });
  const trouble: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => void trouble.push(line));
  let last: Acknowledged | undefined;
  let acknowledged = 0;
  const ended = new Promise((settle) => child.once("close", settle));
  for await (const line of createInterface({ input: child.stdout })) {
    const [seq = "", hash = "", counter = ""] = line.split(" ");
    // A line that the kill cut short acknowledges nothing: it counts for at most what it says.
    if (hash.length === 64) last = { seq: Number(seq), hash, counter: Number(counter) };
    acknowledged += 1;
    if (acknowledged === count) child.kill("SIGKILL");
  }
  await ended;
  if (last === undefined) throw new Error(`the writer acknowledged nothing\n${trouble.join("\n")}`);
  return last;
}

/** Reads and verifies everything that is signed from nothing, as a stranger would. */
async function verifiedHeight(store: LogStore): Promise<number> {
  const head = await store.head(logId);
  const parts: StoredRange[] = [];
  for await (const range of store.ranges(logId, { to: head?.signedHeight ?? 0 })) parts.push(range);
  const verdict = verifyRange({ crypto }, emptyChain(crypto, context), joinRanges(parts));
  if (!verdict.ok) throw new Error(`entry ${verdict.failedSeq}: ${verdict.reason}`);
  return verdict.range.after.height;
}

/** Everything acknowledged is there, and the next append works. */
async function checkAfterCrash(path: string, last: Acknowledged): Promise<void> {
  const options = { path, durability: "normal", segmentBytes: 8_192 } as const;
  await using store = await createFileStore({ crypto }, options);
  const found = [];
  for await (const entry of store.entries(logId, { from: last.seq })) found.push(entry);
  expect(toHex(found[0]?.hash ?? new Uint8Array())).toBe(last.hash);
  const counter = await store.get("counter");
  expect(new DataView(counter?.buffer ?? new ArrayBuffer(4)).getUint32(0)).toBeGreaterThanOrEqual(
    last.counter,
  );
  const clock = { nowMicros: () => Date.now() * 1_000 };
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append([{ data: new Uint8Array([1]) }]);
  const head = await store.head(logId);
  expect(head?.signedHeight).toBe(head?.height);
  const [hash, signedHash] = [head?.hash ?? new Uint8Array(), head?.signedHash];
  expect(equalBytes(hash, signedHash ?? new Uint8Array(1))).toBe(true);
  await store.settled();
  expect(store.report().compaction.failure).toBeUndefined();
}

const killCount = 200;
const laneCount = 4;

test(
  `[TH-153] ${killCount} kills in the middle of commits lose nothing that was acknowledged`,
  { timeout: 600_000 },
  async () => {
    const lane = async (index: number): Promise<void> => {
      const path = join(scratch, String(index));
      // Two lanes prune, so that ranges die and are rewritten away; two keep all, to be verified.
      const prunes = index % 2 === 0 ? "prune" : "";
      for (let round = 0; round < killCount / laneCount; round++) {
        const count = 1 + ((round * 7 + index * 3) % 12);
        const last = await runAndKill([path, `${index}-${round}`, prunes], count);
        await checkAfterCrash(path, last);
      }
      if (prunes !== "") return;
      await using store = await createFileStore({ crypto }, { path });
      const head = await store.head(logId);
      expect(await verifiedHeight(store)).toBe(head?.signedHeight);
    };
    await Promise.all(Array.from({ length: laneCount }, (_, index) => lane(index)));
  },
);
