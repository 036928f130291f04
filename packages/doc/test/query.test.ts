/** Queries, indexes, pages, live results: each against the obvious way of doing it. */
import {
  and,
  contains,
  createDocs,
  defineCollection,
  encodeItems,
  eq,
  exists,
  ge,
  gt,
  isIn,
  le,
  lt,
  ne,
  not,
  or,
  prefix,
  type Collection,
  type Condition,
  type Json,
  type JsonObject,
  type Query,
} from "@hawser/doc";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { compareValues, orderKey } from "../src/order.ts";

const items = defineCollection({
  name: "item",
  schema: z.looseObject({}),
  indexes: [{ fields: ["a"] }, { name: "ab", fields: ["a", "b"] }, { fields: ["b", "c.d"] }],
});

const wrong = (code: string) => expect.objectContaining({ code });

async function filled(docs: Readonly<Record<string, JsonObject>>) {
  const source = createMemorySource();
  const opened = createDocs({ source }, { collections: [items] });
  const list = opened.in(items);
  await list.importLines(
    Object.entries(docs).map(([id, doc]) => JSON.stringify({ _id: id, ...doc })),
  );
  return { source, opened, list };
}

const idsOf = (list: Collection<object, object>, query: Query) =>
  list.query(query).rows.map((row) => row.id);

const value: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, false, true, "", "a", "ab", "a\u0000", "\uffff", "1000", "120"),
  fc.constantFrom<Json>(-1, 0, 1, 1.5, 1000, 120, -1e300, 5e-324),
  fc.constantFrom<Json>([], [1, "a"], {}, { d: 1 }),
);
const docs = fc.dictionary(
  fc.constantFrom("k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"),
  fc.record(
    { a: value, b: value, c: fc.oneof(value, fc.record({ d: value })) },
    { requiredKeys: [], noNullPrototype: true },
  ),
  { noNullPrototype: true, minKeys: 3, maxKeys: 9, size: "max" },
);
const field = fc.constantFrom("a", "a", "a", "b", "b", "c.d", "_id", "constructor");
const leaf: fc.Arbitrary<Condition> = fc.oneof(
  fc
    .tuple(fc.constantFrom(eq, ne, lt, le, gt, ge, contains), field, value)
    .map(([make, path, wanted]) => make(path, wanted)),
  fc.tuple(field, fc.array(value, { maxLength: 3 })).map(([path, list]) => isIn(path, list)),
  field.map((path) => exists(path)),
  fc
    .tuple(field, fc.constantFrom("", "a", "k", "\uffff", "1"))
    .map(([path, text]) => prefix(path, text)),
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(leaf, { minLength: 1, maxLength: 3 }).map((list) => and(...list)),
  },
  { weight: 1, arbitrary: fc.tuple(leaf, leaf).map(([a, b]) => or(a, not(b))) },
);
const sort = fc.array(
  fc.record({ field: fc.constantFrom("a", "b", "c.d"), descending: fc.boolean() }),
  { maxLength: 2 },
);

/** What a condition says, spelled out once more. */
function holds(one: Condition, id: string, doc: JsonObject): boolean {
  if (one.op === "and") return one.conditions.every((inner) => holds(inner, id, doc));
  if (one.op === "or") return one.conditions.some((inner) => holds(inner, id, doc));
  if (one.op === "not") return !holds(one.condition, id, doc);
  let found: unknown = one.field === "_id" ? id : doc;
  for (const key of one.field === "_id" ? [] : String(one.field).split(".")) {
    found = Object.entries(Array.isArray(found) ? {} : Object(found)).find(
      ([name]) => name === key,
    )?.[1];
  }
  if (found === undefined) return false;
  const same = (wanted: Json) => JSON.stringify(found) === JSON.stringify(wanted);
  const kind = (any: unknown) => (any === null ? "null" : Array.isArray(any) ? "list" : typeof any);
  switch (one.op) {
    case "exists":
      return true;
    case "in":
      return one.values.some(same);
    case "contains":
      return (
        Array.isArray(found) &&
        found.some((item) => JSON.stringify(item) === JSON.stringify(one.value))
      );
    case "prefix":
      return typeof found === "string" && found.slice(0, one.value.length) === one.value;
    case "eq":
      return same(one.value);
    case "ne":
      return kind(found) === kind(one.value) && !same(one.value);
    default: {
      if (kind(found) !== kind(one.value) || (typeof found === "object" && found !== null))
        return false;
      const a = found as number;
      const b = one.value as number;
      return { lt: a < b, le: a <= b, gt: a > b, ge: a >= b }[one.op];
    }
  }
}

