/**
 * Places of signed entries by hash, sorted in one buffer: an index that costs nothing to read back,
 * however long it is. Layer 5, internal.
 *
 *   record = hash (32) ‖ log's number (u16) ‖ seq (u64) ‖ stamp (u64), ascending by hash
 */
import { compareBytes, fromHex } from "@hawser/codec";
import type { LogId } from "@hawser/log";
import type { SignedPlace } from "./sequencer.ts";

const hashBytes = 32;
const recordBytes = 50;

/** What is looked up by hash. */
export interface PlaceIndex {
  /** The records, and what the log numbers in them stand for. */
  readonly bytes: Uint8Array;
  readonly logIds: readonly LogId[];
  /** The place of a hash in hex. */
  get(hash: string): SignedPlace | undefined;
}

/** An index over such bytes; `undefined` when they are none. */
export function readPlaceIndex(
  bytes: Uint8Array,
  logIds: readonly LogId[],
): PlaceIndex | undefined {
  if (bytes.length % recordBytes !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const compareAt = (index: number, wanted: Uint8Array): number => {
    const at = index * recordBytes;
    return compareBytes(bytes.subarray(at, at + hashBytes), wanted);
  };
  return {
    bytes,
    logIds,
    get: (hash) => {
      const wanted = fromHex(hash);
      if (wanted === undefined) return undefined;
      let low = 0;
      let high = bytes.length / recordBytes;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compareAt(middle, wanted) < 0) low = middle + 1;
        else high = middle;
      }
      if (low * recordBytes >= bytes.length || compareAt(low, wanted) !== 0) return undefined;
      const at = low * recordBytes + hashBytes;
      const logId = logIds[view.getUint16(at)];
      if (logId === undefined) return undefined;
      const seq = Number(view.getBigUint64(at + 2));
      return { logId, seq, stamp: Number(view.getBigUint64(at + 10)) };
    },
  };
}

/** The old records with new ones among them. `logIds` has to begin with those of `base`. */
export function mergePlaces(
  base: PlaceIndex | undefined,
  added: readonly (readonly [string, SignedPlace])[],
  logIds: readonly LogId[],
): Uint8Array {
  const numbers = new Map(logIds.map((logId, index) => [logId, index]));
  const fresh = added.filter(([hash]) => base?.get(hash) === undefined).sort(byHash);
  const old = base?.bytes ?? new Uint8Array(0);
  const bytes = new Uint8Array(old.length + fresh.length * recordBytes);
  const view = new DataView(bytes.buffer);
  let at = 0;
  let from = 0;
  for (const [hash, { logId, seq, stamp }] of fresh) {
    const wanted = fromHex(hash) ?? new Uint8Array(hashBytes);
    const start = from;
    while (from < old.length && compareBytes(old.subarray(from, from + hashBytes), wanted) < 0) {
      from += recordBytes;
    }
    bytes.set(old.subarray(start, from), at);
    at += from - start;
    bytes.set(wanted, at);
    view.setUint16(at + hashBytes, numbers.get(logId) ?? 0);
    view.setBigUint64(at + hashBytes + 2, BigInt(seq));
    view.setBigUint64(at + hashBytes + 10, BigInt(stamp));
    at += recordBytes;
  }
  bytes.set(old.subarray(from), at);
  return bytes;
}

function byHash(a: readonly [string, SignedPlace], b: readonly [string, SignedPlace]): number {
  return a[0] < b[0] ? -1 : 1;
}
