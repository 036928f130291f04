/** Where a relay keeps its data: memory, a folder with one database, or PostgreSQL. Layer 9. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Crypto } from "@hawser/crypto";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { createPostgresStore } from "@hawser/store-postgres";
import { createSqliteStore } from "@hawser/store-sqlite";
import { platformTimers } from "@hawser/transport-ws";
import { openCluster, type Cluster } from "./cluster.ts";
import { RelayError } from "./errors.ts";

/** What a relay works on. */
export interface Data {
  readonly store: LogStore;
  /** What it shares with other nodes, on PostgreSQL. */
  readonly cluster?: Cluster;
  /** Closes the store and lets another relay in. */
  close(): Promise<void>;
}

/** Where the data is: a folder, a database, or neither for memory. */
export interface DataPlace {
  readonly data: string | undefined;
  readonly store: string | undefined;
  readonly onFailure: (cause: unknown) => void;
}

/** The database in the data folder. */
export const databaseName = "relay.sqlite";
const lockName = "relay.lock";

/**
 * Opens the store. Throws `RELAY_DATA_UNUSABLE`, `RELAY_DATA_BUSY` and the codes of the stores.
 */
export async function openData(crypto: Crypto, place: DataPlace): Promise<Data> {
  if (place.store !== undefined) return openDatabase(crypto, place.store, place.onFailure);
  if (place.data !== undefined) return openFolder(crypto, place.data);
  const store = createMemoryStore({ crypto });
  return { store, close: () => store.close() };
}

async function openDatabase(
  crypto: Crypto,
  connection: string,
  report: (cause: unknown) => void,
): Promise<Data> {
  const timers = platformTimers;
  const cluster = await openCluster(timers, connection);
  try {
    const store = await createPostgresStore({ crypto, timers, report }, { connection });
    return {
      store,
      cluster,
      close: async () => {
        await store.close();
        await cluster.close();
      },
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** Makes the folder when it is missing. One relay at a time. */
export function openFolder(crypto: Crypto, folder: string): Data {
  const lock = lockFolder(folder);
  try {
    const path = join(folder, databaseName);
    ownFile(path);
    const store = createSqliteStore({ crypto }, { path });
    return {
      store,
      close: async () => {
        await store.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * Makes the folder when it is missing, and keeps relays and restores out of it until `close`. Throws
 * `RELAY_DATA_UNUSABLE`, `RELAY_DATA_BUSY`.
 */
export function lockFolder(folder: string): { close(): void } {
  makeFolder(folder);
  return takeLock(join(folder, lockName));
}

/** Others on the machine have no business in it: the database holds the relay's own secret. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new RelayError("RELAY_DATA_UNUSABLE", `${folder} cannot be made`, { cause });
  }
}

/** Makes the file when it is missing: in a folder that was there before, others might read it. */
function ownFile(path: string): void {
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch (cause) {
    throw new RelayError("RELAY_DATA_UNUSABLE", `${path} cannot be opened`, { cause });
  }
}

/** An exclusive transaction that never ends: the system drops it with the process. */
function takeLock(path: string): DatabaseSync {
  const lock = openLock(path);
  try {
    lock.exec("PRAGMA journal_mode = DELETE");
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw new RelayError("RELAY_DATA_BUSY", "another relay works on this data folder", { cause });
  }
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw new RelayError("RELAY_DATA_UNUSABLE", `${path} cannot be opened`, { cause });
  }
}
