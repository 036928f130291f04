/**
 * The tables (docs/spec/store-postgres.md §2) and how they came about. Layer 4.
 *
 * Plain SQL that any engine with PostgreSQL's protocol understands: no triggers, no extensions, no
 * sequences. Every primary key begins with `topic`; rows that belong to no topic have the empty one.
 */

/** The version of the newest migration; a schema of a higher one is refused. */
export const formatVersion = 1;

/** Topics that share a first byte share a lane, and its counter. */
export const laneCount = 256;

/** A table's name with its schema, for a statement. */
export type TableName = (
  table: "format" | "lanes" | "logs" | "ranges" | "signed" | "forks" | "kv" | "commits",
) => string;

/** Names in `schema`, which was checked to need no quoting tricks. */
export function tableNames(schema: string): TableName {
  return (table) => `"${schema}".${table}`;
}

/** Version, and the statements that lead there from the one before. Never edited once released. */
export function migrations(
  name: TableName,
): readonly { readonly version: number; readonly statements: readonly string[] }[] {
  return [{ version: 1, statements: [...logTables(name), ...otherTables(name)] }];
}

/** Made before anything else: it tells what else there is. */
export function formatTable(name: TableName): string {
  return `CREATE TABLE IF NOT EXISTS ${name("format")} (
    topic bytea NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (topic, version)
  )`;
}

function logTables(name: TableName): readonly string[] {
  return [
    `CREATE TABLE ${name("lanes")} (
      topic bytea PRIMARY KEY,
      cursor bigint NOT NULL,
      logs bigint NOT NULL,
      entries bigint NOT NULL,
      ranges bigint NOT NULL,
      range_bytes bigint NOT NULL,
      data_bytes bigint NOT NULL
    )`,
    `INSERT INTO ${name("lanes")}
      SELECT decode(lpad(to_hex(number), 2, '0'), 'hex'), 0, 0, 0, 0, 0, 0
      FROM generate_series(0, ${laneCount - 1}) AS numbers (number)`,
    `CREATE TABLE ${name("logs")} (
      topic bytea NOT NULL,
      log_id bytea NOT NULL,
      height bigint NOT NULL,
      state bytea NOT NULL,
      signed_height bigint NOT NULL,
      signed_hash bytea,
      pruned_to bigint NOT NULL,
      marked_at bigint NOT NULL,
      PRIMARY KEY (topic, log_id)
    )`,
    `CREATE INDEX logs_id ON ${name("logs")} (log_id)`,
    `CREATE TABLE ${name("ranges")} (
      topic bytea NOT NULL,
      cursor bigint NOT NULL,
      lane smallint NOT NULL,
      log_id bytea NOT NULL,
      first bigint NOT NULL,
      count integer NOT NULL,
      data_bytes bigint NOT NULL,
      before bytea,
      bytes bytea NOT NULL,
      PRIMARY KEY (topic, cursor),
      UNIQUE (topic, log_id, first)
    )`,
    `CREATE INDEX ranges_lane ON ${name("ranges")} (lane, cursor)`,
  ];
}

function otherTables(name: TableName): readonly string[] {
  return [
    `CREATE TABLE ${name("signed")} (
      topic bytea NOT NULL,
      log_id bytea NOT NULL,
      seq bigint NOT NULL,
      prefix bigint NOT NULL,
      PRIMARY KEY (topic, log_id, seq)
    )`,
    `CREATE INDEX signed_prefix ON ${name("signed")} (prefix)`,
    `CREATE TABLE ${name("forks")} (
      topic bytea NOT NULL,
      log_id bytea NOT NULL,
      seq bigint NOT NULL,
      proof bytea NOT NULL,
      PRIMARY KEY (topic, log_id)
    )`,
    `CREATE INDEX forks_id ON ${name("forks")} (log_id)`,
    `CREATE TABLE ${name("kv")} (
      topic bytea NOT NULL,
      key text COLLATE "C" NOT NULL,
      value bytea NOT NULL,
      PRIMARY KEY (topic, key)
    )`,
    `CREATE TABLE ${name("commits")} (
      topic bytea NOT NULL,
      writer uuid NOT NULL,
      number bigint NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (topic, writer)
    )`,
  ];
}
