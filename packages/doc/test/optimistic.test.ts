/** Writes that are shown before they are durable, and taken back if they are refused. */
import { createDocs, defineCollection, eq, type RefusedWrite } from "@hawser/doc";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import type { EventSource } from "@hawser/view";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const schema = z.object({
  title: z.string(),
  votes: z.number().default(0),
  tags: z.array(z.string()).default([]),
  steps: z.array(z.string()).default([]),
  inner: z.object({ a: z.number() }).optional(),
});
const cards = defineCollection({
  name: "card",
  schema,
  fields: { votes: "counter", tags: "set", steps: "list" },
  indexes: [{ fields: ["title"], unique: true }],
});
type Card = z.output<typeof schema>;
const collections = [cards];
const tick = () => new Promise((resolve) => setImmediate(resolve));
const full = new Error("the disk is full");

/** A source whose appends wait until each is let through or refused. */
function createSlowSource(inner: MemorySource) {
  const waiting: ((isRefused: boolean) => void)[] = [];
  const source: EventSource = {
    batches: inner.batches,
    append: async (drafts) => {
      const isRefused = await new Promise<boolean>((resolve) => waiting.push(resolve));
      if (isRefused) throw full;
      return inner.append(drafts);
    },
  };
  const next = async (isRefused: boolean): Promise<boolean> => {
    await tick();
    const resolve = waiting.shift();
    resolve?.(isRefused);
    await tick();
    return resolve !== undefined;
  };
  return { source, allow: () => next(false), refuse: () => next(true) };
}

function open() {
  const inner = createMemorySource();
  const slow = createSlowSource(inner);
  const docs = createDocs({ source: slow.source }, { collections, optimistic: true });
  return { inner, ...slow, docs, list: docs.in(cards) };
}

const outcome = (write: Promise<unknown>) =>
  write.then(
    () => "written",
    (error: unknown) => error,
  );

