/**
 * The connections to one database: statements, transactions that are begun anew when they conflict
 * or their connection breaks, and the dedicated one that hears notifications. Layer 4.
 */
import { Client, Pool, types, type ClientConfig, type PoolClient } from "pg";
import { LogError } from "@hawser/log";
import { isOutcomeUnknown, isWorthRetrying, PostgresStoreError, toStoreError } from "./errors.ts";
import { invalid, type Settings, type Timers } from "./options.ts";
import type { Row } from "./row.ts";

/** What runs statements: the database, or one transaction on it. */
export interface Session {
  /** Rejects with PostgresStoreError. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

/** What an attempt at a transaction knows of the ones before it. */
export interface Attempt {
  /** An earlier one broke off while it was committed: its effects may be there. */
  readonly isOutcomeUnknown: boolean;
}

/** A dedicated connection; `stop` is idempotent. */
export interface Listening {
  stop(): Promise<void>;
}

/** A pool of connections. */
export interface Database extends Session {
  /** One statement, tried again like a transaction: for reading. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /**
   * READ COMMITTED. `work` is run again when it is worth it, so it must compute everything anew.
   * Rejects with what `work` threw, or PostgresStoreError.
   */
  transaction<Value>(work: (session: Session, attempt: Attempt) => Promise<Value>): Promise<Value>;
  /** Listens on a channel until the connection ends, which `onEnd` tells once. */
  listen(channel: string, on: ListenEvents): Promise<Listening>;
  /** From now on nothing is tried again. */
  stopRetrying(): void;
  close(): Promise<void>;
}

/** What a connection that listens tells. */
export interface ListenEvents {
  message(payload: string): void;
  end(): void;
}

const bigintOid = 20;
const byteaOid = 17;
const byteaParser = types.getTypeParser(byteaOid, "text");

/** Integers as numbers (they are below 2^53), bytes as plain Uint8Arrays, the rest as ever. */
const typeParsers = {
  getTypeParser: (oid: number, format?: "text" | "binary"): ((value: string) => unknown) => {
    if (oid === bigintOid) return Number;
    if (oid === byteaOid) {
      return (value) => {
        const { buffer, byteOffset, byteLength }: Uint8Array = byteaParser(value);
        return new Uint8Array(buffer, byteOffset, byteLength);
      };
    }
    return types.getTypeParser(oid, format ?? "text");
  },
};

function clientConfig(settings: Settings): ClientConfig {
  const { connection, tls, statementTimeoutMs, connectTimeoutMs } = settings;
  return {
    ...(typeof connection === "string" ? { connectionString: connection } : connection),
    ...(tls === undefined ? {} : { ssl: tls }),
    types: typeParsers,
    // Statements that do not wait for each other's rows share a round trip.
    pipeline: true,
    application_name: "hawser",
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    // For a server that is gone without a word: its own limit cannot reach us.
    query_timeout: statementTimeoutMs + connectTimeoutMs,
  };
}

/** Connects nothing yet. Throws STORE_OPTIONS_INVALID. */
export function createDatabase(timers: Timers, settings: Settings): Database {
  const config = clientConfig(settings);
  const pool = makePool(config, settings.poolSize);
  let isStopped = false;
  let closed: Promise<void> | undefined;

  /** Runs `work` until it succeeds, fails for good, or was tried often enough. */
  const retrying = async <Value>(work: (attempt: Attempt) => Promise<Value>): Promise<Value> => {
    let unknown = false;
    for (let attempt = 0; ; attempt++) {
      try {
        return await work({ isOutcomeUnknown: unknown });
      } catch (error) {
        if (error instanceof CommitBroke) unknown = true;
        const reason = error instanceof CommitBroke ? error.reason : error;
        if (closed !== undefined && isOutcomeUnknown(reason)) {
          throw new LogError("STORE_CLOSED", "the store was closed meanwhile");
        }
        if (isStopped || attempt >= settings.retriesMax || !isWorthRetrying(reason)) {
          throw unknown && reason instanceof PostgresStoreError ? outcomeUnknown(reason) : reason;
        }
      }
      await delay(timers, Math.min(delayMsMax, delayMsMin * 2 ** attempt));
    }
  };

  return {
    query: (text, values) =>
      retrying(() => withClient(pool, (client) => run(client, text, values))),
    transaction: (work) =>
      retrying((attempt) => withClient(pool, (client) => transact(client, work, attempt))),
    listen: (channel, on) => listen(config, channel, on),
    stopRetrying: () => {
      isStopped = true;
    },
    close: () => {
      isStopped = true;
      closed ??= pool.end();
      return closed;
    },
  };
}

const delayMsMin = 5;
const delayMsMax = 1_000;
/** After this an unused connection is closed. */
const idleTimeoutMillis = 60_000;

function delay(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => void timers.after(delayMs, resolve));
}

