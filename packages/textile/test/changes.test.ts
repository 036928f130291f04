import fc from "fast-check";
import { expect, test } from "vitest";
import {
  applyChange,
  changeBetween,
  changesOfLines,
  decodeChanges,
  decodeDag,
  diffPatch,
  documentLines,
  encodeChanges,
  encodeDag,
  equalJson,
  foldChanges,
  formatChange,
  formatJson,
  mergePatch,
  parseJson,
  TextileError,
  type DocumentChange,
  type JsonFields,
} from "../src/index.ts";

const place = { collection: "Person", documentId: "x", timestamp: 1_600_000_000_000_000_001n };

test("changes come out of a record's body as they went in, to the nanosecond", () => {
  const changes: DocumentChange[] = [
    { ...place, kind: "create", json: '{"_id":"x","_mod":1600000000000000001}' },
    { ...place, kind: "save", json: '{"age":null}' },
    { ...place, kind: "delete" },
  ];
  const body = decodeDag(encodeDag(encodeChanges(changes)));
  expect(decodeChanges(body ?? null)).toEqual(changes);
});

test("validators are shown whole numbers whole, and escapes as Go writes them", () => {
  const json = '{"_mod":1600000000000000001,"t":"<a & b>"}';
  expect(formatChange({ ...place, kind: "save", json })).toBe(
    '{"timestamp":1600000000000000001,"_id":"x","collection_name":"Person","patch":' +
      '{"type":"save","instance_id":"x","json_patch":' +
      '{"_mod":1600000000000000001,"t":"\\u003ca \\u0026 b\\u003e"}}}',
  );
});

test("records from before times were numbers read as the beginning of time", () => {
  const encoded = encodeChanges([{ ...place, kind: "delete" }]) as {
    readonly patches: readonly object[];
  };
  const old = { patches: encoded.patches.map((patch) => ({ ...patch, timestamp: {} })) };
  expect(decodeChanges(old)?.[0]?.timestamp).toBe(0n);
});

test.each([
  null,
  {},
  { patches: 1 },
  { patches: [1] },
  { patches: [{ patch: { type: 3, instanceID: "x", jSONPatch: null }, collectionName: "P" }] },
  { patches: [{ patch: { type: 0, instanceID: "x", jSONPatch: null }, collectionName: "P" }] },
  { patches: [{ patch: { type: 2, instanceID: "x" } }] },
  {
    patches: [
      {
        patch: { type: 1, instanceID: "x", jSONPatch: new TextEncoder().encode("[1]") },
        collectionName: "P",
      },
    ],
  },
])("a body that go-threads did not write is none: %j", (body) => {
  expect(decodeChanges(body)).toBeUndefined();
});

const fieldName = fc.constantFrom("a", "b", "c", "__proto__", "constructor");
const fields = fc.letrec<{ readonly value: unknown; readonly object: JsonFields }>((tie) => ({
  value: fc.oneof(fc.boolean(), fc.integer(), fc.string(), fc.array(fc.integer()), tie("object")),
  object: fc
    .array(fc.tuple(fieldName, tie("value")), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries) as JsonFields),
})).object;

test("the difference of two documents leads from one to the other", () => {
  fc.assert(
    fc.property(fields, fields, (before, after) => {
      const reached = mergePatch(before, diffPatch(before, after));
      expect(formatJson(sorted(reached as JsonFields))).toBe(formatJson(sorted(after)));
      expect(Object.getPrototypeOf(reached)).toBe(Object.prototype);
    }),
  );
});

/** Empty objects that a merge makes on the way do not count as a difference here: there are none. */
function sorted(value: JsonFields): JsonFields {
  const text = (a: string, b: string) => (a < b ? -1 : 1);
  const entries = Object.entries(value).sort(([a], [b]) => text(a, b));
  return Object.fromEntries(
    entries.map(([key, field]) => [
      key,
      typeof field === "object" && field !== null && !Array.isArray(field)
        ? sorted(field as JsonFields)
        : field,
    ]),
  );
}

test("a change made from two versions does what it says", () => {
  const before = { _id: "x", name: "Foo", age: 1 };
  const after = { _id: "x", name: "Foo", tags: ["a"] };
  for (const [from, to] of [
    [undefined, before],
    [before, after],
    [before, undefined],
  ] as const) {
    const change = changeBetween(place, from, to);
    const reached = applyChange(from, change);
    expect(reached === undefined ? undefined : equalJson(reached, to ?? null)).toBe(
      to === undefined ? undefined : true,
    );
  }
});

test("[TD-3] the same changes lead to the same documents in any order, and to whole ones", () => {
  const change = fc.record({
    kind: fc.constantFrom("create", "save", "delete"),
    documentId: fc.constantFrom("x", "y"),
    timestamp: fc.bigInt({ min: 1n, max: 5n }),
    age: fc.nat({ max: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      (drawn, chance) => {
        const changes = drawn.map(({ kind, documentId, timestamp, age }): DocumentChange => {
          const at = { collection: "P", documentId, timestamp };
          if (kind === "delete") return { ...at, kind };
          const json = kind === "save" ? { age } : { _id: documentId, age, name: "n" };
          return { ...at, kind, json: JSON.stringify(json) };
        });
        const shuffled = changes
          .map((one) => ({ one, key: chance.next().value }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        const lines = (list: readonly DocumentChange[]) =>
          [...documentLines(foldChanges(list), "P")].sort();
        expect(lines(shuffled)).toEqual(lines(changes));
        for (const line of lines(changes)) expect(line).toContain('"name":"n"');
      },
    ),
  );
});

test("documents go out as lines and come back as creations", () => {
  const lines = ['{"_id":"a","n":1}', "", '{"_id":"b","big":9007199254740993}'];
  const changes = [...changesOfLines(lines, { collection: "P", timestamp: 5n })];
  expect([...documentLines(foldChanges(changes), "P")]).toEqual(lines.filter((one) => one !== ""));
});

test.each(["[]", "{", "1", '{"n":1}', '{"_id":7}', '{"_id":""}'])(
  "the line %s is refused",
  (line) => {
    expect(() => [...changesOfLines([line], { collection: "P", timestamp: 0n })]).toThrow(
      TextileError,
    );
  },
);

test("texts that nest too deep are refused before they are parsed", () => {
  expect(parseJson("[".repeat(100_000))).toBeUndefined();
  expect(parseJson(`${"[".repeat(60)}${"]".repeat(60)}`)).toBeDefined();
  expect(parseJson(`"${"[".repeat(100)}"`)).toBe("[".repeat(100));
});
