/** Documents in collections: writing, merging, schemas, transactions, lenses. */
import { encodeCbor } from "@hawser/codec";
import {
  createDocs,
  createIdMaker,
  defineCollection,
  encodeItems,
  eq,
  not,
  type DocItem,
} from "@hawser/doc";
import { createMemorySource, fakeEvent, type MemorySource } from "@hawser/view/testing";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { marksOf } from "../src/marks.ts";

const tasks = defineCollection({
  name: "task",
  schema: z.object({
    title: z.string(),
    done: z.boolean().default(false),
    size: z.object({ width: z.number(), height: z.number() }).optional(),
    votes: z.number().default(0),
    tags: z.array(z.string()).default([]),
    steps: z.array(z.string()).default([]),
    owner: z.string().optional(),
  }),
  fields: { votes: "counter", tags: "set", steps: "list" },
  references: [{ field: "owner", collection: "person" }],
});
const people = defineCollection({
  name: "person",
  schema: v.object({ name: v.string(), email: v.optional(v.string()) }),
  indexes: [{ fields: ["email"], unique: true }],
});
const collections = [tasks, people];

let ids = 0;
const makeId = () => `id${String(ids++).padStart(4, "0")}`;
const open = (source: MemorySource) => createDocs({ source, makeId }, { collections });

