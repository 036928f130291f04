/** Taking writes back, and who wrote what. */
import { createDocs, defineCollection, type Docs } from "@hawser/doc";
import type { Gate } from "@hawser/view";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const tasks = defineCollection({
  name: "task",
  schema: z.object({
    title: z.string().default(""),
    size: z.union([z.number(), z.object({ w: z.number(), h: z.number().optional() })]).optional(),
    votes: z.number().default(0),
    tags: z.array(z.string()).default([]),
    steps: z.array(z.string()).default([]),
    body: z.string().default(""),
  }),
  fields: { votes: "counter", tags: "set", steps: "list", body: "text" },
});
const open = (source: MemorySource, gate?: Gate) =>
  createDocs({ source }, { collections: [tasks], ...(gate && { gate }) });
const all = (docs: Docs) => docs.in(tasks).query().rows;
const lastOf = ({ events }: MemorySource) => {
  const event = events.at(-1);
  if (event === undefined) throw new Error("nothing was written");
  return { logId: event.logId, seq: event.seq };
};

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

const doc = fc.record(
  {
    title: fc.constantFrom("", "a", "b"),
    size: fc.oneof(fc.nat(3), fc.record({ w: fc.nat(2), h: fc.nat(2) }, { requiredKeys: ["w"] })),
    votes: fc.integer({ min: -3, max: 3 }),
    tags: fc.uniqueArray(fc.constantFrom("x", "y", "z")),
    steps: fc.array(fc.constantFrom("1", "2"), { maxLength: 4 }),
    body: fc.string({ unit: fc.constantFrom("a", "b", "😀"), maxLength: 6 }),
  },
  { requiredKeys: [] },
);
const id = fc.constantFrom("p", "q");
const write = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), id, doc }),
  fc.record({ kind: fc.constant("patch" as const), id, doc }),
  fc.record({ kind: fc.constant("delete" as const), id, doc }),
  fc.record({ kind: fc.constant("both" as const), id, doc }),
);

async function run(
  docs: Docs,
  { kind, id: one, doc: value }: typeof write extends fc.Arbitrary<infer W> ? W : never,
) {
  await docs.transaction((tx) => {
    const list = tx.in(tasks);
    if (kind === "delete") list.delete(one);
    else if (kind === "patch" && list.has(one)) list.patch(one, value);
    else list.put(one, value);
    if (kind === "both") list.delete(one === "p" ? "q" : "p");
  });
}

