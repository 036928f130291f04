import { expect } from "vitest";
import type { LogStore, StoredRange, VerifiedRange } from "@hawser/log";
import { extendLog, testDrafts, testLog, testTopic, type TestLog } from "@hawser/log/testing";
import { createProxy } from "./proxy.ts";
import {
  freshSchema,
  killSessions,
  nameOf,
  openStore,
  runSql,
  serverTest,
  testServer,
  until,
} from "./servers.ts";

const topic = testTopic(0);

/** The next `count` ranges of a log. */
function chainOf(log: TestLog, count: number): readonly VerifiedRange[] {
  let state = log.start;
  return Array.from({ length: count }, (_, index) => {
    const range = extendLog(log, state, testDrafts(2, index & 0xff), { sign: index === 0 });
    state = range.after;
    return range;
  });
}

/** One of several stores, going round. */
function pick(stores: readonly LogStore[], index: number): LogStore {
  const store = stores[index % stores.length];
  if (store === undefined) throw new Error("no stores");
  return store;
}

async function commitAll(store: LogStore, ranges: readonly VerifiedRange[]): Promise<void> {
  for (const range of ranges) {
    const outcome = await store.commit({ ranges: [range] });
    if (!outcome.ok) throw new Error(`a commit was refused: ${outcome.reason}`);
  }
}

async function receivedAfter(store: LogStore, cursor: number): Promise<StoredRange[]> {
  const ranges: StoredRange[] = [];
  for await (const range of store.received(topic, cursor)) ranges.push(range);
  return ranges;
}

/** The ids of what was written and heard, to compare as sets and sequences. */
function namesOf(chains: readonly (readonly VerifiedRange[])[]): readonly string[] {
  return chains.flatMap((chain) =>
    chain.map((range) => nameOf({ ...range, logId: range.before.logId })),
  );
}

function expectAscending(ranges: readonly StoredRange[]): void {
  const cursors = ranges.map((range) => range.cursor);
  expect(cursors).toEqual(cursors.toSorted((a, b) => a - b));
  expect(new Set(cursors).size).toBe(cursors.length);
}

serverTest("[TH-026] of rival commits by several stores on one head exactly one wins", async () => {
  const schema = freshSchema();
  const stores = await Promise.all([1, 2, 3].map(() => openStore(schema)));
  const log = testLog(1);
  let state = log.start;
  for (let round = 0; round < 10; round++) {
    const rivals = stores.map((_, mark) => extendLog(log, state, testDrafts(2, mark + round * 3)));
    const outcomes = await Promise.all(
      rivals.map((range, index) => pick(stores, index).commit({ ranges: [range] })),
    );
    const winners = rivals.filter((_, index) => outcomes[index]?.ok === true);
    expect(winners).toHaveLength(1);
    state = winners[0]?.after ?? state;
    for (const outcome of outcomes) {
      if (!outcome.ok) expect(outcome.head?.hash).toEqual(state.hash);
    }
  }
  const totals = await stores[0]?.stats();
  expect([totals?.logs, totals?.ranges, totals?.entries]).toEqual([1, 10, 20]);
  await Promise.all(stores.map((store) => store.close()));
});

serverTest("a reader by cursor never misses a range of several writers", async () => {
  const schema = freshSchema();
  const stores = await Promise.all([1, 2, 3, 4].map(() => openStore(schema)));
  const chains = Array.from({ length: 12 }, (_, index) => chainOf(testLog(index), 20));
  let isDone = false;
  const reader = await openStore(schema);
  const read = async (): Promise<StoredRange[]> => {
    const seen: StoredRange[] = [];
    for (;;) {
      const wasDone = isDone;
      seen.push(...(await receivedAfter(reader, seen.at(-1)?.cursor ?? 0)));
      if (wasDone) return seen;
    }
  };
  const reading = read();
  await Promise.all(chains.map((chain, index) => commitAll(pick(stores, index), chain)));
  isDone = true;
  const seen = await reading;
  expectAscending(seen);
  expect(seen.map(nameOf).sort()).toEqual([...namesOf(chains)].sort());
  await Promise.all([...stores, reader].map((store) => store.close()));
});

serverTest(
  "a later commit of a topic waits for an earlier one that is not yet durable",
  async () => {
    const schema = freshSchema();
    await using proxy = await createProxy(testServer().url);
    const slow = await openStore(schema, { connection: proxy.url, wakeUp: "poll" });
    const quick = await openStore(schema);
    proxy.atCommit("hold");
    const [first, second] = [chainOf(testLog(1), 1), chainOf(testLog(2), 1)];
    const slowly = commitAll(slow, first);
    await proxy.held();
    let isQuickDone = false;
    const quickly = commitAll(quick, second).then(() => (isQuickDone = true));
    // The second has reached the lock that the first one holds.
    await until(async () => {
      const waiting = await runSql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      return waiting.length > 0;
    });
    expect([isQuickDone, await receivedAfter(quick, 0)]).toEqual([false, []]);
    // Another topic is not held up.
    const elsewhere = testLog(3, { topic: testTopic(1) });
    const other = await openStore(schema);
    await commitAll(other, chainOf(elsewhere, 1));
    proxy.release();
    await Promise.all([slowly, quickly]);
    expect((await receivedAfter(quick, 0)).map(nameOf)).toEqual(namesOf([first, second]));
    await Promise.all([slow, quick, other].map((store) => store.close()));
  },
);

