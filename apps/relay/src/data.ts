/** The data folder: one database, one relay at a time. Layer 9. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Crypto } from "@hawser/crypto";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { createSqliteStore } from "@hawser/store-sqlite";
import { RelayError } from "./errors.ts";

/** An open data folder. */
export interface Data {
  readonly store: LogStore;
  /** Closes the store and lets another relay in. */
  close(): Promise<void>;
}

const databaseName = "relay.sqlite";
const lockName = "relay.lock";

/**
 * Opens the store in `folder`, which is made when missing; memory without one. Throws
 * `RELAY_DATA_UNUSABLE`, `RELAY_DATA_BUSY` and the codes of the SQLite store.
 */
export function openData(crypto: Crypto, folder: string | undefined): Data {
  if (folder === undefined) {
    const store = createMemoryStore({ crypto });
    return { store, close: () => store.close() };
  }
  makeFolder(folder);
  const lock = takeLock(join(folder, lockName));
  try {
    const store = createSqliteStore({ crypto }, { path: join(folder, databaseName) });
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

/** Others on the machine have no business in it: the database holds the relay's own secret. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new RelayError("RELAY_DATA_UNUSABLE", `${folder} cannot be made`, { cause });
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
