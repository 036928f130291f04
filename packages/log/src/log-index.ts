/**
 * One log inside the memory store: compact ranges, marks to start decoding from, the head.
 * Layer 3; pure.
 */
import type { Crypto } from "@hawser/crypto";
import { stateOf } from "./chain.ts";
import { LogError } from "./errors.ts";
import { markInterval } from "./limits.ts";
import { cutRange } from "./range.ts";
import type { StoredRange } from "./store.ts";
import type { ChainState, Entry, ForkProof, LogHead, RangeMark, VerifiedRange } from "./types.ts";
import { createRangeWalk, type RangeWalk } from "./walk.ts";

/** A range as it lies in memory. */
export interface KeptRange {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly cursor: number;
}

/** A place where decoding can start. */
interface KeptMark {
  readonly range: KeptRange;
  readonly mark: RangeMark;
}

/** A log in memory. */
export interface LogIndex {
  /** `undefined` before the first entry. */
  readonly head: LogHead | undefined;
  readonly proofs: readonly ForkProof[];
  readonly rangeCount: number;
  add(range: VerifiedRange, cursor: number): KeptRange;
  addFork(proof: ForkProof): void;
  /** Drops whole ranges before `seq`; the dropped ones. */
  prune(seq: number): readonly KeptRange[];
  /** The kept ranges that overlap [from, to), first to last. */
  overlapping(from: number, to: number): readonly KeptRange[];
  /** A kept range as the contract's value, cut to [from, to). */
  toStored(range: KeptRange, from?: number, to?: number): StoredRange;
  /** The state at a height, or `undefined` where it is not known. */
  stateAt(height: number): ChainState | undefined;
  /** Entries [from, to) that are kept, decoded one by one. */
  read(from: number, to: number): Generator<Entry, void, void>;
}

/** Index of the last item whose key is at most `seq`, or −1. `keyOf` must ascend. */
export function lastAtMost<T>(
  items: readonly T[],
  seq: number,
  keyOf: (item: T) => number,
): number {
  let low = -1;
  let high = items.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && keyOf(item) <= seq) low = middle;
    else high = middle;
  }
  return low;
}

