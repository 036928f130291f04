/**
 * One connection to the database: opening it, losing it, and transactions on it
 * (docs/spec/store-idb.md §3). Layer 4.
 */
import {
  evicted,
  failureOf,
  IdbStoreError,
  isQuotaError,
  nameOf,
  noRoom,
  toStoreError,
} from "./errors.ts";
import type {
  IdbDatabase,
  IdbFactory,
  IdbKeyRanges,
  IdbObjectStore,
  IdbRequest,
  IdbTransaction,
} from "./idb-types.ts";
import type { IdbPlatform } from "./platform.ts";
import { formatVersion, makeTables, tableNames, type TableName } from "./records.ts";

/** Attempts to open while the browser clears data, and the wait before the second; then doubled. */
const attemptsMax = 7;
const attemptDelayMs = 25;

/** The tables within one transaction. */
export type Tables = (name: TableName) => IdbObjectStore;

export interface TransactionOptions {
  readonly mode: "readonly" | "readwrite";
  readonly durability?: "strict" | "relaxed";
}

/** An open database. */
export interface Connection {
  readonly keyRange: IdbKeyRanges;
  /**
   * Runs `work` in one transaction; resolves when it is complete, durable in the mode's sense. What
   * `work` awaits must be requests of this transaction. Rejects as `work` does or with
   * STORE_WRITE_FAILED, STORE_READ_FAILED, STORE_EVICTED, STORE_SUPERSEDED; then nothing was written.
   */
  run<Value>(options: TransactionOptions, work: (tables: Tables) => Promise<Value>): Promise<Value>;
  close(): void;
}

export interface ConnectOptions {
  readonly name: string;
  /** Whether a database must be there. */
  readonly isRequired: boolean;
  /** How long other tabs may hold up the opening, in ms. */
  readonly blockedMsMax: number;
}

/** The value of one request. */
export function valueOf<Value>(request: IdbRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(failureOf(request.error));
  });
}

/** The browser's database, or STORE_UNAVAILABLE. */
export function requireFactory(platform: IdbPlatform): IdbFactory {
  if (platform.indexedDB !== undefined && platform.indexedDB !== null) return platform.indexedDB;
  const message = "there is no IndexedDB here, or storage is switched off for this site";
  throw new IdbStoreError("STORE_UNAVAILABLE", message);
}

function requireKeyRange({ keyRange }: IdbPlatform): IdbKeyRanges {
  if (keyRange !== undefined) return keyRange;
  throw new IdbStoreError("STORE_UNAVAILABLE", "IDBKeyRange is missing");
}

/** Opens the database, and makes it if it may be missing. Rejects with IdbStoreError. */
function openDatabase(platform: IdbPlatform, options: ConnectOptions): Promise<IdbDatabase> {
  const { name, isRequired, blockedMsMax } = options;
  return new Promise((resolve, reject) => {
    let isMissing = false;
    let isGivenUp = false;
    // From the start: a request behind another tab's deletion waits without being told `blocked`.
    const stopTimer = platform.after(blockedMsMax, () => {
      isGivenUp = true;
      const message = `the database is held up for ${blockedMsMax} ms: close or reload other tabs`;
      reject(new IdbStoreError("STORE_BLOCKED", message));
    });
    const fail = (error: unknown): void => {
      stopTimer();
      reject(isMissing ? evicted("is gone, though there was one") : openError(error));
    };
    try {
      const request = requireFactory(platform).open(name, formatVersion);
      request.onupgradeneeded = ({ oldVersion }) => {
        isMissing = oldVersion === 0 && isRequired;
        // Undoes the making of it: an empty database would look like an account without data.
        if (isMissing || isGivenUp) request.transaction?.abort();
        else makeTables(request.result);
      };
      request.onerror = () => fail(request.error);
      request.onsuccess = () => {
        stopTimer();
        if (isGivenUp) request.result.close();
        else resolve(request.result);
      };
    } catch (error) {
      fail(error);
    }
  });
}

/**
 * Opens the database, again while the browser clears this site's data: meanwhile it aborts whatever is
 * asked of it, and only afterwards can be seen what is left.
 */
async function openPatiently(platform: IdbPlatform, options: ConnectOptions): Promise<IdbDatabase> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openDatabase(platform, options);
    } catch (error) {
      const isAborted = error instanceof IdbStoreError && nameOf(error.cause) === "AbortError";
      if (!isAborted || attempt === attemptsMax) throw error;
      await new Promise<void>((resolve) =>
        platform.after(attemptDelayMs * 2 ** (attempt - 1), resolve),
      );
    }
  }
}

function openError(cause: unknown): IdbStoreError {
  if (cause instanceof IdbStoreError) return cause;
  if (nameOf(cause) === "VersionError") {
    const message = `the database has a newer format than ${formatVersion}: update or reload`;
    return new IdbStoreError("STORE_NEWER_FORMAT", message, { cause });
  }
  if (isQuotaError(cause)) return noRoom(cause);
  const message = `the browser does not open the database: ${nameOf(cause) || "no reason given"}`;
  return new IdbStoreError("STORE_UNAVAILABLE", message, { cause });
}

