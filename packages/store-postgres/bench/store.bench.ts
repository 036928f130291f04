/**
 * `pnpm bench store-postgres`: the store on a PostgreSQL server of its own that syncs every commit to
 * the disk, over TCP on this machine. Entries hold 200 bytes of data. Argument: how many entries,
 * default 100,000.
 */
import { createCrypto } from "@hawser/crypto";
import type { ChainState, LogStore, VerifiedRange } from "@hawser/log";
import { extendLog, testLog, type TestLog } from "@hawser/log/testing";
import { createPostgresStore } from "@hawser/store-postgres";
import { startTestServer } from "@hawser/store-postgres/testing";

const entryCount = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 100_000);
const [singleCount, togetherCount, rangeEntries] = [500, 5_000, 1_000];
const crypto = await createCrypto();
const timers = {
  after: (delayMs: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** `count` ranges that follow each other. */
function rangesOf(log: TestLog, count: number, entries: number): readonly VerifiedRange[] {
  let state: ChainState = log.start;
  return Array.from({ length: count }, (_, index) => {
    const drafts = Array.from({ length: entries }, () => ({
      data: new Uint8Array(200).fill(index & 0xff),
    }));
    const range = extendLog(log, state, drafts, { crypto, sign: entries > 1 });
    state = range.after;
    return range;
  });
}

async function timed(work: string, run: () => Promise<number>): Promise<void> {
  const start = performance.now();
  const operations = await run();
  const perSecond = operations / ((performance.now() - start) / 1_000);
  const rate = Math.round(perSecond).toLocaleString("en").padStart(12);
  console.log(`  ${work.padEnd(52)}${rate} / s`);
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const _ of items) found += 1;
  return found;
}

async function bench(stores: readonly LogStore[]): Promise<void> {
  const [store, other] = stores;
  if (store === undefined || other === undefined) throw new Error("no stores");
  const log = testLog(0);
  const singles = rangesOf(log, singleCount, 1);
  await timed("commits of one entry, one after another", async () => {
    for (const range of singles) await store.commit({ ranges: [range] });
    return singleCount;
  });
  const many = Array.from({ length: 50 }, (_, number) =>
    rangesOf(testLog(number + 1), togetherCount / 50, 1),
  );
  await timed("the same, 50 logs at once on two stores", async () => {
    await Promise.all(
      many.map(async (ranges, index) => {
        const target = index % 2 === 0 ? store : other;
        for (const range of ranges) await target.commit({ ranges: [range] });
      }),
    );
    return togetherCount;
  });
  const large = testLog(100);
  const ranges = rangesOf(large, Math.ceil(entryCount / rangeEntries), rangeEntries);
  await timed(`entries written, ${rangeEntries} a range`, async () => {
    for (const range of ranges) await store.commit({ ranges: [range] });
    return ranges.length * rangeEntries;
  });
  await timed("entries read", () => count(store.entries(large.start.logId)));
  await timed("entries handed on as ranges", async () => {
    await count(store.ranges(large.start.logId));
    return ranges.length * rangeEntries;
  });
  await timed("ranges read in receive order", () => count(store.received(log.context.topic, 0)));
  await timed("heads looked up", async () => {
    for (let index = 0; index < 1_000; index++) await store.head(large.start.logId);
    return 1_000;
  });
}

const outcome = await startTestServer({ fsync: true });
if (outcome.ok) {
  const { server } = outcome;
  const open = (): Promise<LogStore> =>
    createPostgresStore({ crypto, timers }, { connection: server.url });
  const stores = [await open(), await open()];
  console.log(`\n${entryCount} entries; PostgreSQL, survives power loss`);
  await bench(stores);
  for (const store of stores) await store.close();
  await server[Symbol.asyncDispose]();
} else {
  console.log(`not run: ${outcome.reason}`);
}
