/**
 * A disk that fails on demand: bytes that outlive the stores opened on them, with a write lock, a
 * line between what was flushed and what was not, and faults that can be set at any moment.
 */
import {
  createMemoryBytes,
  StreamError,
  type ByteStore,
  type ByteStoreAbilities,
} from "@hawser/stream";

/** What goes wrong. Every member may be set and deleted at any moment; absent means no fault. */
export interface ByteFaults {
  /** The medium has room for this many bytes: appends write what fits, then reject BYTES_FULL. */
  bytesMax?: number;
  /** Appends write up to this size of the medium, then reject BYTES_IO; the store stays usable. */
  failAtSize?: number;
  /** As `failAtSize`, and power is gone: every call rejects BYTES_IO until `restart`. */
  tornAtSize?: number;
  /** Reads give at most this many bytes (≥ 1), as a careless medium would. */
  readBytesMax?: number;
  /** Reads reject with BYTES_IO. */
  failReads?: boolean;
  /** Flushes reject with BYTES_IO, and nothing becomes durable. */
  failFlushes?: boolean;
  /** Awaited before each operation: makes the medium slow, or lets a test hold one back. */
  delay?: (operation: ByteOperation) => Promise<void>;
}

export type ByteOperation = "size" | "read" | "append" | "flush" | "truncate";

/** One call a store got, for tests that count what was touched. */
export interface ByteCall {
  readonly operation: ByteOperation;
  /** `read`: where from; `append`: the size before; `truncate`: the target. */
  readonly offset: number;
  /** `read`: bytes asked for; `append`: bytes written. */
  readonly byteCount: number;
}

export interface ByteMediumOptions {
  /** What is on the medium at the start, flushed. Default: nothing. */
  readonly bytes?: Uint8Array;
}

/** A medium in memory. */
export interface ByteMedium {
  readonly faults: ByteFaults;
  /** Calls since the start, in order. A test may empty it. */
  readonly calls: ByteCall[];
  /** A store on the medium; rejects with BYTES_LOCKED while another one has it open for writing. */
  open(options?: { readonly readOnly?: boolean }): Promise<ByteStore>;
  /** All bytes, flushed or not. */
  contents(): Uint8Array<ArrayBuffer>;
  /** How many bytes survive a power loss for sure. */
  readonly flushedBytes: number;
  /**
   * A power loss and a new start: open stores are dead (BYTES_IO), the lock is free, and of the
   * bytes that were not flushed only the first `keptBytes` are left. Default 0.
   */
  restart(options?: { readonly keptBytes?: number }): void;
}

interface Disk {
  bytes: Uint8Array<ArrayBuffer>;
  flushedBytes: number;
  /** Grows with each restart: stores of an older generation are dead. */
  generation: number;
  hasPower: boolean;
  writer: object | undefined;
}

/** A medium without faults. */
export function createByteMedium(options: ByteMediumOptions = {}): ByteMedium {
  const bytes = Uint8Array.from(options.bytes ?? []);
  const disk: Disk = {
    bytes,
    flushedBytes: bytes.length,
    generation: 0,
    hasPower: true,
    writer: undefined,
  };
  const faults: ByteFaults = {};
  const calls: ByteCall[] = [];
  return {
    faults,
    calls,
    open: async ({ readOnly = false } = {}) => {
      if (!disk.hasPower) throw powerError();
      if (!readOnly && disk.writer !== undefined) {
        throw new StreamError("BYTES_LOCKED", "another store has the medium open for writing");
      }
      return openStore(disk, faults, calls, readOnly);
    },
    contents: () => disk.bytes.slice(),
    get flushedBytes() {
      return disk.flushedBytes;
    },
    restart: ({ keptBytes = 0 } = {}) => {
      disk.bytes = disk.bytes.slice(0, disk.flushedBytes + keptBytes);
      disk.flushedBytes = disk.bytes.length;
      disk.generation += 1;
      disk.hasPower = true;
      disk.writer = undefined;
    },
  };
}

