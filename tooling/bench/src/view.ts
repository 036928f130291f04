/**
 * `pnpm bench view`: what an application waits for. Key-value puts and gets beside Hyperbee and OrbitDB,
 * documents with and without an index beside HyperDB and OrbitDB, live queries, and opening a space
 * again. Ours is encrypted, signed and durable in SQLite (`full`: each commit is synced); Hyperbee is
 * signed and plain on disk, OrbitDB signed and plain with its blocks in memory. Peers that are slower
 * do fewer operations of the same kind; rates are compared, single puts with single ones and batches
 * with batches. Beside our single durable changes stands what a bare commit of SQLite takes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import { createDocs, defineTable, eq, ge, type Docs } from "@hawser/doc";
import { createKv, type Kv } from "@hawser/kv";
import { createSpaces, type Space } from "@hawser/space";
import { createSqliteStore } from "@hawser/store-sqlite";
import { compare, measure, type Comparison, type Measurement } from "@hawser-tooling/measure";
import { createMemorySource } from "@hawser/view/testing";
import { type HyperTask, openHyperDocuments } from "./peers/hyperdb.ts";
import { openHyperbee, openOrbitDocuments, openOrbitKv, type PeerMap } from "./peers/maps.ts";

const entryCount = 100_000;
const batchSize = 2_000;
/** Puts that are awaited one by one. */
const singleCount = 300;
/** Puts made at once. */
const burstCount = 1_000;
/** Puts in batches. */
const batchedCount = 20_000;
const orbitCount = 100;
/** Gets of peers that read blocks from disk. */
const peerGetCount = 2_000;
const docCount = 10_000;
const queryCount = 200;
const scanCount = 20;
const changeCount = 300;

const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
const crypto = await createCrypto();
const secret = new Uint8Array(32).fill(9);
// Safe: 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const random = (count: number): Uint8Array =>
  globalThis.crypto.getRandomValues(new Uint8Array(count));
const clock = { nowMicros: () => Date.now() * 1_000 };
const timers = {
  after: (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

async function openDevice(name: string) {
  const store = createSqliteStore({ crypto }, { path: join(folder, `${name}.sqlite`) });
  const identity = { author, secret };
  const spaces = await createSpaces({ store, crypto, clock, random, timers, identity });
  const close = async (): Promise<void> => {
    await spaces.close();
    await store.close();
  };
  return { spaces, close };
}

const keyOf = (index: number): string => `key/${String(index).padStart(7, "0")}`;
const valueOf = (index: number): string => `the value of entry ${index}`;

async function putAll(map: PeerMap, count: number): Promise<void> {
  for (let from = 0; from < count; from += batchSize) {
    const size = Math.min(batchSize, count - from);
    const keys = Array.from({ length: size }, (_, one) => from + one);
    await map.putMany(keys.map((index) => ({ key: keyOf(index), value: valueOf(index) })));
  }
}

/** Spread over the keys, in no order. */
async function getAll(map: PeerMap, entries: number, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const value = await map.get(keyOf((index * 7_919) % entries));
    if (value === undefined) throw new Error("a value is missing");
  }
}

const once = { runs: 1, warmUps: 0 } as const;

interface MapMeasurements {
  readonly single: Measurement;
  readonly batch: Measurement;
  readonly get: Measurement;
}

async function measureMap(
  name: string,
  map: PeerMap,
  counts: { readonly singles: number; readonly entries: number; readonly gets: number },
): Promise<MapMeasurements> {
  const { singles, entries, gets } = counts;
  const putSingles = async (): Promise<void> => {
    for (let index = 0; index < singles; index++) await map.put(keyOf(index), valueOf(index));
  };
  const single = await measure(name, putSingles, { ...once, operations: singles });
  const batch = await measure(name, () => putAll(map, entries), { ...once, operations: entries });
  const get = await measure(name, () => getAll(map, entries, gets), { ...once, operations: gets });
  return { single, batch, get };
}

function mapOf(kv: Kv): PeerMap {
  return {
    put: (key, value) => kv.put(key, value),
    putMany: (pairs) => kv.batch(pairs),
    // Synchronous in truth: no promise is made for it.
    get: (key) => kv.get(key) as string | undefined,
    close: async () => {
      await kv[Symbol.asyncDispose]();
    },
  };
}

async function benchMaps(space: Space): Promise<readonly Comparison[]> {
  const ours = mapOf(createKv({ source: space }));
  const [singles, entries, gets] = [singleCount, batchedCount, batchedCount];
  const mine = await measureMap("hawser", ours, { singles, entries, gets });
  const comparisons: Comparison[] = [];
  const compareWith = (theirs: MapMeasurements, hasBatches: boolean): void => {
    comparisons.push({ work: "put, one by one", ours: mine.single, peer: theirs.single });
    if (hasBatches) {
      comparisons.push({ work: "put, 2,000 a batch", ours: mine.batch, peer: theirs.batch });
    }
    comparisons.push({ work: "get", ours: mine.get, peer: theirs.get });
  };
  const bee = await openHyperbee(join(folder, "hyperbee"));
  compareWith(await measureMap("hyperbee", bee, { singles, entries, gets: peerGetCount }), true);
  await bee.close();
  const orbit = await openOrbitKv(join(folder, "orbitdb"));
  const few = { singles: orbitCount, entries: orbitCount, gets: orbitCount };
  compareWith(await measureMap("orbitdb", orbit, few), false);
  await orbit.close();
  // Not awaited one by one: entries of their own that share signatures and writes.
  const kv = createKv({ source: space });
  await kv.ready;
  const many = mapOf(kv);
  const together = (pairs: Parameters<PeerMap["putMany"]>[0]): Promise<void> =>
    Promise.all(pairs.map(({ key, value }) => many.put(key, value))).then(() => undefined);
  const burstMs = await timed(() => putAll({ ...many, putMany: together }, burstCount));
  console.log(`${burstCount} puts at once, all of them durable: ${burstMs.toFixed(0)} ms`);
  const ms = await timed(() => putAll({ ...many, putMany: together }, entryCount));
  console.log(`${entryCount} puts, 2,000 in flight, an entry each: ${ms.toFixed(0)} ms`);
  await many.close();
  return comparisons;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Milliseconds from nothing to a readable map; the best of three. */
async function coldOpen(topic: Space["topic"], snapshots: undefined | false): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < (snapshots === false ? 1 : 3); run++) {
    let done: () => Promise<void> = () => Promise.resolve();
    const took = await timed(async () => {
      const device = await openDevice("kv");
      const source = device.spaces.openTopic(topic);
      const kv = createKv({ source }, snapshots === false ? { snapshots } : {});
      await kv.ready;
      if (kv.get(keyOf(entryCount - 1)) === undefined) throw new Error("not all is there");
      done = async () => {
        await kv[Symbol.asyncDispose]();
        await device.close();
      };
    });
    await done();
    best = Math.min(best, took);
  }
  return best;
}