function makePool(config: ClientConfig, poolSize: number): Pool {
  try {
    // The string is read when a client is made; an error there would hold it.
    void new Client(config);
  } catch {
    throw invalid("the connection string cannot be read");
  }
  const pool = new Pool({ ...config, max: poolSize, idleTimeoutMillis });
  // A connection that breaks while idle is replaced by the pool, one in use fails its statement.
  // Without listeners either would end the process.
  pool.on("error", ignore);
  pool.on("connect", (client) => void client.on("error", ignore));
  return pool;
}

function ignore(): void {}

async function withClient<Value>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Value>,
): Promise<Value> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error);
  });
  let isBroken = true;
  try {
    const value = await work(client);
    isBroken = false;
    return value;
  } catch (error) {
    isBroken = isLost(error);
    throw error;
  } finally {
    client.release(isBroken);
  }
}

function isLost(error: unknown): boolean {
  return error instanceof CommitBroke || isOutcomeUnknown(error);
}

async function run(
  client: PoolClient | Client,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  try {
    const { rows } = await client.query<Row>(text, [...values]);
    return rows;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** The connection was lost between the sending of COMMIT and its answer. Never leaves this file. */
class CommitBroke extends Error {
  readonly reason: PostgresStoreError;

  constructor(reason: PostgresStoreError) {
    super(reason.message);
    this.reason = reason;
  }
}

function outcomeUnknown(reason: PostgresStoreError): PostgresStoreError {
  const message = `whether the commit was applied is unknown: ${reason.message}`;
  return new PostgresStoreError("STORE_OUTCOME_UNKNOWN", message, reason.sqlState);
}

async function transact<Value>(
  client: PoolClient,
  work: (session: Session, attempt: Attempt) => Promise<Value>,
  attempt: Attempt,
): Promise<Value> {
  await run(client, "BEGIN ISOLATION LEVEL READ COMMITTED");
  let isOver = false;
  const session: Session = {
    query: async (text, values) => {
      // One of several sent together has failed: a latecomer must not land outside of the transaction.
      if (isOver) throw new PostgresStoreError("STORE_WRITE_FAILED", "the transaction is over");
      return run(client, text, values);
    },
  };
  let value: Value;
  try {
    value = await work(session, attempt);
  } catch (error) {
    isOver = true;
    // On a broken connection there is nothing to roll back: the server does it.
    if (!isLost(error)) await run(client, "ROLLBACK").catch(ignore);
    throw error;
  }
  isOver = true;
  await commit(client);
  return value;
}

async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query("COMMIT").catch((cause: unknown) => {
    const error = toStoreError(cause);
    throw isOutcomeUnknown(error) ? new CommitBroke(error) : error;
  });
  // So the server answers where a statement before had failed.
  if (command === "ROLLBACK") {
    throw new PostgresStoreError("STORE_WRITE_FAILED", "the transaction was rolled back");
  }
}

async function listen(config: ClientConfig, channel: string, on: ListenEvents): Promise<Listening> {
  // A connection that waits for notifications for days is not stuck.
  const { query_timeout: _, ...patient } = config;
  const client = new Client(patient);
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    on.end();
  };
  client.on("error", ignore);
  client.on("notification", ({ payload }) => {
    on.message(payload ?? "");
  });
  try {
    await client.connect();
    client.on("end", end);
    await run(client, `LISTEN "${channel}"`);
  } catch (error) {
    isEnded = true;
    client.end().catch(ignore);
    throw toStoreError(error);
  }
  return {
    stop: async () => {
      isEnded = true;
      await client.end().catch(ignore);
    },
  };
}
