/**
 * Ops of the key-value view in bytes (docs/spec/7-views.md §6.1). An event body is the canonical
 * CBOR array `[1, [key, value, [version…]] | [key, [version…]], …]`: an item of three puts, one of
 * two deletes; the versions are those the writer saw and replaces.
 */
import { decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";
import { KvError } from "./errors.ts";
import type { KvPut, KvValue } from "./types.ts";

/** Bytes of UTF-8. */
export const keyBytesMax = 1_024;
/** Bytes of the encoded value: leaves room for the op around it inside one entry. */
export const valueBytesMax = 54_000;
/** Bytes of ops in one event, so that the event fits one entry. */
export const eventBytesMax = 57_000;
/** Bytes of a version id: the first 12 of the entry hash, then the op's index as u32. */
export const versionBytes = 16;
/** Concurrent versions one op can replace; more than a group has devices in any sane case. */
const replacedCountMax = 64;

export interface KvOp {
  readonly key: string;
  readonly value: KvValue | undefined;
  /** Hex-free ids: `versionBytes` bytes each. */
  readonly replaces: readonly Uint8Array[];
}

/** Throws KvError when the pair cannot be written. */
export function checkPut(put: KvPut): void {
  const isText = put.key.length > 0 && put.key.isWellFormed();
  if (!isText || put.key.length > keyBytesMax || utf8(put.key).length > keyBytesMax) {
    throw new KvError("KV_KEY_INVALID", `a key is 1–${keyBytesMax} bytes of well-formed text`);
  }
  if (put.value === undefined) return;
  const byteCount = encodedSize(put.value);
  if (byteCount > valueBytesMax) {
    throw new KvError(
      "KV_VALUE_TOO_LARGE",
      `the value of ${put.key} takes ${byteCount} bytes, the limit is ${valueBytesMax}`,
    );
  }
}

function encodedSize(value: KvValue): number {
  try {
    return encodeCbor(value).length;
  } catch (cause) {
    throw new KvError("KV_VALUE_INVALID", "the value is nothing canonical CBOR can express", {
      cause,
    });
  }
}

function opToCbor(op: KvOp): CborValue {
  const replaces = op.replaces.slice(0, replacedCountMax);
  return op.value === undefined ? [op.key, replaces] : [op.key, op.value, replaces];
}

/** Event bodies that hold the ops in order, each small enough for one entry. */
export function encodeOps(ops: readonly KvOp[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let items: CborValue[] = [];
  let byteCount = 0;
  const flush = (): void => {
    if (items.length > 0) bodies.push(encodeCbor([1, ...items]));
    items = [];
    byteCount = 0;
  };
  for (const op of ops) {
    const item = opToCbor(op);
    const itemBytes = encodeCbor(item).length;
    if (byteCount + itemBytes > eventBytesMax) flush();
    items.push(item);
    byteCount += itemBytes;
  }
  flush();
  return bodies;
}

/** The ops of an event body; bad ones make the whole event empty: the same on every peer. */
export function decodeOps(body: Uint8Array): readonly KvOp[] {
  const value = decodeCbor(body);
  if (!Array.isArray(value) || value[0] !== 1) return [];
  const ops: KvOp[] = [];
  for (const item of value.slice(1)) {
    const op = opFromCbor(item);
    if (op === undefined) return [];
    ops.push(op);
  }
  return ops;
}

function opFromCbor(item: CborValue): KvOp | undefined {
  if (!Array.isArray(item) || item.length < 2 || item.length > 3) return undefined;
  const [key, second, third] = item as readonly CborValue[];
  const replaced = item.length === 3 ? third : second;
  if (typeof key !== "string" || key.length === 0 || utf8(key).length > keyBytesMax)
    return undefined;
  if (!Array.isArray(replaced) || replaced.length > replacedCountMax) return undefined;
  const replaces: Uint8Array[] = [];
  for (const id of replaced) {
    if (!(id instanceof Uint8Array) || id.length !== versionBytes) return undefined;
    replaces.push(id);
  }
  return { key, value: item.length === 3 ? second : undefined, replaces };
}