describe("undo", () => {
  test("what nobody changed since reads as before, and redone as after, whatever it was", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 6 }), async (writes) => {
        const source = createMemorySource();
        await using docs = open(source);
        let before = all(docs);
        let count = 0;
        for (const one of writes) {
          before = all(docs);
          count = source.events.length;
          await run(docs, one);
        }
        if (source.events.length === count) return;
        const after = all(docs);
        const ref = lastOf(source);
        const back = await docs.undo(ref);
        expect(all(docs)).toEqual(before);
        expect(back.length).toBe(1);
        expect(await docs.undo(lastOf(source))).toHaveLength(1);
        expect(all(docs)).toEqual(after);
        await docs.undo(lastOf(source));
        expect(all(docs)).toEqual(before);
      }),
      { numRuns: 150, seed: 12 },
    );
  });

  test("what somebody changed since is left alone, field by field", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using left = open(ada);
    await using right = open(ben);
    const first = { title: "x", size: { w: 1 }, votes: 1, tags: ["x"], steps: ["1"], body: "boat" };
    await left.in(tasks).put("p", first);
    await left.in(tasks).patch("p", {
      title: "y",
      size: { w: 2, h: 2 },
      votes: 3,
      tags: ["x", "y"],
      steps: ["1", "2"],
      body: "red boat",
    });
    const ref = lastOf(ada);
    await meet(ada, ben);
    await right.in(tasks).patch("p", {
      title: "z",
      size: { w: 5 },
      votes: 4,
      tags: ["x", "y", "z"],
      steps: ["0", "1", "2"],
      body: "red boats",
    });
    await meet(ada, ben);
    await left.undo(ref);
    await meet(ada, ben);
    const rest = { title: "z", size: { w: 5 }, votes: 2, tags: ["x", "z"], steps: ["0", "1"] };
    expect(left.in(tasks).get("p")).toEqual({ ...rest, body: "boats" });
    expect(right.in(tasks).get("p")).toEqual(left.in(tasks).get("p"));
    // Once is enough: there is nothing left of it but what adds up.
    await left.in(tasks).patch("p", { votes: 0 });
    await left.undo(ref);
    expect(left.in(tasks).get("p")).toMatchObject({ ...rest, votes: -2 });
  });

  test("a new document goes, a deleted one comes back with what others wrote into it", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using left = open(ada);
    await using right = open(ben);
    await left.in(tasks).put("p", { title: "x" });
    const made = lastOf(ada);
    await meet(ada, ben);
    await right.in(tasks).patch("p", { body: "by Ben" });
    await left.in(tasks).delete("p");
    const deleted = lastOf(ada);
    await meet(ada, ben);
    await right.undo(deleted);
    await meet(ada, ben);
    expect(left.in(tasks).get("p")).toMatchObject({ title: "x", body: "by Ben" });
    // Its existence was said anew since: who made it cannot take it away by that any more.
    expect(await left.undo(made)).toEqual([]);
    await expect(left.undo({ logId: made.logId, seq: 99 })).rejects.toMatchObject({
      code: "VIEW_UNDO_UNAVAILABLE",
    });
  });

  test("behind a gate, what is kept out is neither taken back nor brought back", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using right = open(ben);
    await right.in(tasks).put("p", { title: "kept out" });
    const gate: Gate = {
      start: () => ({
        add: () => "none",
        judge: ({ author }) =>
          author === ben.events[0]?.author
            ? { verdict: "refuse", reason: "NO", by: [] }
            : { verdict: "admit" },
      }),
    };
    await using left = open(ada, gate);
    ada.deliver(ben.events);
    await left.in(tasks).put("p", { title: "mine" });
    await expect(left.undo(lastOf(ben))).rejects.toMatchObject({ code: "VIEW_UNDO_UNAVAILABLE" });
    expect(await left.origins()).toHaveLength(1);
    await left.undo(lastOf(ada));
    expect(left.in(tasks).get("p")).toBeUndefined();
  });
});

describe("origins", () => {
  test("tell who wrote what, by what right, and what of it is left", async () => {
    const [ada, ben] = [createMemorySource(0), createMemorySource(1)];
    await using left = open(ada);
    await using right = open(ben);
    await left.in(tasks).put("p", { title: "x", size: { w: 1 } });
    await left.in(tasks).put("q", { title: "other" });
    await meet(ada, ben);
    await right.in(tasks).patch("p", { title: "y" });
    await right.in(tasks).patch("p", { title: "z", votes: 1 });
    await meet(ada, ben);
    const found = await left.origins({ id: "p", authority: ({ author }) => author.slice(0, 2) });
    expect(
      found.map(({ kind, fields, isShown, authority }) => ({ kind, fields, isShown, authority })),
    ).toEqual([
      {
        kind: "put",
        fields: [["body"], ["size"], ["size", "w"], ["steps"], ["tags"], ["title"], ["votes"]],
        isShown: true,
        authority: "01",
      },
      { kind: "changed", fields: [["title"]], isShown: false, authority: "02" },
      { kind: "changed", fields: [["title"], ["votes"]], isShown: true, authority: "02" },
    ]);
    const own = await left.origins({ author: ada.events[0]!.author, collection: "task" });
    expect(own.map((one) => one.id)).toEqual(["p", "q"]);
    expect(await left.origins({ collection: "person" })).toEqual([]);
    const stopped = AbortSignal.abort(new Error("enough"));
    await expect(left.origins({ signal: stopped })).rejects.toThrow("enough");
  });
});
