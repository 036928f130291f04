/**
 * A copy of a relay's database while it runs, and a relay from such a copy (docs/guides/relay.md,
 * *Backup*). Layer 9.
 *
 * A relay set back to an older state has forgotten entries of its own log, and would write others in
 * their place: a fork. So whatever is restored waits, space by space, until a peer has said how far
 * that log goes.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createCrypto, type Random } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { createSpaces } from "@hawser/space";
import { checkSqliteFile, createSqliteStore } from "@hawser/store-sqlite";
import { platformTimers } from "@hawser/transport-ws";
import { databaseName, lockFolder, openData } from "./data.ts";
import { RelayError } from "./errors.ts";
import { openIdentity } from "./identity.ts";
import { cursorSecretKey } from "./pull.ts";

/** Owner alone: the file holds the relay's secret. */
const ownerOnly = 0o600;
const unfinished = ".part";
const copyBytesAtOnce: number = 1024 * 1024;

/**
 * Writes a copy of the database in `folder` to `file`, while a relay may work on it. The copy is
 * whole or is not there. Throws `RELAY_BACKUP_FAILED`.
 */
export function backUp(folder: string, file: string): void {
  if (existsSync(file)) throw failed(`${file} exists`);
  const part = file + unfinished;
  try {
    rmSync(part, { force: true });
    // SQLite writes into an empty file, which has its mode before there is anything in it.
    closeSync(openSync(part, "wx", ownerOnly));
    const database = new DatabaseSync(join(folder, databaseName), { readOnly: true });
    try {
      database.prepare("VACUUM INTO ?").run(part);
    } finally {
      database.close();
    }
    const problems = checkSqliteFile(part);
    if (problems.length > 0) throw failed(`the copy is damaged: ${problems[0] ?? ""}`);
    syncFile(part);
    renameSync(part, file);
  } catch (cause) {
    rmSync(part, { force: true });
    if (cause instanceof RelayError) throw cause;
    throw failed("the database cannot be copied", cause);
  }
}

/**
 * Makes a data folder from a copy; every space in it waits for a peer. Returns how many. Throws
 * `RELAY_BACKUP_INVALID`, `RELAY_BACKUP_FAILED` (the folder has a database already) and what
 * `lockFolder` throws.
 */
export async function restore(file: string, folder: string): Promise<number> {
  const problems = existsSync(file) ? checkSqliteFile(file) : ["there is no such file"];
  if (problems.length > 0) {
    throw new RelayError("RELAY_BACKUP_INVALID", `${file}: ${problems[0] ?? ""}`);
  }
  // A relay that started now would make a database of its own in the place of the restored one.
  const lock = lockFolder(folder);
  try {
    return await restoreLocked(file, join(folder, databaseName));
  } finally {
    lock.close();
  }
}

async function restoreLocked(file: string, target: string): Promise<number> {
  // The log of a database that was deleted would be played into the one that takes its place.
  if (["", "-wal", "-shm"].some((suffix) => existsSync(target + suffix))) {
    throw failed(`${dirname(target)} holds a database already, or what is left of one`);
  }
  const part = target + unfinished;
  try {
    rmSync(part, { force: true });
    copyBytes(file, part);
    // Under its name only once it is marked: a crash before that leaves no relay that could fork.
    const store = createSqliteStore({ crypto: await createCrypto() }, { path: part });
    const count = await markAndClose(store);
    syncFile(part);
    renameSync(part, target);
    return count;
  } catch (cause) {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(part + suffix, { force: true });
    if (cause instanceof Error && "code" in cause && String(cause.code).startsWith("E")) {
      throw failed("the folder cannot be written", cause);
    }
    throw cause;
  }
}

/**
 * Marks the spaces of a store that was restored by other means (a snapshot of the disk, pg_dump), while
 * no relay works on it. Returns how many. Throws what `openData` throws.
 */
export async function markRestored(place: {
  readonly data: string | undefined;
  readonly store: string | undefined;
}): Promise<number> {
  const data = await openData(await createCrypto(), { ...place, onFailure: () => undefined });
  try {
    return await markStore(data.store);
  } finally {
    await data.close();
  }
}

async function markAndClose(store: LogStore): Promise<number> {
  try {
    return await markStore(store);
  } finally {
    await store.close();
  }
}

async function markStore(store: LogStore): Promise<number> {
  const random: Random = (byteCount) => new Uint8Array(randomBytes(byteCount));
  if ((await store.get("relay/secret")) === undefined) {
    throw new RelayError("RELAY_BACKUP_INVALID", "the database holds no relay");
  }
  // Receive order begins anew from here: whoever pulls with an older cursor has to start over.
  await store.commit({ writes: [{ key: cursorSecretKey, value: undefined }] });
  const crypto = await createCrypto();
  const clock = { nowMicros: () => Date.now() * 1_000 };
  const identity = await openIdentity({ store, crypto, random });
  // Nothing is written in the relay's name before the marks are there.
  const isWriter = (): boolean => false;
  const deps = { store, crypto, clock, random, timers: platformTimers, identity, isWriter };
  const spaces = await createSpaces(deps);
  try {
    return (await spaces.beginRestored()).length;
  } finally {
    await spaces.close();
  }
}

/** The system's copying would take over the mode of a file that others may read. */
function copyBytes(from: string, to: string): void {
  const source = openSync(from, "r");
  try {
    const target = openSync(to, "wx", ownerOnly);
    try {
      const chunk = new Uint8Array(copyBytesAtOnce);
      for (;;) {
        const byteCount = readSync(source, chunk);
        if (byteCount === 0) return;
        for (let at = 0; at < byteCount;) at += writeSync(target, chunk, at, byteCount - at);
      }
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function syncFile(path: string): void {
  const handle = openSync(path, "r+");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function failed(message: string, cause?: unknown): RelayError {
  return new RelayError("RELAY_BACKUP_FAILED", message, { cause });
}
