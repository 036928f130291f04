/**
 * ByteWriter and ByteReader: hand-made binary formats in a few readable lines. Integers are
 * big-endian; varints are unsigned LEB128 in their shortest form, at most 2^53 − 1.
 */

/** Appends fields to one growing buffer. */
export interface ByteWriter {
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  /** Unsigned 64-bit big-endian of a safe integer. */
  u64(value: number): void;
  varint(value: number): void;
  bytes(value: Uint8Array): void;
  /** A varint length, then the bytes. */
  sized(value: Uint8Array): void;
  readonly size: number;
  /** A copy of what was written so far. */
  finish(): Uint8Array<ArrayBuffer>;
}

/** A new writer; `capacity` bytes are reserved at the start. */
export function createByteWriter(capacity = 256): ByteWriter {
  let buffer = new Uint8Array(capacity);
  let size = 0;
  const reserve = (count: number): number => {
    const start = size;
    size += count;
    if (size > buffer.length) {
      const larger = new Uint8Array(Math.max(size, buffer.length * 2));
      larger.set(buffer);
      buffer = larger;
    }
    return start;
  };
  const unsigned = (value: number, byteCount: number): void => {
    let rest = value;
    const start = reserve(byteCount);
    for (let index = byteCount - 1; index >= 0; index--) {
      buffer[start + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  };
  const bytes = (value: Uint8Array): void => {
    const start = reserve(value.length);
    buffer.set(value, start);
  };
  const varint = (value: number): void => {
    let rest = value;
    while (rest >= 0x80) {
      const start = reserve(1);
      buffer[start] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    const start = reserve(1);
    buffer[start] = rest;
  };
  return {
    u8: (value) => unsigned(value, 1),
    u16: (value) => unsigned(value, 2),
    u32: (value) => unsigned(value, 4),
    u64: (value) => unsigned(value, 8),
    varint,
    bytes,
    sized: (value) => {
      varint(value.length);
      bytes(value);
    },
    get size() {
      return size;
    },
    finish: () => buffer.slice(0, size),
  };
}

/**
 * Reads fields from untrusted bytes. A read past the end, an over-long varint or one above 2^53 − 1
 * returns zero or empty bytes and sets `failed`; the caller checks `failed` once, at the end. So a
 * parser of hostile input has no exceptions and never allocates more than the input holds.
 */
export interface ByteReader {
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): number;
  varint(): number;
  /** A view (not a copy) of the next `count` bytes. */
  bytes(count: number): Uint8Array;
  /** A varint length of at most `bytesMax`, then a view of the bytes. */
  sized(bytesMax: number): Uint8Array;
  readonly offset: number;
  readonly remaining: number;
  readonly failed: boolean;
  /** True when nothing failed and nothing is left: what a parser returns on. */
  readonly finished: boolean;
}

const empty = new Uint8Array(0);

/** A reader over `input`, starting at `start`. */
export function createByteReader(input: Uint8Array, start = 0): ByteReader {
  let offset = start;
  let failed = false;
  const take = (count: number): number => {
    if (failed || count < 0 || count > input.length - offset) {
      failed = true;
      return -1;
    }
    offset += count;
    return offset - count;
  };
  const unsigned = (byteCount: number): number => {
    const from = take(byteCount);
    if (from < 0) return 0;
    let value = 0;
    for (let index = from; index < offset; index++) value = value * 256 + (input[index] ?? 0);
    if (!Number.isSafeInteger(value)) {
      failed = true;
      return 0;
    }
    return value;
  };
  const varint = (): number => {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 8; count++) {
      const from = take(1);
      if (from < 0) return 0;
      const byte = input[from] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        // A last byte of zero after others is a longer spelling of the same number.
        if ((byte === 0 && count > 0) || !Number.isSafeInteger(value)) break;
        return value;
      }
      factor *= 0x80;
    }
    failed = true;
    return 0;
  };
  const bytes = (count: number): Uint8Array => {
    const from = take(count);
    return from < 0 ? empty : input.subarray(from, offset);
  };
  return {
    u8: () => unsigned(1),
    u16: () => unsigned(2),
    u32: () => unsigned(4),
    u64: () => unsigned(8),
    varint,
    bytes,
    sized: (bytesMax) => {
      const count = varint();
      if (count > bytesMax) failed = true;
      return bytes(count);
    },
    get offset() {
      return offset;
    },
    get remaining() {
      return input.length - offset;
    },
    get failed() {
      return failed;
    },
    get finished() {
      return !failed && offset === input.length;
    },
  };
}
