/**
 * Runners for the databases of Textile Threads: queries over its four documents, and its single
 * behaviours. Where go-threads is known to be wrong, the vector states what it does, and the case
 * passes when ours does what docs/spec/doc.md says instead.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import {
  and,
  createDocs,
  defineCollection,
  defineTable,
  DocError,
  eq,
  ge,
  gt,
  le,
  lt,
  ne,
  not,
  or,
  type Condition,
  type Query,
} from "@hawser/doc";
import { createMemorySource } from "@hawser/view/testing";
import {
  isObject,
  readClaims,
  VectorShapeError,
  type Claims,
  type Json,
  type JsonObject,
} from "./claims.ts";
import { checkNothingLeft, type CaseCheck, type SectionReport } from "./report.ts";
import type { SectionRunner } from "./system.ts";

/** What go-threads calls its operations, by number. */
const comparisons = [eq, ne, gt, lt, ge, le] as const;

/** A schema that takes every object whose text fields are text. */
function textFields(...names: readonly string[]): StandardSchemaV1<object, object> {
  const validate = (value: unknown): StandardSchemaV1.Result<object> => {
    if (typeof value !== "object" || value === null) return { issues: [{ message: "no object" }] };
    for (const name of names) {
      const field: unknown = Reflect.get(value, name);
      if (field !== undefined && typeof field !== "string") {
        return { issues: [{ message: "is no text", path: [name] }] };
      }
    }
    return { value };
  };
  return { "~standard": { version: 1, vendor: "vectors", validate } };
}

const books = defineCollection({
  name: "book",
  schema: textFields("Title", "Author"),
  indexes: [{ fields: ["Title"] }, { fields: ["Meta.TotalReads"] }],
});

async function openBooks(documents: readonly Json[]) {
  const docs = createDocs({ source: createMemorySource() }, { collections: [books] });
  await docs.in(books).importLines(documents.map((document) => JSON.stringify(document)));
  return docs;
}

/** What ours answers where go-threads is wrong. */
const rightIds: ReadonlyMap<string, readonly string[]> = new Map([
  ["Banned Lt true (bool order quirk: only equal or -1)", ["b1", "b2"]],
  ["OrderByDesc Rating Limit 1  [quirk: limit applied before sort]", ["b2"]],
  ["type mismatch (string vs number)  [quirk]", []],
  ["UseIndex Title Eq Title1 + Author criterion not in the index  [quirk]", ["b0"]],
  ["after adding a doc without Title: Title Ne Title1 ordered by id [quirk]", ["b1", "b2", "b3"]],
]);

/** `dbQueries`: every query, over the documents of `dbDocs`. */
export const dbQueries: SectionRunner = async (section, report, { file }) => {
  const documents = file["dbDocs"];
  if (!Array.isArray(section) || !Array.isArray(documents)) {
    throw new VectorShapeError("dbQueries and dbDocs are lists");
  }
  for (const vector of section as readonly Json[]) {
    await eachNamed(report, vector, async (check, claims, name) => {
      const isQuirk = claims.take("quirk") === true;
      // The one query that wants a document without a title.
      const bare: JsonObject = { _id: "a", Author: "nobody" };
      const extra = name.startsWith("after adding a doc without Title") ? [bare] : [];
      const docs = await openBooks([...(documents as readonly Json[]), ...extra]);
      const query = claims.take("query");
      const rows = docs.in(books).query(isObject(query) ? readQuery(query) : {}).rows;
      const ids = rows.map((row) => row.id);
      const stated = claims.list("ids");
      const wanted = isQuirk ? rightIds.get(name) : stated;
      if (wanted === undefined) check.fail("", "an answer that is known to be right", "none");
      const isSorted = isObject(query) && sortField(query) !== "";
      const shown = (list: readonly Json[]) =>
        JSON.stringify(isSorted ? list : list.map(String).sort());
      check.equal("ids", shown(wanted ?? []), shown(ids));
      await docs[Symbol.asyncDispose]();
    });
  }
};

/** `dbDocs`: documents that come out as they went in. */
export const dbDocs: SectionRunner = async (section, report) => {
  if (!Array.isArray(section)) throw new VectorShapeError("dbDocs is a list");
  for (const [index, document] of (section as readonly Json[]).entries()) {
    await report.check(`#${index}`, async (check) => {
      const docs = await openBooks([document]);
      const [line = "{}"] = docs.in(books).exportLines();
      check.equal("document", sortedText(document), sortedText(JSON.parse(line) as Json));
      await docs[Symbol.asyncDispose]();
    });
  }
};

function sortedText(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(sortedText).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${sortedText(value[key] ?? null)}`).join()}}`;
}

async function eachNamed(
  report: SectionReport,
  vector: Json,
  run: (check: CaseCheck, claims: Claims, name: string) => Promise<void>,
): Promise<void> {
  const name = isObject(vector) && typeof vector["name"] === "string" ? vector["name"] : "";
  await report.check(name, async (check) => {
    const claims = readClaims(vector);
    await run(check, claims, name);
    checkNothingLeft(check, claims);
  });
}