const columns = { title: "text", rank: "number", owner: "text" } as const;
const indexed = defineTable({ name: "task", columns, indexes: [{ fields: ["rank"] }] });
const plain = defineTable({ name: "note", columns });

async function fill(docs: Docs, table: typeof plain): Promise<void> {
  for (let from = 0; from < docCount; from += 500) {
    await docs.transaction((tx) => {
      for (let index = from; index < from + 500; index++) {
        const doc = { title: `t${index}`, rank: index, owner: `o${index % 100}` };
        tx.in(table).put(`d${index}`, doc);
      }
    });
  }
}

async function benchDocs(space: Space): Promise<string> {
  const docs = createDocs({ source: space }, { collections: [indexed, plain] });
  const lines: string[] = [];
  const putMs = await timed(async () => {
    await fill(docs, indexed);
    await fill(docs, plain);
  });
  lines.push(`put ${2 * docCount} documents, 500 a transaction: ${putMs.toFixed(0)} ms`);
  const singles = docs.in(plain);
  const singleMs = await timed(async () => {
    for (let n = 0; n < orbitCount; n++) {
      await singles.put(`s${n}`, { title: `t${n}`, rank: n, owner: `o${n % 100}` });
    }
  });
  lines.push(`put one by one: ${(singleMs / orbitCount).toFixed(2)} ms a document`);
  for (const [name, table, count] of [
    ["indexed", indexed, queryCount],
    ["unindexed", plain, scanCount],
  ] as const) {
    const list = docs.in(table);
    const ms = await timed(async () => {
      for (let n = 0; n < count; n++) list.query({ where: eq("rank", (n * 37) % docCount) });
    });
    const perDoc =
      name === "indexed" ? "" : `, ${((ms * 1_000) / count / docCount).toFixed(1)} µs a document`;
    lines.push(`${name} query over ${docCount}: ${(ms / count).toFixed(3)} ms${perDoc}`);
  }
  lines.push(await benchLive(docs, "a durable change", openBareStore()));
  await docs[Symbol.asyncDispose]();
  const bytes = new Uint8Array(100);
  const appendMs = await timed(async () => {
    for (let n = 0; n < changeCount; n++) await space.append([{ type: "none", body: bytes }]);
  });
  lines.push(`a durable entry of 100 bytes alone: ${(appendMs / changeCount).toFixed(2)} ms`);
  const memory = createDocs({ source: createMemorySource() }, { collections: [indexed, plain] });
  await fill(memory, indexed);
  lines.push(await benchLive(memory, "a change that is not written to disk"));
  await memory[Symbol.asyncDispose]();
  return lines.join("\n");
}

