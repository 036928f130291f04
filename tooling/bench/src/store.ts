/**
 * `pnpm bench store`: the stores beside each other and beside Hypercore on its own storage, same
 * machine, same run, same 200-byte entries. *Store alone* commits ranges that were built before, so that it measures
 * the store and neither hashing nor signing; *whole* is what a writer does. `normal` survives a crash
 * of the process, `full` a power loss.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import {
  buildRange,
  createLogWriter,
  emptyChain,
  type ChainState,
  type LogContext,
  type LogStore,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";
import { createFileStore } from "@hawser/store-file";
import { createSqliteStore } from "@hawser/store-sqlite";
import { compare, measure, type Comparison, type Measurement } from "@hawser-tooling/measure";
import { createHypercoreBench } from "./peers/hypercore.ts";

const entryCount = 100_000;
const batchSize = 1_000;
const singleCount = 20_000;
const syncedCount = 500;
const entryBytes = 200;

const crypto = await createCrypto();
const secret = new Uint8Array(32).fill(3);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const topic = "11".repeat(32) as Topic;
const context: LogContext = { topic, domain: "bench", author };
const start = emptyChain(crypto, context);
let micros = 1_790_000_000_000_000;
const clock = { nowMicros: () => ++micros };

const blocks = Array.from({ length: entryCount }, (_, index) => {
  const block = new Uint8Array(entryBytes).fill(index & 0xff);
  new DataView(block.buffer).setUint32(0, index);
  return block;
});

/** The blocks as ranges of `size` entries, signed at the end of each `signEvery`. */
function buildRanges(count: number, size: number, signEvery: number): readonly VerifiedRange[] {
  const ranges: VerifiedRange[] = [];
  let state: ChainState = start;
  for (let from = 0; from < count; from += size) {
    const drafts = blocks.slice(from, from + size).map((data, index) => ({
      draft: { data },
      stamp: ++micros,
      signed: from + index === 0 || (from + index + 1) % signEvery === 0,
    }));
    const range = buildRange({ crypto, secret }, state, drafts);
    ranges.push(range);
    state = range.after;
  }
  return ranges;
}

const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
let fileCount = 0;
type Durability = "full" | "normal";

interface Engine {
  readonly name: string;
  open(path: string, durability: Durability): Promise<LogStore>;
}

const fileEngine: Engine = {
  name: "store-file",
  open: (path, durability) => createFileStore({ crypto }, { path, durability }),
};
const sqliteEngine: Engine = {
  name: "store-sqlite",
  open: async (path, durability) => createSqliteStore({ crypto }, { path, durability }),
};

interface Work {
  readonly name: string;
  readonly operations: number;
  readonly durability: Durability;
  /** What is stored before the clock starts, and closed. */
  readonly filled?: readonly VerifiedRange[];
  run(store: LogStore): Promise<unknown>;
}

async function commitAll(store: LogStore, ranges: readonly VerifiedRange[]): Promise<void> {
  for (const range of ranges) {
    const outcome = await store.commit({ ranges: [range] });
    if (!outcome.ok) throw new Error(outcome.reason);
  }
}

/** Times only `run`, and the opening where the store was filled before. */
async function timeRound(engine: Engine, work: Work, base: string): Promise<number> {
  const { durability, filled } = work;
  const path = filled === undefined ? join(folder, String(fileCount++)) : base;
  const empty = filled === undefined ? await engine.open(path, durability) : undefined;
  globalThis.gc?.();
  const before = performance.now();
  const store = empty ?? (await engine.open(path, durability));
  await work.run(store);
  const seconds = (performance.now() - before) / 1_000;
  await store.close();
  // Else the kernel has ever more to write back, and makes writers wait for it.
  if (filled === undefined) await removeStore(path);
  return seconds;
}

async function removeStore(path: string): Promise<void> {
  for (const each of [path, `${path}-wal`, `${path}-shm`]) {
    await rm(each, { recursive: true, force: true });
  }
}

/** Both engines in turns, so that other people's load falls on both. */
async function compareEngines(work: Work): Promise<Comparison> {
  const measured: { engine: Engine; base: string; seconds: number[] }[] = [];
  for (const engine of [sqliteEngine, fileEngine]) {
    const base = join(folder, String(fileCount++));
    measured.push({ engine, base, seconds: [] });
    if (work.filled === undefined) continue;
    const store = await engine.open(base, "normal");
    await commitAll(store, work.filled);
    await store.close();
  }
  for (let round = 0; round < 6; round++) {
    for (const { engine, base, seconds } of measured) {
      const time = await timeRound(engine, work, base);
      // The first round compiles.
      if (round > 0) seconds.push(time);
    }
  }
  const [peer, ours] = measured.map(({ engine, seconds }): Measurement => {
    seconds.sort((a, b) => a - b);
    const { operations } = work;
    const [bestSeconds = 0, , medianSeconds = 0] = seconds;
    const opsPerSecond = operations / bestSeconds;
    return { name: engine.name, operations, bestSeconds, medianSeconds, opsPerSecond };
  });
  if (ours === undefined || peer === undefined) throw new Error("an engine was not measured");
  return { work: work.name, ours, peer };
}