function sortField(query: JsonObject): string {
  const { Sort: sort } = query;
  const field = isObject(sort) ? sort["FieldPath"] : "";
  return typeof field === "string" ? field : "";
}

function readQuery(query: JsonObject): Query {
  const claims = readClaims(query, "query");
  const field = sortField(query);
  const sort = claims.object("Sort");
  sort.text("FieldPath");
  const isDescending = sort.take("Desc") === true;
  const limit = claims.number("Limit");
  const skip = claims.number("Skip");
  const seek = claims.text("Seek");
  const index = claims.text("Index");
  const where = conditionOf(claims);
  const left = claims.unchecked();
  if (left.length > 0) throw new VectorShapeError(`query.${left.join(", ")} is not known`);
  return {
    where: seek === "" ? where : and(where, ge("_id", seek)),
    skip,
    ...(field === "" ? {} : { sort: [{ field, descending: isDescending }] }),
    ...(limit === 0 ? {} : { limit }),
    ...(index === "" ? {} : { index }),
  };
}

/** All of `Ands`, or any of `Ors`, which are queries of their own. */
function conditionOf(claims: Claims): Condition {
  const criteria = claims.take("Ands");
  const others = claims.take("Ors");
  const all = and(...(Array.isArray(criteria) ? criteria : []).map(criterionOf));
  if (!Array.isArray(others)) return all;
  const any = (others as readonly Json[]).map((other) => conditionOf(readClaims(other)));
  return or(all, ...any);
}

function criterionOf(value: Json): Condition {
  const claims = readClaims(value, "criterion");
  const compare = comparisons[claims.number("Operation")];
  const wanted = claims.object("Value");
  const given = ["String", "Bool", "Float"]
    .map((kind) => wanted.take(kind))
    .filter((one) => one !== null && one !== undefined);
  const [operand] = given;
  if (compare === undefined || operand === undefined || given.length !== 1) {
    throw new VectorShapeError("a criterion has an operation and exactly one value");
  }
  return compare(claims.text("FieldPath"), operand);
}

/** The code of the error, or `<nil>`. */
async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return "<nil>";
  } catch (error) {
    return error instanceof DocError ? error.code : String(error);
  }
}

