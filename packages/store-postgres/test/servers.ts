/** Stores on one server a test file, each test with schemas of its own. */
import { Client } from "pg";
import { afterAll, test } from "vitest";
import { createCrypto, type Crypto } from "@hawser/crypto";
import type { LogStore, StoredRange } from "@hawser/log";
import {
  createPostgresStore,
  type PostgresStoreError,
  type PostgresStoreOptions,
  type Timers,
} from "@hawser/store-postgres";
import { startTestServer, type TestServer } from "@hawser/store-postgres/testing";

export const crypto: Crypto = await createCrypto();

export const timers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const outcome = await startTestServer();
if (outcome.ok) afterAll(() => outcome.server[Symbol.asyncDispose]());

export function testServer(): TestServer {
  if (outcome.ok) return outcome.server;
  throw new Error(outcome.reason);
}

/** A test that needs the server: skipped, and never passed, where none can run. */
export function serverTest(name: string, run: () => Promise<void>, timeoutMs = 30_000): void {
  test(name, { timeout: timeoutMs }, async ({ skip }) => {
    if (!outcome.ok) skip(`no PostgreSQL server runs here: ${outcome.reason}`);
    await run();
  });
}

let count = 0;
export function freshSchema(): string {
  count += 1;
  return `test_${count}`;
}

export interface OpenOptions extends Partial<PostgresStoreOptions> {
  readonly report?: (error: PostgresStoreError) => void;
}

export async function openStore(schema: string, options: OpenOptions = {}): Promise<LogStore> {
  const { report = () => undefined, ...rest } = options;
  const connection = testServer().url;
  return createPostgresStore({ crypto, timers, report }, { connection, schema, ...rest });
}

/** One statement by a connection of its own. */
export async function runSql(
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: testServer().url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
    return rows;
  } finally {
    await client.end();
  }
}

/** Ends the sessions of all stores, wherever they are in what they do. */
export async function killSessions(): Promise<void> {
  await runSql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hawser'",
  );
}

/** What a range is, without its place in receive order. */
export function nameOf(range: Pick<StoredRange, "logId" | "from" | "count">): string {
  return `${range.logId.slice(0, 8)} ${range.from}+${range.count}`;
}

/** Resolves when `holds`, which `onChange` callers have looked at again. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
