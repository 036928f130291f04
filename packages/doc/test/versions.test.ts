/** Snapshots on the device, and two versions of an application at work on the same documents. */
import { createDocs, defineCollection, defineTable, docView, encodeItems, eq } from "@hawser/doc";
import { compactView, type EventSource } from "@hawser/view";
import { createMemorySource, fakeEvent, oracleFold } from "@hawser/view/testing";
import { toHex } from "@hawser/codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const tick = () => new Promise((resolve) => setImmediate(resolve));
const before = defineCollection({
  name: "task",
  schema: z.object({
    name: z.string(),
    done: z.boolean().default(false),
    votes: z.number().default(0),
    street: z.string().optional(),
  }),
  fields: { votes: "counter" },
});
const after = defineCollection({
  name: "task",
  schema: z.object({
    title: z.string(),
    status: z.enum(["todo", "doing", "done"]),
    votes: z.number().default(0),
    color: z.string(),
    address: z.object({ street: z.string().optional() }).optional(),
  }),
  fields: { votes: "counter" },
  lens: [
    { step: "rename", from: "name", to: "title" },
    { step: "rename", from: "street", to: "address.street" },
    {
      step: "convert",
      from: "done",
      to: "status",
      table: [
        [false, "todo"],
        [false, "doing"],
        [true, "done"],
      ],
    },
    { step: "default", field: "color", value: "blue" },
  ],
});

describe("snapshots", () => {
  test("[TH-143] documents open from their snapshot without any event, whatever the schema", async () => {
    const source = createMemorySource();
    const first = createDocs({ source }, { collections: [before] });
    for (let index = 0; index < 150; index++) {
      await first.in(before).put(`k${index}`, { name: `n${index}`, votes: index });
    }
    await first[Symbol.asyncDispose]();
    const handed = source.handedCount;
    const docs = createDocs({ source }, { collections: [after] });
    const list = docs.in(after);
    const live = list.live({ where: eq("title", "n7") });
    let told = 0;
    docs.subscribe(() => (told += 1));
    await docs.ready;
    expect(source.handedCount).toBe(handed);
    expect(list.count()).toBe(150);
    expect(told).toBe(1);
    expect(live.rows.map(({ doc }) => doc.votes)).toEqual([7]);
    await list.patch("k7", { title: "new" });
    expect(live.rows).toEqual([]);
    await docs[Symbol.asyncDispose]();
  });

  test("what is stored is listed, of unknown collections too", async () => {
    const source = createMemorySource();
    const boats = defineCollection({ name: "boat", schema: z.object({ name: z.string() }) });
    const first = createDocs({ source }, { collections: [before, boats] });
    await first.in(before).put("x", { name: "n" });
    await first.in(boats).importLines(['{"_id":"a","name":"A"}', '{"_id":"b","name":"B"}']);
    await first.in(boats).delete("a");
    const docs = createDocs({ source }, { collections: [after] });
    await docs.ready;
    expect(docs.stored()).toEqual([
      { name: "boat", idCount: 2, isOpen: false },
      { name: "task", idCount: 1, isOpen: true },
    ]);
    for (const each of [first, docs]) await each[Symbol.asyncDispose]();
  });

  test("are read a slice a task; who asks meanwhile gets all, and what comes meanwhile is in it", async () => {
    const source = createMemorySource();
    const lines = (function* () {
      for (let index = 0; index < 1_200; index++)
        yield JSON.stringify({ _id: `t${index}`, n: index });
    })();
    const counted = defineTable({ name: "counted", columns: { n: "number" } });
    const options = { collections: [counted], snapshots: { everyEvents: 1 } };
    await using first = createDocs({ source }, options);
    await first.in(counted).importLines(lines);
    await first[Symbol.asyncDispose]();
    const opened = (turns: (turn: number) => void) => {
      const again = createMemorySource(0, source.shelved);
      again.deliver(source.events);
      let turn = 0;
      const yieldToHost = async (): Promise<void> => {
        turns((turn += 1));
        await new Promise((resolve) => setImmediate(resolve));
      };
      return {
        again,
        docs: createDocs({ source: again, yieldToHost }, { collections: [counted] }),
      };
    };
    let turnCount = 0;
    await using slow = opened((turn) => (turnCount = turn)).docs;
    const live = slow.in(counted).live({ sort: ["n"] });
    await slow.ready;
    expect([turnCount >= 4, live.count, live.rows.at(-1)?.doc.n]).toEqual([true, 1_200, 1_199]);
    const { again, docs: asked } = opened((turn) => {
      if (turn === 3) seen.push(asked.in(counted).count());
      if (turn === 2) {
        const item = {
          collection: "counted",
          id: "t0",
          life: "first",
          existence: "unsaid",
        } as const;
        const ops = [{ op: "set", path: ["n"], value: -1 }] as const;
        const body = encodeItems([{ ...item, ops }])!;
        again.deliver([fakeEvent(2, 0, { type: "doc", body }, 9_000_000)]);
      }
    });
    const seen: number[] = [];
    await asked.ready;
    await new Promise((resolve) => setImmediate(resolve));
    expect([seen, asked.in(counted).get("t0")?.n]).toEqual([[1_200], -1]);
    await asked[Symbol.asyncDispose]();
  });

  test("none are kept when none are wanted", async () => {
    const source = createMemorySource();
    const docs = createDocs({ source }, { collections: [before], snapshots: false });
    await docs.in(before).importLines(Array.from({ length: 200 }, () => '{"name":"n"}'));
    await docs[Symbol.asyncDispose]();
    expect(source.shelved.size).toBe(0);
  });

  test("what is superseded goes in a compaction, and the documents stay", async () => {
    const source = createMemorySource();
    const kept: number[] = [];
    const compacting: EventSource = {
      ...source,
      compact: async (_mark, events) => {
        kept.push(...events.map(({ seq }) => seq));
        return { prunedEntries: source.events.length, keptEvents: events.length };
      },
    };
    const docs = createDocs({ source }, { collections: [before] });
    for (let index = 0; index < 50; index++) await docs.in(before).put("x", { name: `n${index}` });
    await docs[Symbol.asyncDispose]();
    await compactView({ source: compacting }, [docView]);
    expect(kept).toEqual([0, 49]);
    const state = oracleFold(
      docView,
      source.events.filter(({ seq }) => kept.includes(seq)),
    );
    expect(toHex(docView.encode(state))).toBe(
      toHex(docView.encode(oracleFold(docView, source.events))),
    );
  });
});

