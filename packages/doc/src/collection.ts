/**
 * A collection as applications use it. Layer 7.
 */
import { pathOf, type Condition, type FieldPath } from "./conditions.ts";
import type { IndexDefinition } from "./definition.ts";
import type { Engine } from "./docs.ts";
import { DocError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import { fromLine, toLine } from "./lines.ts";
import {
  createFollower,
  createLiveQuery,
  toDocRow,
  type DocChanges,
  type DocRow,
  type KeptQuery,
  type LiveQuery,
} from "./live.ts";
import { valueAtPath } from "./order.ts";
import { findRows, readyQuery, type Query, type QueryPlan } from "./query.ts";
import type { InvalidDoc, UniqueConflict } from "./records.ts";
import type { OpenShelf } from "./shelf.ts";

/** Fields to change; `undefined` takes one out, objects are merged, everything else is replaced. */
export type Patch<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { readonly [Key in keyof Value]?: Patch<Value[Key]> | undefined }
    : Value;

/** A page of a query's answer. */
export interface Page<Doc> {
  readonly rows: readonly DocRow<Doc>[];
  /** For `after`, when there is more. */
  readonly cursor: string | undefined;
}

/** A reference that leads nowhere. */
export interface DanglingReference {
  readonly id: string;
  readonly field: readonly string[];
  readonly collection: string;
  readonly target: string;
}

/** A collection of documents. Documents that are handed out are frozen. */
export interface Collection<Input extends object, Doc extends object> {
  readonly name: string;
  get(id: string): Doc | undefined;
  has(id: string): boolean;
  /** How many documents match; all without a condition. */
  count(where?: Condition): number;
  /** Throws DOC_QUERY_INVALID, DOC_INDEX_UNKNOWN, DOC_CURSOR_INVALID. */
  query(query?: Query): Page<Doc>;
  /** How the query is answered. Throws like `query`. */
  explain(query?: Query): QueryPlan;
  /** A result that is kept up to date until it is disposed. Throws like `query`. */
  live(query?: Query): LiveQuery<Doc>;
  /**
   * Tells what becomes of single documents, for those who keep a copy of them elsewhere; gives the
   * function that ends it.
   */
  follow(listener: (changes: DocChanges<Doc>) => void): () => void;
  /**
   * Puts a document under a new id, or one that is not taken; gives the id. Like all writes it
   * resolves when durable and readable. Throws DOC_EXISTS, DOC_INVALID, DOC_VALUE_INVALID,
   * DOC_SCHEMA_ASYNC, DOC_ID_INVALID, DOC_FIELD_POLICY, DOC_UNIQUE, DOC_TOO_LARGE, DOC_BUSY.
   */
  insert(doc: Input, options?: { readonly id?: string }): Promise<string>;
  /** Puts a document there, in place of what is. Throws like `insert`, but not DOC_EXISTS. */
  put(id: string, doc: Input): Promise<void>;
  /** Changes some fields. Throws DOC_MISSING, and like `put`. */
  patch(id: string, patch: Patch<Doc>): Promise<void>;
  /** Replaces a document by what the function makes of it; only differences are written. */
  update(id: string, change: (doc: Doc) => Input): Promise<void>;
  /** Gives how many of them there were; the others do no harm. */
  delete(...ids: readonly string[]): Promise<number>;
  /** Documents that the schema refuses, by id: written by other versions, or by somebody hostile. */
  invalid(): readonly InvalidDoc[];
  /** Ids of documents that a write changes which is shown and not durable yet (`optimistic`), sorted. */
  pending(): readonly string[];
  /** Documents with one value of a unique index. */
  conflicts(): readonly UniqueConflict[];
  /** References of this collection's documents to documents that are not there. */
  dangling(): readonly DanglingReference[];
  /** Documents of another collection that refer to one of this. */
  referrers(id: string, from: string): readonly string[];
  /** Adds an index over what is there and what comes. Throws DOC_DEFINITION_INVALID. */
  addIndex(definition: IndexDefinition): void;
  /** Every document as JSON, by id, `_id` first. */
  exportLines(): Generator<string, void, undefined>;
  /**
   * Puts a document for every line that is not empty, in as few entries as they fit; gives how many.
   * Nothing is written if a line is wrong. Throws DOC_LINE_INVALID, and like `put`.
   */
  importLines(lines: Iterable<string> | AsyncIterable<string>): Promise<number>;
}

/** The collection over its shelf. */
export function createCollection(engine: Engine, shelf: OpenShelf): Collection<object, object> {
  const { definition, shown: records, queries } = shelf;
  const rowOf = (id: string) => {
    engine.settle();
    const row = records.rows.get(id);
    return row?.isHidden === true ? undefined : row;
  };
  const find = (query: Query) => {
    engine.settle();
    return findRows(records, readyQuery(query));
  };
  const forget = (kept: KeptQuery): void => void queries.delete(kept);
  return {
    name: definition.name,
    get: (id) => rowOf(id)?.doc,
    has: (id) => rowOf(id) !== undefined,
    count: (where) => find(where === undefined ? {} : { where }).rows.length,
    query: (query = {}) => {
      const { rows, cursor } = find(query);
      return { rows: rows.map(toDocRow), cursor };
    },
    explain: (query = {}) => find(query).plan,
    live: (query = {}) => {
      engine.settle();
      const { live, kept } = createLiveQuery(records, query, forget);
      queries.add(kept);
      return live;
    },
    follow: (listener) => {
      engine.settle();
      const kept = createFollower(listener);
      queries.add(kept);
      return () => forget(kept);
    },
    ...writesOf(engine, shelf),
    invalid: () => {
      engine.settle();
      return [...records.invalid.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    pending: () => {
      engine.settle();
      return engine.pending(shelf);
    },
    conflicts: () => {
      engine.settle();
      return records.conflicts();
    },
    dangling: () => danglingOf(engine, shelf),
    referrers: (id, from) => referrersOf(engine, shelf, id, from),
    addIndex: (indexDefinition) => {
      engine.settle();
      records.addIndex(indexDefinition);
    },
    exportLines: function* () {
      for (const { id, doc } of find({}).rows) yield toLine(id, doc);
    },
  };
}

type Writes = Pick<
  Collection<object, object>,
  "insert" | "put" | "patch" | "update" | "delete" | "importLines"
>;

function writesOf(engine: Engine, shelf: OpenShelf): Writes {
  return {
    insert: async (doc, { id = engine.makeId() } = {}) => {
      await engine.write((draftOf) => draftOf(shelf).insert(id, doc));
      return id;
    },
    put: (id, doc) => engine.write((draftOf) => draftOf(shelf).put(id, doc)),
    patch: (id, patch) => engine.write((draftOf) => draftOf(shelf).patch(id, patch)),
    update: (id, change) => engine.write((draftOf) => draftOf(shelf).update(id, change)),
    delete: (...ids) =>
      engine.write((draftOf) => ids.filter((id) => draftOf(shelf).delete(id)).length, "batch"),
    importLines: async (lines) => {
      const read: ReturnType<typeof fromLine>[] = [];
      let number = 0;
      for await (const line of lines) {
        number += 1;
        if (line.trim() !== "") read.push(fromLine(line, number));
      }
      await engine.write((draftOf) => {
        const draft = draftOf(shelf);
        for (const { id, doc } of read) draft.put(id ?? engine.makeId(), doc);
      }, "import");
      return read.length;
    },
  };
}

/** The ids that a field holds. */
function targetsOf(doc: JsonObject, field: readonly string[]): readonly string[] {
  const value = valueAtPath(doc, field);
  const values: readonly Json[] = Array.isArray(value) ? value : [value ?? null];
  return values.filter((one) => typeof one === "string");
}

function danglingOf(engine: Engine, shelf: OpenShelf): readonly DanglingReference[] {
  engine.settle();
  const found: DanglingReference[] = [];
  for (const { field, collection } of shelf.definition.references ?? []) {
    const path = pathOf(field);
    const targets = engine.shelf(collection)?.shown.rows;
    for (const id of shelf.shown.byId.scan({ from: "", to: undefined })) {
      const row = shelf.shown.rows.get(id);
      for (const target of row === undefined ? [] : targetsOf(row.full, path)) {
        if (targets?.has(target) === true) continue;
        found.push({ id, field: path, collection, target });
      }
    }
  }
  return found;
}

function referrersOf(
  engine: Engine,
  shelf: OpenShelf,
  id: string,
  from: string,
): readonly string[] {
  engine.settle();
  const other = engine.shelf(from);
  if (other === undefined) throw new DocError("DOC_COLLECTION_UNKNOWN", `${from} is not open here`);
  const fields: readonly FieldPath[] = (other.definition.references ?? [])
    .filter(({ collection }) => collection === shelf.definition.name)
    .map(({ field }) => field);
  const paths = fields.map(pathOf);
  const ids: string[] = [];
  for (const otherId of other.shown.byId.scan({ from: "", to: undefined })) {
    const row = other.shown.rows.get(otherId);
    if (row === undefined || row.isHidden) continue;
    if (paths.some((path) => targetsOf(row.doc, path).includes(id))) ids.push(otherId);
  }
  return ids;
}