function openStore(
  disk: Disk,
  faults: ByteFaults,
  calls: ByteCall[],
  isReadOnly: boolean,
): ByteStore {
  const { generation } = disk;
  const owner = {};
  if (!isReadOnly) disk.writer = owner;
  // The reference store does the contract's work; the medium adds the faults around it.
  const checks = createMemoryBytes();
  let appending: Promise<unknown> = Promise.resolve();

  const begin = async (operation: ByteOperation): Promise<void> => {
    await checks.size();
    await faults.delay?.(operation);
    await checks.size();
    if (!disk.hasPower || disk.generation !== generation) throw powerError();
  };
  const beginChange = async (operation: ByteOperation): Promise<void> => {
    await begin(operation);
    if (isReadOnly) throw new StreamError("BYTES_MISUSE", "the store is open for reading only");
  };
  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    const result = appending.then(job);
    appending = result.catch(() => undefined);
    return result;
  };
  const close = async (): Promise<void> => {
    if (disk.writer === owner) disk.writer = undefined;
    await checks.close();
  };
  const abilities: ByteStoreAbilities = {
    canTruncate: !isReadOnly,
    isExclusive: !isReadOnly,
    isReadOnly,
  };
  return {
    abilities,
    size: async (signal) => {
      signal?.throwIfAborted();
      await begin("size");
      calls.push({ operation: "size", offset: 0, byteCount: 0 });
      return disk.bytes.length;
    },
    read: async (offset, length, signal) => {
      signal?.throwIfAborted();
      await begin("read");
      await checks.read(offset, length);
      calls.push({ operation: "read", offset, byteCount: length });
      if (faults.failReads === true) throw new StreamError("BYTES_IO", "the medium cannot be read");
      const byteCount = Math.min(length, faults.readBytesMax ?? length);
      return disk.bytes.slice(offset, offset + byteCount);
    },
    append: (expectedSize, parts, signal) =>
      inTurn(async () => {
        signal?.throwIfAborted();
        await beginChange("append");
        checkSize(expectedSize, disk.bytes.length);
        for await (const part of parts) {
          signal?.throwIfAborted();
          await beginChange("append");
          writePart(disk, faults, part);
        }
        const byteCount = disk.bytes.length - expectedSize;
        calls.push({ operation: "append", offset: expectedSize, byteCount });
        return disk.bytes.length;
      }),
    flush: () =>
      inTurn(async () => {
        await begin("flush");
        calls.push({ operation: "flush", offset: 0, byteCount: 0 });
        if (faults.failFlushes === true) throw new StreamError("BYTES_IO", "the flush failed");
        disk.flushedBytes = disk.bytes.length;
      }),
    truncate: (size) =>
      inTurn(async () => {
        await beginChange("truncate");
        if (!Number.isSafeInteger(size) || size < 0 || size > disk.bytes.length) {
          throw new StreamError("BYTES_MISUSE", `cannot cut ${disk.bytes.length} bytes to ${size}`);
        }
        calls.push({ operation: "truncate", offset: size, byteCount: 0 });
        disk.bytes = disk.bytes.slice(0, size);
        disk.flushedBytes = Math.min(disk.flushedBytes, size);
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function powerError(): StreamError {
  return new StreamError("BYTES_IO", "the medium has no power");
}

function checkSize(expectedSize: number, size: number): void {
  if (!Number.isSafeInteger(expectedSize) || expectedSize < 0) {
    throw new StreamError("BYTES_MISUSE", `expectedSize is ${expectedSize}`);
  }
  if (expectedSize === size) return;
  throw new StreamError("BYTES_MOVED", `expected ${expectedSize} bytes, the medium has ${size}`);
}

function writePart(disk: Disk, faults: ByteFaults, part: Uint8Array): void {
  if (!(part instanceof Uint8Array)) {
    throw new StreamError("BYTES_MISUSE", "a part of an append is no Uint8Array");
  }
  const limits = [faults.bytesMax, faults.failAtSize, faults.tornAtSize];
  const end = Math.min(...limits.map((limit) => limit ?? Infinity));
  const fitting = part.subarray(0, Math.max(0, end - disk.bytes.length));
  const grown = new Uint8Array(disk.bytes.length + fitting.length);
  grown.set(disk.bytes);
  grown.set(fitting, disk.bytes.length);
  disk.bytes = grown;
  if (fitting.length === part.length) return;
  if (end === faults.tornAtSize) {
    disk.hasPower = false;
    throw powerError();
  }
  if (end === faults.failAtSize) throw new StreamError("BYTES_IO", "the write failed");
  throw new StreamError("BYTES_FULL", `the medium takes ${end} bytes`);
}