/** Lists and objects are equal to each other. */
function rank(found: Json | undefined): number {
  if (found === undefined || found === null) return found === null ? 1 : 0;
  if (typeof found === "object") return Array.isArray(found) ? 5 : 6;
  return { boolean: 2, number: 3, string: 4 }[typeof found as "boolean"];
}

function comesBefore(
  all: Readonly<Record<string, JsonObject>>,
  keys: readonly { readonly field: string; readonly descending: boolean }[],
  left: string,
  right: string,
): boolean {
  for (const { field: path, descending } of keys) {
    const [a, b] = [left, right].map((id) => {
      const [first = "", second] = path.split(".");
      const found = all[id]?.[first];
      const inner = found as JsonObject | null | undefined;
      return second === undefined ? found : rank(found) === 6 ? inner?.[second] : undefined;
    });
    const order = rank(a) - rank(b);
    if (order !== 0) return order < 0 !== descending;
    if (rank(a) >= 5 || a === b) continue;
    return (a as number) < (b as number) !== descending;
  }
  return left < right !== (keys.at(-1)?.descending ?? false);
}

describe("queries", () => {
  test("[TH-146] [TH-147] [TQ-index-and-field] an index gives what looking at everything gives", async () => {
    await fc.assert(
      fc.asyncProperty(
        docs,
        condition,
        sort,
        fc.nat(3),
        fc.nat(6),
        async (all, where, keys, skip, limit) => {
          const { opened, list } = await filled(all);
          const expected = Object.entries(all)
            .filter(([id, doc]) => holds(where, id, doc))
            .map(([id]) => id);
          for (const index of [undefined, "a", "ab", "b+c.d"]) {
            const query = { where, sort: keys, ...(index === undefined ? {} : { index }) };
            const found = idsOf(list, query);
            expect([...found].sort()).toEqual([...expected].sort());
            for (const [place, id] of found.entries()) {
              const next = found[place + 1];
              if (next !== undefined) expect(comesBefore(all, keys, id, next)).toBe(true);
            }
            expect(idsOf(list, { ...query, skip, limit })).toEqual(found.slice(skip, skip + limit));
            expect(idsOf(list, { ...query, skip })).toEqual(found.slice(skip));
            expect(found).toEqual(idsOf(list, { where, sort: keys }));
          }
          expect(list.count(where)).toBe(expected.length);
          await opened[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 400, seed: 1 },
    );
  });

  test("pages by cursor are the whole, in order, each document once", async () => {
    await fc.assert(
      fc.asyncProperty(docs, sort, fc.integer({ min: 1, max: 4 }), async (all, keys, limit) => {
        const { opened, list } = await filled(all);
        const whole = idsOf(list, { sort: keys });
        const pages: string[] = [];
        let after: string | undefined;
        do {
          const page = list.query({ sort: keys, limit, ...(after === undefined ? {} : { after }) });
          pages.push(...page.rows.map((row) => row.id));
          after = page.cursor;
        } while (after !== undefined);
        expect(pages).toEqual(whole);
        await opened[Symbol.asyncDispose]();
      }),
      { numRuns: 150, seed: 2 },
    );
  });

  test("the order of keys is the order of values, and no key begins another", () => {
    fc.assert(
      fc.property(
        fc.oneof(value, fc.double({ noNaN: true }), fc.string({ unit: "binary" })),
        fc.oneof(value, fc.double({ noNaN: true }), fc.string({ unit: "binary" })),
        (a, b) => {
          const byKey = orderKey(a) < orderKey(b) ? -1 : orderKey(a) > orderKey(b) ? 1 : 0;
          expect(byKey).toBe(Math.sign(compareValues(a, b)));
          if (byKey !== 0) expect(orderKey(a).startsWith(orderKey(b))).toBe(false);
        },
      ),
      { numRuns: 2_000, seed: 5 },
    );
  });

  test("[TQ-missing-path] a document without the field does not match, and ends nothing", async () => {
    const { opened, list } = await filled({
      k0: {},
      k1: { a: "x" },
      k2: { a: "y" },
      k3: { a: "x" },
    });
    expect(idsOf(list, { where: ne("a", "x") })).toEqual(["k2"]);
    expect(idsOf(list, { where: not(eq("a", "x")) })).toEqual(["k0", "k2"]);
    expect(idsOf(list, { sort: ["a"] })).toEqual(["k0", "k1", "k3", "k2"]);
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-type-mismatch] a value of another type does not match, and ends nothing", async () => {
    const { opened, list } = await filled({
      k0: { a: 5 },
      k1: { a: "5" },
      k2: { a: [5] },
      k3: { a: 6 },
    });
    expect(idsOf(list, { where: eq("a", "5") })).toEqual(["k1"]);
    expect(idsOf(list, { where: ge("a", 5) })).toEqual(["k0", "k3"]);
    expect(idsOf(list, { where: ne("a", 5) })).toEqual(["k3"]);
    expect(idsOf(list, { where: contains("a", 5) })).toEqual(["k2"]);
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-skip-without-limit] [TQ-limit-before-sort] skip needs no limit, and the limit comes after the sort", async () => {
    const { opened, list } = await filled({
      k0: { a: 3.2 },
      k1: { a: 4.1 },
      k2: { a: 4.6 },
      k3: { a: 2.6 },
    });
    expect(idsOf(list, { sort: ["_id"], skip: 1 })).toEqual(["k1", "k2", "k3"]);
    const top = { sort: [{ field: "a", descending: true }], limit: 1 };
    expect(idsOf(list, top)).toEqual(["k2"]);
    expect(idsOf(list, { ...top, index: "ab" })).toEqual(["k2"]);
    expect(list.query({ limit: 0 })).toEqual({ rows: [], cursor: undefined });
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-bool-order] false comes before true", async () => {
    const { opened, list } = await filled({ k0: { a: true }, k1: { a: false }, k2: { a: 1 } });
    expect(idsOf(list, { where: lt("a", true) })).toEqual(["k1"]);
    expect(idsOf(list, { where: gt("a", false) })).toEqual(["k0"]);
    expect(idsOf(list, { where: le("a", true), sort: ["a"] })).toEqual(["k1", "k0"]);
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-untyped-index] an index keeps types apart and orders numbers as numbers", async () => {
    const texts = ["plain", "true", "a/b", "ina", "1.50", "é", "123", "it's", '"'];
    const all: Record<string, JsonObject> = { n0: { a: 1000 }, n1: { a: 120 }, n2: { a: 150 } };
    texts.forEach((text, index) => (all[`t${index}`] = { a: text }));
    const { opened, list } = await filled(all);
    texts.forEach((text, index) => {
      expect(idsOf(list, { where: eq("a", text), index: "a" })).toEqual([`t${index}`]);
    });
    const numbers = { where: ge("a", 0), sort: ["a"], index: "a" };
    expect(idsOf(list, numbers)).toEqual(["n1", "n2", "n0"]);
    expect(list.explain(numbers)).toEqual({ index: "a", isSorted: true, looked: 3 });
    await opened[Symbol.asyncDispose]();
  });

  test("conditions of no kind, as JSON may bring them, are errors with a code", async () => {
    const { opened, list } = await filled({ k0: { name: "abc" } });
    for (const where of [
      { op: "prefix", field: "name", value: 7 },
      { op: "in", field: "name", values: "abc" },
      { op: "matches", field: "name", value: "(a+)+$" },
    ]) {
      expect(() => list.query({ where: where as never })).toThrow(wrong("DOC_QUERY_INVALID"));
    }
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-unknown-index] an unknown index is an error", async () => {
    const { opened, list } = await filled({});
    for (const index of ["c", "__proto__", ""]) {
      expect(() => list.query({ index })).toThrow(wrong("DOC_INDEX_UNKNOWN"));
      expect(() => list.live({ index })).toThrow(wrong("DOC_INDEX_UNKNOWN"));
    }
    const inside = opened.transaction((tx) => tx.in(items).query({ index: "c" }));
    await expect(inside).rejects.toEqual(wrong("DOC_INDEX_UNKNOWN"));
    await opened[Symbol.asyncDispose]();
  });

  test("[TQ-late-index] a new index covers what is there already, and what comes", async () => {
    const { opened, list } = await filled({ k0: { z: 1 }, k1: { z: 2 }, k2: {} });
    list.addIndex({ fields: ["z"], unique: true });
    await list.put("k3", { z: 3 });
    const query = { where: ge("z", 2) };
    expect(idsOf(list, query)).toEqual(["k1", "k3"]);
    expect(list.explain(query)).toEqual({ index: "z", isSorted: false, looked: 2 });
    await expect(list.put("k4", { z: 1 })).rejects.toEqual(wrong("DOC_UNIQUE"));
    expect(() => list.addIndex({ fields: ["z"] })).toThrow(wrong("DOC_DEFINITION_INVALID"));
    await opened[Symbol.asyncDispose]();
  });

  test("the index that says most is taken, and stops at the limit when it has the order", async () => {
    const all: Record<string, JsonObject> = {};
    for (let index = 0; index < 200; index++) {
      all[`k${String(index).padStart(3, "0")}`] = { a: index % 10, b: index };
    }
    const { opened, list } = await filled(all);
    const query = {
      where: and(eq("a", 3), gt("b", 100)),
      sort: [{ field: "b", descending: true }],
      limit: 2,
    };
    expect(idsOf(list, query)).toEqual(["k193", "k183"]);
    expect(list.explain(query)).toEqual({ index: "ab", isSorted: true, looked: 3 });
    expect(list.explain({ limit: 5 })).toEqual({ index: undefined, isSorted: true, looked: 6 });
    expect(list.explain({ where: or(eq("a", 1), eq("b", 2)) }).looked).toBe(200);
    await opened[Symbol.asyncDispose]();
  });

  test.each<readonly [string, Query]>([
    ["DOC_QUERY_INVALID", { limit: -1 }],
    ["DOC_QUERY_INVALID", { skip: 0.5 }],
    ["DOC_QUERY_INVALID", { where: eq("", 1) }],
    ["DOC_QUERY_INVALID", { where: eq([], 1) }],
    ["DOC_QUERY_INVALID", { sort: ["a..b"] }],
    ["DOC_QUERY_INVALID", { where: { op: "run", field: "a", value: 1 } as unknown as Condition }],
    [
      "DOC_QUERY_INVALID",
      { where: Array.from({ length: 80 }).reduce<Condition>((inner) => not(inner), eq("a", 1)) },
    ],
    ["DOC_CURSOR_INVALID", { after: "" }],
    ["DOC_CURSOR_INVALID", { after: "W10" }],
    ["DOC_CURSOR_INVALID", { after: "%%" }],
  ])("%s for %j", async (code, query) => {
    const { opened, list } = await filled({ k0: { a: 1 }, k1: { a: 2 } });
    expect(() => list.query(query)).toThrow(wrong(code));
    const { cursor } = list.query({ sort: ["a"], limit: 1 });
    expect(() => list.query({ sort: ["b"], after: cursor! })).toThrow(wrong("DOC_CURSOR_INVALID"));
    await opened[Symbol.asyncDispose]();
  });
});

