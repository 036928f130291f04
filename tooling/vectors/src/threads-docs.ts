/**
 * Runners for the databases of Textile Threads: documents, and queries over them.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import {
  and,
  createDocs,
  defineCollection,
  DocError,
  eq,
  ge,
  gt,
  le,
  lt,
  ne,
  or,
  type CollectionDefinition,
  type Condition,
  type Docs,
  type Query,
} from "@hawser/doc";
import { createMemorySource } from "@hawser/view/testing";
import { plainIds } from "./threads-plain-query.ts";
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
export function textFields(...names: readonly string[]): StandardSchemaV1<object, object> {
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

const indexedFields = ["Title", "Author", "Banned", "Meta.TotalReads", "Meta.Rating"];

export const books: CollectionDefinition<object, object> = defineCollection({
  name: "book",
  schema: textFields("Title", "Author"),
  indexes: indexedFields.map((field) => ({ fields: [field] })),
});

export async function openBooks(documents: readonly Json[]): Promise<Docs> {
  const docs = createDocs({ source: createMemorySource() }, { collections: [books] });
  await docs.in(books).importLines(documents.map((document) => JSON.stringify(document)));
  return docs;
}

/** `dbQueries`: every query, over the documents of `dbDocs`. */
export const dbQueries: SectionRunner = async (section, report, { file }) => {
  const documents = file["dbDocs"];
  if (!Array.isArray(section) || !Array.isArray(documents)) {
    throw new VectorShapeError("dbQueries and dbDocs are lists");
  }
  for (const vector of section as readonly Json[]) {
    await eachNamed(report, vector, async (check, claims, name) => {
      // The one query that wants a document without a title.
      const bare: JsonObject = { _id: "a", Author: "nobody" };
      const extra = name.startsWith("after adding a doc without Title") ? [bare] : [];
      await checkQuery(check, claims, [...(documents as readonly JsonObject[]), ...extra]);
    });
  }
};

/**
 * Ours answers as stated; where go-threads is known to be wrong, as the plain rules of
 * docs/spec/doc.md say, applied document by document.
 */
async function checkQuery(
  check: CaseCheck,
  claims: Claims,
  documents: readonly JsonObject[],
): Promise<void> {
  const docs = await openBooks(documents);
  const given = claims.take("query");
  const isQuirk = claims.take("quirk") === true;
  const stated = claims.list("ids");
  const query = isObject(given) ? readQuery(given) : {};
  const code = await codeOf(() => docs.in(books).query(query));
  // go-threads finds nothing by an index that is not there; ours says so.
  const isIndexKnown = !isQuirk || query.index === undefined || indexedFields.includes(query.index);
  check.equal("err", isIndexKnown ? "<nil>" : "DOC_INDEX_UNKNOWN", code);
  if (isQuirk || code === "<nil>") {
    const right = isQuirk && isObject(given) ? plainIds(documents, given) : stated;
    const ids =
      code === "<nil>"
        ? docs
            .in(books)
            .query(query)
            .rows.map(({ id }) => id)
        : right;
    const isSorted = isObject(given) && sortField(given) !== "";
    const shown = (list: readonly Json[]) =>
      JSON.stringify(isSorted ? list : list.map(String).sort());
    check.equal("ids", shown(right), shown(ids));
  }
  await docs[Symbol.asyncDispose]();
}

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

export function sortedText(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(sortedText).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${sortedText(value[key] ?? null)}`).join()}}`;
}

export async function eachNamed(
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

export function sortField(query: JsonObject): string {
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
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return "<nil>";
  } catch (error) {
    return error instanceof DocError ? error.code : String(error);
  }
}