/** Words of go-threads, and the codes that stand for them. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/^<nil>$/, "<nil>"],
  [/unique constraint/, "DOC_UNIQUE"],
  [/of type string/, "DOC_ID_INVALID"],
  [
    /name may only contain|already registered|does not contain path|index on _id/,
    "DOC_DEFINITION_INVALID",
  ],
  [/app denied/, "DOC_INVALID"],
];

function checkError(check: CaseCheck, claims: Claims, key: string, code: string): void {
  const stated = claims.text(key);
  const known = refusals.find(([words]) => words.test(stated));
  check.equal(key, known?.[1] ?? stated, code);
}

type MiscCase = (check: CaseCheck, claims: Claims) => Promise<void>;

const unique = defineCollection({
  name: "book",
  schema: textFields("Title"),
  indexes: [{ fields: ["Title"], unique: true }],
});
const ruled = defineCollection({
  name: "book",
  schema: textFields("Title", "Author"),
  rule: not(eq("Title", "bad")),
  hide: eq("Title", "hidden"),
  redact: { Author: "redacted" },
});

function open(definition: typeof unique) {
  const docs = createDocs({ source: createMemorySource() }, { collections: [definition] });
  return { docs, list: docs.in(definition) };
}

const defining =
  (define: () => unknown): MiscCase =>
  async (check, claims) =>
    checkError(check, claims, "err", await codeOf(define));

const named = (name: string) => () => defineCollection({ name, schema: textFields() });

const miscCases: Readonly<Record<string, MiscCase>> = {
  "unique index: second create with same Title": async (check, claims) => {
    const { list } = open(unique);
    checkError(check, claims, "err1", await codeOf(() => list.put("u1", { Title: "T" })));
    checkError(check, claims, "err2", await codeOf(() => list.put("u2", { Title: "T" })));
    check.equal("countAfter", claims.number("countAfter"), list.count());
  },
  "save of a non-existing id creates it": async (check, claims) => {
    const { list } = open(unique);
    checkError(check, claims, "err", await codeOf(() => list.put("s1", { Title: "T" })));
    check.equal("has", claims.take("has") === true, list.has("s1"));
  },
  "delete missing id is a no-op": async (check, claims) => {
    const { list } = open(unique);
    checkError(check, claims, "err", await codeOf(() => list.delete("none")));
  },
  "create violating schema": async (check, claims) => {
    const { list } = open(unique);
    // Safe: a caller without types is what the case is about.
    const id = 7 as unknown as string;
    checkError(check, claims, "err", await codeOf(() => list.put(id, { Title: "T" })));
  },
  // Stated without a flag; the reference lists it among what must be otherwise.
  "write txn does not see its own writes (Has inside txn)": async (check, claims) => {
    const { docs } = open(unique);
    const has = await docs.transaction((tx) => {
      tx.in(unique).put("t1", { Title: "T" });
      return tx.in(unique).has("t1");
    });
    check.equal("what go-threads answers", false, claims.take("has") === true);
    check.equal("has", true, has);
  },
  "two creates violating a unique index in one txn": async (check, claims) => {
    const { docs, list } = open(unique);
    const both = () =>
      docs.transaction((tx) => {
        tx.in(unique).insert({ Title: "T" }, { id: "m1" });
        tx.in(unique).insert({ Title: "T" }, { id: "m2" });
      });
    checkError(check, claims, "err", await codeOf(both));
    check.equal("m1Exists", claims.take("m1Exists") === true, list.has("m1"));
  },
  "NewCollection name a-b": defining(named("a-b")),
  "NewCollection name -a": defining(named("-a")),
  "NewCollection name a_b": defining(named("a_b")),
  "NewCollection duplicate": defining(() =>
    createDocs({ source: createMemorySource() }, { collections: [unique, unique] }),
  ),
  // Other schemas do not tell their fields.
  "NewCollection index on missing path": defining(() =>
    defineTable({ name: "t", columns: { Title: "text" }, indexes: [{ fields: ["Nope"] }] }),
  ),
  "NewCollection index on _id": defining(() =>
    defineCollection({ name: "c", schema: textFields(), indexes: [{ fields: ["_id"] }] }),
  ),
  "validator false": async (check, claims) => {
    const { list } = open(ruled);
    const bad = () => list.put("v1", { Title: "bad", Author: "A" });
    checkError(check, claims, "err", await codeOf(bad));
  },
  "read filter rewrites": async (check, claims) => {
    const { list } = open(ruled);
    await list.put("v3", { Title: "fine", Author: "B" });
    const stated = sortedText(claims.take("doc") ?? null);
    // Safe: documents are JSON.
    check.equal("doc", stated, sortedText({ _id: "v3", ...(list.get("v3") as JsonObject) }));
  },
  "Find ordered by id, v1 hidden by filter and Limit 0 [quirk]": async (check, claims) => {
    const { list } = open(ruled);
    await list.put("v1", { Title: "hidden", Author: "A" });
    await list.put("v3", { Title: "fine", Author: "B" });
    const ids = list.query({ sort: ["_id"] }).rows.map((row) => row.id);
    check.equal("what go-threads answers", "[]", JSON.stringify(claims.list("ids")));
    check.equal("ids", '["v3"]', JSON.stringify(ids));
  },
  "save after read filter": async (check, claims) => {
    const { list } = open(ruled);
    await list.put("v3", { Title: "fine", Author: "B" });
    const save = () => list.update("v3", (shown) => ({ ...shown, Title: "finer" }));
    checkError(check, claims, "err", await codeOf(save));
  },
  "create with an apostrophe in a value, with any write validator [quirk]": async (
    check,
    claims,
  ) => {
    const { list } = open(ruled);
    const create = () => list.put("v4", { Title: "it's", Author: "'+(1)+'" });
    check.equal("go-threads fails", true, claims.text("err").includes("SyntaxError"));
    check.equal("err", "<nil>", await codeOf(create));
  },
};

const indexedValue = /^string index on value (.*)$/;

/** What go-threads finds by an index is what it finds without, or less: ours finds the same. */
const checkIndexed =
  (value: string): MiscCase =>
  async (check, claims) => {
    const docs = await openBooks([
      { _id: "i0", Title: value },
      { _id: "i1", Title: "another" },
      { _id: "i2", Title: "123" },
    ]);
    const where = eq("Title", value);
    const { rows } = docs.in(books).query({ where, index: "Title" });
    checkError(check, claims, "scanErr", await codeOf(() => docs.in(books).query({ where })));
    checkError(check, claims, "indexedErr", "<nil>");
    const scanned = claims.number("scan");
    check.equal("scan", scanned, docs.in(books).count(where));
    check.equal("index", scanned, rows.length);
    if (claims.number("indexed") > scanned) check.fail("indexed", "at most what is there", "more");
    await docs[Symbol.asyncDispose]();
  };

/** `dbMisc`: one behaviour each, by name. */
export const dbMisc: SectionRunner = async (section, report) => {
  if (!Array.isArray(section)) throw new VectorShapeError("dbMisc is a list");
  for (const vector of section as readonly Json[]) {
    await eachNamed(report, vector, async (check, claims, name) => {
      claims.take("quirk");
      const value = indexedValue.exec(name)?.[1];
      const run = value === undefined ? caseOf(name) : checkIndexed(value);
      if (run === undefined) check.fail("", "a check for this case", "none");
      else await run(check, claims);
    });
  }
};

function caseOf(name: string): MiscCase | undefined {
  return Object.hasOwn(miscCases, name) ? miscCases[name] : undefined;
}
