/**
 * `pnpm bench log`: our log beside Hypercore, same machine, same run, same 200-byte entries. Ours in
 * memory and on SQLite (every commit in the write-ahead log, safe against a crash of the process);
 * Hypercore on its own storage on disk. Replication is to a fresh peer in the same process.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  emptyChain,
  ingestRange,
  joinRanges,
  logIdOf,
  verifyRange,
  type LogContext,
  type LogStore,
  type StoredRange,
  type Topic,
} from "@hawser/log";
import { createSqliteStore } from "@hawser/store-sqlite";
import { createSyncPeer, type SyncTopic } from "@hawser/sync";
import { createMemoryPair, realTimers as timers } from "@hawser/sync/testing";
import { createHypercoreBench, replicateHypercore } from "./peers/hypercore.ts";
import { compare, measure, type Comparison } from "@hawser-tooling/measure";

const entryCount = 100_000;
const singleCount = 5_000;
const batchSize = 1_000;
const entryBytes = 200;

const crypto = await createCrypto();
const secret = new Uint8Array(32).fill(3);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const topic = "11".repeat(32) as Topic;
const context: LogContext = { topic, domain: "bench", author };
const logId = logIdOf(crypto, context);

/** µs that always move on. */
let micros = 1_790_000_000_000_000;
const clock = { nowMicros: () => ++micros };

const blocks = Array.from({ length: entryCount }, (_, index) => {
  const block = new Uint8Array(entryBytes).fill(index & 0xff);
  new DataView(block.buffer).setUint32(0, index);
  return block;
});

async function appendBatched(store: LogStore): Promise<void> {
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  for (let start = 0; start < entryCount; start += batchSize) {
    await writer.append(blocks.slice(start, start + batchSize).map((data) => ({ data })));
  }
}

async function appendSingly(store: LogStore, sign: "now" | "deferred"): Promise<void> {
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret, sign });
  for (let index = 0; index < singleCount; index++) {
    await writer.append([{ data: blocks[index] ?? new Uint8Array(entryBytes) }]);
  }
}

async function wholeLog(store: LogStore): Promise<readonly StoredRange[]> {
  const ranges: StoredRange[] = [];
  for await (const range of store.ranges(logId)) ranges.push(range);
  return ranges;
}

function verifyAll(ranges: readonly StoredRange[]): void {
  let state = emptyChain(crypto, context);
  for (const range of ranges) {
    const verdict = verifyRange({ crypto }, state, range);
    if (!verdict.ok) throw new Error(verdict.reason);
    state = verdict.range.after;
  }
}

const syncTopic: SyncTopic = {
  topic,
  followKeys: () => [new Uint8Array(32).fill(9)],
  accessOf: () => "none",
  controlDomains: [],
};

function createPeer(store: LogStore, one: Crypto, secretByte: number) {
  const own = new Uint8Array(32).fill(secretByte);
  // Safe: 64 hex characters.
  const id = toHex(one.publicKey(own)) as AuthorId;
  return createSyncPeer({
    store,
    crypto: one,
    random: (byteCount) => globalThis.crypto.getRandomValues(new Uint8Array(byteCount)),
    timers,
    ingest: async (range) => {
      const outcome = await ingestRange({ store, crypto: one }, range);
      if (outcome.status === "conflict" || outcome.status === "held") {
        return { status: "refused", reason: outcome.status };
      }
      return outcome;
    },
    identities: () => [{ id, sign: (label, bytes) => one.signTagged(label, bytes, own) }],
    topics: () => [syncTopic],
  });
}

/** Replicates a store to a fresh one over the memory network; bytes both sides sent. */
async function replicate(source: LogStore, target: LogStore): Promise<number> {
  let wireBytes = 0;
  const pair = createMemoryPair((frame) => {
    wireBytes += frame.length;
  });
  await using sender = createPeer(source, crypto, 4);
  await using receiver = createPeer(target, crypto, 5);
  sender.attach(pair.a);
  await receiver.attach(pair.b).synced();
  const height = (await target.head(logId))?.height;
  if (height !== entryCount) throw new Error(`replicated ${height} of ${entryCount}`);
  return wireBytes;
}

