/**
 * Events of documents in bytes (docs/spec/doc.md §2): the canonical CBOR array `[1, item, …]`, an
 * item `[collection, id, life, existence, op, …]`. Layer 7.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import { DocError } from "./errors.ts";
import {
  depthMax,
  isBoundedText,
  isKey,
  isObject,
  jsonFromCbor,
  jsonToCbor,
  type Json,
} from "./json.ts";
import { markFromBytes, markIndex, markToBytes, type Mark } from "./marks.ts";
import type { MarkRun } from "./text.ts";

/** Bytes of one event's body, so that it fits one entry. */
export const eventBytesMax = 57_000;
/** Bytes of UTF-8 of an id. */
export const idBytesMax = 256;
/** Bytes of a collection's name. */
export const nameBytesMax = 64;

/** One change inside a document. */
export type DocOp =
  /** Sets a field; what was below it is gone. */
  | { readonly op: "set"; readonly path: readonly string[]; readonly value: Json }
  /** Makes sure that there is an object; what is in it stays. */
  | { readonly op: "object"; readonly path: readonly string[] }
  | { readonly op: "unset"; readonly path: readonly string[] }
  | { readonly op: "add"; readonly field: string; readonly amount: number }
  | { readonly op: "include" | "exclude"; readonly field: string; readonly value: Json }
  | {
      readonly op: "insert";
      readonly field: string;
      /** The item it comes behind, or none for the beginning. */
      readonly after: Mark | undefined;
      readonly values: readonly Json[];
    }
  | { readonly op: "remove"; readonly field: string; readonly items: readonly Mark[] }
  | {
      readonly op: "type";
      readonly field: string;
      /** The character it comes behind, or none for the beginning. */
      readonly after: Mark | undefined;
      readonly text: string;
    }
  | { readonly op: "erase"; readonly field: string; readonly runs: readonly MarkRun[] };

/** How many marks an op takes: one for each value or character that it brings, else one. */
export function marksOfOp(op: DocOp): number {
  if (op.op === "insert") return op.values.length;
  return op.op === "type" ? codePointCount(op.text) : 1;
}

/** Characters of a text. */
export function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** All changes of one document in one event. */
export interface DocItem {
  readonly collection: string;
  readonly id: string;
  /** Which life of the document is meant: the first, the one that a mark began, or one begun here. */
  readonly life: Mark | "first" | "new";
  /** What the event says of the document's existence. */
  readonly existence: "unsaid" | "put" | "deleted";
  readonly ops: readonly DocOp[];
}

const existences = ["unsaid", "put", "deleted"] as const;

/** Well-formed text of 1–256 bytes. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && isBoundedText(value, idBytesMax);
}

/** Letters and digits, single hyphens between them: 1–64. */
export function isCollectionName(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > nameBytesMax) return false;
  return /^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/.test(value);
}

/** The body of an event, or `undefined` when it is larger than an entry holds. */
export function encodeItems(items: readonly DocItem[]): Uint8Array | undefined {
  const body = encodeCbor([1, ...items.map(itemToCbor)]);
  return body.length > eventBytesMax ? undefined : body;
}

/** The body of one event. Throws DOC_TOO_LARGE. */
function packEntry(items: readonly DocItem[]): Uint8Array {
  const body = encodeItems(items);
  if (body !== undefined) return body;
  throw new DocError("DOC_TOO_LARGE", `the change takes more than ${eventBytesMax} bytes`);
}

/** How a write is laid into events: all or nothing in one, or in as few as it fits. */
export type WriteForm = "one entry" | "batch";

/** The bodies of a write's events, none if it changes nothing. Throws DOC_TOO_LARGE. */
export function packWrite(items: readonly DocItem[], form: WriteForm): readonly Uint8Array[] {
  if (items.length === 0) return [];
  return form === "batch" ? packItems(items) : [packEntry(items)];
}

