/**
 * A byte store in one file, for Node, Deno and Bun (docs/spec/stream.md, "Byte stores"). Layer 4.
 */
import { open, realpath, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { ByteStore } from "../byte-store.ts";
import { StreamError } from "../errors.ts";
import {
  checkCut,
  checkExpected,
  checkRange,
  closedError,
  createSerialQueue,
  groupParts,
  readOnlyError,
  toStreamError,
  type ByteParts,
} from "./common.ts";
import { lockFile } from "./file-lock.ts";

/**
 * `read`: the file as it is, without a lock, beside a writer if there is one. `append`: an existing
 * file, for writing. `create`: a new one; BYTES_EXISTS when there is one. `replace`: a new one in
 * place of what is there, which is lost.
 */
export type FileMode = "read" | "append" | "create" | "replace";

export interface FileBytesOptions {
  /** Default: `append`. */
  readonly mode?: FileMode;
}

/** What the store needs of an open file; a FileHandle of node:fs/promises has it. */
export type OpenFile = Pick<
  FileHandle,
  "read" | "write" | "stat" | "truncate" | "datasync" | "close"
>;

/** What stands around the file. */
export interface FileSurroundings {
  readonly isReadOnly: boolean;
  /** Makes a new file's name durable. */
  syncName?(): Promise<void>;
  release?(): void;
}

const openFlags = { read: "r", append: "r+", create: "wx+", replace: "w+" } as const;

/**
 * Opens the file `path`. A writer holds the lock file `<path>.lock` (empty, left behind) until it is
 * closed or its process ends. Rejects with BYTES_LOCKED, BYTES_ABSENT, BYTES_EXISTS, or BYTES_IO.
 * A file reached by two hard links has two locks: do not write to such a file.
 */
export async function openFileBytes(
  path: string,
  options: FileBytesOptions = {},
): Promise<ByteStore> {
  const { mode = "append" } = options;
  const target = await resolveTarget(path);
  const lock = mode === "read" ? undefined : await lockExisting(target, mode);
  try {
    const file = await open(target, openFlags[mode]);
    const isNew = mode === "create" || mode === "replace";
    return createFileBytes(file, {
      isReadOnly: mode === "read",
      ...(isNew ? { syncName: () => syncDirectory(dirname(target)) } : {}),
      ...(lock === undefined ? {} : { release: lock.release }),
    });
  } catch (error) {
    lock?.release();
    throw toOpenError(error);
  }
}

/** No lock file is made beside a file that is not there. */
async function lockExisting(target: string, mode: FileMode): ReturnType<typeof lockFile> {
  if (mode === "append") {
    await realpath(target).catch((error: unknown) => {
      throw toOpenError(error);
    });
  }
  return lockFile(`${target}.lock`);
}

/** The file itself: two symbolic links to one file must lead to one lock. */
async function resolveTarget(path: string): Promise<string> {
  const full = resolve(path);
  try {
    return await realpath(full);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw toOpenError(error);
  }
  try {
    return join(await realpath(dirname(full)), basename(full));
  } catch (error) {
    throw toOpenError(error);
  }
}

/** The store on an open file, which it owns. Exported for tests that bring a file that fails. */
export function createFileBytes(file: OpenFile, around: FileSurroundings): ByteStore {
  const { isReadOnly } = around;
  const queue = createSerialQueue();
  let isClosed = false;
  let closing: Promise<void> | undefined;
  let isNameSynced = around.syncName === undefined;
  let broken: StreamError | undefined;

  const checkOpen = (): void => {
    if (isClosed) throw closedError();
  };
  const checkWritable = (): void => {
    checkOpen();
    if (isReadOnly) throw readOnlyError();
    if (broken !== undefined) throw broken;
  };
  const sizeNow = async (): Promise<number> => (await wrapIo("stat", file.stat())).size;

  const flushNow = async (): Promise<void> => {
    checkOpen();
    if (isReadOnly) return;
    checkWritable();
    try {
      await file.datasync();
      if (!isNameSynced) await around.syncName?.();
      isNameSynced = true;
    } catch (error) {
      // The kernel reports a lost page once and then forgets it: a second flush would lie. What is
      // on the disk has to be read again, by who opens the file anew.
      broken = toIoError(error, "a flush");
      throw broken;
    }
  };

  const closeNow = async (): Promise<void> => {
    await queue.run(async () => undefined);
    try {
      await wrapIo("close", file.close());
    } finally {
      around.release?.();
    }
  };
  const close = (): Promise<void> => {
    isClosed = true;
    closing ??= closeNow();
    return closing;
  };

  return {
    abilities: { canTruncate: !isReadOnly, isExclusive: !isReadOnly, isReadOnly },
    size: async (signal) => {
      signal?.throwIfAborted();
      checkOpen();
      return sizeNow();
    },
    read: async (offset, length, signal) => {
      signal?.throwIfAborted();
      checkOpen();
      checkRange(offset, length);
      // Allocates what is there, not what was asked for.
      const available = Math.max(0, (await sizeNow()) - offset);
      return readFully(file, offset, Math.min(length, available), signal);
    },
    append: (expectedSize, parts, signal) =>
      queue.run(async () => {
        signal?.throwIfAborted();
        checkWritable();
        checkExpected(expectedSize, await sizeNow());
        return writeParts(file, expectedSize, parts, signal);
      }),
    flush: () => queue.run(flushNow),
    truncate: (target) =>
      queue.run(async () => {
        checkWritable();
        checkCut(target, await sizeNow());
        await wrapIo("truncate", file.truncate(target));
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readFully(
  file: OpenFile,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let count = 0;
  while (count < length) {
    signal?.throwIfAborted();
    const reading = file.read(bytes, count, length - count, offset + count);
    const { bytesRead } = await wrapIo("read", reading);
    if (bytesRead === 0) break;
    count += bytesRead;
  }
  return count === length ? bytes : bytes.slice(0, count);
}

/** Writes the parts from `start` on; the new size. */
async function writeParts(
  file: OpenFile,
  start: number,
  parts: ByteParts,
  signal: AbortSignal | undefined,
): Promise<number> {
  let end = start;
  for await (const group of groupParts(parts, signal)) {
    let count = 0;
    while (count < group.length) {
      const writing = file.write(group, count, group.length - count, end + count);
      const { bytesWritten } = await wrapIo("write", writing);
      if (bytesWritten === 0) throw new StreamError("BYTES_IO", "a write took no bytes");
      count += bytesWritten;
    }
    end += count;
  }
  return end;
}

/** A new name lies in its directory: without this a power loss may take the whole file. */
async function syncDirectory(path: string): Promise<void> {
  let directory: FileHandle;
  try {
    directory = await open(path, "r");
  } catch (error) {
    // Windows opens no directories; its file systems journal names themselves.
    if (["EPERM", "EISDIR", "EACCES"].includes(codeOf(error))) return;
    throw error;
  }
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function wrapIo<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toIoError(error, doing);
  }
}

/** Codes by which file systems say that there is no room: disk, quota, file size. */
const fullCodes: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG"];

function toIoError(error: unknown, doing: string): StreamError {
  if (!fullCodes.includes(codeOf(error))) return toStreamError(error, doing);
  return new StreamError("BYTES_FULL", "there is no room left for the file", { cause: error });
}

function toOpenError(error: unknown): StreamError {
  if (codeOf(error) === "ENOENT") {
    return new StreamError("BYTES_ABSENT", "there is no such file", { cause: error });
  }
  if (codeOf(error) === "EEXIST") {
    return new StreamError("BYTES_EXISTS", "there is such a file", { cause: error });
  }
  return toIoError(error, "opening the file");
}

function codeOf(error: unknown): string {
  const hasCode = typeof error === "object" && error !== null && "code" in error;
  return hasCode ? String(error.code) : "";
}