describe("an optimistic write", () => {
  test("[TH-146] is shown at once, flagged until it is durable, the same afterwards", async () => {
    const { docs, list, allow } = open();
    await docs.ready;
    const live = list.live({ where: eq("title", "t") });
    let told = 0;
    docs.subscribe(() => (told += 1));
    const write = list.put("x", { title: "t", votes: 2 });
    expect(list.get("x")?.votes).toBe(2);
    expect(list.pending()).toEqual(["x"]);
    expect(live.rows).toEqual([{ id: "x", doc: list.get("x"), isPending: true }]);
    expect(told).toBe(1);
    const again = list.update("x", (doc) => ({ ...doc, votes: doc.votes + 3 }));
    // Never both what is shown and what is confirmed of one write.
    const seen = new Set<number | undefined>();
    docs.subscribe(() => seen.add(list.get("x")?.votes));
    await allow();
    await write;
    await allow();
    await again;
    expect([...seen]).toEqual([5]);
    expect(list.pending()).toEqual([]);
    expect(live.rows).toEqual([{ id: "x", doc: list.get("x") }]);
    await docs[Symbol.asyncDispose]();
  });

  test("[TH-144] that is refused is taken back, with what built on it, and told", async () => {
    const { docs, list, allow, refuse } = open();
    await docs.ready;
    const kept = list.put("a", { title: "a", votes: 1 });
    await allow();
    await kept;
    const before = list.get("a");
    const refusals: (RefusedWrite | undefined)[] = [];
    docs.subscribe((refused) => refused && refusals.push(refused));
    const writes = [
      list.patch("a", { votes: 5, tags: ["q"] }),
      list.put("b", { title: "b" }),
      list.patch("b", { votes: 1 }),
      list.patch("a", { inner: { a: 1 } }),
    ].map(outcome);
    expect(list.get("a")).toMatchObject({ votes: 5, tags: ["q"], inner: { a: 1 } });
    await refuse();
    expect(list.get("a")).toEqual({ ...before, inner: { a: 1 } });
    await refuse();
    expect(list.has("b")).toBe(false);
    await allow();
    expect(await Promise.all(writes)).toEqual([
      full,
      full,
      expect.objectContaining({ code: "DOC_MISSING" }),
      "written",
    ]);
    expect(refusals.map((refused) => refused?.error)).toEqual([
      full,
      full,
      expect.objectContaining({ code: "DOC_MISSING" }),
    ]);
    expect(list.query().rows).toEqual([{ id: "a", doc: { ...before, inner: { a: 1 } } }]);
    await docs[Symbol.asyncDispose]();
  });

  test("that does not fit what is shown is refused at once, and shows nothing", async () => {
    const { docs, list, allow } = open();
    await docs.ready;
    const first = list.put("x", { title: "t" });
    await expect(list.put("y", { title: "t" })).rejects.toMatchObject({ code: "DOC_UNIQUE" });
    await expect(list.patch("z", { votes: 1 })).rejects.toMatchObject({ code: "DOC_MISSING" });
    const large = { title: "u", steps: ["x".repeat(60_000)] };
    await expect(list.put("z", large)).rejects.toMatchObject({ code: "DOC_TOO_LARGE" });
    expect(list.pending()).toEqual(["x"]);
    expect(list.count()).toBe(1);
    await allow();
    await first;
    await docs[Symbol.asyncDispose]();
  });

  test("makes the same ids when it runs again", async () => {
    const { docs, list, allow } = open();
    await docs.ready;
    const write = docs.transaction((tx) => tx.in(cards).insert({ title: "t" }));
    const [shown] = list.query().rows.map(({ id }) => id);
    await allow();
    expect(await write).toBe(shown);
    expect(list.query().rows.map(({ id }) => id)).toEqual([shown]);
    await docs[Symbol.asyncDispose]();
  });

  test("may be made while another is told of; 128 may wait", async () => {
    const { docs, list, allow } = open();
    await docs.ready;
    const live = list.live();
    let second: Promise<unknown> | undefined;
    list.follow(() => {
      second ??= list.put("b", { title: "b" });
    });
    const seen: number[] = [];
    live.subscribe(() => seen.push(live.count));
    const writes: Promise<unknown>[] = [list.put("a", { title: "a" })];
    expect(live.rows.map(({ id }) => id)).toEqual(["a", "b"]);
    for (let index = 2; index < 128; index++) {
      writes.push(list.put(`k${index}`, { title: `k${index}` }));
    }
    await expect(list.put("z", { title: "z" })).rejects.toMatchObject({ code: "DOC_BUSY" });
    expect(list.count()).toBe(128);
    while (await allow());
    await Promise.all([...writes, second]);
    expect([list.pending(), list.count()]).toEqual([[], 128]);
    await docs[Symbol.asyncDispose]();
  });
});

const change = fc.record({
  act: fc.constantFrom("put", "title", "vote", "tag", "step", "delete", "two", "remote", "end"),
  id: fc.constantFrom("x", "y"),
  text: fc.constantFrom("p", "q", "r", "s"),
  number: fc.nat(9),
  isRefused: fc.boolean(),
});
type Change = typeof change extends fc.Arbitrary<infer One> ? One : never;
type Model = Map<string, Card>;

/** What a document becomes; `undefined` for what cannot be. */
function changed(doc: Card | undefined, { act, text, number }: Change): Card | undefined {
  if (act === "put") return schema.parse({ title: text, tags: [text], inner: { a: number } });
  if (doc === undefined) return undefined;
  switch (act) {
    case "title":
      return { ...doc, title: text };
    case "vote":
      return { ...doc, votes: doc.votes + number };
    case "tag":
      return doc.tags.includes(text)
        ? { ...doc, tags: doc.tags.filter((tag) => tag !== text) }
        : { ...doc, tags: [...doc.tags, text].sort() };
    default:
      return { ...doc, steps: doc.steps.toSpliced(number % (doc.steps.length + 1), 0, text) };
  }
}

const isTaken = (model: Model, id: string, title: string) =>
  [...model].some(([other, doc]) => other !== id && doc.title === title);

