/**
 * Canonical CBOR (RFC 8949 §4.2.1, the subset Hawser uses): null, booleans, safe non-negative and
 * negative integers, byte strings, text and arrays. No maps, no floats, no tags, no indefinite
 * lengths: a value has exactly one encoding, so it can be hashed and signed.
 */
import { decode, encode } from "cborg";
import { compareBytes, equalBytes } from "./bytes.ts";

/** What can be encoded. Objects become arrays at the caller, in a documented field order. */
export type CborValue = null | boolean | number | string | Uint8Array | readonly CborValue[];

/** Nesting that no Hawser format reaches; checked before decoding so hostile depth cannot recurse. */
export const cborDepthMax = 16;

/** The one encoding of `value`. Throws `TypeError` for what is none, such as an object. */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  assertEncodable(value, 0);
  // cborg hands out Node Buffers for longer output, whose `slice` shares memory: a plain copy here.
  return new Uint8Array(encode(value));
}

/**
 * The value of canonical CBOR bytes, or `undefined` when they are malformed, not canonical, deeper
 * than `cborDepthMax`, or hold anything outside `CborValue`. Never allocates more than a small
 * multiple of the input.
 */
export function decodeCbor(bytes: Uint8Array): CborValue | undefined {
  if (!isShallow(bytes)) return undefined;
  try {
    const value: unknown = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
    });
    // Safe: isCborValue walked the whole value.
    if (!isCborValue(value)) return undefined;
    return equalBytes(encode(value), bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Order of encodings, for sets inside signed payloads: sort before encoding. */
export function sortedByBytes(values: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...values].sort(compareBytes);
}

function assertEncodable(value: unknown, depth: number): void {
  if (depth > cborDepthMax) throw new TypeError("CBOR value nested too deep");
  if (Array.isArray(value)) {
    for (const item of value) assertEncodable(item, depth + 1);
  } else if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new TypeError("CBOR number is not a safe integer");
  } else if (!isScalar(value)) {
    throw new TypeError(`CBOR of ${typeof value} is not encoded`);
  }
}

function isScalar(value: unknown): boolean {
  if (value === null || typeof value === "boolean" || typeof value === "string") return true;
  return value instanceof Uint8Array;
}

function isCborValue(value: unknown): value is CborValue {
  if (isScalar(value)) return true;
  if (typeof value === "number") return Number.isSafeInteger(value) && !Object.is(value, -0);
  return Array.isArray(value) && value.every(isCborValue);
}

/**
 * Scans heads without recursion: every container must be an array whose count fits in the bytes
 * that are left, and open arrays never nest deeper than the limit.
 */
function isShallow(bytes: Uint8Array): boolean {
  const open: number[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const head = bytes[offset] ?? 0;
    const major = head >> 5;
    const info = head & 31;
    if (major === 5 || major === 6 || info > 27) return false;
    const extra = info < 24 ? 0 : 1 << (info - 24);
    let argument = info;
    if (extra > 0) {
      argument = 0;
      for (let index = 1; index <= extra; index++) {
        argument = argument * 256 + (bytes[offset + index] ?? 0);
      }
    }
    offset += 1 + extra;
    if (major === 2 || major === 3) offset += argument;
    if (major === 4) {
      if (argument > bytes.length - offset) return false;
      open.push(argument);
      if (open.length > cborDepthMax) return false;
      if (argument > 0) continue;
    } else if (open.length > 0) {
      open[open.length - 1] = (open.at(-1) ?? 0) - 1;
    }
    while (open.at(-1) === 0) {
      open.pop();
      if (open.length > 0) open[open.length - 1] = (open.at(-1) ?? 0) - 1;
    }
  }
  return offset === bytes.length && open.length === 0;
}