for (const wakeUp of ["notify", "poll"] as const) {
  serverTest(`listeners hear of every store's commits once and in order (${wakeUp})`, async () => {
    const schema = freshSchema();
    const options = { wakeUp, pollMsMin: 5, pollMsMax: wakeUp === "poll" ? 20 : 60_000 };
    const stores = await Promise.all([1, 2, 3].map(() => openStore(schema, options)));
    const chains = Array.from({ length: 9 }, (_, index) => chainOf(testLog(index), 15));
    const elsewhere = chainOf(testLog(20, { topic: testTopic(1) }), 15);
    const heard = stores.map((store) => {
      const ranges: StoredRange[] = [];
      store.onCommit((added) => ranges.push(...added));
      return ranges;
    });
    const jobs = [...chains, elsewhere].map((chain, index) =>
      commitAll(pick(stores, index), chain),
    );
    await Promise.all(jobs);
    const all = [...namesOf([...chains, elsewhere])].sort();
    await until(() => heard.every((ranges) => ranges.length >= all.length));
    for (const ranges of heard) {
      expect(ranges.map(nameOf).sort()).toEqual(all);
      for (const one of [topic, testTopic(1)]) {
        expectAscending(ranges.filter((range) => range.context.topic === one));
      }
    }
    await Promise.all(stores.map((store) => store.close()));
  });
}

serverTest("killed connections lose nothing that was acknowledged, nor a wake-up", async () => {
  const schema = freshSchema();
  const options = { pollMsMin: 5, pollMsMax: 60_000, retriesMax: 40 };
  const stores = await Promise.all([1, 2].map(() => openStore(schema, options)));
  const listener = await openStore(schema, options);
  const heard: StoredRange[] = [];
  listener.onCommit((added) => heard.push(...added));
  const chains = Array.from({ length: 6 }, (_, index) => chainOf(testLog(index), 40));
  let acknowledged = 0;
  await Promise.all(
    chains.map(async (chain, index) => {
      for (const range of chain) {
        await commitAll(pick(stores, index), [range]);
        acknowledged += 1;
        // Now and then, while the others are in the middle of theirs.
        if (acknowledged % 20 === 0) await killSessions();
      }
    }),
  );
  const all = [...namesOf(chains)].sort();
  expect((await receivedAfter(listener, 0)).map(nameOf).sort()).toEqual(all);
  await until(() => heard.length >= all.length);
  expect(heard.map(nameOf).sort()).toEqual(all);
  expectAscending(heard);
  const { entries, ranges } = await listener.stats();
  expect([entries, ranges]).toEqual([all.length * 2, all.length]);
  await Promise.all([...stores, listener].map((store) => store.close()));
});

for (const where of ["lose", "loseAnswer"] as const) {
  serverTest(
    `a commit whose ${where === "lose" ? "way there" : "answer"} is lost is applied once`,
    async () => {
      const schema = freshSchema();
      await using proxy = await createProxy(testServer().url);
      const store = await openStore(schema, { connection: proxy.url, wakeUp: "poll" });
      const heard: string[] = [];
      store.onCommit((added) => heard.push(...added.map(nameOf)));
      const chain = chainOf(testLog(1), 4);
      for (const [index, range] of chain.entries()) {
        proxy.atCommit(where);
        const writes = [{ key: "count", value: new Uint8Array([index]) }];
        const outcome = await store.commit({ ranges: [range], writes });
        expect(outcome.ok).toBe(true);
        expect(await store.get("count")).toEqual(new Uint8Array([index]));
      }
      const received = await receivedAfter(store, 0);
      expect(received.map(nameOf)).toEqual(namesOf([chain]));
      expect(heard).toEqual(namesOf([chain]));
      expect((await store.stats()).ranges).toBe(4);
      proxy.atCommit(where);
      expect(
        (await store.commit({ writes: [{ key: "alone", value: new Uint8Array(1) }] })).ok,
      ).toBe(true);
      expect(await store.get("alone")).toEqual(new Uint8Array(1));
      await store.close();
    },
  );
}

serverTest("a commit that cannot be asked about is said to be of unknown outcome", async () => {
  const schema = freshSchema();
  await using proxy = await createProxy(testServer().url);
  const store = await openStore(schema, { connection: proxy.url, wakeUp: "poll", retriesMax: 0 });
  proxy.atCommit("loseAnswer");
  const [range] = chainOf(testLog(1), 1);
  const committing = store.commit({ ranges: range === undefined ? [] : [range] });
  await expect(committing).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
  await until(async () => (await receivedAfter(store, 0)).length === 1);
  await store.close();
});

serverTest("values written by several stores at once end as one of them wrote them", async () => {
  const schema = freshSchema();
  const stores = await Promise.all([1, 2, 3].map(() => openStore(schema)));
  const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
  const jobs = stores.flatMap((store, mark) =>
    Array.from({ length: 10 }, (_, round) => {
      const order = (round + mark) % 2 === 0 ? keys : keys.toReversed();
      const value = round % 3 === 2 ? undefined : new Uint8Array([mark, round]);
      return store.commit({ writes: order.map((key) => ({ key, value })) });
    }),
  );
  for (const outcome of await Promise.all(jobs)) expect(outcome.ok).toBe(true);
  const listed = (await stores[0]?.list("key ")) ?? [];
  // Whole transactions: the keys agree with each other.
  expect(new Set(listed.map(({ value }) => value.join())).size).toBeLessThanOrEqual(1);
  expect([0, keys.length]).toContain(listed.length);
  await Promise.all(stores.map((store) => store.close()));
});
