/** Several devices that write through the public interface and meet now and then. */
import {
  createDocs,
  defineCollection,
  encodeItems,
  eq,
  type Collection,
  type Docs,
} from "@hawser/doc";
import { createMemorySource, fakeEvent, type MemorySource } from "@hawser/view/testing";
import type { Gate, ViewEvent } from "@hawser/view";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const schema = z.object({
  title: z.string(),
  mood: z.enum(["good", "bad"]).optional(),
  inner: z.object({ a: z.number(), b: z.number().optional() }).optional(),
  votes: z.number().default(0),
  tags: z.array(z.string()).default([]),
  steps: z.array(z.string()).default([]),
});
const cards = defineCollection({
  name: "card",
  schema,
  fields: { votes: "counter", tags: "set", steps: "list" },
  indexes: [{ fields: ["title"], unique: true }, { fields: ["inner.a", "votes"] }],
});
type Card = z.output<typeof schema>;
type Cards = Collection<z.input<typeof schema>, Card>;

interface Device {
  readonly source: MemorySource;
  readonly docs: Docs;
  readonly list: Cards;
  readonly logId: string;
}

function createDevices(): readonly Device[] {
  return [0, 1, 2].map((log) => {
    const source = createMemorySource(log);
    const docs = createDocs({ source }, { collections: [cards] });
    const { logId } = fakeEvent(log, 0, { type: "doc", body: new Uint8Array(0) });
    return { source, docs, list: docs.in(cards), logId };
  });
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Hands over what the other has not got: its own events, and what it got from the third. */
async function meet(from: Device, to: Device): Promise<void> {
  const known = new Set(to.source.events.map((event) => `${event.logId}/${event.seq}`));
  to.source.deliver(
    from.source.events.filter((event) => !known.has(`${event.logId}/${event.seq}`)),
  );
  await tick();
}

const action = fc.record({
  device: fc.nat(2),
  other: fc.nat(2),
  id: fc.constantFrom("x", "y"),
  kind: fc.constantFrom(
    "meet",
    "meet",
    "put",
    "title",
    "mood",
    "inner",
    "vote",
    "tags",
    "steps",
    "delete",
  ),
  number: fc.nat(50),
  text: fc.constantFrom("p", "q", "r"),
});
type Action = typeof action extends fc.Arbitrary<infer One> ? One : never;

const places = (items: readonly string[], at: number) => at % (items.length + 1);

/** Writes, or does nothing where a document is missing or a title is taken. */
async function act(list: Cards, { id, kind, number, text }: Action): Promise<void> {
  const changes: Partial<Record<Action["kind"], (doc: Card) => Card>> = {
    title: (doc) => ({ ...doc, title: text + number }),
    mood: ({ mood, ...doc }) => (mood === undefined ? { ...doc, mood: "good" } : doc),
    inner: (doc) => ({ ...doc, inner: { a: number, ...(number % 2 === 0 ? { b: 1 } : {}) } }),
    vote: (doc) => ({ ...doc, votes: doc.votes + (number % 5) - 1 }),
    tags: (doc) => ({
      ...doc,
      tags: doc.tags.includes(text) ? doc.tags.filter((tag) => tag !== text) : [...doc.tags, text],
    }),
    steps: (doc) => ({
      ...doc,
      steps: doc.steps.toSpliced(places(doc.steps, number), number % 2, text, `${number}`),
    }),
  };
  const change = changes[kind];
  try {
    if (kind === "put") await list.put(id, { title: text, steps: [text], inner: { a: number } });
    else if (kind === "delete") await list.delete(id);
    else if (change !== undefined) await list.update(id, change);
  } catch (error) {
    expect(["DOC_MISSING", "DOC_UNIQUE"]).toContain((error as { code: string }).code);
  }
}

describe("[TH-152] devices that meet now and then", () => {
  test("[TH-152] [TH-008] [TD-3] come to the same documents, all of them whole, by every index", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 20, maxLength: 60, size: "max" }),
        async (actions) => {
          const devices = createDevices();
          for (const one of actions) {
            const [device, other] = [devices[one.device]!, devices[one.other]!];
            if (one.kind === "meet") await meet(other, device);
            else await act(device.list, one);
          }
          for (const from of devices) for (const to of devices) await meet(from, to);
          const lines = devices.map(({ list }) => [...list.exportLines()]);
          expect(lines[1]).toEqual(lines[0]);
          expect(lines[2]).toEqual(lines[0]);
          for (const { list } of devices) {
            expect(list.invalid()).toEqual([]);
            expect(list.conflicts()).toEqual(devices[0]!.list.conflicts());
            for (const { id, doc } of list.query().rows) {
              const ids = list.query({ where: eq("title", doc.title), index: "title" }).rows;
              expect(ids.map((row) => row.id)).toContain(id);
              expect(new Set(doc.tags).size).toBe(doc.tags.length);
            }
          }
          for (const { docs } of devices) await docs[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 150, seed: 152 },
    );
  });

  test("every vote counts, whoever met whom in between", async () => {
    const devices = createDevices();
    await devices[0]!.list.put("x", { title: "t" });
    for (const device of devices) await meet(devices[0]!, device);
    let sum = 0;
    for (let round = 0; round < 30; round++) {
      const device = devices[round % 3]!;
      await device.list.update("x", (doc) => ({ ...doc, votes: doc.votes + round }));
      sum += round;
      if (round % 7 === 0) await meet(device, devices[(round + 1) % 3]!);
    }
    for (const from of devices) for (const to of devices) await meet(from, to);
    expect(devices.map(({ list }) => list.get("x")?.votes)).toEqual([sum, sum, sum]);
  });
});

describe("behind a gate", () => {
  /** Admits the second author's events until one of the third is there. */
  const gate: Gate = {
    start: () => {
      const events: ViewEvent[] = [];
      const third = fakeEvent(2, 0, { type: "doc", body: new Uint8Array(0) }).author;
      return {
        add: (arrived) => {
          events.push(...arrived);
          return arrived.some((event) => event.author === third) ? "all" : "none";
        },
        judge: (event) => {
          const second = fakeEvent(1, 0, { type: "doc", body: new Uint8Array(0) }).author;
          const isOut = event.author === second && events.some((one) => one.author === third);
          return isOut ? { verdict: "refuse", reason: "TEST", by: [] } : { verdict: "admit" };
        },
      };
    },
  };

  test("what stops counting is gone from documents, indexes and live results", async () => {
    const source = createMemorySource();
    await using docs = createDocs({ source }, { collections: [cards], gate });
    const list = docs.in(cards);
    const live = list.live({ where: eq("title", "theirs") });
    const ops = [{ op: "set", path: ["title"], value: "theirs" }] as const;
    const item = { collection: "card", id: "x", life: "first", existence: "put", ops } as const;
    await docs.ready;
    source.deliver([fakeEvent(1, 0, { type: "doc", body: encodeItems([item])! })]);
    await tick();
    expect([live.count, list.has("x")]).toEqual([1, true]);
    source.deliver([fakeEvent(2, 0, { type: "doc", body: new Uint8Array(0) })]);
    await tick();
    expect([live.count, list.has("x")]).toEqual([0, false]);
    expect(list.query({ where: eq("title", "theirs"), index: "title" }).rows).toEqual([]);
    await list.put("y", { title: "theirs" });
    expect(live.rows.map((row) => row.id)).toEqual(["y"]);
  });
});