const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
let fileCount = 0;
const onDisk = (): LogStore =>
  createSqliteStore(
    { crypto },
    { path: join(folder, `${fileCount++}.sqlite`), durability: "normal" },
  );
const inMemory = (): LogStore => createMemoryStore({ crypto });

const opened: LogStore[] = [];

/** Work on a fresh store. Like the peer's cores, stores are closed after everything was measured. */
async function fresh(
  open: () => LogStore,
  work: (store: LogStore) => Promise<unknown>,
): Promise<void> {
  const store = open();
  opened.push(store);
  await work(store);
}

await using hypercores = await createHypercoreBench();
const all = { operations: entryCount, runs: 3 };
const single = { operations: singleCount, runs: 3 };

const peerSingle = await measure(
  "hypercore",
  async () => {
    const core = await hypercores.open();
    for (let index = 0; index < singleCount; index++) await core.append(blocks[index] ?? []);
  },
  single,
);
const peerBatched = await measure(
  "hypercore",
  async () => {
    const core = await hypercores.open();
    for (let start = 0; start < entryCount; start += batchSize) {
      await core.append(blocks.slice(start, start + batchSize));
    }
  },
  all,
);
const source = await hypercores.open();
for (let start = 0; start < entryCount; start += batchSize) {
  await source.append(blocks.slice(start, start + batchSize));
}
let peerWireBytes = 0;
const peerReplication = await measure(
  "hypercore",
  async () => {
    peerWireBytes = (await replicateHypercore(hypercores, source)).wireBytes;
  },
  { ...all, runs: 1, warmUps: 0 },
);

const filled = inMemory();
await appendBatched(filled);
const ranges = await wholeLog(filled);
let wireBytes = 0;

const comparisons: Comparison[] = [
  {
    work: "append one by one, each signed, SQLite",
    ours: await measure(
      "hawser",
      () => fresh(onDisk, (store) => appendSingly(store, "now")),
      single,
    ),
    peer: peerSingle,
  },
  {
    work: "append one by one, signing deferred, SQLite",
    ours: await measure(
      "hawser",
      () => fresh(onDisk, (store) => appendSingly(store, "deferred")),
      single,
    ),
    peer: peerSingle,
  },
  {
    work: `append in batches of ${batchSize}, SQLite`,
    ours: await measure("hawser", () => fresh(onDisk, appendBatched), all),
    peer: peerBatched,
  },
  {
    work: `append in batches of ${batchSize}, memory`,
    ours: await measure("hawser", () => fresh(inMemory, appendBatched), all),
    peer: peerBatched,
  },
  {
    work: "verify all from nothing",
    ours: await measure("hawser", () => verifyAll(ranges), all),
  },
  {
    work: "replicate to a fresh peer, memory",
    ours: await measure(
      "hawser",
      () =>
        fresh(inMemory, async (target) => {
          wireBytes = await replicate(filled, target);
        }),
      all,
    ),
    peer: peerReplication,
  },
  {
    work: "replicate to a fresh peer, into SQLite",
    ours: await measure(
      "hawser",
      () =>
        fresh(onDisk, async (target) => {
          wireBytes = await replicate(filled, target);
        }),
      all,
    ),
    peer: peerReplication,
  },
];
const payload = entryCount * entryBytes;
console.log(
  `${entryCount} entries of ${entryBytes} bytes; crypto: ${JSON.stringify(crypto.backEnds)}`,
);
console.log(compare(comparisons));
console.log(
  `on the wire: hawser ${(wireBytes / payload).toFixed(3)} × payload, ` +
    `hypercore ${(peerWireBytes / payload).toFixed(3)} × payload`,
);
console.log(`stored: ${(joinRanges(ranges).bytes.length / payload).toFixed(3)} × payload`);
for (const store of opened) await store.close();
await rm(folder, { recursive: true, force: true });
