/**
 * The documents of one collection as this application sees them: checked by its schema, through its
 * lens, with its indexes. Made from the view's state, and made again at will. Layer 7.
 */
import { matcherOf, type Matcher } from "./conditions.ts";
import { readyIndex, type CollectionDefinition, type IndexDefinition } from "./definition.ts";
import { fieldMark, readDoc, type Life, type StoredDoc } from "./document.ts";
import { DocError, type DocIssue } from "./errors.ts";
import { freezeJson, type Json, type JsonObject } from "./json.ts";
import { createLens, withValue, type Lens } from "./lens.ts";
import type { Mark } from "./marks.ts";
import { kindOf, orderKey, valueAtPath } from "./order.ts";
import { checkBySchema } from "./schema.ts";
import { createSortedIndex, type SortedIndex } from "./sorted-index.ts";

/** A document that can be read. */
export interface Row {
  readonly id: string;
  /** What the application is shown. */
  readonly doc: JsonObject;
  /** The same without redaction: what indexes and rules go by. */
  readonly full: JsonObject;
  readonly life: Life;
  readonly isHidden: boolean;
  /** Is a write that is not durable yet part of it? */
  readonly isPending: boolean;
}

/** A document that is there and that this application cannot use. */
export interface InvalidDoc {
  readonly id: string;
  readonly reason: "invalid" | "too large";
  readonly issues: readonly DocIssue[];
  /** What is stored, as far as it can be put together. */
  readonly value: JsonObject | undefined;
}

