/**
 * Replication store to store over the memory network: entries a second, and bytes on the wire for
 * each byte of payload. Run by `pnpm bench sync`, or alone:
 * `node --conditions=hawser-source packages/sync/bench/sync.bench.ts`.
 *
 * The receiver verifies everything. The best of several rounds counts: the machine may be shared.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createCrypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { createSyncPeer, type Ingest, type SyncPeer, type SyncTopic } from "@hawser/sync";
import { createMemoryPair, createSeededRandom, createVirtualTimers } from "@hawser/sync/testing";

const crypto = await createCrypto();
const topic = toHex(crypto.hash(utf8("bench topic"))) as Topic;
const followKey = crypto.hash(utf8("bench follow key"));
const own: SyncTopic = {
  topic,
  followKeys: () => [followKey],
  accessOf: () => "none",
  controlDomains: [],
};
let stampMicros = 1_700_000_000_000_000;

/** Entries of random bytes in `logCount` logs, appended in signed batches. */
async function fillStore(shape: Shape): Promise<LogStore> {
  const store = createMemoryStore({ crypto });
  const random = createSeededRandom(1);
  const clock = { nowMicros: () => stampMicros++ };
  const perLog = shape.entries / shape.logs;
  for (let log = 0; log < shape.logs; log++) {
    const secret = crypto.hash(utf8(`author ${log}`));
    const author = toHex(crypto.publicKey(secret)) as AuthorId;
    const context = { topic, domain: "hawser.data", author };
    await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
    for (let done = 0; done < perLog; done += shape.batch) {
      const count = Math.min(shape.batch, perLog - done);
      await writer.append(Array.from({ length: count }, () => ({ data: random(shape.bytes) })));
    }
  }
  return store;
}

function openPeer(name: string, store: LogStore): SyncPeer {
  const secret = crypto.hash(utf8(name));
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const ingest: Ingest = async (range) => {
    const outcome = await ingestRange({ store, crypto }, range);
    if (outcome.status === "stored") return { status: "stored", height: outcome.height };
    if (outcome.status === "known" || outcome.status === "gap") return outcome;
    throw new Error(`a true range came out as ${outcome.status}`);
  };
  return createSyncPeer({
    store,
    crypto,
    random: createSeededRandom(name.length),
    timers: createVirtualTimers(),
    ingest,
    identities: () => [{ id, sign: (label, bytes) => crypto.signTagged(label, bytes, secret) }],
    topics: () => [own],
  });
}

interface Shape {
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  readonly batch: number;
  readonly logs: number;
}

interface Result {
  readonly ms: number;
  readonly wireBytes: number;
}

/** One replication into `target`, which may hold a part already. */
async function replicate(source: LogStore, target: LogStore): Promise<Result> {
  let wireBytes = 0;
  const pair = createMemoryPair((frame) => {
    wireBytes += frame.length;
  });
  const start = performance.now();
  await using from = openPeer("from", source);
  await using to = openPeer("the other", target);
  const sessions = [from.attach(pair.a), to.attach(pair.b)];
  await Promise.all(sessions.map((session) => session.synced()));
  return { ms: performance.now() - start, wireBytes };
}

function report(name: string, shape: Shape, result: Result): void {
  const perSecond = Math.round((shape.entries / result.ms) * 1000);
  const ratio = result.wireBytes / (shape.entries * shape.bytes);
  console.log(
    `${name.padEnd(44)} ${perSecond.toLocaleString("en").padStart(9)}/s  wire ${ratio.toFixed(3)} × payload`,
  );
}

async function measure(shape: Shape, rounds: number): Promise<void> {
  const source = await fillStore(shape);
  let best: Result | undefined;
  for (let round = 0; round < rounds; round++) {
    await using target = createMemoryStore({ crypto });
    const result = await replicate(source, target);
    if ((await target.stats()).entries !== shape.entries) throw new Error("entries are missing");
    if (best === undefined || result.ms < best.ms) best = result;
  }
  if (best !== undefined) report(shape.name, shape, best);
}

const shapes: readonly Shape[] = [
  {
    name: "100k × 200 B, one log, batches of 1,000",
    entries: 100_000,
    bytes: 200,
    batch: 1_000,
    logs: 1,
  },
  {
    name: "100k × 200 B, one log, batches of 10",
    entries: 100_000,
    bytes: 200,
    batch: 10,
    logs: 1,
  },
  { name: "100k × 200 B, 1,000 logs", entries: 100_000, bytes: 200, batch: 100, logs: 1_000 },
];
for (const shape of shapes) await measure(shape, 3);

/** Two stores over 1,000 logs that are equal but for 10 entries. */
const wide: Shape = { name: "", entries: 10_000, bytes: 200, batch: 10, logs: 1_000 };
const source = await fillStore(wide);
const target = createMemoryStore({ crypto });
await replicate(source, target);
for (let log = 0; log < 10; log++) {
  const secret = crypto.hash(utf8(`author ${log}`));
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const clock = { nowMicros: () => stampMicros++ };
  const context = { topic, domain: "hawser.data", author };
  await using writer = await createLogWriter({ store: source, crypto, clock }, { context, secret });
  await writer.append([{ data: new Uint8Array(200) }]);
}
const small = await replicate(source, target);
const kilobytes = (small.wireBytes / 1000).toFixed(1);
console.log(
  `10 new entries over 1,000 logs: ${kilobytes} kB on the wire, ${small.ms.toFixed(0)} ms`,
);
