/**
 * Bringing a database to the layout of a projection: tables whose mapping changed are made anew,
 * migrations of the application run once (docs/spec/sql.md §4). Layer 8.
 */
import type { SqlDatabase, SqlStatement } from "./database.ts";
import { SqlError } from "./errors.ts";
import type { TableMapping } from "./mapping.ts";
import {
  bookkeeping,
  createBookkeeping,
  createTable,
  definitionText,
  dropTable,
  parameter,
} from "./statements.ts";

/** Statements of the application, run once after the tables are there: views, further indexes. */
export interface Migration {
  /** What it is remembered by; changed statements need another name. */
  readonly name: string;
  readonly statements: readonly string[];
}

/** Checks migrations. Throws SQL_MIGRATION_INVALID. */
export function assertMigrations(migrations: readonly Migration[]): void {
  const names = migrations.map(({ name }) => name);
  const isSound = migrations.every(({ statements }) => statements.length > 0);
  if (isSound && new Set(names).size === names.length && !names.includes("")) return;
  throw new SqlError(
    "SQL_MIGRATION_INVALID",
    "migrations have names of their own and at least one statement",
  );
}

/**
 * Creates, replaces and drops tables until the database has those of the mappings, in one
 * transaction. When a table was made anew, all migrations run again: the engine may have dropped
 * what hung on it. Throws SQL_MIGRATION_INVALID, and what the database throws.
 */
export async function bringLayout(
  database: SqlDatabase,
  mappings: readonly TableMapping[],
  migrations: readonly Migration[],
): Promise<void> {
  const { dialect } = database;
  await database.write(createBookkeeping());
  const known = new Map(
    (await database.read(`SELECT name, definition FROM ${bookkeeping.tables}`, [])).map((row) => [
      String(row["name"]),
      String(row["definition"]),
    ]),
  );
  const statements: SqlStatement[] = [];
  for (const table of [...known.keys()].sort()) {
    if (mappings.some((mapping) => mapping.table === table)) continue;
    statements.push(...dropTable(dialect, table), forget(database, "tables", table));
  }
  for (const mapping of mappings) {
    const definition = definitionText(mapping);
    if (known.get(mapping.table) === definition) continue;
    statements.push(
      ...dropTable(dialect, mapping.table),
      ...createTable(dialect, mapping),
      forget(database, "tables", mapping.table),
      remember(database, "tables", [mapping.table, definition]),
    );
  }
  statements.push(...(await migrate(database, migrations, statements.length > 0)));
  if (statements.length > 0) await database.write(statements);
}

async function migrate(
  database: SqlDatabase,
  migrations: readonly Migration[],
  isNew: boolean,
): Promise<readonly SqlStatement[]> {
  const rows = await database.read(`SELECT name, statements FROM ${bookkeeping.migrations}`, []);
  const done = new Map(rows.map((row) => [String(row["name"]), String(row["statements"])]));
  const statements: SqlStatement[] = [];
  for (const { name, statements: own } of migrations) {
    const text = JSON.stringify(own);
    const before = done.get(name);
    if (before !== undefined && before !== text) {
      throw new SqlError(
        "SQL_MIGRATION_INVALID",
        `the migration ${name} ran with other statements: give changes a name of their own`,
      );
    }
    if (before !== undefined && !isNew) continue;
    statements.push(...own.map((sql) => ({ sql, values: [] })));
    if (before === undefined) statements.push(remember(database, "migrations", [name, text]));
  }
  return statements;
}

function remember(
  { dialect }: SqlDatabase,
  book: keyof typeof bookkeeping,
  values: readonly [string, string],
): SqlStatement {
  const places = `${parameter(dialect, 1)}, ${parameter(dialect, 2)}`;
  return { sql: `INSERT INTO ${bookkeeping[book]} VALUES (${places})`, values };
}

function forget(
  { dialect }: SqlDatabase,
  book: keyof typeof bookkeeping,
  name: string,
): SqlStatement {
  const sql = `DELETE FROM ${bookkeeping[book]} WHERE name = ${parameter(dialect, 1)}`;
  return { sql, values: [name] };
}