describe("live queries", () => {
  test("after every change the result is that of asking again", async () => {
    const steps = fc.array(
      fc.tuple(
        fc.constantFrom("k0", "k1", "k2", "k3", "k4"),
        fc.option(fc.record({ a: value, b: value }, { requiredKeys: [], noNullPrototype: true })),
      ),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(
        steps,
        condition,
        sort,
        fc.nat(2),
        fc.nat(4),
        async (list, where, keys, skip, limit) => {
          const { opened, list: held } = await filled({ k0: { a: 1 }, k9: { a: "x" } });
          const query = { where, sort: keys, skip, limit };
          const live = held.live(query);
          let told = 0;
          live.subscribe(() => (told += 1));
          for (const [id, doc] of list) {
            const before = live.rows;
            const toldBefore = told;
            if (doc === null) await held.delete(id);
            else await held.put(id, doc);
            expect(live.rows).toEqual(held.query(query).rows);
            expect(live.count).toBe(held.count(where));
            if (told === toldBefore) expect(live.rows).toBe(before);
          }
          live[Symbol.dispose]();
          await opened[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 150, seed: 7 },
    );
  });

  test("changes are told until the signal, and never after the end", async () => {
    const { opened, list } = await filled({});
    const live = list.live({ where: exists("a") });
    const controller = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const rows of live.changes({ signal: controller.signal })) seen.push(rows.length);
    })();
    await list.put("x", { a: 1 });
    await list.put("y", { b: 1 });
    await list.put("z", { a: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await reading;
    expect(seen.at(-1)).toBe(2);
    const frozen = live.rows;
    live[Symbol.dispose]();
    live[Symbol.dispose]();
    await list.put("w", { a: 1 });
    expect(live.rows).toEqual(frozen);
    await opened[Symbol.asyncDispose]();
  });

  test("closing the documents ends them", async () => {
    const { opened, list } = await filled({});
    const live = list.live();
    const ended = (async () => {
      for await (const _ of live.changes()) continue;
    })();
    await opened[Symbol.asyncDispose]();
    await ended;
    await expect(list.put("a", {})).rejects.toMatchObject({ code: "VIEW_CLOSED" });
  });

  test("when judgements change, everything is read anew", async () => {
    const { source, opened, list } = await filled({ k0: { a: 1 } });
    const live = list.live();
    const item = {
      collection: "item",
      id: "other",
      life: "first",
      existence: "put",
      ops: [],
    } as const;
    source.reset([fakeEvent(1, 0, { type: "doc", body: encodeItems([item])! })]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([list.has("k0"), list.has("other")]).toEqual([false, true]);
    expect(live.rows.map((row) => row.id)).toEqual(["other"]);
    await opened[Symbol.asyncDispose]();
  });
});
