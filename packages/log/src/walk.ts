/**
 * Walking over a range: rebuilds every point from its compact form and hashes it
 * (docs/spec/2-log.md §5, §7). Layer 3; pure. Checks everything but signatures.
 */
import { createByteReader } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { pointBytesMax } from "@hawser/packet";
import { createChainCursor, type ChainCursor } from "./chain.ts";
import { createCompactReader, noPath } from "./compact.ts";
import type { RangeRejectionCode } from "./errors.ts";
import { createPointWriter, entryPointBytes, type PointWriter } from "./point-writer.ts";
import type { ChainState, Entry, RangeMark } from "./types.ts";

/** A walk over the compact entries of one range. */
export interface RangeWalk {
  readonly cursor: ChainCursor;
  /** Offset of the next entry in the bytes. */
  readonly offset: number;
  /** The next entry, or the code of what is wrong with it; then the walk is over. */
  next(): Entry | RangeRejectionCode;
  /** The point of the entry last returned: a view that the next step overwrites. */
  point(): Uint8Array;
  /** What the signature of the entry last returned covers; a view, as `point`. */
  signedBytes(): Uint8Array;
  /** The place of the next entry as a mark. O(log height). */
  mark(): RangeMark;
}

/** The mark at the start of a range that begins at `before`. */
export function startMark(before: ChainState): RangeMark {
  return { state: before, offset: 0, path: noPath };
}

/**
 * A walk over `bytes` from a mark. Walks of one log may share `points`, also in turns, as long as
 * nobody reads `point` or `signedBytes` of one after a step of another.
 */
export function createRangeWalk(
  crypto: Pick<Crypto, "hash">,
  bytes: Uint8Array,
  mark: RangeMark,
  points: PointWriter = createPointWriter(mark.state.context),
): RangeWalk {
  const cursor = createChainCursor(mark.state);
  const { logId, stamp } = mark.state;
  const compact = createCompactReader(createByteReader(bytes, mark.offset), {
    stamp,
    path: mark.path,
  });
  const { entry } = compact;
  let point = bytes.subarray(0, 0);
  return {
    cursor,
    get offset() {
      return compact.offset;
    },
    next: () => {
      const fault = compact.read();
      if (fault !== undefined) return fault;
      const seq = cursor.height;
      if (seq === 0 && !entry.signed) return "LOG_GENESIS_UNSIGNED";
      const hasSkip = cursor.skip() !== undefined;
      if (entryPointBytes(seq, hasSkip, entry) > pointBytesMax) return "LOG_ENTRY_TOO_LARGE";
      point = points.write(cursor, entry);
      if (entry.signature !== undefined) points.sign(entry.signature);
      const hash = crypto.hash(point);
      cursor.advance(hash, entry.stamp);
      return {
        logId,
        seq,
        hash,
        stamp: entry.stamp,
        deps: entry.deps,
        path: entry.path,
        data: entry.data,
        body: entry.body,
        signature: entry.signature,
      };
    },
    point: () => point,
    signedBytes: () => points.signedBytes(),
    mark: () => ({ state: cursor.state(), offset: compact.offset, path: entry.path }),
  };
}
