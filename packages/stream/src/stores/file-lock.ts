/**
 * Who may write to a file: a lock the kernel keeps (docs/spec/stream.md, "Byte stores"). Layer 4.
 *
 * Node has no file locks of its own, but its SQLite has: an exclusive transaction on an empty
 * database next to the file. A lock file with a process id in it would outlive a killed process and
 * would have to be judged stale, which two openers cannot both do safely; a kernel lock ends with
 * its process, whatever ended it.
 */
import { StreamError } from "../errors.ts";

/** A held lock. */
export interface FileLock {
  /** Gives it up; idempotent. */
  release(): void;
}

/** SQLITE_BUSY: somebody else holds the lock. */
const sqliteBusy = 5;

/**
 * Takes the lock `path`, a file that is made when it is not there and is left behind empty: to
 * delete it would let two writers lock two files of one name. Rejects with BYTES_LOCKED while any
 * process holds it, this one included.
 */
export async function lockFile(path: string): Promise<FileLock> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = openDatabase(() => new DatabaseSync(path, { timeout: 0 }));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw toLockError(error);
  }
  let isHeld = true;
  return {
    release() {
      if (!isHeld) return;
      isHeld = false;
      database.close();
    },
  };
}

function openDatabase<Database>(open: () => Database): Database {
  try {
    return open();
  } catch (error) {
    throw toLockError(error);
  }
}

function toLockError(error: unknown): StreamError {
  const code = typeof error === "object" && error !== null && "errcode" in error && error.errcode;
  return code === sqliteBusy
    ? new StreamError("BYTES_LOCKED", "another writer has the file open", { cause: error })
    : new StreamError("BYTES_IO", "the lock file cannot be used", { cause: error });
}