/** Two devices whose events reach each other when `sync` is called. */
function createPair() {
  const sources = [createMemorySource(0), createMemorySource(1)] as const;
  const given = [0, 0];
  const sync = async (): Promise<void> => {
    const news = sources.map((source, from) => {
      const logId = fakeEvent(from, 0, { type: "", body: new Uint8Array(0) }).logId;
      const own = source.events.filter((event) => event.logId === logId);
      const fresh = own.slice(given[from]);
      given[from] = own.length;
      return fresh;
    });
    sources[0].deliver(news[1] ?? []);
    sources[1].deliver(news[0] ?? []);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { sources, left: open(sources[0]), right: open(sources[1]), sync };
}

const wrong = (code: string) => expect.objectContaining({ code });
const deliver = (source: MemorySource, log: number, seq: number, items: readonly DocItem[]) =>
  source.deliver([fakeEvent(log, seq, { type: "doc", body: encodeItems(items)! })]);

describe("one device", () => {
  test("[TH-146] [TH-143] documents are put, got, queried and deleted, and each change is an event", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const list = docs.in(tasks);
    const id = await list.insert({ title: "Paint the hull" });
    await list.put("fixed", { title: "Mend the sail", votes: 2 });
    await list.patch(id, { done: true });
    expect(list.get(id)).toEqual({
      title: "Paint the hull",
      done: true,
      votes: 0,
      tags: [],
      steps: [],
    });
    expect(list.query({ where: eq("done", true) }).rows.map((row) => row.id)).toEqual([id]);
    expect([list.count(), list.has("fixed"), list.has("none")]).toEqual([2, true, false]);
    expect(await list.delete("fixed")).toBe(1);
    expect(list.has("fixed")).toBe(false);
    expect(source.events.map((event) => event.type)).toEqual(["doc", "doc", "doc", "doc"]);
  });

  test("[TH-147] any JSON is a value, and comes back as it was", async () => {
    const source = createMemorySource();
    const anything = defineCollection({ name: "any", schema: z.looseObject({}) });
    const docs = createDocs({ source }, { collections: [anything] });
    const value = {
      a: [1, -1.5, 1e300, [null, { b: [{}] }], "é\u0000\"'\\"],
      constructor: { hasOwnProperty: true, toString: 0 },
      "a.b": "dot",
      c: { d: { e: { f: { g: { h: 1 } } } } },
      empty: {},
      none: null,
      big: 2 ** 60,
    };
    await docs.in(anything).put("x", value);
    expect(docs.in(anything).get("x")).toEqual(value);
    await docs[Symbol.asyncDispose]();
    const again = createDocs({ source }, { collections: [anything] });
    await again.ready;
    expect(again.in(anything).get("x")).toEqual(value);
    await again[Symbol.asyncDispose]();
  });

  test("ids like the names of an object's own properties are ids", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(tasks);
    for (const id of ["__proto__", "constructor", "toString"]) {
      expect([list.get(id), list.has(id)]).toEqual([undefined, false]);
      await expect(list.patch(id, { done: true })).rejects.toEqual(wrong("DOC_MISSING"));
      await list.put(id, { title: id });
      expect(list.get(id)?.title).toBe(id);
    }
    expect([...list.exportLines()]).toHaveLength(3);
    for (const id of ["", "k".repeat(257), "\ud800", 7 as unknown as string]) {
      await expect(list.put(id, { title: "x" })).rejects.toEqual(wrong("DOC_ID_INVALID"));
    }
  });

  test("ids that are made sort by time, also within a millisecond", () => {
    let nowMs = 1_700_000_000_000;
    const make = createIdMaker({
      nowMs: () => nowMs,
      random: (count) => new Uint8Array(count).fill(31),
    });
    const made = [make(), make(), make()];
    nowMs -= 5_000;
    made.push(make());
    nowMs += 10_000;
    made.push(make());
    expect(new Set(made).size).toBe(5);
    expect(made.every((id) => /^[0-9a-hjkmnp-tv-z]{26}$/.test(id))).toBe(true);
    expect(made.at(-1)! > made[0]!).toBe(true);
    const plain = createIdMaker({ nowMs: () => 5, random: (count) => new Uint8Array(count) });
    const run = Array.from({ length: 100 }, plain);
    expect([...run].sort()).toEqual(run);
  });

  test("put replaces: fields that are not mentioned are gone, but for those that add up", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(tasks);
    await list.put("a", { title: "x", owner: "p", votes: 3, size: { width: 1, height: 2 } });
    await list.put("a", { title: "x", votes: 4, size: { width: 1, height: 3 } });
    expect(list.get("a")).toMatchObject({ title: "x", votes: 4, size: { width: 1, height: 3 } });
    expect(list.get("a")).not.toHaveProperty("owner");
  });

  test("a patch merges objects, replaces lists, takes out what is undefined", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(tasks);
    await list.put("a", { title: "x", size: { width: 1, height: 2 }, tags: ["b", "a"] });
    await list.patch("a", { size: { width: 5 }, tags: ["c"], steps: ["one"] });
    expect(list.get("a")).toMatchObject({ size: { width: 5, height: 2 }, tags: ["c"] });
    await list.patch("a", { size: undefined });
    expect(list.get("a")).not.toHaveProperty("size");
    await list.update("a", (doc) => ({
      ...doc,
      votes: doc.votes + 1,
      steps: ["zero", ...doc.steps],
    }));
    expect(list.get("a")).toMatchObject({ votes: 1, steps: ["zero", "one"] });
    await expect(list.patch("none", { done: true })).rejects.toEqual(wrong("DOC_MISSING"));
    await expect(list.update("none", (doc) => doc)).rejects.toEqual(wrong("DOC_MISSING"));
    await expect(list.insert({ title: "y" }, { id: "a" })).rejects.toEqual(wrong("DOC_EXISTS"));
  });

  test("a change that changes nothing is no event", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    await docs.in(tasks).put("a", { title: "x" });
    await docs.in(tasks).patch("a", { title: "x" });
    expect(source.events).toHaveLength(1);
  });

  test("[TQ-delete-many] deleting several does not stop at one that is missing", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(tasks);
    await list.put("a", { title: "x" });
    await list.put("c", { title: "x" });
    expect(await list.delete("a", "b", "c", "a")).toBe(2);
    expect(list.count()).toBe(0);
    expect(await list.delete("a")).toBe(0);
  });

  test("documents that are handed out cannot be changed", async () => {
    await using docs = open(createMemorySource());
    await docs.in(tasks).put("a", { title: "x", tags: ["t"] });
    const doc = docs.in(tasks).get("a") as { title: string; tags: string[] };
    expect(() => void (doc.title = "y")).toThrow(TypeError);
    expect(() => doc.tags.push("u")).toThrow(TypeError);
  });

  test("writes that nobody awaited follow each other", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(tasks);
    const writes = [list.put("a", { title: "x" })];
    for (const step of ["1", "2", "3"]) {
      writes.push(list.update("a", (doc) => ({ ...doc, steps: [...doc.steps, step] })));
    }
    await Promise.all(writes);
    expect(list.get("a")?.steps).toEqual(["1", "2", "3"]);
  });

  test("more than 4,096 waiting writes are refused", async () => {
    await using docs = open(createMemorySource());
    const writes = Array.from({ length: 4_097 }, () => docs.in(tasks).delete("none"));
    const last = writes.pop();
    await expect(last).rejects.toEqual(wrong("DOC_BUSY"));
    await Promise.all(writes);
  });
});

