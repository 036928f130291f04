/**
 * Reads from the store what the machine asks for (docs/spec/3-sync.md §7). Layer 4.
 */
import { concatBytes, equalBytes } from "@hawser/codec";
import type { LogStore, StoredRange } from "@hawser/log";
import type { RangeRead, ReadRangeEffect } from "./machine-types.ts";

/**
 * Entries from `from` on as one range: up to the first signed entry at or after `bytesGoal` bytes,
 * or up to `to`. Consecutive ranges join by their bytes (docs/spec/2-log.md §5).
 */
export async function readRange(store: LogStore, wanted: ReadRangeEffect): Promise<RangeRead> {
  if (!(await isSameBefore(store, wanted))) return { status: "diverged" };
  const { logId, from, to, bytesGoal } = wanted;
  const reached = createPart(from);
  for await (const range of store.ranges(logId, { from, to })) {
    if (!reached.add(range)) return { status: "pruned", prunedTo: range.from };
    if (reached.size() >= bytesGoal) break;
  }
  if (reached.end() === from) return { status: "pruned", prunedTo: await firstSeq(store, wanted) };
  // The receiver accepts nothing behind the last signature, so the part has to end at one.
  const end = await signedEnd(store, wanted, reached.end());
  if (reached.end() < end) {
    for await (const range of store.ranges(logId, { from: reached.end(), to: end })) {
      if (!reached.add(range) || reached.size() > wanted.bytesMax) break;
    }
  }
  if (reached.end() !== end || reached.size() > wanted.bytesMax) return { status: "tooLarge" };
  return { status: "read", count: end - from, bytes: reached.bytes() };
}

interface Part {
  /** False when the range does not follow. */
  add(range: StoredRange): boolean;
  end(): number;
  size(): number;
  bytes(): Uint8Array;
}

function createPart(from: number): Part {
  const parts: Uint8Array[] = [];
  let end = from;
  let size = 0;
  return {
    add: (range) => {
      if (range.from !== end) return false;
      parts.push(range.bytes);
      end += range.count;
      size += range.bytes.length;
      return true;
    },
    end: () => end,
    size: () => size,
    bytes: () => {
      const [single] = parts;
      return parts.length === 1 && single !== undefined ? single : concatBytes(...parts);
    },
  };
}

/** One past the first signed entry at or after entry `height − 1`; `to` is known to be one. */
async function signedEnd(
  store: LogStore,
  wanted: ReadRangeEffect,
  height: number,
): Promise<number> {
  if (height === wanted.to) return height;
  for await (const entry of store.entries(wanted.logId, { from: height - 1, to: wanted.to })) {
    if (entry.signature !== undefined) return entry.seq + 1;
  }
  return wanted.to;
}

/** True unless the peer holds another entry before `from` than we do. */
async function isSameBefore(store: LogStore, wanted: ReadRangeEffect): Promise<boolean> {
  const { logId, from, hashStart } = wanted;
  if (hashStart === undefined || from === 0) return true;
  for await (const entry of store.entries(logId, { from: from - 1, to: from })) {
    return equalBytes(entry.hash.subarray(0, hashStart.length), hashStart);
  }
  // Pruned here: what follows cannot be compared, and the range itself will show it.
  return true;
}

async function firstSeq(store: LogStore, wanted: ReadRangeEffect): Promise<number> {
  const head = await store.head(wanted.logId);
  return Math.max(head?.prunedTo ?? 0, wanted.from);
}
