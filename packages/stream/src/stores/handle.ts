/**
 * Byte stores in a browser's origin private file system (docs/spec/stream.md, "Byte stores"). Layer
 * 4; the directory is injected. Writing needs a dedicated worker: only there is the synchronous
 * handle, which is exclusive and writes in place. `createWritable` would copy the whole file.
 */
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
} from "./common.ts";

/** What the store uses of a FileSystemSyncAccessHandle. */
export interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** What it uses of a Blob. */
export interface FileBlob {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** What it uses of a FileSystemFileHandle. */
export interface OpfsFile {
  getFile(): Promise<FileBlob>;
  /** Only in dedicated workers. */
  createSyncAccessHandle?(): Promise<SyncHandle>;
}

/** What it uses of a FileSystemDirectoryHandle; `navigator.storage.getDirectory()` gives one. */
export interface OpfsDirectory {
  getFileHandle(name: string, options: { readonly create: boolean }): Promise<OpfsFile>;
}

/** As of a file store; `read` works in every thread and takes no lock. */
export type OpfsMode = "read" | "append" | "create" | "replace";

/**
 * Opens the file `name` of `directory`. Rejects with BYTES_LOCKED while another handle is open,
 * BYTES_ABSENT, BYTES_EXISTS, BYTES_MISUSE outside of a dedicated worker (for writing), BYTES_IO.
 */
export async function openOpfsBytes(
  directory: OpfsDirectory,
  name: string,
  options: { readonly mode?: OpfsMode } = {},
): Promise<ByteStore> {
  const { mode = "append" } = options;
  if (mode === "create" && (await isThere(directory, name))) {
    throw new StreamError("BYTES_EXISTS", "there is such a file");
  }
  const create = mode === "create" || mode === "replace";
  const file = await wrap("opening the file", () => directory.getFileHandle(name, { create }));
  if (mode === "read") {
    return createBlobBytes(await wrap("opening the file", () => file.getFile()));
  }
  const handle = await wrap("opening the file", () => {
    if (file.createSyncAccessHandle !== undefined) return file.createSyncAccessHandle();
    throw new StreamError("BYTES_MISUSE", "files are written in dedicated workers only");
  });
  if (mode !== "replace") return createHandleBytes(handle);
  try {
    handle.truncate(0);
  } catch (error) {
    handle.close();
    throw toHandleError(error, "a cut");
  }
  return createHandleBytes(handle);
}

async function isThere(directory: OpfsDirectory, name: string): Promise<boolean> {
  try {
    await directory.getFileHandle(name, { create: false });
    return true;
  } catch (error) {
    if (nameOf(error) === "NotFoundError") return false;
    throw toHandleError(error, "opening the file");
  }
}

/** The store on an open handle, which it owns. */
export function createHandleBytes(handle: SyncHandle): ByteStore {
  const queue = createSerialQueue();
  let isClosed = false;
  const begin = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  /** A handle that the browser took away throws. */
  const sizeNow = (): number => {
    try {
      return handle.getSize();
    } catch (error) {
      throw toHandleError(error, "a size");
    }
  };
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await queue.run(async () => handle.close());
  };
  return {
    abilities: { canTruncate: true, isExclusive: true, isReadOnly: false },
    size: async (signal) => {
      begin(signal);
      return sizeNow();
    },
    read: async (offset, length, signal) => {
      begin(signal);
      checkRange(offset, length);
      const available = Math.max(0, sizeNow() - offset);
      const bytes = new Uint8Array(Math.min(length, available));
      const count = await wrap("a read", async () => handle.read(bytes, { at: offset }));
      return count === bytes.length ? bytes : bytes.slice(0, count);
    },
    append: (expectedSize, parts, signal) =>
      queue.run(async () => {
        begin(signal);
        checkExpected(expectedSize, sizeNow());
        let end = expectedSize;
        for await (const group of groupParts(parts, signal)) {
          end = await writeGroup(handle, group, end);
        }
        return end;
      }),
    flush: () =>
      queue.run(async () => {
        begin();
        await wrap("a flush", async () => handle.flush());
      }),
    truncate: (size) =>
      queue.run(async () => {
        begin();
        checkCut(size, sizeNow());
        await wrap("a cut", async () => handle.truncate(size));
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function writeGroup(handle: SyncHandle, group: Uint8Array, start: number): Promise<number> {
  let count = 0;
  while (count < group.length) {
    const rest = group.subarray(count);
    const written = await wrap("a write", async () => handle.write(rest, { at: start + count }));
    // Some engines write less instead of throwing when the quota is used up.
    if (written === 0) throw fullError();
    count += written;
  }
  return start + count;
}

/** The file as it was when it was opened; BYTES_MOVED once somebody wrote to it. */
function createBlobBytes(blob: FileBlob): ByteStore {
  let isClosed = false;
  const begin = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  const refuse = async (): Promise<never> => {
    begin();
    throw readOnlyError();
  };
  const close = async (): Promise<void> => {
    isClosed = true;
  };
  return {
    abilities: { canTruncate: false, isExclusive: false, isReadOnly: true },
    size: async (signal) => {
      begin(signal);
      return blob.size;
    },
    read: async (offset, length, signal) => {
      begin(signal);
      checkRange(offset, length);
      const end = Math.min(offset + length, blob.size);
      if (end <= offset) return new Uint8Array(0);
      const part = blob.slice(offset, end);
      return new Uint8Array(await wrap("a read", () => part.arrayBuffer()));
    },
    append: refuse,
    flush: async () => begin(),
    truncate: refuse,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function wrap<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toHandleError(error, doing);
  }
}

function toHandleError(error: unknown, doing: string): StreamError {
  const options = { cause: error };
  switch (nameOf(error)) {
    case "QuotaExceededError":
      return fullError(options);
    case "NoModificationAllowedError":
      return new StreamError("BYTES_LOCKED", "another handle has the file open", options);
    case "NotFoundError":
      return new StreamError("BYTES_ABSENT", "there is no such file", options);
    case "NotReadableError":
      return new StreamError("BYTES_MOVED", "the file changed since it was opened", options);
    default:
      return toStreamError(error, doing);
  }
}

function fullError(options?: ErrorOptions): StreamError {
  return new StreamError("BYTES_FULL", "the browser gives no more room", options);
}

function nameOf(error: unknown): string {
  const hasName = typeof error === "object" && error !== null && "name" in error;
  return hasName ? String(error.name) : "";
}