async function readAll(store: LogStore): Promise<void> {
  let count = 0;
  for await (const range of store.ranges(start.logId)) count += range.count;
  if (count === 0) throw new Error("nothing was read");
}

async function readEntries(store: LogStore, count: number): Promise<void> {
  let read = 0;
  for await (const _ of store.entries(start.logId)) read++;
  if (read !== count) throw new Error(`read ${read} of ${count}`);
}

async function readAnywhere(store: LogStore, count: number, height: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const from = (index * 7_919) % height;
    for await (const _ of store.entries(start.logId, { from, to: from + 1 })) break;
  }
}

async function write(store: LogStore, sign: "now" | "deferred", size: number): Promise<void> {
  const count = size === 1 ? singleCount / 4 : entryCount;
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret, sign });
  for (let from = 0; from < count; from += size) {
    await writer.append(blocks.slice(from, from + size).map((data) => ({ data })));
  }
}

const batches = buildRanges(entryCount, batchSize, batchSize);
const singles = buildRanges(singleCount, 1, 100);
const values = Array.from({ length: 10_000 }, (_, index) => ({
  key: `key/${index % 2_000}`,
  value: blocks[index] ?? new Uint8Array(1),
}));

const works: readonly Work[] = [
  {
    name: `store alone: batches of ${batchSize}`,
    operations: entryCount,
    durability: "normal",
    run: (store) => commitAll(store, batches),
  },
  {
    name: `store alone: batches of ${batchSize}, full`,
    operations: entryCount,
    durability: "full",
    run: (store) => commitAll(store, batches),
  },
  {
    name: "store alone: one by one",
    operations: singleCount,
    durability: "normal",
    run: (store) => commitAll(store, singles),
  },
  {
    name: "store alone: one by one, full",
    operations: syncedCount,
    durability: "full",
    run: (store) => commitAll(store, singles.slice(0, syncedCount)),
  },
  {
    name: "store alone: values, one by one",
    operations: values.length,
    durability: "normal",
    run: async (store) => {
      for (const each of values) await store.commit({ writes: [each] });
    },
  },
  {
    name: "whole: append one by one, deferred",
    operations: singleCount / 4,
    durability: "normal",
    run: (store) => write(store, "deferred", 1),
  },
  {
    name: `whole: append in batches of ${batchSize}`,
    operations: entryCount,
    durability: "normal",
    run: (store) => write(store, "now", batchSize),
  },
  {
    name: "cold open and head, batches",
    operations: entryCount,
    durability: "normal",
    filled: batches,
    run: (store) => store.head(start.logId),
  },
  {
    name: "cold open and head, singles",
    operations: singleCount,
    durability: "normal",
    filled: singles,
    run: (store) => store.head(start.logId),
  },
  {
    name: "open and read ranges, batches",
    operations: entryCount,
    durability: "normal",
    filled: batches,
    run: readAll,
  },
  {
    name: "open and read ranges, singles",
    operations: singleCount,
    durability: "normal",
    filled: singles,
    run: readAll,
  },
  {
    name: "open and read entries, batches",
    operations: entryCount,
    durability: "normal",
    filled: batches,
    run: (store) => readEntries(store, entryCount),
  },
  {
    name: "open and read 2,000 entries anywhere",
    operations: 2_000,
    durability: "normal",
    filled: batches,
    run: (store) => readAnywhere(store, 2_000, entryCount),
  },
];

const comparisons: Comparison[] = [];
for (const work of works) comparisons.push(await compareEngines(work));

await using hypercores = await createHypercoreBench();
const byName = (name: string): Measurement => {
  const found = comparisons.find(({ work }) => work === name);
  if (found === undefined) throw new Error(`no work called ${name}`);
  return found.ours;
};
comparisons.push({
  work: "whole: append one by one, deferred",
  ours: byName("whole: append one by one, deferred"),
  peer: await measure(
    "hypercore",
    async () => {
      const core = await hypercores.open();
      for (const block of blocks.slice(0, singleCount / 4)) await core.append(block);
    },
    { operations: singleCount / 4, runs: 3 },
  ),
});
comparisons.push({
  work: `whole: append in batches of ${batchSize}`,
  ours: byName(`whole: append in batches of ${batchSize}`),
  peer: await measure(
    "hypercore",
    async () => {
      const core = await hypercores.open();
      for (let from = 0; from < entryCount; from += batchSize) {
        await core.append(blocks.slice(from, from + batchSize));
      }
    },
    { operations: entryCount, runs: 3 },
  ),
});

console.log(`${entryBytes}-byte entries; crypto: ${JSON.stringify(crypto.backEnds)}`);
console.log(compare(comparisons));
await rm(folder, { recursive: true, force: true });
