/**
 * Ops in bytes (docs/spec/record.md §4): the body of an event of type "record" is one op, a
 * canonical CBOR array.
 */
import { decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";
import type { RefusalCode } from "./errors.ts";
import { decodeHeld, encodeHeld } from "./held-bytes.ts";
import type { HeldDict } from "./held.ts";
import { depthMax, documentBytesMax, keyBytesMax, setLikeTagsMax, tagBytesMax } from "./limits.ts";
import { decodeNode, encodeNode } from "./node-bytes.ts";
import type { DictNode, RecordNode } from "./types.ts";

/** The type of the events that carry ops. */
export const eventType = "record";

/** One op on the author's own document under `key`. */
export type RecordOp = { readonly key: string } & (
  | {
      readonly op: "update";
      readonly node: DictNode;
      readonly ttlMs: number;
      /** Tags whose positional arguments unite; sorted. */
      readonly setLike: readonly string[];
    }
  | {
      readonly op: "set";
      readonly path: readonly RecordNode[];
      readonly node: RecordNode;
      readonly ttlMs: number;
    }
  | {
      readonly op: "remove";
      readonly path: readonly RecordNode[];
      /** The element to take out of the list at the path; else the value there goes. */
      readonly item: RecordNode | undefined;
    }
  | { readonly op: "touch"; readonly path: readonly RecordNode[]; readonly ttlMs: number }
  | { readonly op: "snapshot"; readonly held: HeldDict }
);

const version = 1;
const opCodes = { update: 0, set: 1, remove: 2, touch: 3, snapshot: 4 } as const;

/** The body of an op. */
export function encodeOp(op: RecordOp): Uint8Array<ArrayBuffer> {
  const head: readonly CborValue[] = [version, opCodes[op.op], op.key];
  switch (op.op) {
    case "update":
      return encodeCbor([...head, op.ttlMs, encodeNode(op.node), op.setLike]);
    case "set":
      return encodeCbor([...head, encodePath(op.path), op.ttlMs, encodeNode(op.node)]);
    case "remove": {
      const item = op.item === undefined ? null : encodeNode(op.item);
      return encodeCbor([...head, encodePath(op.path), item]);
    }
    case "touch":
      return encodeCbor([...head, encodePath(op.path), op.ttlMs]);
    case "snapshot":
      return encodeCbor([...head, encodeHeld(op.held)]);
  }
}

function encodePath(path: readonly RecordNode[]): CborValue {
  return path.map(encodeNode);
}

/** An op, or why the bytes are none. Without a key there is nobody's document to refuse it for. */
export type OpVerdict =
  | { readonly ok: true; readonly op: RecordOp }
  | { readonly ok: false; readonly reason: RefusalCode; readonly key: string };

/** Reads the body of an event whose stamp is `stamp`. */
export function decodeOp(body: Uint8Array, stamp: number): OpVerdict {
  const value = decodeCbor(body);
  const fields: readonly CborValue[] = Array.isArray(value) ? value : [];
  const [version_, code, key] = fields;
  if (version_ !== version || !isKey(key)) return { ok: false, reason: "RECORD_BAD_NODE", key: "" };
  const faults: RefusalCode[] = [];
  const op = readOp({ key, code, rest: fields.slice(3), stamp, faults });
  if (op !== undefined && faults.length === 0) return { ok: true, op };
  return { ok: false, reason: faults[0] ?? "RECORD_BAD_NODE", key };
}

/** 1–256 bytes of well-formed text. */
export function isKey(key: unknown): key is string {
  if (typeof key !== "string" || key.length === 0 || key.length > keyBytesMax) return false;
  return key.isWellFormed() && utf8(key).length <= keyBytesMax;
}

interface Fields {
  readonly key: string;
  readonly code: CborValue | undefined;
  readonly rest: readonly CborValue[];
  readonly stamp: number;
  /** What was found wrong, first thing first. */
  readonly faults: RefusalCode[];
}

function readOp({ key, code, rest, stamp, faults }: Fields): RecordOp | undefined {
  const [first, second, third] = rest;
  const counts = [3, 3, 2, 2, 1];
  if (typeof code !== "number" || rest.length !== counts[code]) return undefined;
  switch (code) {
    case opCodes.update: {
      const node = readNodeField(second, faults);
      if (!isTtl(first) || node?.kind !== "dict" || !isTags(third)) return undefined;
      return { op: "update", key, ttlMs: first, node, setLike: third };
    }
    case opCodes.set: {
      const path = readPath(first, faults);
      const node = readNodeField(third, faults);
      if (path === undefined || !isTtl(second) || node === undefined) return undefined;
      return { op: "set", key, path, ttlMs: second, node };
    }
    case opCodes.remove: {
      const path = readPath(first, faults);
      const item = second === null ? undefined : readNodeField(second, faults);
      if (path === undefined || (second !== null && item === undefined)) return undefined;
      return { op: "remove", key, path, item };
    }
    case opCodes.touch: {
      const path = readPath(first, faults);
      if (path === undefined || !isTtl(second)) return undefined;
      return { op: "touch", key, path, ttlMs: second };
    }
    case opCodes.snapshot: {
      if (!(first instanceof Uint8Array)) return undefined;
      const verdict = decodeHeld(first, stamp);
      if (!verdict.ok) faults.push(verdict.reason);
      return verdict.ok ? { op: "snapshot", key, held: verdict.held } : undefined;
    }
    default:
      return undefined;
  }
}

/** Any lifetime that counts in µs: overlong ones are cut where they are shown, not here (§6.3). */
function isTtl(value: CborValue | undefined): value is number {
  return typeof value === "number" && value >= 1 && value <= 2 ** 42;
}

function isTags(value: CborValue | undefined): value is readonly string[] {
  if (!Array.isArray(value) || value.length > setLikeTagsMax) return false;
  const tags = value as readonly CborValue[];
  return tags.every((tag, index) => {
    if (typeof tag !== "string" || utf8(tag).length > tagBytesMax) return false;
    const before = index === 0 ? undefined : tags[index - 1];
    return before === undefined || (typeof before === "string" && before < tag);
  });
}

function readNodeField(
  field: CborValue | undefined,
  faults: RefusalCode[],
): RecordNode | undefined {
  if (!(field instanceof Uint8Array)) return undefined;
  const verdict = decodeNode(field);
  if (!verdict.ok) faults.push(verdict.reason);
  return verdict.ok ? verdict.node : undefined;
}

function readPath(
  field: CborValue | undefined,
  faults: RefusalCode[],
): readonly RecordNode[] | undefined {
  if (!Array.isArray(field)) return undefined;
  if (field.length > depthMax) {
    faults.push("RECORD_TOO_DEEP");
    return undefined;
  }
  const steps: RecordNode[] = [];
  let byteCount = 0;
  for (const item of field as readonly CborValue[]) {
    byteCount += item instanceof Uint8Array ? item.length : 0;
    if (byteCount > documentBytesMax) return undefined;
    const step = readNodeField(item, faults);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  return steps;
}
