/**
 * Tables: rows of typed columns, a thin face on a collection (docs/spec/doc.md §7). Layer 7.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Collection } from "./collection.ts";
import { pathOf } from "./conditions.ts";
import {
  defineCollection,
  type CollectionDefinition,
  type CollectionOptions,
} from "./definition.ts";
import type { Docs } from "./docs.ts";
import { DocError } from "./errors.ts";
import { isKey, isObject, type Json } from "./json.ts";
import type { DocRow } from "./live.ts";
import type { Query } from "./query.ts";

/** What a column holds. */
export type ColumnType = "text" | "number" | "boolean" | "json";

/** A column: its type, and whether a row may leave it empty. */
export type Column = ColumnType | { readonly type: ColumnType; readonly isOptional: boolean };

/** Columns by name. */
export type Columns = Readonly<Record<string, Column>>;

interface ColumnValues {
  readonly text: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly json: Json;
}

type ValueOf<One extends Column> = One extends ColumnType
  ? ColumnValues[One]
  : One extends { readonly type: infer Type extends ColumnType }
    ? ColumnValues[Type]
    : never;

/** A row of a table with these columns. */
export type RowOf<Of extends Columns> = {
  readonly [
    Name in keyof Of as Of[Name] extends { readonly isOptional: true } ? never : Name
  ]: ValueOf<Of[Name]>;
} & {
  readonly [
    Name in keyof Of as Of[Name] extends { readonly isOptional: true } ? Name : never
  ]?: ValueOf<Of[Name]>;
};

/** What an application says of a table: of a collection, columns in the place of a schema. */
export interface TableOptions<Of extends Columns> extends Omit<
  CollectionOptions<StandardSchemaV1>,
  "schema"
> {
  readonly columns: Of;
}

/** A table as it is handed around; a collection too. */
export interface TableDefinition<Of extends Columns> extends CollectionDefinition<
  RowOf<Of>,
  RowOf<Of>
> {
  readonly columns: Of;
}

/** Checks a definition. Throws DOC_DEFINITION_INVALID, also for an index on what is no column. */
export function defineTable<const Of extends Columns>(
  options: TableOptions<Of>,
): TableDefinition<Of> {
  const { columns, ...rest } = options;
  for (const name of Object.keys(columns)) {
    if (isKey(name) && name !== "_id") continue;
    throw new DocError("DOC_DEFINITION_INVALID", `${name} is no name of a column`);
  }
  const used = [
    ...(options.indexes ?? []).flatMap(({ fields }) => fields),
    ...(options.references ?? []).map(({ field }) => field),
  ];
  for (const field of used) {
    const [name = ""] = pathOf(field);
    if (Object.hasOwn(columns, name) || name === "_id") continue;
    throw new DocError("DOC_DEFINITION_INVALID", `${options.name} has no column ${name}`);
  }
  const definition = defineCollection({ ...rest, schema: schemaOf(columns) });
  return { ...definition, columns };
}

/** Columns that newer versions added are left out, and stay stored. */
function schemaOf<Of extends Columns>(columns: Of): StandardSchemaV1<RowOf<Of>, RowOf<Of>> {
  const validate = (given: unknown): StandardSchemaV1.Result<RowOf<Of>> => {
    if (!isObject(given)) return { issues: [{ message: "is no row" }] };
    const row: Record<string, unknown> = {};
    const issues: StandardSchemaV1.Issue[] = [];
    for (const [name, column] of Object.entries(columns)) {
      const { type, isOptional } =
        typeof column === "string" ? { type: column, isOptional: false } : column;
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      if (value === undefined && isOptional) continue;
      if (isOfType(value, type)) row[name] = value;
      else issues.push({ message: `is no ${type}`, path: [name] });
    }
    // Safe: every column was checked.
    return issues.length > 0 ? { issues } : { value: row as RowOf<Of> };
  };
  return { "~standard": { version: 1, vendor: "hawser", validate } };
}

function isOfType(value: unknown, type: ColumnType): boolean {
  if (type === "json") return value !== undefined;
  return typeof value === (type === "text" ? "string" : type);
}

/** Which cells. */
export interface Selection<Name extends string> extends Query {
  /** Default: all of them. */
  readonly columns?: readonly Name[];
}

/** Rows and columns. */
export interface Table<Row extends object> {
  /** The collection below, for queries, live results, lines and conflicts. */
  readonly rows: Collection<Row, Row>;
  readonly columns: readonly string[];
  /** The row's id. Throws DOC_INVALID for what is no column, and like `Collection.insert`. */
  insert(row: Row, options?: { readonly id?: string }): Promise<string>;
  cell<Name extends keyof Row & string>(id: string, column: Name): Row[Name] | undefined;
  /** `undefined` empties it. Throws DOC_MISSING, DOC_INVALID, and like `Collection.patch`. */
  setCell<Name extends keyof Row & string>(
    id: string,
    column: Name,
    value: Row[Name] | undefined,
  ): Promise<void>;
  /** Throws DOC_QUERY_INVALID for what is no column, and like `Collection.query`. */
  select<Name extends keyof Row & string>(
    selection?: Selection<Name>,
  ): readonly DocRow<Pick<Row, Name>>[];
}

/** The table of a definition that the documents were opened with. */
export function createTable<Of extends Columns>(
  docs: Docs,
  definition: TableDefinition<Of>,
): Table<RowOf<Of>> {
  const rows = docs.in<RowOf<Of>, RowOf<Of>>(definition);
  const columns = Object.keys(definition.columns);
  const check = (names: readonly string[]): void => {
    const unknown = names.find((name) => !Object.hasOwn(definition.columns, name));
    if (unknown === undefined) return;
    const issues = [{ path: [unknown], message: "is no column" }];
    throw new DocError("DOC_INVALID", `${definition.name} has no column ${unknown}`, { issues });
  };
  return {
    rows,
    columns,
    insert: async (row, options) => {
      check(Object.keys(row));
      return rows.insert(row, options);
    },
    cell: (id, column) => rows.get(id)?.[column],
    setCell: async (id, column, value) => {
      check([column]);
      await rows.update(id, (row) => ({ ...row, [column]: value }));
    },
    select: (selection = {}) => {
      const { columns: wanted, ...query } = selection;
      if (wanted?.some((name) => !Object.hasOwn(definition.columns, name)) === true) {
        throw new DocError("DOC_QUERY_INVALID", `${definition.name} has not all of these columns`);
      }
      return rows.query(query).rows.map(({ id, doc }) => ({ id, doc: pick(doc, wanted) }));
    },
  };
}

function pick<Row extends object, Name extends keyof Row & string>(
  row: Row,
  names: readonly Name[] | undefined,
): Pick<Row, Name> {
  if (names === undefined) return row;
  const cells = names.filter((name) => Object.hasOwn(row, name)).map((name) => [name, row[name]]);
  // Safe: only fields of the row were taken.
  return Object.fromEntries(cells) as Pick<Row, Name>;
}