/** Throws STORE_FOREIGN_DATABASE when the tables are not ours. */
function assertOurs(database: IdbDatabase, name: string): void {
  if (tableNames.every((table) => database.objectStoreNames.contains(table))) return;
  database.close();
  throw new IdbStoreError("STORE_FOREIGN_DATABASE", `${name} is another program's database`);
}

/** Whether a connection may still be used. */
interface Fate {
  /** Throws the error with which the database was lost. */
  assertThere(): void;
  /** The first loss counts, and none after the end by one's own wish. */
  lose(error: unknown): void;
  close(): void;
  /** Lost, or closed. */
  isOver(): boolean;
}

function createFate(onGone: (error: unknown) => void): Fate {
  let isClosed = false;
  let gone: { readonly error: unknown } | undefined;
  const isOver = (): boolean => isClosed || gone !== undefined;
  return {
    assertThere: () => {
      if (gone !== undefined) throw gone.error;
    },
    lose: (error) => {
      if (isOver()) return;
      gone = { error };
      onGone(error);
    },
    close: () => {
      isClosed = true;
    },
    isOver,
  };
}

/**
 * Connects. `onGone` hears of the error with which everything will be refused from then on, when the
 * database goes away under the connection.
 */
export async function connect(
  platform: IdbPlatform,
  options: ConnectOptions,
  onGone: (error: unknown) => void,
): Promise<Connection> {
  requireFactory(platform);
  const keyRange = requireKeyRange(platform);
  const fate = createFate(onGone);

  const adopt = (database: IdbDatabase): IdbDatabase => {
    assertOurs(database, options.name);
    database.onversionchange = ({ newVersion }) => {
      // Transactions under way end first; a tab that held on would block the other for ever.
      database.close();
      fate.lose(lossBy(newVersion));
    };
    database.onclose = () => renew(database);
    return database;
  };

  let opening = openPatiently(platform, options).then(adopt);
  /** The connection in use; none while a new one is made, which several may find out about. */
  let database: IdbDatabase | undefined = await opening;

  /**
   * The browser ended this connection. Either the database is gone, or its engine failed and what was
   * acknowledged is still there: opening it again tells.
   */
  const renew = (lost: IdbDatabase): void => {
    if (lost !== database || fate.isOver()) return;
    lost.close();
    database = undefined;
    opening = openPatiently(platform, { ...options, isRequired: true }).then(adopt);
    opening.then((opened) => {
      database = opened;
      if (fate.isOver()) opened.close();
    }, fate.lose);
  };

  return {
    keyRange,
    run: async (transactionOptions, work) => {
      fate.assertThere();
      const used = await opening;
      fate.assertThere();
      try {
        return await runTransaction(used, transactionOptions, work);
      } catch (error) {
        fate.assertThere();
        if (isLostConnection(error)) {
          renew(used);
          // Rejects with what became of the database, if it is gone.
          await opening;
        }
        throw toStoreError(error, transactionOptions.mode);
      }
    },
    close: () => {
      fate.close();
      opening.then(
        (opened) => opened.close(),
        () => {},
      );
    },
  };
}

/** What another tab did to the database. */
function lossBy(newVersion: number | null): IdbStoreError {
  if (newVersion === null) return evicted("was deleted by another tab");
  const message = "another tab upgrades the database: reload this one";
  return new IdbStoreError("STORE_SUPERSEDED", message);
}

/** A transaction that could not start, or was aborted by nobody here, and for no stated reason. */
function isLostConnection(error: unknown): boolean {
  return nameOf(error) === "InvalidStateError" || nameOf(error) === "AbortError";
}

async function runTransaction<Value>(
  database: IdbDatabase,
  { mode, durability = "relaxed" }: TransactionOptions,
  work: (tables: Tables) => Promise<Value>,
): Promise<Value> {
  const transaction = database.transaction(tableNames, mode, { durability });
  const ended = endOf(transaction);
  let value: Value;
  try {
    value = await work((name) => transaction.objectStore(name));
  } catch (error) {
    abort(transaction);
    await ended.catch(() => {});
    // What aborted the transaction says more than the request that was cut off by it.
    throw nameOf(error) === "AbortError" ? (transaction.error ?? error) : error;
  }
  // Saves the wait for the browser to notice that no further request comes.
  if (mode === "readwrite") commit(transaction);
  await ended;
  return value;
}

function endOf(transaction: IdbTransaction): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(failureOf(transaction.error));
  });
  // Awaited only after `work`, which may fail first.
  ended.catch(() => {});
  return ended;
}

/** Throws when it has ended by itself; then there is nothing left to do. */
function abort(transaction: IdbTransaction): void {
  try {
    transaction.abort();
  } catch {
    return;
  }
}

/** Throws when it is ending already; then its end is what counts. */
function commit(transaction: IdbTransaction): void {
  try {
    transaction.commit?.();
  } catch {
    return;
  }
}
