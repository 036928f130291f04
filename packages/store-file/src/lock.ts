/**
 * Who may open a folder: a lock the kernel keeps (docs/spec/store-file.md §2). Layer 4, a leaf.
 *
 * Node has no file locks of its own, but its SQLite has: an exclusive transaction on an empty
 * database. A file with a process id in it would outlive a killed process and would have to be judged
 * stale, which two openers cannot both do safely; a kernel lock ends with its process.
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { codeOf, FileStoreError } from "./errors.ts";

/** A held lock. */
export interface FolderLock {
  /** Gives it up; idempotent. */
  release(): void;
}

/** SQLITE_BUSY: somebody else holds the lock. */
const sqliteBusy = 5;

/**
 * Takes the lock file `path`, which is made when missing and left behind empty: to delete it would
 * let two stores lock two files of one name. Throws STORE_BUSY while anybody holds it, this process
 * included, and STORE_UNREADABLE.
 */
export function lockFolder(path: string): FolderLock {
  try {
    makePrivate(path);
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      throw error;
    }
    return createLock(database);
  } catch (error) {
    throw toLockError(error);
  }
}

function createLock(database: DatabaseSync): FolderLock {
  let isHeld = true;
  return {
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      database.close();
    },
  };
}

/** SQLite would make it readable for others. An existing file is not touched: closing it ends locks. */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

function toLockError(cause: unknown): FileStoreError {
  const code = typeof cause === "object" && cause !== null && "errcode" in cause && cause.errcode;
  return code === sqliteBusy
    ? new FileStoreError("STORE_BUSY", "another store has the folder open", { cause })
    : new FileStoreError("STORE_UNREADABLE", "the lock file cannot be used", { cause });
}
