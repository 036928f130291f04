/**
 * Metadata: what a block or manifest says about itself, as canonical CBOR (docs/spec/stream.md §4).
 * Layer 4; pure. The codec knows arrays only, so objects are arrays that begin with 0 and arrays are
 * arrays that begin with 1: one value has one encoding.
 */
import { cborDepthMax, compareBytes, utf8, type CborValue } from "@hawser/codec";
import { StreamError } from "./errors.ts";

/** Integers are safe ones; there are no fractions. */
export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

/** Names and values. Nested at most six deep. */
export interface Metadata {
  readonly [key: string]: MetadataValue;
}

const objectMark = 0;
const arrayMark = 1;
/** An object is two arrays deep, and a record and the codec's own count take the rest. */
const depthMax = 6;

/** The value to put into a record. Throws STREAM_METADATA. */
export function metadataToCbor(metadata: Metadata): CborValue {
  return objectToCbor(metadata, 1);
}

/** The metadata of a decoded value, or `undefined` when it is none. */
export function cborToMetadata(value: CborValue): Metadata | undefined {
  // The codec bounds the depth of what it decodes, so this recursion is bounded as well.
  const decoded = fromCbor(value, 1);
  return isObject(decoded) ? decoded : undefined;
}

function toCbor(value: MetadataValue, depth: number): CborValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return checkText(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new StreamError("STREAM_METADATA", "a number in metadata is no safe integer");
    }
    return value;
  }
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    assertDepth(depth);
    return [arrayMark, ...value.map((item: MetadataValue) => toCbor(item, depth + 1))];
  }
  if (isObject(value)) return objectToCbor(value, depth);
  throw new StreamError("STREAM_METADATA", `metadata cannot hold a ${typeof value}`);
}

function objectToCbor(object: Metadata, depth: number): CborValue {
  assertDepth(depth);
  const pairs = Object.entries(object)
    .map(([key, value]) => ({ key, bytes: utf8(key), value }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes));
  return [objectMark, ...pairs.map(({ key, value }) => [checkText(key), toCbor(value, depth + 1)])];
}

/** UTF-8 has no half of a surrogate pair: it would be changed, and two names could become one. */
function checkText(text: string): string {
  if (text.isWellFormed()) return text;
  throw new StreamError("STREAM_METADATA", "a text in metadata has half of a surrogate pair");
}

function assertDepth(depth: number): void {
  if (depth <= depthMax && depthMax * 2 < cborDepthMax) return;
  throw new StreamError("STREAM_METADATA", `metadata is nested more than ${depthMax} deep`);
}

function fromCbor(value: CborValue, depth: number): MetadataValue | undefined {
  if (!isArray(value)) return value;
  if (depth > depthMax) return undefined;
  const [mark, ...items] = value;
  if (mark === objectMark) return pairsToObject(items, depth);
  if (mark !== arrayMark) return undefined;
  const decoded: MetadataValue[] = [];
  for (const item of items) {
    const element = fromCbor(item, depth + 1);
    if (element === undefined) return undefined;
    decoded.push(element);
  }
  return decoded;
}

function pairsToObject(pairs: readonly CborValue[], depth: number): Metadata | undefined {
  const entries: [string, MetadataValue][] = [];
  let previous: Uint8Array | undefined;
  for (const pair of pairs) {
    if (!isArray(pair) || pair.length !== 2) return undefined;
    const [key, value] = pair;
    if (typeof key !== "string" || value === undefined) return undefined;
    const bytes = utf8(key);
    if (previous !== undefined && compareBytes(previous, bytes) >= 0) return undefined;
    previous = bytes;
    const decoded = fromCbor(value, depth + 1);
    if (decoded === undefined) return undefined;
    entries.push([key, decoded]);
  }
  // `fromEntries` defines properties, so a key such as "__proto__" is data like any other.
  return Object.fromEntries(entries);
}

function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}

function isObject(value: MetadataValue | undefined): value is Metadata {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Uint8Array);
}