/** Bodies of as many events as it takes; a document's changes stay in one. Throws DOC_TOO_LARGE. */
function packItems(items: readonly DocItem[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let open: DocItem[] = [];
  let byteCount = 0;
  for (const item of items) {
    const itemBytes = packEntry([item]).length;
    // An array of few items has a shorter head than one of many.
    if (open.length > 0 && byteCount + itemBytes > eventBytesMax - 8) {
      bodies.push(packEntry(open));
      open = [];
      byteCount = 0;
    }
    open.push(item);
    byteCount += itemBytes;
  }
  if (open.length > 0) bodies.push(packEntry(open));
  return bodies;
}

function itemToCbor({ collection, id, life, existence, ops }: DocItem): CborValue {
  const lifeValue = life === "first" ? null : life === "new" ? true : markToBytes(life);
  return [collection, id, lifeValue, existences.indexOf(existence), ...ops.map(opToCbor)];
}

function opToCbor(op: DocOp): CborValue {
  switch (op.op) {
    case "set":
      return [0, [...op.path], jsonToCbor(op.value)];
    case "object":
      return [1, [...op.path]];
    case "unset":
      return [2, [...op.path]];
    case "add":
      return [3, op.field, op.amount];
    case "include":
      return [4, op.field, jsonToCbor(op.value)];
    case "exclude":
      return [5, op.field, jsonToCbor(op.value)];
    case "insert": {
      const after = op.after === undefined ? null : markToBytes(op.after);
      return [6, op.field, after, ...op.values.map(jsonToCbor)];
    }
    case "remove":
      return [7, op.field, ...op.items.map(markToBytes)];
    case "type": {
      const after = op.after === undefined ? null : markToBytes(op.after);
      return [8, op.field, after, op.text];
    }
    case "erase":
      return [9, op.field, ...op.runs.flatMap(({ from, count }) => [markToBytes(from), count])];
  }
}

// The view reads a body when it folds it, and the collections read it again to see what changed.
const decoded = new WeakMap<Uint8Array, readonly DocItem[]>();

/** What an event says; a body with one thing wrong in it says nothing at all. */
export function decodeItems(body: Uint8Array): readonly DocItem[] {
  const known = decoded.get(body);
  if (known !== undefined) return known;
  const items = readItems(body);
  decoded.set(body, items);
  return items;
}

function readItems(body: Uint8Array): readonly DocItem[] {
  if (body.length > eventBytesMax) return [];
  const fields = decodeCbor(body);
  if (!Array.isArray(fields) || fields[0] !== 1) return [];
  const items: DocItem[] = [];
  const names = new Set<string>();
  for (const field of fields.slice(1) as readonly CborValue[]) {
    const item = itemFromCbor(field);
    const name = `${item?.collection}/${item?.id}`;
    // A document is spoken of once, so that what an event costs does not grow with its square.
    if (item === undefined || names.has(name)) return [];
    names.add(name);
    items.push(item);
  }
  return items;
}

function itemFromCbor(value: CborValue): DocItem | undefined {
  if (!Array.isArray(value)) return undefined;
  const [collection, id, lifeValue, index, ...opValues] = value as readonly CborValue[];
  if (!isCollectionName(collection) || !isId(id) || typeof index !== "number") return undefined;
  const life = lifeFromCbor(lifeValue);
  const existence = existences[index];
  if (life === undefined || existence === undefined) return undefined;
  const ops: DocOp[] = [];
  for (const opValue of opValues) {
    const op = opFromCbor(opValue);
    if (op === undefined) return undefined;
    ops.push(op);
  }
  return { collection, id, life, existence, ops };
}

function lifeFromCbor(value: CborValue | undefined): DocItem["life"] | undefined {
  if (value === null) return "first";
  return value === true ? "new" : markFromBytes(value);
}

function opFromCbor(value: CborValue): DocOp | undefined {
  if (!Array.isArray(value)) return undefined;
  const [code, where, ...rest] = value as readonly CborValue[];
  if (typeof code !== "number" || where === undefined) return undefined;
  return code <= 2 ? pathOpFromCbor(code, where, rest) : fieldOpFromCbor(code, where, rest);
}

function pathOpFromCbor(
  code: number,
  where: CborValue,
  rest: readonly CborValue[],
): DocOp | undefined {
  const path = pathFromCbor(where);
  if (path === undefined) return undefined;
  if (code !== 0) {
    if (rest.length > 0) return undefined;
    return code === 1 ? { op: "object", path } : code === 2 ? { op: "unset", path } : undefined;
  }
  const value = rest[0] === undefined ? undefined : boundedJson(rest[0], path.length);
  // What is in an object is set field by field, so that edits of different fields meet.
  if (rest.length !== 1 || value === undefined || isObject(value)) return undefined;
  return { op: "set", path, value };
}

function pathFromCbor(value: CborValue): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > depthMax) return undefined;
  const path = value as readonly CborValue[];
  return path.every(isKey) && path[0] !== "_id" ? path : undefined;
}