describe("several devices", () => {
  test("[TH-152] concurrent edits of different fields all count, also inside objects", async () => {
    const { left, right, sync } = createPair();
    await left.in(tasks).put("a", { title: "x", size: { width: 1, height: 1 } });
    await sync();
    await left.in(tasks).patch("a", { title: "left", size: { width: 2 } });
    await right.in(tasks).put("a", { title: "x", done: true, size: { width: 1, height: 9 } });
    await sync();
    const merged = { title: "left", done: true, size: { width: 2, height: 9 } };
    expect(left.in(tasks).get("a")).toMatchObject(merged);
    expect(right.in(tasks).get("a")).toEqual(left.in(tasks).get("a"));
  });

  test("of one field the later change counts, on both", async () => {
    const { left, right, sync } = createPair();
    await left.in(tasks).put("a", { title: "x" });
    await sync();
    await left.in(tasks).patch("a", { title: "left" });
    await right.in(tasks).patch("a", { title: "right" });
    await sync();
    expect(left.in(tasks).get("a")).toEqual(right.in(tasks).get("a"));
    expect(["left", "right"]).toContain(left.in(tasks).get("a")?.title);
  });

  test("counters add up, sets unite, lists keep all items in one order", async () => {
    const { left, right, sync } = createPair();
    await left.in(tasks).put("a", { title: "x", votes: 1, tags: ["a", "b"], steps: ["1", "2"] });
    await sync();
    await left.in(tasks).patch("a", { votes: 3, tags: ["a", "c"], steps: ["1", "l", "2"] });
    await right.in(tasks).patch("a", { votes: 0, tags: ["a", "b", "d"], steps: ["2", "r"] });
    await sync();
    expect(left.in(tasks).get("a")).toMatchObject({
      votes: 2,
      tags: ["a", "c", "d"],
      steps: ["l", "2", "r"],
    });
    expect(right.in(tasks).get("a")).toEqual(left.in(tasks).get("a"));
  });

  test("a list, a set and a text that begin empty are there, and take in what others put", async () => {
    const begun = defineCollection({
      name: "begun",
      schema: z.object({ list: z.array(z.string()), set: z.array(z.string()), text: z.string() }),
      fields: { list: "list", set: "set", text: "text" },
    });
    const sources = [createMemorySource(0), createMemorySource(1)] as const;
    const [left, right] = sources.map((source) => createDocs({ source }, { collections: [begun] }));
    await left!.in(begun).put("a", { list: [], set: [], text: "" });
    expect(left!.in(begun).get("a")).toEqual({ list: [], set: [], text: "" });
    await right!.in(begun).put("a", { list: ["x"], set: ["y"], text: "z" });
    sources[0].deliver(sources[1].events);
    await new Promise((resolve) => setImmediate(resolve));
    expect(left!.in(begun).get("a")).toEqual({ list: ["x"], set: ["y"], text: "z" });
  });

  test("two who make the same id at once make one document", async () => {
    const { left, right, sync } = createPair();
    await left.in(people).put("p", { name: "Ada" });
    await right.in(people).put("p", { name: "Ada", email: "a@example.org" });
    await sync();
    expect(left.in(people).get("p")).toEqual({ name: "Ada", email: "a@example.org" });
    expect(right.in(people).get("p")).toEqual(left.in(people).get("p"));
  });

  test("[TH-144] a patch does not bring back what was deleted, not even half of it", async () => {
    const { left, right, sync } = createPair();
    await left.in(tasks).put("a", { title: "x" });
    await sync();
    await left.in(tasks).delete("a");
    await right.in(tasks).patch("a", { votes: 3 });
    await right.in(tasks).patch("a", { done: true });
    await sync();
    expect([left.in(tasks).has("a"), right.in(tasks).has("a")]).toEqual([false, false]);
    expect(left.in(tasks).invalid()).toEqual([]);
    await left.in(tasks).put("a", { title: "anew" });
    await sync();
    expect(right.in(tasks).get("a")).toMatchObject({ title: "anew", votes: 0, done: false });
  });

  test("a put that is later than a deletion it did not see brings the whole document back", async () => {
    const { left, right, sync } = createPair();
    await left.in(tasks).put("a", { title: "x", owner: "p" });
    await sync();
    await left.in(tasks).delete("a");
    await right.in(tasks).patch("a", { done: true });
    await right.in(tasks).put("a", { title: "x", owner: "q" });
    await sync();
    expect(left.in(tasks).get("a")).toMatchObject({ title: "x", owner: "q", done: false });
    expect(right.in(tasks).get("a")).toEqual(left.in(tasks).get("a"));
  });
});

