/**
 * JSON values: their limits, equality, and their one encoding (docs/spec/doc.md §2). Layer 7.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import { DocError } from "./errors.ts";

/** What a field may hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A document, or an object inside one. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Objects and lists inside each other, the document included. */
export const depthMax = 8;
/** Values of one document: fields, items, and what is inside them. */
export const valueCountMax = 10_000;
/** Bytes of UTF-8 of one field's name. */
export const keyBytesMax = 256;

/** Is it an object with fields, and no list? */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Well-formed, not empty, not longer than the limit; `__proto__` is no name in JavaScript. */
export function isKey(key: unknown): key is string {
  if (typeof key !== "string" || key === "" || key === "__proto__") return false;
  return isBoundedText(key, keyBytesMax);
}

/** Well-formed text within a count of UTF-8 bytes. */
export function isBoundedText(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax || !text.isWellFormed()) return false;
  return text.length * 3 <= bytesMax || new TextEncoder().encode(text).length <= bytesMax;
}

interface Found {
  readonly value: unknown;
  readonly path: readonly string[];
}

/**
 * Throws DOC_VALUE_INVALID, with the path, for what is no JSON within the limits. `undefined` fields
 * are no fields.
 */
export function checkJson(root: unknown): asserts root is JsonObject {
  const fail = (path: readonly string[], message: string): never => {
    const where = path.length === 0 ? "the document" : path.join(".");
    throw new DocError("DOC_VALUE_INVALID", `${where} ${message}`, { issues: [{ path, message }] });
  };
  if (!isObject(root)) fail([], "is no object");
  const open: Found[] = [{ value: root, path: [] }];
  let count = 0;
  for (let found = open.pop(); found !== undefined; found = open.pop()) {
    const { value, path } = found;
    count += 1;
    if (count > valueCountMax) fail(path, `is value ${valueCountMax + 1} of the document`);
    if (isScalar(value)) continue;
    const isPlain = Array.isArray(value) || isPlainObject(value);
    if (!isPlain) fail(path, "is no JSON");
    if (path.length >= depthMax) fail(path, `is nested deeper than ${depthMax}`);
    const isWhole = !Array.isArray(value) || Object.keys(value).length === value.length;
    if (!isWhole) fail(path, "is a list with holes");
    for (const [key, inner] of Object.entries(value as object)) {
      const innerPath = [...path, key];
      if (!Array.isArray(value) && inner === undefined) continue;
      if (!Array.isArray(value) && !isKey(key)) fail(innerPath, "is no name of a field");
      open.push({ value: inner, path: innerPath });
    }
  }
}

function isScalar(value: unknown): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  return typeof value === "number" && Number.isFinite(value);
}

function isPlainObject(value: unknown): boolean {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Deep equality. Depth is bounded, because only checked values come here. */
export function equalJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as JsonObject;
  const right = b as JsonObject;
  const keys = definedKeys(left);
  if (keys.length !== definedKeys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && equalJson(left[key], right[key]));
}

/** Names of the fields that hold something. */
export function definedKeys(object: JsonObject): readonly string[] {
  return Object.keys(object).filter((key) => object[key] !== undefined);
}

/** A copy of a checked document that shares nothing with it. */
export function copyJson(doc: JsonObject): JsonObject {
  // Safe: the encoding of an object is read as an object.
  return jsonFromCbor(jsonToCbor(doc)) as JsonObject;
}

/** Makes a checked value and all in it immutable; gives it back. */
export function freezeJson<T>(root: T): T {
  const open: unknown[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== "object" || value === null || Object.isFrozen(value)) continue;
    Object.freeze(value);
    for (const inner of Object.values(value)) {
      if (typeof inner === "object" && inner !== null) open.push(inner);
    }
  }
  return root;
}

const listTag = 0;
const objectTag = 1;

/** The encoding of a checked value. */
export function jsonToCbor(value: Json): CborValue {
  if (typeof value === "number") return numberToCbor(value);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return [listTag, ...(value as readonly Json[]).map(jsonToCbor)];
  const object = value as JsonObject;
  const fields = [...definedKeys(object)].sort();
  return [objectTag, ...fields.flatMap((key) => [key, jsonToCbor(object[key] ?? null)])];
}

/** A whole number is an integer; any other is its 8 bytes of IEEE 754, big-endian. */
function numberToCbor(value: number): CborValue {
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

/** The value, or `undefined` for what `jsonToCbor` cannot have made. Depth is bounded by CBOR's. */
export function jsonFromCbor(value: CborValue): Json | undefined {
  if (value instanceof Uint8Array) return numberFromBytes(value);
  if (typeof value === "string") return value.isWellFormed() ? value : undefined;
  if (value === null || typeof value !== "object") return value;
  const [tag, ...rest] = value;
  if (tag === listTag) {
    const items = rest.map(jsonFromCbor);
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  return tag === objectTag ? objectFromCbor(rest) : undefined;
}

function objectFromCbor(fields: readonly CborValue[]): JsonObject | undefined {
  if (fields.length % 2 !== 0) return undefined;
  const object: Record<string, Json> = {};
  let last = "";
  for (let index = 0; index < fields.length; index += 2) {
    const key = fields[index];
    const inner = jsonFromCbor(fields[index + 1] ?? null);
    if (!isKey(key) || key <= last || inner === undefined) return undefined;
    last = key;
    object[key] = inner;
  }
  return object;
}

function numberFromBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8) return undefined;
  const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0);
  return Number.isFinite(value) && !Number.isSafeInteger(value) ? value : undefined;
}

/** A key of the value: equal values, and no others, have the same. */
export function jsonKey(value: Json): string {
  if (typeof value === "string") return `s${value}`;
  return bytesToLatin(encodeCbor(jsonToCbor(value)));
}

/** The value of a key. */
export function jsonFromKey(key: string): Json | undefined {
  if (key.startsWith("s")) return key.slice(1);
  const value = decodeCbor(latinToBytes(key));
  return value === undefined ? undefined : jsonFromCbor(value);
}

/** Bytes as a string of one character each, whose order is that of the bytes. */
export function bytesToLatin(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The bytes of such a string. */
export function latinToBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