function fieldOpFromCbor(
  code: number,
  field: CborValue,
  rest: readonly CborValue[],
): DocOp | undefined {
  if (!isKey(field) || field === "_id") return undefined;
  const [first] = rest;
  if (code === 3) {
    const isAmount = typeof first === "number" && rest.length === 1;
    return isAmount ? { op: "add", field, amount: first } : undefined;
  }
  if (code === 4 || code === 5) {
    const value = first === undefined ? undefined : boundedJson(first, 2);
    if (rest.length !== 1 || value === undefined) return undefined;
    return { op: code === 4 ? "include" : "exclude", field, value };
  }
  if (code === 6) return insertFromCbor(field, rest);
  if (code === 8) return typeFromCbor(field, rest);
  if (code === 9) return eraseFromCbor(field, rest);
  if (code !== 7 || rest.length === 0) return undefined;
  const items = rest.map(markFromBytes);
  return items.every((item) => item !== undefined) ? { op: "remove", field, items } : undefined;
}

function insertFromCbor(field: string, rest: readonly CborValue[]): DocOp | undefined {
  const [place, ...items] = rest;
  const after = place === null ? undefined : markFromBytes(place);
  if ((after === undefined && place !== null) || items.length === 0) return undefined;
  const values = items.map((item) => boundedJson(item, 2));
  return values.every((value) => value !== undefined)
    ? { op: "insert", field, after, values }
    : undefined;
}

function typeFromCbor(field: string, [place, text, ...more]: readonly CborValue[]) {
  const after = place === null ? undefined : markFromBytes(place);
  if ((after === undefined && place !== null) || more.length > 0) return undefined;
  const isText = typeof text === "string" && text !== "" && text.isWellFormed();
  return isText ? ({ op: "type", field, after, text } as const) : undefined;
}

function eraseFromCbor(field: string, rest: readonly CborValue[]): DocOp | undefined {
  if (rest.length === 0 || rest.length % 2 !== 0) return undefined;
  const runs: MarkRun[] = [];
  for (let at = 0; at < rest.length; at += 2) {
    const from = markFromBytes(rest[at]);
    const count = rest[at + 1];
    if (from === undefined || typeof count !== "number" || count < 1) return undefined;
    if (markIndex(from) + count > 2 ** 32) return undefined;
    runs.push({ from, count });
  }
  return { op: "erase", field, runs };
}

/** A value at that depth of a document; lists and objects in it must not go beyond the limit. */
function boundedJson(value: CborValue, depth: number): Json | undefined {
  let level: readonly CborValue[] = [value];
  for (let deep = depth; level.length > 0; deep++) {
    const lists = level.filter((inner): inner is readonly CborValue[] => Array.isArray(inner));
    if (lists.length > 0 && deep >= depthMax) return undefined;
    level = lists.flat();
  }
  return jsonFromCbor(value);
}
