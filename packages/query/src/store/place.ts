/**
 * Places in tree order and hash order (docs/spec/query.md §7.2). Layer 3; pure.
 */
import { compareBytes, concatBytes } from "@hawser/codec";
import { treeKey, type Packet } from "@hawser/packet";
import type { TreePlace, TreeRow } from "./types.ts";

/** Highest stamp: any u64. */
const stampMax = 0xffff_ffff_ffff_ffffn;

/** The lowest hash. */
const noHash: Uint8Array = new Uint8Array(32);

/**
 * The row of a packet, or `undefined` when it has none: datapoints, error points, and packets whose
 * depth byte contradicts their path, which only a reader in reference mode lets in. Were those in
 * the tree, no scan could skip from one path to the next.
 */
export function treeRowOf(packet: Packet, recv: number): TreeRow | undefined {
  const key = treeKey(packet);
  if (key === undefined || packet.pathDepth !== packet.path.length) return undefined;
  const { stamp, hash, linkCount, data } = packet;
  return { key, stamp, hash, recv, linkCount, dataBytes: data.length };
}

/** The order of rows: key, then stamp, then hash. */
export function compareTreePlaces(a: TreePlace, b: TreePlace): number {
  const order = compareBytes(a.key, b.key);
  if (order !== 0) return order;
  if (a.stamp !== b.stamp) return a.stamp < b.stamp ? -1 : 1;
  return compareBytes(a.hash, b.hash);
}

/** The place before every row of the first key not before `key`, from `stamp` on. */
export function placeAt(key: Uint8Array, stamp = 0n): TreePlace {
  return { key, stamp, hash: noHash };
}

/** The place after every row of `key` whose stamp is `stamp` at most. */
export function placePast(key: Uint8Array, stamp: bigint): TreePlace {
  return stamp < stampMax ? placeAt(key, stamp + 1n) : placeAt(keyAfter(key));
}

/** The place right after a row. */
export function placeAfter({ key, stamp, hash }: TreePlace): TreePlace {
  const next = incremented(hash);
  return next === undefined ? placePast(key, stamp) : { key, stamp, hash: next };
}

/** The smallest byte string greater than `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concatBytes(key, new Uint8Array(1));
}

/** The next bytes of the same length, as a big-endian number; `undefined` after the last. */
export function incremented(bytes: Uint8Array): Uint8Array | undefined {
  const next = bytes.slice();
  for (let index = next.length - 1; index >= 0; index--) {
    const byte = (next[index] ?? 0) + 1;
    next[index] = byte & 0xff;
    if (byte <= 0xff) return next;
  }
  return undefined;
}