describe("schemas", () => {
  const byLibrary = {
    zod: z.object({ name: z.string(), address: z.object({ zip: z.number() }) }),
    valibot: v.object({ name: v.string(), address: v.object({ zip: v.number() }) }),
    arktype: type({ name: "string", address: { zip: "number" } }),
  };
  test.each(Object.entries(byLibrary))("%s refuses with the path", async (_name, schema) => {
    const source = createMemorySource();
    const definition = defineCollection({ name: "p", schema });
    await using docs = createDocs({ source }, { collections: [definition] });
    const bad = { name: "Ada", address: { zip: "x" } } as unknown as {
      name: string;
      address: { zip: number };
    };
    const refused = docs.in(definition).put("a", bad);
    await expect(refused).rejects.toMatchObject({
      code: "DOC_INVALID",
      issues: [{ path: ["address", "zip"] }],
    });
    expect(source.events).toEqual([]);
    await docs.in(definition).put("a", { name: "Ada", address: { zip: 7 } });
    expect(docs.in(definition).get("a")?.address.zip).toBe(7);
  });

  test("what arrives and does not fit is kept apart, seen, and can be mended or deleted", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const set = (id: string, value: number): DocItem => {
      const ops = [{ op: "set", path: ["title"], value }] as const;
      return { collection: "task", id, life: "first", existence: "put", ops };
    };
    deliver(source, 1, 0, [set("bad", 7), set("worse", 8)]);
    await docs.ready;
    await docs.in(tasks).put("good", { title: "x" });
    expect(
      docs
        .in(tasks)
        .query()
        .rows.map((row) => row.id),
    ).toEqual(["good"]);
    expect(docs.in(tasks).invalid()).toMatchObject([
      { id: "bad", reason: "invalid", issues: [{ path: ["title"] }], value: { title: 7 } },
      { id: "worse" },
    ]);
    await docs.in(tasks).put("bad", { title: "mended" });
    expect(docs.in(tasks).get("bad")?.title).toBe("mended");
    expect(await docs.in(tasks).delete("worse")).toBe(1);
    expect(docs.in(tasks).invalid()).toEqual([]);
  });

  test("a life that its writer cannot have seen is never anybody's", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const markOf = (stamp: number) => marksOf({ stamp, hash: new Uint8Array(32) })(0);
    const ops = [{ op: "set", path: ["title"], value: "x" }] as const;
    const item = { collection: "task", existence: "put", ops } as const;
    deliver(source, 1, 0, [
      { ...item, id: "early", life: markOf(500) },
      { ...item, id: "late", life: markOf(9_000_000) },
    ]);
    await docs.ready;
    expect([docs.in(tasks).count(), docs.in(tasks).invalid()]).toEqual([0, []]);
    await docs.in(tasks).put("early", { title: "y" });
    await docs.in(tasks).put("late", { title: "y" });
    expect(docs.in(tasks).query({ where: eq("title", "y") }).rows).toHaveLength(2);
  });

  test("a document grown too large over many events is kept apart", async () => {
    const source = createMemorySource();
    const anything = defineCollection({ name: "any", schema: z.looseObject({}) });
    await using docs = createDocs({ source }, { collections: [anything] });
    for (let seq = 0; seq < 6; seq++) {
      const ops = Array.from({ length: 2_000 }, (_, index) => {
        return { op: "set", path: [`f${seq}x${index}`], value: 1 } as const;
      });
      deliver(source, 1, seq, [
        { collection: "any", id: "a", life: "first", existence: "put", ops },
      ]);
    }
    await docs.in(anything).put("b", {});
    expect(docs.in(anything).invalid()).toMatchObject([{ id: "a", reason: "too large" }]);
    await docs.in(anything).put("a", { small: true });
    expect(docs.in(anything).get("a")).toEqual({ small: true });
  });

  const refusing = (validate: (value: unknown) => unknown) => {
    const schema = z.looseObject({});
    return defineCollection({
      name: "odd",
      schema: {
        "~standard": {
          ...schema["~standard"],
          validate: validate as (typeof schema)["~standard"]["validate"],
        },
      },
    });
  };
  test.each<readonly [string, string, (value: unknown) => unknown]>([
    ["answers later", "DOC_SCHEMA_ASYNC", (value) => Promise.resolve({ value })],
    [
      "throws",
      "DOC_INVALID",
      () => {
        throw new Error("secret");
      },
    ],
    ["gives no JSON", "DOC_VALUE_INVALID", () => ({ value: { at: new Date(0) } })],
    ["gives no object", "DOC_VALUE_INVALID", () => ({ value: [1] })],
    [
      "gives what it would not take",
      "DOC_INVALID",
      (value) => ({
        value: {
          n: [value].length,
          was: { value: 1 },
          ...(value as object),
          deep: (value as { deep?: number }).deep ?? 0,
          again: ((value as { again?: number }).again ?? 0) + 1,
        },
      }),
    ],
  ])("a schema that %s is told so, and breaks nothing", async (_name, code, validate) => {
    const source = createMemorySource();
    const odd = refusing(validate);
    await using docs = createDocs({ source }, { collections: [odd] });
    await expect(docs.in(odd).put("a", {})).rejects.toEqual(wrong(code));
    deliver(source, 1, 0, [
      { collection: "odd", id: "b", life: "first", existence: "put", ops: [] },
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(docs.in(odd).invalid().length + docs.in(odd).count()).toBe(1);
  });

  test.each<readonly [string, unknown]>([
    ["NaN", { a: Number.NaN }],
    ["a class", { a: new Map() }],
    ["a function", { a: () => 1 }],
    ["half a character", { a: "\udc00" }],
    ["an empty name", { "": 1 }],
    ["__proto__", JSON.parse('{"__proto__": {"a": 1}}')],
    ["_id", { _id: "x" }],
    ["depth", { a: [[[[[[[[[]]]]]]]]] }],
    ["a bigint", { a: 1n }],
  ])("%s is no value", async (_name, value) => {
    const schema: StandardSchemaV1<object, object> = {
      "~standard": {
        version: 1,
        vendor: "test",
        // Safe: whatever it is, `put` has to find out.
        validate: (given) => ({ value: given as object }),
      },
    };
    const anything = defineCollection({ name: "any", schema });
    await using docs = createDocs({ source: createMemorySource() }, { collections: [anything] });
    const put = docs.in(anything).put("a", value as object);
    await expect(put).rejects.toEqual(wrong("DOC_VALUE_INVALID"));
  });

  test("patches that nest without end and lists with holes are refused with a code", async () => {
    const anything = {
      name: "anything",
      schema: z.record(z.string(), z.unknown()),
    } as const;
    const definition = defineCollection(anything);
    await using docs = createDocs({ source: createMemorySource() }, { collections: [definition] });
    const list = docs.in(definition);
    await list.put("a", { x: 1 });
    let deep: Record<string, unknown> = {};
    for (let depth = 0; depth < 100_000; depth++) deep = { x: deep };
    await expect(list.patch("a", deep)).rejects.toEqual(wrong("DOC_VALUE_INVALID"));
    const holes: unknown[] = [];
    holes[3] = 1;
    await expect(list.put("b", { holes })).rejects.toEqual(wrong("DOC_VALUE_INVALID"));
    expect(list.query().rows).toEqual([{ id: "a", doc: { x: 1 } }]);
  });

  test("what an entry does not hold is refused", async () => {
    await using docs = open(createMemorySource());
    const put = docs.in(tasks).put("a", { title: "x".repeat(60_000) });
    await expect(put).rejects.toEqual(wrong("DOC_TOO_LARGE"));
  });

  test("fields with policies refuse what they cannot express", async () => {
    const loose = defineCollection({
      name: "loose",
      schema: z.looseObject({}),
      fields: { n: "counter", s: "set", l: "list" },
    });
    await using docs = createDocs({ source: createMemorySource() }, { collections: [loose] });
    for (const bad of [{ n: 0.5 }, { n: "1" }, { s: 1 }, { l: {} }]) {
      await expect(docs.in(loose).put("a", bad)).rejects.toEqual(wrong("DOC_FIELD_POLICY"));
    }
  });

  test.each<readonly [string, () => unknown]>([
    ["a bad name", () => defineCollection({ name: "a_b", schema: z.object({}) })],
    ["an empty name", () => defineCollection({ name: "", schema: z.object({}) })],
    [
      "an index on _id",
      () => defineCollection({ name: "a", schema: z.object({}), indexes: [{ fields: ["_id"] }] }),
    ],
    [
      "an index on nothing",
      () => defineCollection({ name: "a", schema: z.object({}), indexes: [{ fields: [] }] }),
    ],
    [
      "the same index twice",
      () =>
        defineCollection({
          name: "a",
          schema: z.object({}),
          indexes: [{ fields: ["x"] }, { fields: ["x"] }],
        }),
    ],
    [
      "a policy for _id",
      () => defineCollection({ name: "a", schema: z.object({}), fields: { _id: "set" } }),
    ],
    [
      "a field renamed into itself",
      () =>
        defineCollection({
          name: "a",
          schema: z.object({}),
          lens: [{ step: "rename", from: "a", to: "a.b" }],
        }),
    ],
    [
      "an empty conversion",
      () =>
        defineCollection({
          name: "a",
          schema: z.object({}),
          lens: [{ step: "convert", from: "a", to: "b", table: [] }],
        }),
    ],
    [
      "two collections of one name",
      () => createDocs({ source: createMemorySource() }, { collections: [tasks, tasks] }),
    ],
  ])("%s is no definition", (_name, define) => {
    expect(define).toThrow(wrong("DOC_DEFINITION_INVALID"));
  });

  test("a collection that was not given at opening is not known", async () => {
    await using docs = createDocs({ source: createMemorySource() }, { collections: [tasks] });
    expect(() => docs.in(people)).toThrow(wrong("DOC_COLLECTION_UNKNOWN"));
  });
});

