/**
 * The SQL of a projection in both dialects (docs/spec/sql.md §3). Layer 8, pure. Names are checked
 * where mappings are made; values are always parameters.
 */
import type { ColumnType } from "@hawser/doc";
import type { SqlDatabase, SqlStatement, SqlValue } from "./database.ts";
import type { TableMapping } from "./mapping.ts";

type Dialect = SqlDatabase["dialect"];

/** A row ready to be written: its id, its revision, its cells. */
export interface ReadyRow {
  readonly id: string;
  readonly revision: string;
  readonly cells: readonly SqlValue[];
}

const types: Readonly<Record<Dialect, Readonly<Record<ColumnType, string>>>> = {
  sqlite: { text: "TEXT", number: "NUMERIC", boolean: "INTEGER", json: "TEXT" },
  postgres: { text: "text", number: "double precision", boolean: "boolean", json: "jsonb" },
};

export const quote = (name: string): string => `"${name}"`;

/** What a projection remembers beside its tables. */
export const bookkeeping = {
  tables: "hawser_tables",
  migrations: "hawser_migrations",
} as const;

export function createBookkeeping(): readonly SqlStatement[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${bookkeeping.tables} (name TEXT PRIMARY KEY, definition TEXT NOT NULL)`,
    `CREATE TABLE IF NOT EXISTS ${bookkeeping.migrations} (name TEXT PRIMARY KEY, statements TEXT NOT NULL)`,
  ].map((sql) => ({ sql, values: [] }));
}

/** A parameter of a dialect, counted from 1. */
export function parameter(dialect: Dialect, place: number): string {
  return dialect === "sqlite" ? "?" : `$${String(place)}`;
}

/** One text for what a table looks like: another text means another table. */
export function definitionText({ table, columns, indexes, search }: TableMapping): string {
  return JSON.stringify({ layout: 1, table, columns, indexes, search });
}

export function dropTable(dialect: Dialect, table: string): readonly SqlStatement[] {
  const cascade = dialect === "postgres" ? " CASCADE" : "";
  return [
    ...(dialect === "sqlite" ? [`DROP TABLE IF EXISTS ${quote(searchName(table))}`] : []),
    `DROP TABLE IF EXISTS ${quote(table)}${cascade}`,
  ].map((sql) => ({ sql, values: [] }));
}

/** The table, its indexes, and what finds its rows by words. */
export function createTable(dialect: Dialect, mapping: TableMapping): readonly SqlStatement[] {
  const { table, columns, indexes } = mapping;
  const names = columns.map(({ name, type }) => `${quote(name)} ${types[dialect][type]}`);
  const own = ["_id TEXT NOT NULL UNIQUE", "_revision TEXT NOT NULL", ...names];
  const keyed = dialect === "sqlite" ? ["_row INTEGER PRIMARY KEY", ...own] : own;
  const all = [
    `CREATE TABLE ${quote(table)} (${[...keyed, ...searchColumns(dialect, mapping)].join(", ")})`,
    ...indexes.map(
      (index, place) =>
        `CREATE INDEX ${quote(indexName(table, place))} ON ${quote(table)} ` +
        `(${index.map(quote).join(", ")})`,
    ),
    ...searchObjects(dialect, mapping),
  ];
  return all.map((sql) => ({ sql, values: [] }));
}

const searchName = (table: string): string => `${table}_search`;

/** Parts of a full-text table of SQLite, which are tables of their own. */
const searchParts = ["", "_data", "_idx", "_content", "_docsize", "_config"] as const;

/** Every name that a table takes in its database; in lower case, as engines compare them. */
export function namesOf({ table, indexes, search }: TableMapping): readonly string[] {
  const words = search.length === 0 ? [] : searchParts.map((part) => searchName(table) + part);
  return [table, ...indexes.map((_, place) => indexName(table, place)), ...words].map((name) =>
    name.toLowerCase(),
  );
}

const indexName = (table: string, place: number): string => `${table}_index_${String(place)}`;

function searchColumns(dialect: Dialect, { search }: TableMapping): readonly string[] {
  if (dialect === "sqlite" || search.length === 0) return [];
  const text = search.map((name) => `coalesce(${quote(name)}, '')`).join(" || ' ' || ");
  return [`_words tsvector GENERATED ALWAYS AS (to_tsvector('simple', ${text})) STORED`];
}

function searchObjects(dialect: Dialect, { table, search }: TableMapping): readonly string[] {
  if (search.length === 0) return [];
  const index = quote(searchName(table));
  if (dialect === "postgres")
    return [`CREATE INDEX ${index} ON ${quote(table)} USING GIN (_words)`];
  const names = search.map(quote).join(", ");
  const cells = (of: string) => search.map((name) => `${of}.${quote(name)}`).join(", ");
  const add = `INSERT INTO ${index} (rowid, ${names}) VALUES (new._row, ${cells("new")});`;
  const remove =
    `INSERT INTO ${index} (${index}, rowid, ${names}) ` +
    `VALUES ('delete', old._row, ${cells("old")});`;
  const trigger = (event: string, work: string) =>
    `CREATE TRIGGER ${quote(`${table}_search_${event.toLowerCase()}`)} ` +
    `AFTER ${event} ON ${quote(table)} BEGIN ${work} END`;
  return [
    `CREATE VIRTUAL TABLE ${index} USING fts5(${names}, ` +
      `content='${table}', content_rowid='_row')`,
    trigger("INSERT", add),
    trigger("DELETE", remove),
    trigger("UPDATE", remove + add),
  ];
}

/** Parameters one statement may have in every engine. */
const parametersMax = 16_000;
const rowsMax = 250;

/** Puts rows in place of those with their ids. */
export function upsertRows(
  dialect: Dialect,
  { table, columns }: TableMapping,
  rows: readonly ReadyRow[],
): readonly SqlStatement[] {
  const names = ["_id", "_revision", ...columns.map(({ name }) => name)];
  const updated = names.slice(1).map((name) => `${quote(name)} = excluded.${quote(name)}`);
  const count = Math.max(1, Math.min(rowsMax, Math.floor(parametersMax / names.length)));
  return slices(rows, count).map((slice) => {
    const values = slice.flatMap(({ id, revision, cells }) => [
      id,
      revision,
      ...cells.map((cell) => toEngine(dialect, cell)),
    ]);
    const tuples = slice.map((_, row) => {
      const places = names.map((_name, place) =>
        parameter(dialect, row * names.length + place + 1),
      );
      return `(${places.join(", ")})`;
    });
    const sql =
      `INSERT INTO ${quote(table)} (${names.map(quote).join(", ")}) VALUES ${tuples.join(", ")} ` +
      `ON CONFLICT (_id) DO UPDATE SET ${updated.join(", ")}`;
    return { sql, values };
  });
}

/** SQLite has no booleans. */
function toEngine(dialect: Dialect, value: SqlValue): SqlValue {
  return dialect === "sqlite" && typeof value === "boolean" ? Number(value) : value;
}

export function deleteRows(
  dialect: Dialect,
  table: string,
  ids: readonly string[],
): readonly SqlStatement[] {
  return slices(ids, rowsMax).map((slice) => ({
    sql:
      `DELETE FROM ${quote(table)} WHERE _id IN ` +
      `(${slice.map((_, place) => parameter(dialect, place + 1)).join(", ")})`,
    values: slice,
  }));
}

/** A page of the ids and revisions that a table has, by id. */
export function revisionsAfter(
  dialect: Dialect,
  table: string,
  id: string | undefined,
  limit: number,
): SqlStatement {
  const where = id === undefined ? "" : `WHERE _id > ${parameter(dialect, 1)} `;
  return {
    sql: `SELECT _id, _revision FROM ${quote(table)} ${where}ORDER BY _id LIMIT ${String(limit)}`,
    values: id === undefined ? [] : [id],
  };
}

/** Rows that have all words, the last one as a beginning; best first. */
export function searchRows(
  dialect: Dialect,
  { table, columns }: TableMapping,
  words: readonly string[],
  limit: number,
): SqlStatement {
  const names = ["_id", ...columns.map(({ name }) => name)].map((name) => `t.${quote(name)}`);
  const chosen = names.join(", ");
  if (dialect === "sqlite") {
    const match = words.map((word) => `"${word}"`).join(" ");
    const index = quote(searchName(table));
    return {
      sql:
        `SELECT ${chosen} FROM ${index} JOIN ${quote(table)} t ON t._row = ${index}.rowid ` +
        `WHERE ${index} MATCH ? ORDER BY ${index}.rank, t._id LIMIT ${String(limit)}`,
      values: [`${match}*`],
    };
  }
  return {
    sql:
      `SELECT ${chosen} FROM ${quote(table)} t, to_tsquery('simple', $1) AS wanted ` +
      `WHERE t._words @@ wanted ORDER BY ts_rank(t._words, wanted) DESC, t._id LIMIT ${String(limit)}`,
    values: [`${words.map((word) => `'${word}'`).join(" & ")}:*`],
  };
}

function slices<T>(items: readonly T[], count: number): readonly (readonly T[])[] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += count) parts.push(items.slice(at, at + count));
  return parts;
}
