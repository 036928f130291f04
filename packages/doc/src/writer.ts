/**
 * What a write does before anything is appended: documents as they will be, checked, and the ops that
 * make them so. Layer 7.
 */
import { opsBetween } from "./change.ts";
import type { CollectionDefinition } from "./definition.ts";
import type { StoredDoc } from "./document.ts";
import { DocError } from "./errors.ts";
import { copyJson, depthMax, equalJson, freezeJson, isObject, type JsonObject } from "./json.ts";
import { isId, type DocItem } from "./ops.ts";
import { findRows, readyQuery, type Query } from "./query.ts";
import { indexKey, isConstrained, rangeOf, ruleIssue, type Records, type Row } from "./records.ts";
import { checkBySchema, describeIssues } from "./schema.ts";
import type { DocRow } from "./live.ts";

/** A collection as a write needs it. */
export interface Shelf {
  readonly definition: CollectionDefinition<object, object>;
  readonly records: Records;
  stored(id: string): StoredDoc | undefined;
}

/** What a document is to become. */
interface Wanted {
  /** None: it is to be deleted. */
  readonly doc: JsonObject | undefined;
  /** Was it given whole? Then it exists afterwards, whatever others say meanwhile. */
  readonly isPut: boolean;
}

/** Changes of one collection that are not appended yet; reads see them. */
export interface Draft {
  readonly shelf: Shelf;
  get(id: string): JsonObject | undefined;
  rows(query: Query): readonly DocRow<object>[];
  insert(id: string, value: unknown): void;
  put(id: string, value: unknown): void;
  patch(id: string, patch: object): void;
  update(id: string, change: (doc: object) => unknown): void;
  /** Says whether there was one. */
  delete(id: string): boolean;
  /** The items of the event. Throws DOC_UNIQUE. */
  items(): readonly DocItem[];
}

/** Changes of one collection, none yet. */
export function createDraft(shelf: Shelf): Draft {
  const { definition, records } = shelf;
  const wanted = new Map<string, Wanted>();

  const current = (id: string): JsonObject | undefined => {
    const known = wanted.get(id);
    return known === undefined ? records.rows.get(id)?.doc : known.doc;
  };
  const visible = (id: string): JsonObject | undefined =>
    wanted.has(id) || records.rows.get(id)?.isHidden !== true ? current(id) : undefined;
  const need = (id: string): JsonObject => {
    const doc = current(id);
    if (doc !== undefined) return doc;
    throw new DocError("DOC_MISSING", `${definition.name} has no document ${id} to change`);
  };
  const set = (id: string, value: unknown, isPut: boolean): void => {
    if (!isId(id)) throw new DocError("DOC_ID_INVALID", "an id is 1–256 bytes of well-formed text");
    // A copy: what the caller does to the object afterwards is not checked.
    const doc = freezeJson(copyJson(checkDoc(shelf, id, value)));
    wanted.set(id, { doc, isPut: isPut || wanted.get(id)?.isPut === true });
  };

  return {
    shelf,
    get: visible,
    rows: (query) => naiveRows(records, wanted, query),
    insert: (id, value) => {
      if (current(id) !== undefined) {
        throw new DocError("DOC_EXISTS", `${definition.name} has a document ${id} already`);
      }
      set(id, value, true);
    },
    put: (id, value) => set(id, value, true),
    patch: (id, patch) => set(id, mergePatch(need(id), patch), false),
    update: (id, change) => set(id, change(need(id)), false),
    delete: (id) => {
      const isThere = current(id) !== undefined || (!wanted.has(id) && records.invalid.has(id));
      if (isThere) wanted.set(id, { doc: undefined, isPut: false });
      return isThere;
    },
    items: () => {
      checkUnique(shelf, wanted);
      return [...wanted].flatMap(([id, want]) => itemFor(shelf, id, want));
    },
  };
}

/** The document as the schema gives it. Throws DOC_INVALID, DOC_VALUE_INVALID, DOC_SCHEMA_ASYNC. */
function checkDoc({ definition, records }: Shelf, id: string, value: unknown): JsonObject {
  const refuse = (
    code: "DOC_INVALID" | "DOC_SCHEMA_ASYNC" | "DOC_VALUE_INVALID",
    issues: DocError["issues"],
  ): never => {
    const message = `${definition.name} ${id}: ${describeIssues(issues)}`;
    throw new DocError(code, message, { issues });
  };
  const checked = checkBySchema(definition.schema, value);
  if (!checked.ok) return refuse(checked.code, checked.issues);
  const doc = checked.value;
  if (Object.hasOwn(doc, "_id")) {
    return refuse("DOC_VALUE_INVALID", [{ path: ["_id"], message: "is the id, and no field" }]);
  }
  if (!records.matchesRule({ id, doc })) return refuse("DOC_INVALID", [ruleIssue]);
  // Everybody reads it through the lens and the schema again: it must come out as it went in.
  const { lens } = records;
  const again = checkBySchema(definition.schema, lens.see(lens.store(doc)));
  if (!again.ok || !equalJson(again.value, doc)) {
    const message = "the schema or the lens gives something else when it is read";
    return refuse("DOC_INVALID", [{ path: [], message }]);
  }
  return doc;
}