describe("transactions", () => {
  test("[TQ-own-writes] one entry, several collections, and its own changes are seen", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    await docs.in(people).put("p", { name: "Ada" });
    const id = await docs.transaction((tx) => {
      const made = tx.in(tasks).insert({ title: "x", owner: "p" });
      tx.in(tasks).patch(made, { votes: 2 });
      tx.in(tasks).update(made, (doc) => ({ ...doc, votes: doc.votes + 1 }));
      tx.in(people).delete("p");
      expect(tx.in(tasks).get(made)?.votes).toBe(3);
      expect(tx.in(tasks).query({ where: eq("votes", 3) })).toHaveLength(1);
      expect([tx.in(people).has("p"), docs.in(people).has("p")]).toEqual([false, true]);
      return made;
    });
    expect(source.events).toHaveLength(2);
    expect(docs.in(tasks).get(id)?.votes).toBe(3);
    expect(docs.in(people).has("p")).toBe(false);
  });

  test("made, changed and deleted in one transaction is not there", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    await docs.transaction((tx) => {
      tx.in(tasks).put("a", { title: "x" });
      tx.in(tasks).patch("a", { done: true });
      expect(tx.in(tasks).delete("a")).toBe(1);
      expect(tx.in(tasks).has("a")).toBe(false);
    });
    expect([docs.in(tasks).has("a"), source.events.length]).toEqual([false, 0]);
  });

  test("what was given cannot be changed behind the check", async () => {
    await using docs = open(createMemorySource());
    const given = { title: "x", tags: ["t"] };
    await docs.transaction((tx) => {
      tx.in(tasks).put("a", given);
      given.title = "y";
      given.tags.push(7 as unknown as string);
    });
    expect(docs.in(tasks).get("a")).toMatchObject({ title: "x", tags: ["t"] });
  });

  test("an error leaves nothing, and the next write goes on", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const failing = docs.transaction((tx) => {
      tx.in(people).put("p", { name: "Ada" });
      tx.in(tasks).put("t", { title: 1 as unknown as string });
    });
    await expect(failing).rejects.toEqual(wrong("DOC_INVALID"));
    const late = docs.transaction(async () => undefined);
    await expect(late).rejects.toEqual(wrong("DOC_TRANSACTION_OVER"));
    let kept: { delete(id: string): number } | undefined;
    await docs.transaction((tx) => void (kept = tx.in(people)));
    expect(() => kept?.delete("p")).toThrow(wrong("DOC_TRANSACTION_OVER"));
    expect(source.events).toEqual([]);
    await docs.in(people).put("p", { name: "Ada" });
    expect(docs.in(people).count()).toBe(1);
  });

  test("two documents with one unique value in one transaction are refused", async () => {
    const source = createMemorySource();
    await using docs = open(source);
    const both = docs.transaction((tx) => {
      tx.in(people).put("m1", { name: "A", email: "e" });
      tx.in(people).put("m2", { name: "B", email: "e" });
    });
    await expect(both).rejects.toEqual(wrong("DOC_UNIQUE"));
    expect(source.events).toEqual([]);
  });
});

