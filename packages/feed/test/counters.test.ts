/** Counters: every concurrent addition counts once. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCbor, utf8 } from "@hawser/codec";
import { countersView, createCounters } from "@hawser/feed";
import { checkViewLaws, createMemorySource, fakeEvent } from "@hawser/view/testing";

const adding = (...fields: readonly (string | number)[]) => ({
  type: "counter",
  body: encodeCbor([1, ...fields]),
});

describe("counters", () => {
  test("[TH-150] additions made at the same time all count", async () => {
    const source = createMemorySource();
    await using counters = createCounters({ source });
    await counters.add("visits");
    source.deliver([
      fakeEvent(1, 0, adding("visits", 1)),
      fakeEvent(2, 0, adding("visits", 1, "likes", 5)),
    ]);
    await counters.add("visits", 4);
    expect(counters.get("visits")).toBe(7);
    expect(counters.get("likes")).toBe(5);
    expect(counters.get("nobody's")).toBe(0);
    expect(counters.names()).toEqual(["likes", "visits"]);
    expect([...counters.byAuthor("visits").values()]).toEqual([5n, 1n, 1n]);
  });

  test("[TH-150] obeys the laws of views", async () => {
    await checkViewLaws(countersView, {
      type: "counter",
      body: (_state, choice) => adding(`c${choice % 3}`, (choice % 2_001) - 1_000).body,
      seed: 150,
    });
  });

  test("[TH-150] the sum is that of all amounts, in whatever order they come", async () => {
    const amounts = fc.array(fc.maxSafeInteger(), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(amounts, async (list) => {
        const source = createMemorySource();
        const events = list.map((amount, index) =>
          fakeEvent(index % 3, Math.floor(index / 3), adding("n", amount)),
        );
        source.deliver(events.reverse().sort((a, b) => a.seq - b.seq));
        await using counters = createCounters({ source });
        await counters.ready;
        expect(counters.exact("n")).toBe(list.reduce((sum, one) => sum + BigInt(one), 0n));
      }),
      { numRuns: 30 },
    );
  });

  test("several are added to together, or none", async () => {
    const source = createMemorySource();
    await using counters = createCounters({ source });
    await counters.addAll({ a: 1, b: -2, __proto__x: 3 });
    expect(source.events).toHaveLength(1);
    expect([counters.get("a"), counters.get("b"), counters.get("__proto__x")]).toEqual([1, -2, 3]);
    await counters.addAll({});
    const mixed = counters.addAll({ a: 1, b: 0.5 });
    await expect(mixed).rejects.toMatchObject({ code: "FEED_AMOUNT_INVALID" });
    expect(source.events).toHaveLength(1);
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`n${index}`, 1]));
    await expect(counters.addAll(many)).rejects.toMatchObject({ code: "FEED_AMOUNT_INVALID" });
  });

  test("names like those of an object's own properties are names", async () => {
    const source = createMemorySource();
    await using counters = createCounters({ source });
    await counters.add("__proto__", 2);
    await counters.add("constructor", 3);
    expect([counters.get("__proto__"), counters.get("constructor")]).toEqual([2, 3]);
    expect(counters.get("toString")).toBe(0);
  });

  test("what says anything else counts for nothing", async () => {
    const bodies = [
      utf8("not cbor"),
      encodeCbor([1, "n"]),
      encodeCbor([1, "n", "7"]),
      encodeCbor([1, "", 7]),
      encodeCbor([2, "n", 7]),
      encodeCbor([1, "n", 7, "m"]),
      encodeCbor([1, ...Array.from({ length: 257 }, () => ["n", 1]).flat()]),
    ];
    const source = createMemorySource();
    source.deliver(bodies.map((body, seq) => fakeEvent(0, seq, { type: "counter", body })));
    await using counters = createCounters({ source });
    await counters.ready;
    expect(counters.names()).toEqual([]);
  });

  test.each([Number.NaN, 0.5, 2 ** 53, Number.POSITIVE_INFINITY])(
    "%s is no amount",
    async (bad) => {
      await using counters = createCounters({ source: createMemorySource() });
      const pending = counters.add("n", bad);
      await expect(pending).rejects.toMatchObject({ code: "FEED_AMOUNT_INVALID" });
      const nameless = counters.add("", 1);
      await expect(nameless).rejects.toMatchObject({ code: "FEED_NAME_INVALID" });
    },
  );
});
