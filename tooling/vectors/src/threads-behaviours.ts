/**
 * Runners for the single behaviours of the databases of Textile Threads. Where go-threads is known
 * to be wrong, the vector states what it does, and the case passes when ours does what
 * docs/spec/doc.md says instead.
 */
import { createDocs, defineCollection, defineTable, eq, not } from "@hawser/doc";
import { createMemorySource } from "@hawser/view/testing";
import { jsonText, VectorShapeError, type Claims, type Json, type JsonObject } from "./claims.ts";
import type { CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";
import { books, codeOf, eachNamed, openBooks, sortedText, textFields } from "./threads-docs.ts";

/** Words of go-threads, and the codes that stand for them. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/^<nil>$/, "<nil>"],
  [/unique constraint/, "DOC_UNIQUE"],
  [/of type string/, "DOC_ID_INVALID"],
  [
    /name may only contain|already registered|does not contain path|index on _id/,
    "DOC_DEFINITION_INVALID",
  ],
  [/app denied|denied net record/, "DOC_INVALID"],
  [/already exist/, "DOC_EXISTS"],
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

/** What ours does, and what it should do by docs/spec/doc.md. Errors are codes, or `<nil>`. */
interface Behaviour {
  readonly is: JsonObject;
  readonly should: JsonObject;
}

/**
 * Behaviours by the words of their names. What a vector states is held against ours too, unless it
 * is marked as a quirk.
 */
const behaviours: readonly (readonly [RegExp, (match: RegExpExecArray) => Promise<Behaviour>])[] = [
  [/^create (?:of )?(?:an )?existing id/i, createExisting],
  [/^save (?:replaces|removes|of an existing id)/i, saveReplaces],
  [/^(?:create\s*\+\s*save\s*\+\s*delete|create, save(?:,| and) delete)/i, allInOne],
  [/^(?:an )?error in (?:a |the )?write (?:txn|transaction)/i, failedTransaction],
  [/^delete (?:of )?several ids/i, deleteSeveral],
  [/^(?:a )?new index .*existing/i, lateIndex],
  [/^validator (.*)/i, judged],
  [/^read filter (?:hides|null|returning null)/i, hidden],
  [/(?:escaped|double quote|\\")/i, quoted],
  [/(?:inject|code in a value|runs code)/i, injected],
  [/^NewCollection name ?(.*)$/i, nameOf],
];

async function createExisting(): Promise<Behaviour> {
  const { list } = open(unique);
  const first = await codeOf(() => list.insert({ Title: "A" }, { id: "x" }));
  const err = await codeOf(() => list.insert({ Title: "B" }, { id: "x" }));
  return { is: { first, err }, should: { first: "<nil>", err: "DOC_EXISTS" } };
}

async function saveReplaces(): Promise<Behaviour> {
  const docs = await openBooks([{ _id: "x", Title: "A", Author: "B" }]);
  const list = docs.in(books);
  const err = await codeOf(() => list.put("x", { Title: "C" }));
  // Safe: documents are JSON.
  const doc = { _id: "x", ...(list.get("x") as JsonObject) };
  return { is: { err, doc }, should: { err: "<nil>", doc: { _id: "x", Title: "C" } } };
}

async function allInOne(): Promise<Behaviour> {
  const { docs, list } = open(unique);
  const err = await codeOf(() =>
    docs.transaction((tx) => {
      tx.in(unique).insert({ Title: "A" }, { id: "x" });
      tx.in(unique).put("x", { Title: "B" });
      tx.in(unique).delete("x");
    }),
  );
  return { is: { err, has: list.has("x") }, should: { err: "<nil>", has: false } };
}

async function failedTransaction(): Promise<Behaviour> {
  const { docs, list } = open(unique);
  const failing = () =>
    docs.transaction((tx) => {
      tx.in(unique).put("x", { Title: "A" });
      throw new VectorShapeError("on purpose");
    });
  const isThrown = (await codeOf(failing)).includes("on purpose");
  const is = { isThrown, has: list.has("x"), count: list.count() };
  return { is, should: { isThrown: true, has: false, count: 0 } };
}

async function deleteSeveral(): Promise<Behaviour> {
  const docs = await openBooks([{ _id: "a", Title: "A" }]);
  const err = await codeOf(() => docs.in(books).delete("missing", "a"));
  return { is: { err, has: docs.in(books).has("a") }, should: { err: "<nil>", has: false } };
}

async function lateIndex(): Promise<Behaviour> {
  const { list } = open(unique);
  await list.put("a", { Title: "A" });
  list.addIndex({ fields: ["Author"], name: "late" });
  const found = list.query({ where: eq("Title", "A"), index: "Title" }).rows.length;
  return { is: { found }, should: { found: 1 } };
}

/** Rules are conditions: what fulfils one passes, and nothing else does. */
async function judged([, verdict = ""]: RegExpExecArray): Promise<Behaviour> {
  const { list } = open(ruled);
  const Title = verdict.trim().startsWith("true") ? "good" : "bad";
  const err = await codeOf(() => list.put("v", { Title, Author: "A" }));
  const isGood = Title === "good";
  const should = { err: isGood ? "<nil>" : "DOC_INVALID", has: isGood };
  return { is: { err, has: list.has("v") }, should };
}

async function hidden(): Promise<Behaviour> {
  const { list } = open(ruled);
  const err = await codeOf(() => list.put("v1", { Title: "hidden", Author: "A" }));
  const has = list.has("v1");
  return { is: { written: err, has }, should: { written: "<nil>", has: false } };
}

async function quoted(): Promise<Behaviour> {
  const { list } = open(ruled);
  const err = await codeOf(() => list.put("v", { Title: 'a "b" c', Author: "\\" }));
  return { is: { err, has: list.has("v") }, should: { err: "<nil>", has: true } };
}

/** Values are values, whatever they spell: the rule refuses what it refuses. */
async function injected(): Promise<Behaviour> {
  const { list } = open(ruled);
  const code = "'+(function(){return true})()+'";
  const fine = await codeOf(() => list.put("v", { Title: code, Author: code }));
  const bad = await codeOf(() => list.put("w", { Title: "bad", Author: code }));
  return { is: { fine, bad }, should: { fine: "<nil>", bad: "DOC_INVALID" } };
}

/** Names are letters, digits and single hyphens between them; none is no name. */
async function nameOf([, name = ""]: RegExpExecArray): Promise<Behaviour> {
  const text = /^(?:\(?empty\)?|"")/.test(name) ? "" : name.replace(/\s*\[quirk\]$/, "");
  const isGood = /^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/.test(text);
  const err = await codeOf(named(text));
  return { is: { err }, should: { err: isGood ? "<nil>" : "DOC_DEFINITION_INVALID" } };
}

function checkBehaviour(
  check: CaseCheck,
  claims: Claims,
  { is, should }: Behaviour,
  isQuirk: boolean,
): void {
  check.equal("ours", sortedText(should), sortedText(is));
  for (const [key, value] of Object.entries(is)) {
    if (!claims.has(key)) continue;
    if (isQuirk) claims.take(key);
    else if (key.startsWith("err")) checkError(check, claims, key, jsonText(value));
    else check.equal(key, sortedText(claims.take(key) ?? null), sortedText(value));
  }
  if (!isQuirk) return;
  for (const key of claims.unchecked()) claims.take(key);
}

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
      const isQuirk = claims.take("quirk") === true;
      const run = caseOf(name, isQuirk);
      if (run === undefined) check.fail("", "a check for this case", "none");
      else await run(check, claims);
    });
  }
};

function caseOf(name: string, isQuirk: boolean): MiscCase | undefined {
  const value = indexedValue.exec(name)?.[1];
  if (value !== undefined) return checkIndexed(value);
  if (Object.hasOwn(miscCases, name)) return miscCases[name];
  for (const [words, behave] of behaviours) {
    const match = words.exec(name);
    if (match === null) continue;
    return async (check, claims) => checkBehaviour(check, claims, await behave(match), isQuirk);
  }
  return undefined;
}