describe("unique values", () => {
  test("a value that is taken is refused; giving it up frees it", async () => {
    await using docs = open(createMemorySource());
    const list = docs.in(people);
    await list.put("a", { name: "A", email: "e" });
    await expect(list.put("b", { name: "B", email: "e" })).rejects.toEqual(wrong("DOC_UNIQUE"));
    await list.put("c", { name: "C" });
    await list.put("d", { name: "D" });
    await list.patch("a", { name: "AA" });
    await docs.transaction((tx) => {
      tx.in(people).patch("a", { email: undefined });
      tx.in(people).put("b", { name: "B", email: "e" });
    });
    expect(list.get("b")?.email).toBe("e");
  });

  test("taken by two at once: the earlier holds it, the later is listed, the same on both", async () => {
    const { left, right, sync } = createPair();
    await left.in(people).put("l", { name: "L", email: "e" });
    await right.in(people).put("other", { name: "R" });
    await right.in(people).put("r", { name: "R", email: "e" });
    await sync();
    const conflict = [{ index: "email", values: ["e"], holder: "l", others: ["r"] }];
    expect(left.in(people).conflicts()).toEqual(conflict);
    expect(right.in(people).conflicts()).toEqual(conflict);
    // Other fields of the later one can be changed, and its way out is open.
    await right.in(people).patch("r", { name: "RR" });
    await right.in(people).patch("r", { email: "r" });
    await sync();
    expect(left.in(people).conflicts()).toEqual([]);
  });
});

