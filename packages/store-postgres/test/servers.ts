/** Stores on one server a test file, each store in a schema of its own. */
import { afterAll } from "vitest";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import {
  createPostgresStore,
  type PostgresStoreOptions,
  type Timers,
} from "@hawser/store-postgres";
import { startTestServer, type TestServer } from "@hawser/store-postgres/testing";

export const crypto: Crypto = createNobleCrypto();

export const timers: Timers = {
  after: (delayMs: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const outcome = await startTestServer();
if (outcome.ok) afterAll(() => outcome.server[Symbol.asyncDispose]());

/** Why the tests of this file do not run here, or false. */
export const skipReason: string | false = outcome.ok
  ? false
  : `no PostgreSQL server runs here: ${outcome.reason}`;

export function testServer(): TestServer {
  if (outcome.ok) return outcome.server;
  throw new Error(outcome.reason);
}

let count = 0;
export function freshSchema(): string {
  count += 1;
  return `test_${count}`;
}

export async function openStore(
  schema: string,
  options: Partial<PostgresStoreOptions> = {},
): Promise<LogStore> {
  const connection = testServer().url;
  return createPostgresStore({ crypto, timers }, { connection, schema, ...options });
}
