/**
 * Ops of the key-value view in bytes (docs/spec/7-views.md §6.1). An event body is the canonical
 * CBOR array `[1, op, …]` with ops `[key, value, [version…]]` and `[key, value, [version…], ttl]`
 * that put, `[key, [version…]]` that deletes, and `[key, amount, version]` that adds; the versions are
 * those the writer saw, and replaces or adds to.
 */
import { decodeCbor, encodeCbor, equalBytes, utf8, type CborValue } from "@hawser/codec";
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

/** 100 years. */
export const ttlMsMax = 3_155_760_000_000;
/** So that 2^32 of them still fit 64 bits. */
export const amountMax: number = 2 ** 31 - 1;

/** One op. With `increment` it adds: `value` is `undefined` then, and nothing is replaced. */
export interface KvOp {
  readonly key: string;
  readonly value: KvValue | undefined;
  /** Hex-free ids: `versionBytes` bytes each. */
  readonly replaces: readonly Uint8Array[];
  readonly ttlMs?: number;
  readonly increment?: KvIncrement;
}

/** What is added, and to which version. */
export interface KvIncrement {
  /** ±`amountMax`, not 0. */
  readonly amount: number;
  /** Zeros: to the nothing that the writer saw. */
  readonly base: Uint8Array;
}

/** Stands for nothing, as what an increment adds to. */
export const noVersion: Uint8Array = new Uint8Array(versionBytes);

export function isNoVersion(id: Uint8Array): boolean {
  return equalBytes(id, noVersion);
}

/** Throws KvError when the pair cannot be written. */
export function checkPut(put: KvPut): void {
  const isText = put.key.length > 0 && put.key.isWellFormed();
  if (!isText || put.key.length > keyBytesMax || utf8(put.key).length > keyBytesMax) {
    throw new KvError("KV_KEY_INVALID", `a key is 1–${keyBytesMax} bytes of well-formed text`);
  }
  if (put.ttlMs !== undefined && !isTtl(put.ttlMs)) {
    throw new KvError("KV_TTL_INVALID", `a time to live is a whole number of ms, 1–${ttlMsMax}`);
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

/** Throws KvError when nothing of that amount can be added. */
export function checkIncrement(key: string, amount: number): void {
  checkPut({ key, value: undefined });
  if (!isAmount(amount)) {
    throw new KvError("KV_AMOUNT_INVALID", `an amount is 1–${amountMax} or as much below 0`);
  }
}

function isTtl(value: CborValue | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= ttlMsMax;
}

function isAmount(value: CborValue | undefined): value is number {
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  return value !== 0 && Math.abs(value) <= amountMax;
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
  const { key, value, ttlMs, increment } = op;
  if (increment !== undefined) return [key, increment.amount, increment.base];
  const replaces = op.replaces.slice(0, replacedCountMax);
  if (value === undefined) return [key, replaces];
  return ttlMs === undefined ? [key, value, replaces] : [key, value, replaces, ttlMs];
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
  if (!Array.isArray(item) || item.length < 2 || item.length > 4) return undefined;
  const [key, second, third, ttlMs] = item as readonly CborValue[];
  if (typeof key !== "string" || key.length === 0 || utf8(key).length > keyBytesMax)
    return undefined;
  if (item.length === 4 && !isTtl(ttlMs)) return undefined;
  if (item.length === 3 && third instanceof Uint8Array) {
    if (!isAmount(second) || third.length !== versionBytes) return undefined;
    return { key, value: undefined, replaces: [], increment: { amount: second, base: third } };
  }
  const replaced = item.length > 2 ? third : second;
  if (!Array.isArray(replaced) || replaced.length > replacedCountMax) return undefined;
  const replaces: Uint8Array[] = [];
  for (const id of replaced) {
    if (!(id instanceof Uint8Array) || id.length !== versionBytes) return undefined;
    replaces.push(id);
  }
  const op = { key, value: item.length > 2 ? second : undefined, replaces };
  return isTtl(ttlMs) ? { ...op, ttlMs } : op;
}
