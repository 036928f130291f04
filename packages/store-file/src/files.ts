/**
 * The file layer: the few things the store asks of a file system, and Node's answer. Layer 4, a leaf.
 * An interface so that tests can fill disks, fail syncs and tear writes.
 *
 * Reads and writes are synchronous: they touch the page cache, where a call costs 2 µs and a promise
 * twenty times that. Syncs wait for the disk and are asynchronous; commits gather meanwhile.
 */
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { codeOf } from "./errors.ts";
import { lockFolder, type FolderLock } from "./lock.ts";

/** An open file. */
export interface StoreFile {
  size(): number;
  /** Fills `target` from `position` on as far as the file goes; the bytes read. */
  read(target: Uint8Array, position: number): number;
  /** Writes some of `bytes` at `position`; how many, at least one. */
  write(bytes: Uint8Array, position: number): number;
  truncate(size: number): void;
  /** Resolves when what was written lies on the disk. */
  sync(): Promise<void>;
  close(): void;
}

/** `create`: new, for reading and writing; fails when it is there. */
export type OpenMode = "read" | "write" | "create";

/** A file system, as far as the store needs one. Paths are whole paths. */
export interface FileLayer {
  /** Makes the folder and those above it. */
  makeFolder(path: string): void;
  /** Names in a folder. */
  list(path: string): readonly string[];
  open(path: string, mode: OpenMode): StoreFile;
  rename(from: string, to: string): void;
  /** Does nothing when there is no such file. */
  remove(path: string): void;
  /** Makes names in a folder durable. */
  syncFolder(path: string): void;
  /** Takes the lock file, made when missing. Throws STORE_BUSY while anybody holds it. */
  lock(path: string): FolderLock;
  /** Lets other work of the event loop go first. */
  pause(): Promise<void>;
}

const openFlags = { read: "r", write: "r+", create: "wx+" } as const;

/** Only the owner may read: device keys lie in the key-value space. */
const fileMode = 0o600;
const folderMode = 0o700;

/** Node's file system. */
export function createNodeFiles(): FileLayer {
  return {
    makeFolder: (path) => void mkdirSync(path, { recursive: true, mode: folderMode }),
    list: (path) => readdirSync(path),
    open: (path, mode) => nodeFile(openSync(path, openFlags[mode], fileMode)),
    rename: renameSync,
    remove: (path) => rmSync(path, { force: true }),
    syncFolder,
    lock: lockFolder,
    pause: () => setImmediate(),
  };
}

function nodeFile(descriptor: number): StoreFile {
  return {
    size: () => fstatSync(descriptor).size,
    read: (target, position) => {
      let count = 0;
      while (count < target.length) {
        const left = target.length - count;
        const got = readSync(descriptor, target, count, left, position + count);
        if (got === 0) break;
        count += got;
      }
      return count;
    },
    write: (bytes, position) => writeSync(descriptor, bytes, 0, bytes.length, position),
    truncate: (size) => ftruncateSync(descriptor, size),
    sync: () =>
      new Promise((resolve, reject) => {
        fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
      }),
    close: () => closeSync(descriptor),
  };
}

function syncFolder(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    // Windows opens no folders; its file systems journal names themselves.
    if (["EPERM", "EISDIR", "EACCES"].includes(codeOf(error))) return;
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes all of `bytes` at `position`. */
export function writeFully(file: StoreFile, bytes: Uint8Array, position: number): void {
  let count = 0;
  while (count < bytes.length) {
    const written = file.write(bytes.subarray(count), position + count);
    if (written <= 0) throw new Error("a write took no bytes");
    count += written;
  }
}
