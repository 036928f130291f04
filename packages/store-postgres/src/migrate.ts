/**
 * Brings a schema to this version: forward only, one process at a time
 * (docs/spec/store-postgres.md §3). Layer 4.
 */
import type { Database, Session } from "./database.ts";
import { PostgresStoreError } from "./errors.ts";
import { integerIn } from "./row.ts";
import { formatTable, formatVersion, migrations, type TableName } from "./schema.ts";

/** "HAWS": the advisory lock of everybody who migrates in this database. */
const lockKey = 0x48415753;

/** Makes or updates the tables. Rejects with STORE_NEWER_FORMAT, STORE_FOREIGN_SCHEMA, or as statements do. */
export async function migrate(database: Database, name: TableName, schema: string): Promise<void> {
  // A role that may not make tables can still open what is up to date.
  if ((await readVersion(database, name, schema)) === formatVersion) return;
  const canLock = await hasAdvisoryLocks(database);
  await database.transaction(async (session) => {
    if (canLock) await session.query("SELECT pg_advisory_xact_lock($1::bigint)", [lockKey]);
    const version = await readVersion(session, name, schema);
    if (version === 0) {
      await session.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
      await session.query(formatTable(name));
    }
    for (const migration of migrations(name)) {
      if (migration.version <= version) continue;
      for (const statement of migration.statements) await session.query(statement);
      // Without advisory locks the primary key lets one of two win; the other begins anew.
      await session.query(`INSERT INTO ${name("format")} (topic, version) VALUES ($1, $2)`, [
        new Uint8Array(0),
        migration.version,
      ]);
    }
  });
}

/** 0 for a schema that is not there or empty. */
async function readVersion(session: Session, name: TableName, schema: string): Promise<number> {
  const tables = await session.query(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = $1",
    [schema],
  );
  if (tables.length === 0) return 0;
  const columns = await session.query(
    `SELECT column_name FROM information_schema.columns
     WHERE table_schema = $1 AND table_name = 'format' ORDER BY column_name`,
    [schema],
  );
  if (columns.map((row) => row["column_name"]).join() !== "topic,version") {
    const message = `schema ${schema} holds tables of another program`;
    throw new PostgresStoreError("STORE_FOREIGN_SCHEMA", message);
  }
  const [row = {}] = await session.query(
    `SELECT coalesce(max(version), 0)::bigint AS version FROM ${name("format")}`,
  );
  const version = integerIn(row, "version");
  if (version <= formatVersion) return version;
  throw new PostgresStoreError(
    "STORE_NEWER_FORMAT",
    `schema ${schema} has format ${version}; this version reads up to ${formatVersion}`,
  );
}

/** Engines of one dialect differ here, and a failing statement would spoil the transaction. */
async function hasAdvisoryLocks(session: Session): Promise<boolean> {
  const rows = await session.query(
    "SELECT 1 AS found FROM pg_proc WHERE proname = 'pg_advisory_xact_lock' LIMIT 1",
  );
  return rows.length > 0;
}
