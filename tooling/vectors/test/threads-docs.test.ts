import { existsSync, readFileSync } from "node:fs";
import { createNobleCrypto } from "@hawser/crypto";
import { formatFailure, runVectors, type Json, type JsonObject } from "@hawser-tooling/vectors";
import { expect, test } from "vitest";

const crypto = createNobleCrypto();
const shared = new URL("../../../../shared/vectors/threads.json", import.meta.url);

async function failuresOf(file: JsonObject): Promise<readonly string[]> {
  const report = await runVectors("threads.json", { threadIds: [], ...file }, { crypto });
  return report.failures.map(formatFailure);
}

test.skipIf(!existsSync(shared))(
  "[TH-146] [TH-147] [TQ-missing-path] [TQ-type-mismatch] [TQ-limit-before-sort] [TQ-bool-order] [TQ-hidden-first] [TQ-index-and-field] [TQ-untyped-index] [TQ-own-writes] [TQ-quotes] databases of ../shared/vectors/threads.json",
  async () => {
    // Safe: runVectors reports a file that is no object of sections.
    const file = JSON.parse(readFileSync(shared, "utf8")) as JsonObject;
    const names = ["dbDocs", "dbQueries", "dbMisc"];
    const chosen = Object.fromEntries(names.map((name) => [name, file[name] ?? null]));
    expect(await failuresOf(chosen)).toEqual([]);
  },
);

const dbDocs: Json = [
  { _id: "b0", Title: "A" },
  { _id: "b1", Title: "B" },
];
const query = (changes: JsonObject): JsonObject => ({
  Ands: [{ FieldPath: "Title", Operation: 0, Value: { String: "A", Bool: null, Float: null } }],
  Ors: null,
  Sort: { FieldPath: "", Desc: false },
  Seek: "",
  Limit: 0,
  Skip: 0,
  Index: "",
  ...changes,
});

test("a query that holds passes", async () => {
  const vector = { name: "q", quirk: false, query: query({}), ids: ["b0"] };
  expect(await failuresOf({ dbDocs, dbQueries: [vector] })).toEqual([]);
});

test("what go-threads is known to get wrong is held to the plain rules", async () => {
  const vector = { name: "q", quirk: true, query: query({ Limit: 1 }), ids: ["anything"] };
  expect(await failuresOf({ dbDocs, dbQueries: [vector] })).toEqual([]);
  const unknownIndex = { ...vector, query: query({ Index: "Nope" }), ids: [] };
  expect(await failuresOf({ dbDocs, dbQueries: [unknownIndex] })).toEqual([]);
});

test.each([
  ["create of an existing id", { err: "can't create already existent instance" }],
  ["save replaces: absent keys are removed", { err: "<nil>" }],
  ["create+save+delete of one id in one txn", { quirk: true, has: true }],
  ["error in write txn leaves nothing", { count: 0 }],
  ["delete of several ids, the first missing", { quirk: true, err: "not found" }],
  ["new index not built for existing documents", { quirk: true, found: 0 }],
  ["validator true", { err: "<nil>" }],
  ["validator undefined", { err: "app denied net record body" }],
  ["read filter hides", { has: false }],
  ["escaped quote in a value", { quirk: true, err: "SyntaxError" }],
  ["validator injection runs code", { quirk: true, err: "<nil>" }],
  ["NewCollection name a--b", { err: "name may only contain alphanumeric characters" }],
  ["NewCollection name (empty) [quirk]", { quirk: true, err: "<nil>" }],
])("the behaviour %s is known", async (name, stated) => {
  expect(await failuresOf({ dbMisc: [{ name, ...stated }] })).toEqual([]);
});

test.each<readonly [string, JsonObject]>([
  ["other ids", { ids: ["b1"] }],
  [
    "another order",
    { ids: ["b0", "b1"], query: query({ Ands: null, Sort: { FieldPath: "Title", Desc: true } }) },
  ],
  [
    "an unknown operation",
    { query: query({ Ands: [{ FieldPath: "Title", Operation: 6, Value: { String: "A" } }] }) },
  ],
  [
    "two values at once",
    {
      query: query({
        Ands: [{ FieldPath: "Title", Operation: 0, Value: { String: "A", Bool: true } }],
      }),
    },
  ],
  ["an unknown part of a query", { query: query({ Color: 1 }) }],
  ["an unknown index", { query: query({ Index: "Nope" }) }],
  ["an unknown statement", { color: 1 }],
])("a query vector with %s fails", async (_name, changes) => {
  const vector = { name: "q", quirk: false, query: query({}), ids: ["b0"], ...changes };
  expect((await failuresOf({ dbDocs, dbQueries: [vector] })).length).toBeGreaterThan(0);
});

test.each<readonly [string, JsonObject]>([
  ["an unknown case", { name: "moon", quirk: false }],
  ["a case of no object", { name: "constructor", quirk: false }],
  ["a name that is refused", { name: "NewCollection name a_b", err: "<nil>" }],
  ["a name that is not refused", { name: "NewCollection name a-b", err: "name may only contain" }],
  [
    "more found by an index",
    { name: "string index on value x", indexed: 2, indexedErr: "<nil>", scan: 1, scanErr: "<nil>" },
  ],
  [
    "another count",
    { name: "string index on value x", indexed: 1, indexedErr: "<nil>", scan: 2, scanErr: "<nil>" },
  ],
  ["an unknown statement", { name: "delete missing id is a no-op", err: "<nil>", color: 1 }],
])("a behaviour vector with %s fails", async (_name, vector) => {
  expect((await failuresOf({ dbMisc: [vector] })).length).toBeGreaterThan(0);
});
