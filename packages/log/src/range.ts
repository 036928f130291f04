/**
 * Ranges in compact form: cutting, joining and reading ones that were verified before
 * (docs/spec/2-log.md §5). Layer 3; pure. What adapters of LogStore are made of.
 */
import { concatBytes, createByteReader, createByteWriter } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { equalContexts } from "./context.ts";
import { compactFlags, createCompactReader, noPath, writeCompact } from "./compact.ts";
import { LogError } from "./errors.ts";
import type { ChainState, EncodedRange, Entry, RangeMark } from "./types.ts";
import { createRangeWalk, startMark } from "./walk.ts";

/**
 * Entries [from, to) of a range, as a range that stands alone. No hashing. Throws LOG_CUT_INVALID
 * when the range does not hold them, STORE_CORRUPT when its bytes do not parse.
 */
export function cutRange(range: EncodedRange, from: number, to: number): EncodedRange {
  const end = range.from + range.count;
  if (from < range.from || to > end || from >= to) {
    throw new LogError("LOG_CUT_INVALID", `[${from}, ${to}) is not in [${range.from}, ${end})`);
  }
  if (from === range.from && to === end) return range;
  const reader = createByteReader(range.bytes);
  // Stamps do not matter here: only differences are stored, so any start below the limit will do.
  const compact = createCompactReader(reader, { stamp: 0, path: noPath });
  const step = (): void => {
    if (compact.read() !== undefined) throw corrupt(range);
  };
  for (let seq = range.from; seq < from; seq++) step();
  const start = compact.offset;
  const { stamp } = compact.entry;
  if (!inheritsPath(range.bytes, start)) {
    for (let seq = from; seq < to; seq++) step();
    return part(range, from, to, range.bytes.subarray(start, compact.offset));
  }
  step();
  const writer = createByteWriter(compact.offset - start + 256);
  writeCompact(writer, compact.entry, { stamp, path: noPath });
  if (compact.entry.signature !== undefined) writer.bytes(compact.entry.signature);
  const second = compact.offset;
  for (let seq = from + 1; seq < to; seq++) step();
  const rest = range.bytes.subarray(second, compact.offset);
  return part(range, from, to, concatBytes(writer.finish(), rest));
}

function part(range: EncodedRange, from: number, to: number, bytes: Uint8Array): EncodedRange {
  return { context: range.context, from, count: to - from, bytes };
}

function inheritsPath(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] ?? 0) & compactFlags.samePath) !== 0;
}

/**
 * Consecutive ranges of one log as one: their bytes one after another. Throws LOG_CUT_INVALID when
 * there is none, or they do not follow each other.
 */
export function joinRanges(ranges: readonly EncodedRange[]): EncodedRange {
  const [first] = ranges;
  if (first === undefined) throw new LogError("LOG_CUT_INVALID", "there is no range to join");
  let to = first.from;
  for (const range of ranges) {
    if (range.from !== to || !equalContexts(range.context, first.context)) {
      throw new LogError("LOG_CUT_INVALID", `a range does not start at entry ${to} of the log`);
    }
    to += range.count;
  }
  const bytes = concatBytes(...ranges.map((range) => range.bytes));
  return { context: first.context, from: first.from, count: to - first.from, bytes };
}

/**
 * Entries [from, to) of a range that was verified before, decoded from `mark`: the range's start by
 * default, or any mark at or before `from`. Signatures are not checked again. Throws STORE_CORRUPT
 * when the bytes do not parse.
 */
export function readRange(
  crypto: Pick<Crypto, "hash">,
  before: ChainState,
  range: EncodedRange,
  options: { readonly from?: number; readonly to?: number; readonly mark?: RangeMark } = {},
): Entry[] {
  const { from = range.from, mark = startMark(before) } = options;
  const to = Math.min(options.to ?? Number.POSITIVE_INFINITY, range.from + range.count);
  const walk = createRangeWalk(crypto, range.bytes, mark);
  const entries: Entry[] = [];
  for (let seq = mark.state.height; seq < to; seq++) {
    const entry = walk.next();
    if (typeof entry === "string") throw corrupt(range);
    if (seq >= from) entries.push(entry);
  }
  return entries;
}

/** The state after the first entries of a range that was verified before. As `readRange`. */
export function stateWithin(
  crypto: Pick<Crypto, "hash">,
  before: ChainState,
  range: EncodedRange,
  height: number,
): ChainState {
  if (height === before.height) return before;
  const walk = createRangeWalk(crypto, range.bytes, startMark(before));
  while (walk.cursor.height < height) {
    if (typeof walk.next() === "string") throw corrupt(range);
  }
  return walk.cursor.state();
}

function corrupt(range: EncodedRange): LogError {
  return new LogError(
    "STORE_CORRUPT",
    `a stored range of ${range.count} entries from ${range.from} on does not parse`,
  );
}