const edit = fc.record({
  device: fc.nat(3),
  act: fc.constantFrom("title", "status", "votes", "street", "color", "put", "meet"),
  number: fc.nat(9),
});

test("[TH-152] old and new versions edit offline, both ways, and agree when they have met", async () => {
  const property = fc.asyncProperty(
    fc.array(edit, { minLength: 10, maxLength: 50, size: "max" }),
    async (edits) => {
      const sources = [0, 1, 2, 3].map((log) => createMemorySource(log));
      const open = sources.map((source) => createDocs({ source }, { collections: [before] }));
      const young = sources.map((source) => createDocs({ source }, { collections: [after] }));
      const meet = async (from: number, to: number): Promise<void> => {
        const known = new Set(sources[to]!.events.map(({ logId, seq }) => `${logId}/${seq}`));
        const news = sources[from]!.events.filter((one) => !known.has(`${one.logId}/${one.seq}`));
        sources[to]!.deliver(news);
        await tick();
      };
      await open[0]!.in(before).put("x", { name: "n", street: "Quay" });
      for (const to of [1, 2, 3]) await meet(0, to);
      let votes = 0;
      let last = "blue";
      for (const { device, act, number } of edits) {
        // Devices 0 and 1 run the old version, 2 and 3 the new one.
        const isOld = device < 2;
        const old = open[device]!.in(before);
        const now = young[device]!.in(after);
        if (act === "meet") await meet(number % 4, device);
        else if (act === "votes") {
          votes += number;
          if (isOld) await old.update("x", (doc) => ({ ...doc, votes: doc.votes + number }));
          else await now.update("x", (doc) => ({ ...doc, votes: doc.votes + number }));
        } else if (act === "title") {
          if (isOld) await old.patch("x", { name: `o${number}` });
          else await now.patch("x", { title: `y${number}` });
        } else if (act === "status") {
          if (isOld) await old.patch("x", { done: number % 2 === 0 });
          else await now.patch("x", { status: (["todo", "doing", "done"] as const)[number % 3]! });
        } else if (act === "street") {
          if (isOld) await old.patch("x", { street: `o${number}` });
          else await now.patch("x", { address: { street: `y${number}` } });
        } else if (act === "put" && isOld) {
          const { votes: seen } = old.get("x")!;
          await old.put("x", { name: `p${number}`, votes: seen, street: "Pier" });
        } else if (act === "color" && !isOld) {
          last = `c${number}`;
          for (const to of [2, 3]) await meet(to, device);
          await now.patch("x", { color: last });
          for (const to of [2, 3]) await meet(device, to);
        }
      }
      for (const from of [0, 1, 2, 3]) for (const to of [0, 1, 2, 3]) await meet(from, to);
      const olds = open.map((docs) => docs.in(before).get("x"));
      const news = young.map((docs) => docs.in(after).get("x"));
      for (const doc of olds) expect(doc).toEqual(olds[0]);
      for (const doc of news) expect(doc).toEqual(news[0]);
      const [oldDoc, newDoc] = [olds[0]!, news[0]!];
      expect(newDoc.title).toBe(oldDoc.name);
      expect(newDoc.address?.street).toBe(oldDoc.street);
      expect(newDoc.status === "done").toBe(oldDoc.done);
      expect([oldDoc.votes, newDoc.votes]).toEqual([votes, votes]);
      // Old versions know nothing of it, and took nothing away.
      expect(newDoc.color).toBe(last);
      for (const docs of [...open, ...young]) await docs[Symbol.asyncDispose]();
    },
  );
  await fc.assert(property, { numRuns: 40, seed: 152 });
});
