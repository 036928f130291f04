/** Fields with the policy `text`, and the difference that lists and texts are written by. */
import { createDocs, decodeItems, defineTable, type Docs } from "@hawser/doc";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { marksOf } from "../src/marks.ts";
import { changeOf, itemsMax, type SequenceItem } from "../src/sequence.ts";

const pages = defineTable({
  name: "page",
  columns: { body: "text", title: { type: "text", isOptional: true } },
  fields: { body: "text" },
});
const open = (source: MemorySource) => createDocs({ source }, { collections: [pages] });
const bodyOf = (docs: Docs) => docs.in(pages).get("p")?.body;

/** Both get what the other wrote. */
async function meet(a: MemorySource, b: MemorySource): Promise<void> {
  const missing = (to: MemorySource, from: MemorySource) =>
    from.events.filter(
      (event) => !to.events.some(({ logId, seq }) => logId === event.logId && seq === event.seq),
    );
  const [forA, forB] = [missing(a, b), missing(b, a)];
  a.deliver(forA);
  b.deliver(forB);
  await new Promise((resolve) => setImmediate(resolve));
}

describe("a text", () => {
  test("[TH-152] what two type into it at once is all there, in one order", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using left = open(ada);
    await using right = open(ben);
    await left.in(pages).put("p", { body: "The boat is old." });
    await meet(ada, ben);
    await left.in(pages).patch("p", { body: "The red boat is old." });
    await right.in(pages).patch("p", { body: "The boat is not old, I think." });
    await meet(ada, ben);
    expect(bodyOf(left)).toBe("The red boat is not old, I think.");
    expect(bodyOf(right)).toBe(bodyOf(left));
  });

  test("characters are code points: no half of one is ever left", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using left = open(ada);
    await using right = open(ben);
    await left.in(pages).put("p", { body: "a😀b" });
    await meet(ada, ben);
    await left.in(pages).patch("p", { body: "a😁b" });
    await right.in(pages).patch("p", { body: "a😂b" });
    await meet(ada, ben);
    expect(bodyOf(left)?.isWellFormed()).toBe(true);
    expect(Array.from(bodyOf(left) ?? "").sort()).toEqual(["a", "b", "😁", "😂"]);
    expect(bodyOf(right)).toBe(bodyOf(left));
  });

  test("a keystroke is one small op, also in a long text", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const long = "Row, row, row your boat. ".repeat(200);
    await docs.in(pages).put("p", { body: long });
    await docs.in(pages).patch("p", { body: `${long.slice(0, 2_000)}!${long.slice(2_000)}` });
    expect(source.events[1]?.body.length).toBeLessThan(90);
    await docs.in(pages).patch("p", { body: long.slice(0, 100) });
    const [item] = decodeItems(source.events[2]?.body ?? new Uint8Array(0));
    expect(item?.ops).toMatchObject([{ op: "erase", field: "body" }]);
    expect(source.events[2]?.body.length).toBeLessThan(250);
    expect(bodyOf(docs)).toBe(long.slice(0, 100));
  });

  test("anything becomes anything, by several hands, and is the same after it was kept", async () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "😀", "é", "\n"), maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), letters, fc.boolean())), async (steps) => {
        const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
        const left = open(ada);
        const right = open(ben);
        await left.in(pages).put("p", { body: "" });
        await meet(ada, ben);
        for (const [isLeft, body, meets] of steps) {
          const docs = isLeft ? left : right;
          await docs.in(pages).patch("p", { body });
          expect(bodyOf(docs)).toBe(body);
          if (meets) await meet(ada, ben);
        }
        await meet(ada, ben);
        const last = bodyOf(left);
        expect(bodyOf(right)).toBe(last);
        await left[Symbol.asyncDispose]();
        await right[Symbol.asyncDispose]();
        await using again = open(ada);
        await again.ready;
        expect(bodyOf(again)).toBe(last);
      }),
      { numRuns: 40, seed: 8 },
    );
  });

  test("is refused when it is none, and before it fills up", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const list = docs.in(pages);
    await expect(list.put("p", { body: 7 as never })).rejects.toMatchObject({
      code: "DOC_INVALID",
    });
    await list.put("p", { body: "x".repeat(itemsMax - 10) });
    await list.patch("p", { body: "" });
    await expect(list.patch("p", { body: "eleven more" })).rejects.toMatchObject({
      code: "DOC_TOO_LARGE",
    });
    await list.patch("p", { body: "ten more.." });
    expect(list.get("p")).toEqual({ body: "ten more.." });
    await list.delete("p");
    await list.put("p", { body: "eleven more" });
    expect(list.get("p")).toEqual({ body: "eleven more" });
  });
});

describe("the difference of two lists", () => {
  const markAt = marksOf({ stamp: 1, hash: new Uint8Array(32) });
  const itemsFrom = (values: readonly number[]): readonly SequenceItem[] =>
    values.map((value, index) => ({ mark: markAt(index), after: undefined, value }));
  /** What `changeOf` says, done. */
  const changed = (items: readonly SequenceItem[], wanted: readonly number[]) => {
    const change = changeOf(items, wanted, String);
    const values: unknown[] = [];
    const put = (after: SequenceItem["mark"] | undefined): void => {
      for (const run of change.inserted) if (run.after === after) values.push(...run.values);
    };
    put(undefined);
    for (const { mark, value } of items) {
      if (change.removed.includes(mark)) continue;
      values.push(value);
      put(mark);
    }
    return { change, values };
  };

  test("makes the one of the other, with no more than the longest common part misses", () => {
    const list = fc.array(fc.nat(3), { maxLength: 14 });
    fc.assert(
      fc.property(list, list, (before, wanted) => {
        const { change, values } = changed(itemsFrom(before), wanted);
        expect(values).toEqual(wanted);
        expect(before.length - change.removed.length).toBe(longestCommon(before, wanted));
      }),
      { numRuns: 500, seed: 9 },
    );
  });

  test("of thousands of items is small where they differ little, and is found at once", () => {
    const before = Array.from({ length: 4_000 }, (_, index) => index);
    const wanted = [-1, ...before.slice(1, 2_000), ...before.slice(2_100, -1), -2];
    const { change } = changed(itemsFrom(before), wanted);
    expect([change.removed.length, change.inserted.length]).toEqual([102, 2]);
    const other = before.map((value) => value + 10_000);
    expect(changed(itemsFrom(before), other).change.removed.length).toBe(4_000);
  });
});

/** By the textbook. */
function longestCommon(left: readonly number[], right: readonly number[]): number {
  let above = right.map(() => 0);
  for (const value of left) {
    const row: number[] = [];
    right.forEach((other, at) => {
      row.push(
        value === other ? (above[at - 1] ?? 0) + 1 : Math.max(above[at] ?? 0, row[at - 1] ?? 0),
      );
    });
    above = row;
  }
  return above.at(-1) ?? 0;
}
