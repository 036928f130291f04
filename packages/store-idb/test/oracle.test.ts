/** Random work on two stores of one database, in step with a memory store: the same answers. */
import fc from "fast-check";
import { createMemoryStore, type ChainState, type LogStore } from "@hawser/log";
import { extendLog, testCrypto, testDrafts, testLog, type TestLog } from "@hawser/log/testing";
import { createIdbStore } from "@hawser/store-idb";
import { expect, test } from "vitest";
import { fakePlatform } from "./support/fake-platform.ts";

type Step =
  | { readonly kind: "append"; readonly log: number; readonly size: number; readonly sign: boolean }
  | { readonly kind: "stale"; readonly log: number }
  | { readonly kind: "prune"; readonly log: number; readonly part: number }
  | { readonly kind: "put"; readonly key: string; readonly value: number | undefined };

const logNumber = fc.integer({ min: 0, max: 2 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      log: logNumber,
      size: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 60, max: 140 })),
      sign: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stale" as const), log: logNumber }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("prune" as const),
      log: logNumber,
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key: fc.constantFrom("a", "a/1", "b"),
      value: fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }),
    }),
  },
);

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** What a step does to a store, and what that answers. */
async function apply(store: LogStore, logs: readonly TestLog[], step: Step): Promise<unknown> {
  if (step.kind === "put") {
    const value = step.value === undefined ? undefined : new Uint8Array([step.value]);
    return await store.commit({ writes: [{ key: step.key, value }] });
  }
  const log = logs[step.log];
  if (log === undefined) return undefined;
  const head = await store.head(log.start.logId);
  if (step.kind === "prune") {
    return await store.prune(log.start.logId, Math.round((head?.height ?? 0) * step.part));
  }
  const before: ChainState = step.kind === "stale" ? log.start : (head ?? log.start);
  const size = step.kind === "stale" ? 1 : step.size;
  const sign = step.kind === "stale" || step.sign;
  return await store.commit({ ranges: [extendLog(log, before, testDrafts(size), { sign })] });
}

/** Everything a store answers about these logs. */
async function answers(store: LogStore, logs: readonly TestLog[]): Promise<unknown> {
  const of = logs.map(async ({ start: { logId } }) => {
    const head = await store.head(logId);
    const height = head?.height ?? 0;
    const places = [0, 1, 63, 64, 65, height >> 1, height - 1, height, height + 1];
    return {
      head,
      entries: await collect(store.entries(logId)),
      middle: await collect(store.ranges(logId, { from: height >> 1, to: height - 1 })),
      states: await Promise.all(places.map((at) => store.stateAt(logId, Math.max(0, at)))),
      signed: await store.findSigned(head?.signedHash ?? new Uint8Array(32)),
    };
  });
  const topic = logs[0]?.context.topic ?? testLog(0).context.topic;
  return {
    logs: await Promise.all(of),
    received: await collect(store.received(topic, 0)),
    values: await store.list(""),
    stats: await store.stats(),
  };
}

test("two stores of one database answer as a memory store does, whatever was done", async () => {
  const logs = [testLog(0), testLog(1), testLog(2)];
  const run = async (steps: readonly (readonly [Step, boolean])[]): Promise<void> => {
    const platform = fakePlatform();
    const options = { name: "oracle" };
    const stores = [
      await createIdbStore({ crypto: testCrypto, platform }, options),
      await createIdbStore({ crypto: testCrypto, platform }, options),
    ] as const;
    const oracle = createMemoryStore({ crypto: testCrypto });
    for (const [step, isSecond] of steps) {
      const outcome = await apply(stores[isSecond ? 1 : 0], logs, step);
      expect(outcome).toEqual(await apply(oracle, logs, step));
    }
    const expected = await answers(oracle, logs);
    for (const store of stores) {
      expect(await answers(store, logs)).toEqual(expected);
      await store.close();
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyStep, fc.boolean()), { maxLength: 14 }), run),
    { numRuns: 25, seed: 20_261_121 },
  );
});
