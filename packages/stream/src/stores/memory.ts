/**
 * A byte store in memory (docs/spec/stream.md, "Byte stores"). Layer 4; pure.
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
} from "./common.ts";

export interface MemoryBytesOptions {
  /** What the store holds at the start; copied. Default: nothing. */
  readonly bytes?: Uint8Array;
  /** The most bytes it takes before appends reject with BYTES_FULL. Default: no limit. */
  readonly bytesMax?: number;
}

/** A ByteStore whose bytes can be looked at, also after it was closed. */
export interface MemoryBytes extends ByteStore {
  /** A copy of everything it holds. */
  contents(): Uint8Array<ArrayBuffer>;
}

/** A store that lives as long as the object does. Nobody else can reach it: it is exclusive. */
export function createMemoryBytes(options: MemoryBytesOptions = {}): MemoryBytes {
  const { bytesMax = Infinity } = options;
  const queue = createSerialQueue();
  let bytes = Uint8Array.from(options.bytes ?? []);
  let size = bytes.length;
  let isClosed = false;

  const checkOpen = (): void => {
    if (isClosed) throw closedError();
  };

  const write = (group: Uint8Array): void => {
    const fitting = group.subarray(0, Math.max(0, bytesMax - size));
    if (size + fitting.length > bytes.length) {
      const grown = new Uint8Array(Math.max(size + fitting.length, bytes.length * 2, 1024));
      grown.set(bytes.subarray(0, size));
      bytes = grown;
    }
    bytes.set(fitting, size);
    size += fitting.length;
    if (fitting.length === group.length) return;
    throw new StreamError("BYTES_FULL", `the store takes ${bytesMax} bytes`);
  };

  const close = async (): Promise<void> => {
    isClosed = true;
  };

  return {
    abilities: { canTruncate: true, isExclusive: true, isReadOnly: false },
    size: async (signal) => {
      signal?.throwIfAborted();
      checkOpen();
      return size;
    },
    read: async (offset, length, signal) => {
      signal?.throwIfAborted();
      checkOpen();
      checkRange(offset, length);
      return bytes.slice(Math.min(offset, size), Math.min(offset + length, size));
    },
    append: (expectedSize, parts, signal) =>
      queue.run(async () => {
        signal?.throwIfAborted();
        checkOpen();
        checkExpected(expectedSize, size);
        for await (const group of groupParts(parts, signal)) {
          checkOpen();
          write(group);
        }
        return size;
      }),
    flush: () => queue.run(async () => checkOpen()),
    truncate: (target) =>
      queue.run(async () => {
        checkOpen();
        checkCut(target, size);
        size = target;
      }),
    close,
    contents: () => bytes.slice(0, size),
    [Symbol.asyncDispose]: close,
  };
}