describe("lenses", () => {
  const before = defineCollection({
    name: "note",
    schema: z.object({
      name: z.string(),
      street: z.string().optional(),
      done: z.boolean().default(false),
    }),
  });
  const after = defineCollection({
    name: "note",
    schema: z.object({
      title: z.string(),
      address: z.object({ street: z.string() }).optional(),
      status: z.enum(["todo", "doing", "done"]).default("todo"),
      color: z.string(),
    }),
    lens: [
      { step: "rename", from: "name", to: "title" },
      { step: "rename", from: "street", to: "address.street" },
      { step: "default", field: "color", value: "blue" },
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
      { step: "hide", field: "secret" },
    ],
    indexes: [{ fields: ["title"], unique: true }],
  });

  test("old and new clients edit one document side by side", async () => {
    const source = createMemorySource();
    await using old = createDocs({ source }, { collections: [before] });
    await using young = createDocs({ source }, { collections: [after] });
    await old.in(before).put("a", { name: "x", street: "Quay 1" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(young.in(after).get("a")).toEqual({
      title: "x",
      address: { street: "Quay 1" },
      status: "todo",
      color: "blue",
    });
    await young.in(after).patch("a", { title: "y", status: "doing", color: "red" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(old.in(before).get("a")).toEqual({ name: "y", street: "Quay 1", done: false });
    // The old client puts the whole document, and takes away nothing it does not know.
    await old.in(before).put("a", { name: "y", done: false, street: "Quay 2" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(young.in(after).get("a")).toEqual({
      title: "y",
      address: { street: "Quay 2" },
      status: "doing",
      color: "red",
    });
    await old.in(before).patch("a", { done: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(young.in(after).get("a")?.status).toBe("done");
    const taken = young.in(after).put("b", { title: "y", color: "red", status: "todo" });
    await expect(taken).rejects.toEqual(wrong("DOC_UNIQUE"));
  });
});

describe("references, lines, rules", () => {
  test("references that lead nowhere are listed; those that lead here can be asked for", async () => {
    await using docs = open(createMemorySource());
    await docs.in(people).put("p", { name: "Ada" });
    await docs.in(tasks).put("a", { title: "x", owner: "p" });
    await docs.in(tasks).put("b", { title: "x", owner: "constructor" });
    expect(docs.in(tasks).dangling()).toEqual([
      { id: "b", field: ["owner"], collection: "person", target: "constructor" },
    ]);
    expect(docs.in(people).referrers("p", "task")).toEqual(["a"]);
    expect(() => docs.in(people).referrers("p", "none")).toThrow(wrong("DOC_COLLECTION_UNKNOWN"));
  });

  test("what is exported as lines can be imported, in few entries", async () => {
    await using docs = open(createMemorySource());
    const lines = Array.from({ length: 2_000 }, (_, index) =>
      JSON.stringify({ _id: `k${index}`, title: `Task ${index} "quoted"\n`, tags: ["a"] }),
    );
    const source = createMemorySource();
    await using other = open(source);
    expect(await docs.in(tasks).importLines(lines)).toBe(2_000);
    const exported = [...docs.in(tasks).exportLines()];
    expect(exported).toHaveLength(2_000);
    expect(await other.in(tasks).importLines([...exported, "", "  "])).toBe(2_000);
    expect([...other.in(tasks).exportLines()]).toEqual(exported);
    expect(source.events.length).toBeLessThan(10);
  });

  test.each(["{", "[]", "7", '{"_id": 7, "title": "x"}', `"${"x".repeat(1_000_000)}"`])(
    "a line that is no document writes nothing (%#)",
    async (line) => {
      const source = createMemorySource();
      await using docs = open(source);
      const imported = docs.in(tasks).importLines(['{"_id":"a","title":"x"}', line]);
      await expect(imported).rejects.toEqual(wrong("DOC_LINE_INVALID"));
      const refused = docs.in(tasks).importLines(['{"_id":"a","title":"x"}', '{"title":1}']);
      await expect(refused).rejects.toEqual(wrong("DOC_INVALID"));
      expect(source.events).toEqual([]);
    },
  );

  const ruled = defineCollection({
    name: "ruled",
    schema: z.looseObject({ author: z.string(), title: z.string() }),
    rule: not(eq("author", "Mallory")),
    hide: eq("title", "secret"),
    redact: { author: "redacted" },
    indexes: [{ fields: ["author"] }],
  });
  const hostile = [
    "it's",
    "'",
    '"',
    '\\"',
    "'+(globalThis.broken = true)+'",
    "${globalThis.broken = true}",
    "');globalThis.broken=true;('",
    "(a+)+$".repeat(30),
    "\u2028",
  ];
  test.each(hostile)("[TD-8] [TQ-injection] [TQ-quotes] the value %j is a value", async (value) => {
    await using docs = createDocs({ source: createMemorySource() }, { collections: [ruled] });
    const list = docs.in(ruled);
    await list.put(value, { author: value, title: value, [value]: value });
    expect(list.get(value)).toEqual({ author: "redacted", title: value, [value]: value });
    expect(list.count(eq(["title"], value))).toBe(1);
    expect(list.count(eq([value], value))).toBe(1);
    const bad = list.put("m", { author: "Mallory", title: value });
    await expect(bad).rejects.toEqual(wrong("DOC_INVALID"));
    expect(globalThis).not.toHaveProperty("broken");
  });

  test("[TQ-hidden-first] a hidden first document ends no answer", async () => {
    const source = createMemorySource();
    await using docs = createDocs({ source }, { collections: [ruled] });
    const list = docs.in(ruled);
    await list.put("v1", { author: "A", title: "secret" });
    await list.put("v2", { author: "B", title: "open" });
    expect(list.query().rows.map((row) => row.id)).toEqual(["v2"]);
    expect([list.has("v1"), list.count()]).toEqual([false, 1]);
    // Saving what was shown does not write the redaction down.
    await list.put("v2", { ...list.get("v2")!, title: "opened" });
    const plain = defineCollection({ name: "ruled", schema: z.looseObject({}) });
    await using all = createDocs({ source }, { collections: [plain] });
    await all.ready;
    expect(all.in(plain).get("v2")).toEqual({ author: "B", title: "opened" });
    expect(all.in(plain).has("v1")).toBe(true);
    expect(list.explain({ where: eq("author", "B") }).index).toBeUndefined();
  });

  test("a rule holds for what arrives too", async () => {
    const source = createMemorySource();
    await using docs = createDocs({ source }, { collections: [ruled] });
    const ops = [
      { op: "set", path: ["author"], value: "Mallory" },
      { op: "set", path: ["title"], value: "x" },
    ] as const;
    deliver(source, 1, 0, [{ collection: "ruled", id: "m", life: "first", existence: "put", ops }]);
    source.deliver([fakeEvent(1, 1, { type: "doc", body: encodeCbor([1, "nonsense"]) })]);
    await docs.in(ruled).put("a", { author: "A", title: "x" });
    expect(docs.in(ruled).count()).toBe(1);
    expect(docs.in(ruled).invalid()).toMatchObject([{ id: "m" }]);
  });
});