/** What became of a document. */
export interface RowChange {
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

/** An index at work. */
export interface LiveIndex {
  readonly name: string;
  readonly paths: readonly (readonly string[])[];
  readonly isUnique: boolean;
  /** May queries use it? Not if it would tell what is redacted. */
  readonly isOpen: boolean;
  readonly sorted: SortedIndex;
}

/** Several documents with the same value of a unique index. */
export interface UniqueConflict {
  readonly index: string;
  readonly values: readonly Json[];
  /** Whose claim is the earliest in the order of all events. */
  readonly holder: string;
  /** The others, by their claims. */
  readonly others: readonly string[];
}

/** The documents of a collection. */
export interface Records {
  readonly rows: ReadonlyMap<string, Row>;
  readonly invalid: ReadonlyMap<string, InvalidDoc>;
  readonly byId: SortedIndex;
  readonly indexes: ReadonlyMap<string, LiveIndex>;
  readonly lens: Lens;
  /** Is the document as the collection's rule wants it? */
  readonly matchesRule: Matcher;
  /** Reads one document anew. */
  refresh(id: string, stored: StoredDoc | undefined, standing?: "durable" | "pending"): RowChange;
  /** Takes one document over as other records have it. */
  adopt(id: string, from: Pick<Records, "rows" | "invalid">): void;
  clear(): void;
  /** Builds an index over what is there. Throws DOC_DEFINITION_INVALID. */
  addIndex(definition: IndexDefinition): void;
  conflicts(): readonly UniqueConflict[];
}

const always: Matcher = () => true;
const never: Matcher = () => false;

/** The documents of a collection, none yet. */
export function createRecords(definition: CollectionDefinition<object, object>): Records {
  const lens = createLens(definition.lens ?? []);
  const rows = new Map<string, Row>();
  const invalid = new Map<string, InvalidDoc>();
  const byId = createSortedIndex();
  const indexes = new Map<string, LiveIndex>();
  const matchesRule = definition.rule === undefined ? always : matcherOf(definition.rule);
  const isHidden = definition.hide === undefined ? never : matcherOf(definition.hide);
  const redacted = new Set(Object.keys(definition.redact ?? {}));

  const read = (
    id: string,
    stored: StoredDoc | undefined,
    isPending: boolean,
  ): Row | InvalidDoc | undefined => {
    const found = readDoc(stored);
    if (found.state === "absent") return undefined;
    if (found.state === "too large") {
      const issues = [{ path: [], message: "the document is too large to be read" }];
      return { id, reason: "too large", issues, value: undefined };
    }
    const checked = checkBySchema(definition.schema, lens.see(found.value));
    const failed = (issues: readonly DocIssue[]): InvalidDoc => {
      return { id, reason: "invalid", issues, value: freezeJson(found.value) };
    };
    if (!checked.ok) return failed(checked.issues);
    const full = freezeJson(checked.value);
    if (!matchesRule({ id, doc: full })) return failed([ruleIssue]);
    const doc = freezeJson(redact(full, definition.redact));
    return { id, doc, full, life: found.life, isHidden: isHidden({ id, doc: full }), isPending };
  };

  const index = (row: Row | undefined, change: "add" | "delete"): void => {
    if (row === undefined) return;
    byId[change](row.id, row.id);
    for (const one of indexes.values()) one.sorted[change](indexKey(one.paths, row.full), row.id);
  };

  const addIndex = (indexDefinition: IndexDefinition): void => {
    const ready = readyIndex(indexDefinition);
    if (indexes.has(ready.name)) {
      throw new DocError("DOC_DEFINITION_INVALID", `there is an index ${ready.name} already`);
    }
    const isOpen = ready.paths.every(([key]) => key === undefined || !redacted.has(key));
    const sorted = createSortedIndex();
    for (const row of rows.values()) sorted.add(indexKey(ready.paths, row.full), row.id);
    indexes.set(ready.name, { ...ready, isOpen, sorted });
  };

  const place = (
    id: string,
    after: Row | undefined,
    refused: InvalidDoc | undefined,
  ): RowChange => {
    const before = rows.get(id);
    index(before, "delete");
    index(after, "add");
    if (after === undefined) rows.delete(id);
    else rows.set(id, after);
    if (refused === undefined) invalid.delete(id);
    else invalid.set(id, refused);
    return { before, after };
  };

  for (const one of definition.indexes ?? []) addIndex(one);
  return {
    rows,
    invalid,
    byId,
    indexes,
    lens,
    matchesRule,
    addIndex,
    refresh: (id, stored, standing = "durable") => {
      const found = read(id, stored, standing === "pending");
      if (found === undefined) return place(id, undefined, undefined);
      return "reason" in found ? place(id, undefined, found) : place(id, found, undefined);
    },
    adopt: (id, from) => void place(id, from.rows.get(id), from.invalid.get(id)),
    clear: () => {
      for (const row of rows.values()) index(row, "delete");
      rows.clear();
      invalid.clear();
    },
    conflicts: () =>
      [...indexes.values()].flatMap((one) => (one.isUnique ? conflictsOf(one, rows, lens) : [])),
  };
}

/** What is said of a document that the collection's rule does not want. */
export const ruleIssue: DocIssue = { path: [], message: "the collection's rule refuses it" };

function redact(doc: JsonObject, redactions: Readonly<Record<string, Json>> | undefined) {
  let shown = doc;
  for (const [field, value] of Object.entries(redactions ?? {})) {
    if (Object.hasOwn(doc, field)) shown = withValue(shown, [field], value);
  }
  return shown;
}

/** The key of a document in an index. */
export function indexKey(paths: readonly (readonly string[])[], doc: JsonObject): string {
  return paths.map((path) => orderKey(valueAtPath(doc, path))).join("");
}

/** Whether a unique index says anything of the document: all fields are there, with plain values. */
export function isConstrained(paths: readonly (readonly string[])[], doc: JsonObject): boolean {
  return paths.every((path) => {
    const kind = kindOf(valueAtPath(doc, path));
    return kind === "boolean" || kind === "number" || kind === "text";
  });
}

/** The range of exactly one key, and what is behind it in longer ones. */
export function rangeOf(key: string): { readonly from: string; readonly to: string } {
  return { from: key, to: `${key}8` };
}

function conflictsOf(
  index: LiveIndex,
  rows: ReadonlyMap<string, Row>,
  lens: Lens,
): readonly UniqueConflict[] {
  const groups = new Map<string, Row[]>();
  for (const id of index.sorted.scan({ from: "", to: undefined })) {
    const row = rows.get(id);
    if (row === undefined || !isConstrained(index.paths, row.full)) continue;
    const key = indexKey(index.paths, row.full);
    const group = groups.get(key) ?? [];
    group.push(row);
    groups.set(key, group);
  }
  const conflicts: UniqueConflict[] = [];
  for (const group of groups.values()) {
    const [first] = group;
    if (first === undefined || group.length < 2) continue;
    const claims = group
      .map((row) => ({ id: row.id, claim: claimOf(index, row, lens) }))
      .sort((a, b) => (a.claim < b.claim || (a.claim === b.claim && a.id < b.id) ? -1 : 1));
    const [holder, ...others] = claims.map(({ id }) => id);
    const values = index.paths.map((path) => valueAtPath(first.full, path) ?? null);
    conflicts.push({ index: index.name, values, holder: holder ?? first.id, others });
  }
  return conflicts;
}

/** When the document came to its values: the last of the changes that made them. */
function claimOf(index: LiveIndex, row: Row, lens: Lens): Mark | "" {
  let claim: Mark | "" = "";
  for (const path of index.paths) {
    for (const stored of lens.storedPaths(path)) {
      const mark = fieldMark(row.life, stored);
      if (mark !== undefined && mark > claim) claim = mark;
    }
  }
  return claim === "" ? (row.life.existence?.mark ?? "") : claim;
}
