/**
 * PostgreSQL through a pool of `pg`, or anything of that shape. Layer 8.
 */
import type { SqlDatabase, SqlRow, SqlValue } from "./database.ts";

/** What is used of a pool. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
}

/** A statement as `pg` takes it. */
export interface PostgresQuery {
  readonly text: string;
  readonly values: SqlValue[];
  /** Parsed by the server by itself, and refused when it is several. */
  readonly queryMode: "extended";
}

export interface PostgresClient {
  query(query: PostgresQuery): Promise<{ readonly rows: readonly SqlRow[] }>;
  query(text: string): Promise<unknown>;
  /** With an error the connection is thrown away. */
  release(error?: boolean): void;
}

export interface PostgresOptions {
  /** The schema that the tables stand in, made when missing. Default: that of the connection. */
  readonly schema?: string;
}

/** The database over a pool; `close` ends the pool. */
export function openPostgres(pool: PostgresPool, options: PostgresOptions = {}): SqlDatabase {
  const { schema } = options;
  if (schema !== undefined && !/^[a-z][a-z0-9_]{0,47}$/.test(schema)) {
    throw new TypeError("a schema is a small letter and up to 47 of them, digits and underscores");
  }
  const begin = async (client: PostgresClient, mode: string): Promise<void> => {
    await client.query(`BEGIN ${mode}`);
    if (schema !== undefined) await client.query(`SET LOCAL search_path TO "${schema}"`);
  };
  const inTransaction = async <Result>(
    mode: string,
    run: (client: PostgresClient) => Promise<Result>,
  ): Promise<Result> => {
    const client = await pool.connect();
    let isBroken = true;
    try {
      await begin(client, mode);
      const result = await run(client);
      await client.query("COMMIT");
      isBroken = false;
      return result;
    } catch (error) {
      await client.query("ROLLBACK").then(
        () => (isBroken = false),
        () => undefined,
      );
      throw error;
    } finally {
      client.release(isBroken);
    }
  };
  let isReady = schema === undefined;
  return {
    dialect: "postgres",
    write: (statements) =>
      inTransaction("", async (client) => {
        if (!isReady) await client.query(`CREATE SCHEMA IF NOT EXISTS "${String(schema)}"`);
        for (const { sql, values } of statements) await client.query(one(sql, values));
        isReady = true;
      }),
    read: (sql, values) =>
      inTransaction("READ ONLY", async (client) => (await client.query(one(sql, values))).rows),
    close: () => pool.end(),
  };
}

/** One statement: a text of several could end the transaction that lets it only read. */
function one(text: string, values: readonly SqlValue[]): PostgresQuery {
  return { text, values: [...values], queryMode: "extended" };
}