/** One write on plain values; false if it cannot be. */
function writeModel(model: Model, one: Change): boolean {
  if (one.act === "delete") return model.delete(one.id) || true;
  const ids = one.act === "two" ? ["x", "y"] : [one.id];
  const docs = ids.map((id) => [id, changed(model.get(id), one)] as const);
  if (docs.some(([, doc]) => doc === undefined)) return false;
  for (const [id, doc] of docs) {
    const isNew = model.get(id)?.title !== doc!.title;
    if (isNew && isTaken(model, id, doc!.title)) return false;
  }
  for (const [id, doc] of docs) model.set(id, doc!);
  return true;
}

test("[TH-152] shown is confirmed and then what waits, whatever is refused or comes in between", async () => {
  const property = fc.asyncProperty(
    fc.array(change, { minLength: 10, maxLength: 50, size: "max" }),
    async (changes) => {
      const { inner, docs, list, allow, refuse } = open();
      const confirmed = createDocs({ source: inner }, { collections, snapshots: false });
      const far = createMemorySource(1);
      const other = createDocs({ source: far }, { collections });
      await Promise.all([docs.ready, confirmed.ready, other.ready]);
      const live = list.live();
      let waiting: { readonly one: Change; readonly done: Promise<unknown> }[] = [];
      const refused: unknown[] = [];
      docs.subscribe((refusal) => refusal && refused.push(refusal.error));
      let expectedRefusals = 0;

      const write = (one: Change): Promise<unknown> => {
        if (one.act === "put") return list.put(one.id, changed(undefined, one)!);
        if (one.act === "delete") return list.delete(one.id);
        if (one.act !== "two") return list.update(one.id, (doc) => changed(doc, one)!);
        return docs.transaction((tx) => {
          for (const id of ["x", "y"]) tx.in(cards).update(id, (doc) => changed(doc, one)!);
        });
      };
      const base = (): Model =>
        new Map(
          confirmed
            .in(cards)
            .query()
            .rows.map(({ id, doc }) => [id, doc]),
        );
      const check = (): void => {
        const model = base();
        for (const { one } of waiting) writeModel(model, one);
        const rows = list.query().rows;
        expect(Object.fromEntries(rows.map(({ id, doc }) => [id, doc]))).toEqual(
          Object.fromEntries(model),
        );
        expect(live.rows).toEqual(rows);
        const before = base();
        const pending = list.pending();
        for (const { id, doc, isPending } of rows) {
          expect(isPending === true).toBe(pending.includes(id));
          if (isPending !== true) expect(doc).toEqual(before.get(id));
        }
        if (waiting.length === 0) expect(pending).toEqual([]);
      };
      const settleOne = async (isRefused: boolean): Promise<void> => {
        const [first] = waiting;
        if (first === undefined) return;
        // What changes nothing, or fits no more when its turn comes, asks nobody.
        let isOver = false;
        const end = first.done.then((result) => {
          isOver = true;
          return result;
        });
        await tick();
        if (!isOver) await (isRefused ? refuse() : allow());
        if ((await end) !== "written") expectedRefusals += 1;
        waiting = waiting.slice(1);
        await tick();
      };

      for (const one of changes) {
        if (one.act === "end") await settleOne(one.isRefused);
        else if (one.act === "remote") {
          const doc = { title: `far ${one.id}`, votes: one.number, tags: [one.text] };
          await other.in(cards).put(one.id, doc);
          inner.deliver(far.events.slice(-1));
          await tick();
        } else {
          const model = new Map(list.query().rows.map(({ id, doc }) => [id, doc]));
          const fits = writeModel(model, one);
          const done = outcome(write(one));
          if (fits) waiting.push({ one, done });
          else expect(await done).toMatchObject({ name: "DocError" });
        }
        // A write whose turn came by itself and asked nobody is over.
        while (waiting.length > 0) {
          const result = await Promise.race([waiting[0]!.done, tick().then(() => "waits")]);
          if (result === "waits") break;
          if (result !== "written") expectedRefusals += 1;
          waiting = waiting.slice(1);
        }
        check();
      }
      while (waiting.length > 0) await settleOne(false);
      check();
      expect([...list.exportLines()]).toEqual([...confirmed.in(cards).exportLines()]);
      expect(refused).toHaveLength(expectedRefusals);
      for (const each of [docs, confirmed, other]) await each[Symbol.asyncDispose]();
    },
  );
  await fc.assert(property, { numRuns: 40, seed: 154 });
});