/** RFC 7396 with `undefined` in the place of null: null is a value here. */
export function mergePatch(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isPatchObject(patch)) return patch;
  if (depth >= depthMax) {
    throw new DocError("DOC_VALUE_INVALID", `a patch is nested deeper than ${depthMax}`);
  }
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") {
      throw new DocError("DOC_VALUE_INVALID", "__proto__ is no name of a field");
    }
    if (value === undefined) delete merged[key];
    else
      merged[key] = mergePatch(
        Object.hasOwn(merged, key) ? merged[key] : undefined,
        value,
        depth + 1,
      );
  }
  return merged;
}

/** Dates and the like are values, for the schema to judge. */
function isPatchObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function naiveRows(
  records: Records,
  wanted: ReadonlyMap<string, Wanted>,
  query: Query,
): readonly DocRow<object>[] {
  const ready = readyQuery(query);
  // An index is asked for by name: it must be there, though the draft's documents are in none.
  if (query.index !== undefined) findRows(records, { ...ready, limit: 0 });
  const candidates = [...records.rows.values()]
    .filter((row) => !wanted.has(row.id) && !row.isHidden)
    .map(({ id, doc }) => ({ id, doc }));
  for (const [id, { doc }] of wanted) if (doc !== undefined) candidates.push({ id, doc });
  const rows = candidates.filter(ready.matches).sort(ready.compare);
  return rows.slice(ready.skip, ready.skip + ready.limit);
}

/** Throws DOC_UNIQUE if a value that the draft brings is somebody else's. */
function checkUnique({ definition, records }: Shelf, wanted: ReadonlyMap<string, Wanted>): void {
  for (const index of records.indexes.values()) {
    if (!index.isUnique) continue;
    const taken = new Map<string, string>();
    for (const [id, { doc }] of wanted) {
      if (doc === undefined || !isConstrained(index.paths, doc)) continue;
      const key = indexKey(index.paths, doc);
      const before = records.rows.get(id);
      const isNew = before === undefined || indexKey(index.paths, before.full) !== key;
      const holder = taken.get(key) ?? (isNew ? holderOf(records, index, key, wanted) : undefined);
      if (holder !== undefined) {
        throw new DocError(
          "DOC_UNIQUE",
          `${definition.name} ${id}: ${index.name} has this value in ${holder}`,
        );
      }
      taken.set(key, id);
    }
  }
}

function holderOf(
  records: Records,
  index: { readonly sorted: Records["byId"] },
  key: string,
  wanted: ReadonlyMap<string, Wanted>,
): string | undefined {
  for (const id of index.sorted.scan(rangeOf(key))) if (!wanted.has(id)) return id;
  return undefined;
}

function itemFor(shelf: Shelf, id: string, want: Wanted): readonly DocItem[] {
  const { definition, records } = shelf;
  const stored = shelf.stored(id);
  const row = records.rows.get(id);
  const invalid = records.invalid.get(id);
  const collection = definition.name;
  const life = stored?.current ?? "";
  const sameLife = life === "" ? "first" : life;
  if (want.doc === undefined) {
    if (row === undefined && invalid === undefined) return [];
    return [{ collection, id, life: sameLife, existence: "deleted", ops: [] }];
  }
  const isThere = row !== undefined || invalid?.value !== undefined;
  const seen = seenOf(records, row, invalid?.value);
  const policies = definition.fields ?? {};
  const base = { seen, life: isThere ? stored?.lives.get(life) : undefined, policies };
  const ops = opsBetween(base, records.lens.store(want.doc));
  const isNewLife = !isThere && stored !== undefined;
  if (ops.length === 0 && !want.isPut) return [];
  return [
    {
      collection,
      id,
      life: isNewLife ? "new" : sameLife,
      existence: want.isPut || !isThere ? "put" : "unsaid",
      ops,
    },
  ];
}

/** The document as its writer saw it, as it is stored. */
function seenOf(
  records: Records,
  row: Row | undefined,
  invalid: JsonObject | undefined,
): JsonObject {
  return row === undefined ? (invalid ?? {}) : records.lens.store(row.doc);
}
