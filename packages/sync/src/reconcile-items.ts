/**
 * Sets of logs, their parts and fingerprints (docs/spec/3-sync.md §6.1). Layer 4; pure.
 */
import { compareBytes, fromHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { LogHead } from "@hawser/log";
import { listedLogsMax, logsPerChildGoal, splitBitsMax, splitDepthMax } from "./limits.ts";
import type { ItemSet, Part } from "./machine-types.ts";

/** Id, height as u64 and head hash. */
const itemBytes = 72;
/** What a summary holds. */
const summaryBytes = 32;
/** What a split holds of each child. */
const fingerprintBytes = 12;

/** The set of these heads, each with a signed entry. */
export function createItemSet(heads: readonly LogHead[]): ItemSet {
  const sorted = [...heads].sort((a, b) => (a.logId < b.logId ? -1 : 1));
  const bytes = new Uint8Array(sorted.length * itemBytes);
  const view = new DataView(bytes.buffer);
  for (const [index, head] of sorted.entries()) {
    const at = index * itemBytes;
    bytes.set(fromHex(head.logId) ?? [], at);
    // Heights are safe integers: two halves of 32 bits hold them.
    view.setUint32(at + 32, Math.floor(head.signedHeight / 2 ** 32));
    view.setUint32(at + 36, head.signedHeight % 2 ** 32);
    bytes.set(head.signedHash ?? [], at + 40);
  }
  return {
    logIds: sorted.map((head) => head.logId),
    heights: sorted.map((head) => head.signedHeight),
    bytes,
  };
}

/** All of a set. */
export function wholeOf(items: ItemSet): Part {
  return { start: 0, end: items.logIds.length, depth: 0 };
}

export function sizeOf(part: Part): number {
  return part.end - part.start;
}

/** Over every item of a part, in order: equal only for equal parts. 32 bytes. */
export function fingerprintOf(
  crypto: Crypto,
  key: Uint8Array,
  items: ItemSet,
  part: Part,
): Uint8Array {
  return crypto
    .keyedHash(key, items.bytes.subarray(part.start * itemBytes, part.end * itemBytes))
    .subarray(0, summaryBytes);
}

/** Fingerprints of the children of one part, 12 bytes each, one after another. */
export function childFingerprints(
  crypto: Crypto,
  key: Uint8Array,
  items: ItemSet,
  children: readonly Part[],
): Uint8Array {
  const bytes = new Uint8Array(children.length * fingerprintBytes);
  // A peer may split a part of which we hold next to nothing: its empty children cost one hash.
  const empty = fingerprintOf(crypto, key, items, { start: 0, end: 0, depth: 0 });
  for (const [index, child] of children.entries()) {
    const whole = sizeOf(child) === 0 ? empty : fingerprintOf(crypto, key, items, child);
    bytes.set(whole.subarray(0, fingerprintBytes), index * fingerprintBytes);
  }
  return bytes;
}

/** For each child, whether the peer's fingerprint is ours. */
export function equalChildren(own: Uint8Array, theirs: Uint8Array): readonly boolean[] {
  return Array.from({ length: own.length / fingerprintBytes }, (_, index) => {
    const at = index * fingerprintBytes;
    const end = at + fingerprintBytes;
    return compareBytes(own.subarray(at, end), theirs.subarray(at, end)) === 0;
  });
}

/** True when a part is listed instead of split. */
export function isListed(part: Part): boolean {
  return sizeOf(part) <= listedLogsMax || part.depth >= splitDepthMax;
}

/** By how many bits a part is split, so that a child holds about four logs of ours. */
export function bitsFor(part: Part): number {
  const wanted = Math.ceil(Math.log2(Math.max(2, sizeOf(part) / logsPerChildGoal)));
  return Math.min(splitBitsMax, wanted);
}

/** The 2^bits children of a part: its items by the next `bits` bits of their ids. */
export function childrenOf(items: ItemSet, part: Part, bits: number): readonly Part[] {
  const children: Part[] = [];
  const depth = part.depth + bits;
  let start = part.start;
  for (let value = 0; value < 2 ** bits; value++) {
    let end = start;
    while (end < part.end && idBits(items, end, part.depth, bits) === value) end += 1;
    children.push({ start, end, depth });
    start = end;
  }
  return children;
}

/** `bits` (at most 8) bits of an item's id from bit `depth` on, the first bit highest. */
function idBits(items: ItemSet, index: number, depth: number, bits: number): number {
  const at = index * itemBytes + (depth >> 3);
  const window = ((items.bytes[at] ?? 0) << 8) | (items.bytes[at + 1] ?? 0);
  return (window >> (16 - (depth & 7) - bits)) & (2 ** bits - 1);
}
