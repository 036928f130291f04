/**
 * From collections to tables: which field stands in which column (docs/spec/sql.md §2). Layer 8, pure.
 */
import type { CollectionDefinition, ColumnType, TableDefinition } from "@hawser/doc";
import type { SqlValue } from "./database.ts";
import { SqlError } from "./errors.ts";

/** A column: what it holds, and the field it is filled from if that has another name. */
export type ColumnMapping =
  | ColumnType
  | {
      readonly type: ColumnType;
      /** Names from the document inwards; default: the column's own name. */
      readonly path?: readonly string[];
    };

/** What an application says of a table. */
export interface TableOptions {
  /** Default: the collection's name, hyphens as underscores. */
  readonly table?: string;
  /** Default: the columns of a `defineTable`, or the fields that the schema describes. */
  readonly columns?: Readonly<Record<string, ColumnMapping>>;
  /** Column lists of indexes. */
  readonly indexes?: readonly (readonly string[])[];
  /** Text columns to be found by words. */
  readonly search?: readonly string[];
}

/** A column as it is filled. */
export interface ReadyColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly path: readonly string[];
}

/** A table of a projection. */
export interface TableMapping {
  readonly collection: CollectionDefinition<object, object>;
  readonly table: string;
  readonly columns: readonly ReadyColumn[];
  readonly indexes: readonly (readonly string[])[];
  readonly search: readonly string[];
}

/** Bytes a name may have in both engines. */
const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,47}$/;
/** Tables of engines, and of projections themselves. */
const ownTables = /^(?:sqlite_|pg_|hawser_)/i;
/** Columns that every table of an engine has without being asked. */
const ownColumns = /^(?:rowid|oid|ctid|tableoid|[cx]min|[cx]max)$/i;
/** A column of every FTS5 table. */
const ownSearchColumn = /^rank$/i;
const columnsMax = 200;

/**
 * Maps a collection to a table. Throws SQL_MAPPING_INVALID, and SQL_COLUMNS_UNKNOWN when neither
 * the options nor the schema tell the columns.
 */
export function project<Input extends object, Doc extends object>(
  collection: CollectionDefinition<Input, Doc>,
  options: TableOptions = {},
): TableMapping {
  // Safe: only documents are read through it, and all are objects.
  const definition = collection as unknown as CollectionDefinition<object, object>;
  const table = options.table ?? collection.name.replaceAll("-", "_");
  assertName(table);
  if (ownTables.test(table)) fail(`${table} is a name of an engine, or of projections`);
  const columns = Object.entries(options.columns ?? columnsOf(definition)).map(readyColumn);
  if (columns.length === 0 || columns.length > columnsMax) {
    fail(`${table} has 1 to ${String(columnsMax)} columns`);
  }
  assertDistinct(columns.map(({ name }) => name));
  const { indexes = [], search = [] } = options;
  for (const name of [...indexes.flat(), ...search]) {
    if (!columns.some((column) => column.name === name)) fail(`${table} has no column ${name}`);
  }
  for (const name of search) {
    const column = columns.find((one) => one.name === name);
    if (column?.type !== "text") fail(`only text is found by words, and ${name} is none`);
    if (ownSearchColumn.test(name)) fail(`a search has a column ${name} of its own`);
  }
  for (const index of indexes) {
    if (index.length === 0 || new Set(index).size !== index.length) {
      fail("an index has one or more columns, each once");
    }
  }
  return { collection: definition, table, columns, indexes, search };
}

function readyColumn([name, mapping]: [string, ColumnMapping]): ReadyColumn {
  assertName(name);
  if (ownColumns.test(name)) fail(`every table has a column ${name} of its own`);
  const { type, path = [name] } = typeof mapping === "string" ? { type: mapping } : mapping;
  if (path.length === 0) fail(`${name} comes from a field`);
  return { name, type, path };
}

function assertName(name: string): void {
  if (namePattern.test(name)) return;
  fail(`${JSON.stringify(name)} is not a letter and up to 47 letters, digits and underscores`);
}

function assertDistinct(names: readonly string[]): void {
  const folded = names.map((name) => name.toLowerCase());
  if (new Set(folded).size !== folded.length) fail("two columns differ in nothing but case");
}

function fail(message: string): never {
  throw new SqlError("SQL_MAPPING_INVALID", message);
}

/** The columns of a table, or the top-level fields that a schema describes as JSON Schema. */
function columnsOf(
  collection: CollectionDefinition<object, object>,
): Readonly<Record<string, ColumnMapping>> {
  if ("columns" in collection) {
    // Safe: only `defineTable` makes definitions with columns.
    const { columns } = collection as TableDefinition<Readonly<Record<string, ColumnType>>>;
    return Object.fromEntries(
      Object.entries(columns).map(([name, column]) => [name, typeOfColumn(column)]),
    );
  }
  const standard: unknown = collection.schema["~standard"];
  const properties = field(field(describe(standard), "properties"), undefined);
  if (properties === undefined) {
    throw new SqlError(
      "SQL_COLUMNS_UNKNOWN",
      `the schema of ${collection.name} does not describe its fields: give columns`,
    );
  }
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => namePattern.test(name) && !ownColumns.test(name))
      .map(([name, schema]) => [name, typeOfSchema(schema)]),
  );
}

function typeOfColumn(column: ColumnType | { readonly type: ColumnType }): ColumnType {
  return typeof column === "string" ? column : column.type;
}

/** The JSON Schema that a Standard Schema gives, where it gives one. */
function describe(standard: unknown): unknown {
  const describer = field(standard, "jsonSchema");
  if (describer === undefined) return undefined;
  const output: unknown = Reflect.get(describer, "output");
  if (typeof output !== "function") return undefined;
  try {
    return Reflect.apply(output, describer, [{ target: "draft-2020-12" }]) as unknown;
  } catch {
    return undefined;
  }
}

/** An object, or that field of it when it is one. */
function field(value: unknown, key: string | undefined): object | undefined {
  const found: unknown =
    key === undefined || typeof value !== "object" || value === null
      ? value
      : Reflect.get(value, key);
  return typeof found === "object" && found !== null ? found : undefined;
}

function typeOfSchema(schema: unknown): ColumnType {
  const type: unknown =
    typeof schema === "object" && schema !== null ? Reflect.get(schema, "type") : undefined;
  if (type === "string") return "text";
  if (type === "boolean") return "boolean";
  return type === "number" || type === "integer" ? "number" : "json";
}

/** A zero in JSON text: its backslash is not itself escaped by one before it. */
const escapedZero = /(?<!\\)((?:\\\\)*)\\u0000/g;

/**
 * The cell of a document. Null where the field is missing or of another kind: what a hostile member
 * wrote never stops a projection.
 */
export function cellOf(doc: object, { type, path }: ReadyColumn): SqlValue {
  let value: unknown = doc;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
    value = Reflect.get(value, key);
  }
  if (value === undefined || value === null) return null;
  if (type === "json") return cleanText(JSON.stringify(value).replace(escapedZero, "$1\\ufffd"));
  if (type === "text") return typeof value === "string" ? cleanText(value) : null;
  if (type === "boolean") return typeof value === "boolean" ? value : null;
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** Text that every engine takes: PostgreSQL has none with zeros or half characters. */
export function cleanText(text: string): string {
  return text.replaceAll("\u0000", "\ufffd").toWellFormed();
}
