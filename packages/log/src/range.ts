/**
 * Ranges in compact form: cutting, joining and reading ones that were verified before
 * (docs/spec/2-log.md §5). Layer 3; pure. What adapters of LogStore are made of.
 */
import { concatBytes, createByteReader, createByteWriter } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { equalContexts } from "./context.ts";
import {
  compactFlags,
  createCompactReader,
  noPath,
  writeCompact,
  type CompactEntry,
} from "./compact.ts";
import { LogError } from "./errors.ts";
import type { PointWriter } from "./point-writer.ts";
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
  const cut = tryCutRange(range, from, to);
  if (cut === undefined) throw corrupt(range);
  return cut;
}

/** `cutRange` for bytes of a peer: `undefined` when it cannot be cut like that. */
export function tryCutRange(
  range: EncodedRange,
  from: number,
  to: number,
): EncodedRange | undefined {
  const end = range.from + range.count;
  if (from < range.from || to > end || from >= to) return undefined;
  if (from === range.from && to === end) return range;
  // Only differences of stamps are stored, so any start will do that leaves room for their sum.
  const compact = createCompactReader(createByteReader(range.bytes), { stamp: 0, path: noPath });
  const readTo = (seq: number): boolean => {
    for (; at < seq; at++) if (compact.read() !== undefined) return false;
    return true;
  };
  let at = range.from;
  if (!readTo(from)) return undefined;
  const start = compact.offset;
  const { stamp } = compact.entry;
  const inheritsPath = ((range.bytes[start] ?? 0) & compactFlags.samePath) !== 0;
  if (!readTo(inheritsPath ? from + 1 : from)) return undefined;
  const first = inheritsPath ? withOwnPath(compact.entry, stamp) : noBytes;
  const second = compact.offset;
  // The rest up to the end of the range need not be read.
  if (to < end && !readTo(to)) return undefined;
  const rest = range.bytes.subarray(second, to < end ? compact.offset : undefined);
  return part(range, from, to, inheritsPath ? concatBytes(first, rest) : rest);
}

const noBytes = new Uint8Array(0);

/** An entry that stated its path as that of the entry before, stating it itself. */
function withOwnPath(entry: CompactEntry, stampBefore: number): Uint8Array {
  const writer = createByteWriter(entry.data.length + 512);
  writeCompact(writer, entry, { stamp: stampBefore, path: noPath });
  if (entry.signature !== undefined) writer.bytes(entry.signature);
  return writer.finish();
}

function part(range: EncodedRange, from: number, to: number, bytes: Uint8Array): EncodedRange {
  return { context: range.context, from, count: to - from, bytes };
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
 * default, or any mark at or before `from`. Signatures are not checked again. Readers of many ranges
 * of one log share one `points`. Throws STORE_CORRUPT when the bytes do not parse.
 */
export function readRange(
  crypto: Pick<Crypto, "hash">,
  before: ChainState,
  range: EncodedRange,
  options: {
    readonly from?: number;
    readonly to?: number;
    readonly mark?: RangeMark;
    readonly points?: PointWriter;
  } = {},
): Entry[] {
  const { from = range.from, mark = startMark(before) } = options;
  const to = Math.min(options.to ?? Number.POSITIVE_INFINITY, range.from + range.count);
  const walk = createRangeWalk(crypto, range.bytes, mark, options.points);
  const entries: Entry[] = [];
  for (let seq = mark.state.height; seq < to; seq++) {
    const entry = walk.next();
    if (typeof entry === "string") throw corrupt(range);
    if (seq >= from) entries.push(entry);
  }
  return entries;
}

/** The state at a height within a range that was verified before. As `readRange`. */
export function stateWithin(
  crypto: Pick<Crypto, "hash">,
  before: ChainState,
  range: EncodedRange,
  height: number,
  mark: RangeMark = startMark(before),
): ChainState {
  if (height === mark.state.height) return mark.state;
  const walk = createRangeWalk(crypto, range.bytes, mark);
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