/** One row at a time into SQLite by itself, as durable as ours: what the disk takes whatever one does. */
interface BareStore {
  commit(): void;
  close(): void;
}

function openBareStore(): BareStore {
  const database = new DatabaseSync(join(folder, "bare.sqlite"));
  database.exec("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE bare (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT");
  const insert = database.prepare("INSERT INTO bare (bytes) VALUES (?)");
  const bytes = new Uint8Array(200);
  return { commit: () => void insert.run(bytes), close: () => database.close() };
}

/** From the call to the update of what is shown, in turns with bare commits: disk and code apart. */
async function benchLive(docs: Docs, what: string, bare?: BareStore): Promise<string> {
  const list = docs.in(indexed);
  const live = list.live({
    where: ge("rank", docCount / 2),
    sort: [{ field: "rank", descending: true }],
  });
  let updates = 0;
  live.subscribe(() => {
    updates += 1;
  });
  let ms = 0;
  let cpuMs = 0;
  let bareMs = 0;
  for (let n = 0; n < changeCount; n++) {
    const before = process.cpuUsage();
    ms += await timed(() => list.patch(`d${docCount - 1 - n}`, { owner: "x" }));
    const { user, system } = process.cpuUsage(before);
    cpuMs += (user + system) / 1_000;
    bareMs += await timed(() => Promise.resolve(bare?.commit()));
  }
  bare?.close();
  const each = (total: number): string => (total / changeCount).toFixed(2);
  const took = `${each(ms)} ms each, ${each(cpuMs)} ms of processor time`;
  const disk = `; a bare SQLite commit in turns with it: ${each(bareMs)} ms`;
  const line = `live query with ${docCount} documents, ${what} and its ${updates} updates: ${took}`;
  return bare === undefined ? line : line + disk;
}

/** The same documents in HyperDB, indexed by rank; signed, plain on disk. */
async function benchHyperDocs(): Promise<string> {
  const peer = await openHyperDocuments(join(folder, "hyperdb"));
  const task = (index: number): HyperTask => ({
    id: `d${index}`,
    title: `t${index}`,
    rank: index % docCount,
    owner: `o${index % 100}`,
  });
  const tasks = Array.from({ length: docCount }, (_, index) => task(index));
  const putMs = await timed(async () => {
    for (let from = 0; from < docCount; from += 500) {
      await peer.putMany(tasks.slice(from, from + 500));
    }
  });
  const singleMs = await timed(async () => {
    for (let n = 0; n < orbitCount; n++) await peer.putMany([task(docCount + n)]);
  });
  const indexedMs = await timed(async () => {
    for (let n = 0; n < queryCount; n++) await peer.byRank((n * 37) % docCount);
  });
  const scanMs = await timed(async () => {
    for (let n = 0; n < 3; n++) (await peer.all()).filter(({ rank }) => rank === n);
  });
  await peer.close();
  return [
    `hyperdb: put ${docCount} documents, 500 a flush: ${putMs.toFixed(0)} ms`,
    `hyperdb: put one by one: ${(singleMs / orbitCount).toFixed(2)} ms a document`,
    `hyperdb: indexed query over ${docCount}: ${(indexedMs / queryCount).toFixed(3)} ms`,
    `hyperdb: unindexed query over ${docCount}: ${(scanMs / 3).toFixed(3)} ms`,
  ].join("\n");
}

/** Documents of OrbitDB, fewer and without an index: it has none. */
async function benchOrbitDocs(): Promise<string> {
  const peer = await openOrbitDocuments(join(folder, "orbit-docs"));
  const putMs = await timed(async () => {
    for (let n = 0; n < orbitCount; n++) {
      await peer.put({ _id: `d${n}`, title: `t${n}`, rank: n, owner: `o${n % 100}` });
    }
  });
  const queryMs = await timed(async () => {
    for (let n = 0; n < 3; n++) await peer.query(({ rank }) => rank === n);
  });
  await peer.close();
  const perDoc = (queryMs * 1_000) / (3 * orbitCount);
  return (
    `orbitdb: ${(putMs / orbitCount).toFixed(2)} ms a document put, ` +
    `${perDoc.toFixed(1)} µs a document that a query looks at (of ${orbitCount})`
  );
}

try {
  const device = await openDevice("kv");
  const space = await device.spaces.create();
  console.log(compare(await benchMaps(space)));
  await device.close();
  console.log(
    `cold open of ${entryCount} entries, from snapshot: ` +
      `${(await coldOpen(space.topic, undefined)).toFixed(0)} ms`,
  );
  console.log(`full rebuild: ${(await coldOpen(space.topic, false)).toFixed(0)} ms`);
  const other = await openDevice("doc");
  console.log(await benchDocs(await other.spaces.create()));
  console.log(await benchHyperDocs());
  console.log(await benchOrbitDocs());
  await other.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
