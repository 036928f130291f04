/**
 * What every byte store shares: argument checks, the order of calls, grouping of small writes.
 * Layer 4; pure.
 */
import { StreamError } from "../errors.ts";

/** What `append` takes: bytes in order, in parts of any size. */
export type ByteParts = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The most bytes of small parts that are joined into one write. */
export const writeGroupBytes: number = 1 << 20;

/** The most bytes one read may ask for: a bound on what a caller's mistake can allocate. */
export const readBytesMax: number = 1 << 30;

/** Throws BYTES_MISUSE unless both are counts and their sum is exact. */
export function checkRange(offset: number, length: number): void {
  checkCount(offset, "offset");
  checkCount(length, "length");
  if (length > readBytesMax || !Number.isSafeInteger(offset + length)) {
    throw new StreamError("BYTES_MISUSE", `length ${length} at ${offset} is too large`);
  }
}

/** Throws BYTES_MISUSE unless `value` is a non-negative exact integer. */
export function checkCount(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new StreamError("BYTES_MISUSE", `${name} is ${value}, not a count of bytes`);
}

/** Throws BYTES_MOVED when the store is not as large as its writer thinks. */
export function checkExpected(expectedSize: number, size: number): void {
  checkCount(expectedSize, "expectedSize");
  if (size === expectedSize) return;
  throw new StreamError("BYTES_MOVED", `expected ${expectedSize} bytes, the store has ${size}`);
}

/** The cut a `truncate` may make; throws BYTES_MISUSE when it would make the store larger. */
export function checkCut(target: number, size: number): void {
  checkCount(target, "size");
  if (target <= size) return;
  throw new StreamError("BYTES_MISUSE", `cannot cut ${size} bytes to ${target}`);
}

/** The error of every change asked of a store that is open for reading only. */
export function readOnlyError(): StreamError {
  return new StreamError("BYTES_MISUSE", "the store is open for reading only");
}

/** The error of every call after close. */
export function closedError(): StreamError {
  return new StreamError("BYTES_CLOSED", "the store is closed");
}

/** `error` itself when it is a StreamError, else BYTES_IO with it as cause. */
export function toStreamError(error: unknown, doing: string): StreamError {
  if (error instanceof StreamError) return error;
  return new StreamError("BYTES_IO", `${doing} failed`, { cause: error });
}

/** Runs jobs one after another in the order asked; a failed one stops none of the others. */
export interface SerialQueue {
  run<T>(job: () => Promise<T>): Promise<T>;
}

/** A queue without jobs. */
export function createSerialQueue(): SerialQueue {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(job) {
      const result = last.then(job);
      // The caller gets the failure through `result`; the chain only needs to know it is over.
      last = result.catch(() => undefined);
      return result;
    },
  };
}

/**
 * Joins small parts until a group has `groupBytes` bytes, so that a frame of many fields is one
 * write. Larger parts go on in slices of that size. Holds one group; a group is only valid until
 * the next is asked for. Throws BYTES_MISUSE for a part that is no Uint8Array.
 */
export async function* groupParts(
  parts: ByteParts,
  signal?: AbortSignal,
  groupBytes: number = writeGroupBytes,
): AsyncGenerator<Uint8Array> {
  let group = new Uint8Array(0);
  let used = 0;
  for await (const part of parts) {
    signal?.throwIfAborted();
    if (!(part instanceof Uint8Array)) {
      throw new StreamError("BYTES_MISUSE", "a part of an append is no Uint8Array");
    }
    let rest = part;
    while (rest.length > 0) {
      if (used === 0 && rest.length >= groupBytes) {
        yield rest.subarray(0, groupBytes);
        rest = rest.subarray(groupBytes);
        continue;
      }
      const count = Math.min(rest.length, groupBytes - used);
      group = withRoom(group, used, used + count, groupBytes);
      group.set(rest.subarray(0, count), used);
      used += count;
      rest = rest.subarray(count);
      if (used < groupBytes) continue;
      yield group.subarray(0, used);
      used = 0;
    }
  }
  if (used > 0) yield group.subarray(0, used);
}

/** `bytes` or a larger copy of its first `used` bytes: sizes double, so copying stays linear. */
function withRoom(
  bytes: Uint8Array<ArrayBuffer>,
  used: number,
  needed: number,
  sizeMax: number,
): Uint8Array<ArrayBuffer> {
  if (needed <= bytes.length) return bytes;
  const grown = new Uint8Array(Math.min(sizeMax, Math.max(needed, bytes.length * 2, 4096)));
  grown.set(bytes.subarray(0, used));
  return grown;
}