/** An empty log. `start` gives context and id. */
export function createLogIndex(crypto: Pick<Crypto, "hash">, start: ChainState): LogIndex {
  const { context, logId } = start;
  let ranges: KeptRange[] = [];
  let marks: KeptMark[] = [];
  let proofs: readonly ForkProof[] = [];
  let forkedAt: number | undefined;
  let head: LogHead | undefined;
  let prunedTo = 0;

  const overlapping = (from: number, to: number): readonly KeptRange[] => {
    if (to <= from) return [];
    const first = Math.max(
      0,
      lastAtMost(ranges, from, (range) => range.from),
    );
    const last = lastAtMost(ranges, to - 1, (range) => range.from);
    return ranges.slice(first, last + 1).filter((range) => range.to > from);
  };

  /** A walk before entry `seq`, started at the closest mark: at most `markInterval` hashes. */
  const walkTo = (seq: number): { readonly walk: RangeWalk; readonly range: KeptRange } => {
    const nearest =
      marks[
        Math.max(
          0,
          lastAtMost(marks, seq, (kept) => kept.mark.state.height),
        )
      ];
    if (nearest === undefined) throw new LogError("STORE_CORRUPT", "a log has no mark");
    let { range } = nearest;
    let walk = createRangeWalk(crypto, range.bytes, nearest.mark);
    while (walk.cursor.height < seq) {
      step(walk);
      if (walk.cursor.height < range.to) continue;
      const next = ranges[lastAtMost(ranges, range.to, (kept) => kept.from)];
      if (next === undefined || next.from !== range.to) break;
      range = next;
      walk = createRangeWalk(crypto, range.bytes, startOf(walk));
    }
    return { walk, range };
  };

  const dropMarks = (): void => {
    if (prunedTo === 0 || prunedTo === head?.height) return;
    const { walk, range } = walkTo(prunedTo);
    marks = marks.filter((kept) => kept.mark.state.height > prunedTo);
    marks.unshift({ range, mark: walk.mark() });
  };

  return {
    get head() {
      return head;
    },
    get proofs() {
      return proofs;
    },
    get rangeCount() {
      return ranges.length;
    },
    add: (range, cursor) => {
      const kept: KeptRange = {
        from: range.from,
        to: range.from + range.count,
        // A copy: what came from a peer is a view into a network buffer.
        bytes: range.bytes.slice(),
        cursor,
      };
      ranges.push(kept);
      for (const mark of range.marks) {
        const last = marks.at(-1)?.mark.state.height;
        if (last === undefined || mark.state.height - last >= markInterval) {
          marks.push({ range: kept, mark: ownMark(mark) });
        }
      }
      head = advanceHead(head, range, forkedAt);
      return kept;
    },
    addFork: (proof) => {
      if (forkedAt !== undefined && forkedAt <= proof.seq) return;
      forkedAt = proof.seq;
      proofs = [{ ...proof, a: proof.a.slice(), b: proof.b.slice() }];
      if (head !== undefined) head = { ...head, forkedAt };
    },
    prune: (seq) => {
      const limit = Math.min(seq, head?.signedHeight ?? 0);
      const count = ranges.findIndex((range) => range.to > limit);
      const dropped = count < 0 ? ranges : ranges.slice(0, count);
      const last = dropped.at(-1);
      if (last === undefined || head === undefined) return [];
      prunedTo = last.to;
      dropMarks();
      ranges = ranges.slice(dropped.length);
      if (ranges.length === 0) marks = [];
      head = { ...head, prunedTo };
      return dropped;
    },
    overlapping,
    toStored: (range, from = range.from, to = range.to) => {
      const { bytes, cursor } = range;
      const whole = { context, from: range.from, count: range.to - range.from, bytes };
      const cut = cutRange(whole, Math.max(from, range.from), Math.min(to, range.to));
      const signed = cut.from + cut.count <= (head?.signedHeight ?? 0);
      return { ...cut, logId, signed, cursor };
    },
    stateAt: (height) => {
      if (head === undefined || height < prunedTo || height > head.height) return undefined;
      if (height === head.height) return stateOf(head);
      return walkTo(height).walk.cursor.state();
    },
    *read(from, to) {
      const parts = overlapping(Math.max(from, prunedTo), to);
      const [first] = parts;
      if (first === undefined) return;
      let { walk } = walkTo(Math.max(from, first.from));
      for (const part of parts) {
        if (part !== first) walk = createRangeWalk(crypto, part.bytes, startOf(walk));
        while (walk.cursor.height < Math.min(part.to, to)) yield step(walk);
      }
    },
  };
}

/** A mark that does not point into a peer's buffer. */
function ownMark(mark: RangeMark): RangeMark {
  if (mark.path.length === 0) return mark;
  return { ...mark, path: mark.path.map((component) => component.slice()) };
}

function step(walk: RangeWalk): Entry {
  const entry = walk.next();
  if (typeof entry === "string") throw new LogError("STORE_CORRUPT", "a stored range went bad");
  return entry;
}

/** The start of the next range, when `walk` stands at the end of one. */
function startOf(walk: RangeWalk): RangeMark {
  return { state: walk.cursor.state(), offset: 0, path: [] };
}

/**
 * The head of a log after `range` was appended. What every adapter stores. `previous` is the head
 * before, `undefined` for a new log; `forkedAt` comes from proofs that came before the first entry.
 */
export function advanceHead(
  previous: LogHead | undefined,
  range: VerifiedRange,
  forkedAt: number | undefined = previous?.forkedAt,
): LogHead {
  const lastSigned = range.entries.findLast((entry) => entry.signature !== undefined);
  return {
    ...range.after,
    signedHeight: lastSigned === undefined ? (previous?.signedHeight ?? 0) : lastSigned.seq + 1,
    signedHash: lastSigned === undefined ? previous?.signedHash : lastSigned.hash,
    forkedAt,
    prunedTo: previous?.prunedTo ?? 0,
  };
}
