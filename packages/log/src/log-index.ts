/**
 * One log inside the memory store: compact ranges, marks to start decoding from, the head.
 * Layer 3; pure.
 */
import type { Crypto } from "@hawser/crypto";
import { stateOf } from "./chain.ts";
import { LogError } from "./errors.ts";
import { markInterval } from "./limits.ts";
import { createPointWriter, type PointWriter } from "./point-writer.ts";
import { cutRange } from "./range.ts";
import type { StoredRange } from "./store.ts";
import type {
  ChainState,
  Entry,
  ForkProof,
  LogContext,
  LogHead,
  LogId,
  RangeMark,
  VerifiedRange,
} from "./types.ts";
import { createRangeWalk, startMark, type RangeWalk } from "./walk.ts";

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

/** One log in memory. */
export class LogIndex {
  readonly #crypto: Pick<Crypto, "hash">;
  readonly #context: LogContext;
  readonly #logId: LogId;
  /** Shared by all reads: each step of a walk is done with it at once. */
  readonly #points: PointWriter;
  #ranges: KeptRange[] = [];
  /** Ascending; one every 64 entries or more, the first at the start of what is kept. */
  #marks: KeptMark[] = [];
  #proof: ForkProof | undefined;
  #head: LogHead | undefined;

  /** A log without entries; `start` gives context and id. */
  constructor(crypto: Pick<Crypto, "hash">, start: ChainState) {
    this.#crypto = crypto;
    this.#context = start.context;
    this.#logId = start.logId;
    this.#points = createPointWriter(start.context);
  }

  /** `undefined` before the first entry. */
  get head(): LogHead | undefined {
    return this.#head;
  }

  /** The proof with the smallest seq, or none. */
  get proofs(): readonly ForkProof[] {
    return this.#proof === undefined ? [] : [this.#proof];
  }

  /** Appends a range that was found to extend the head. */
  add(range: VerifiedRange, cursor: number): KeptRange {
    const kept: KeptRange = {
      from: range.from,
      to: range.from + range.count,
      // A copy: what came from a peer is a view into a network buffer.
      bytes: range.bytes.slice(),
      cursor,
    };
    this.#ranges.push(kept);
    for (const mark of range.marks) {
      const last = this.#marks.at(-1)?.mark.state.height;
      if (last === undefined || mark.state.height - last >= markInterval) {
        this.#marks.push({ range: kept, mark: ownMark(mark) });
      }
    }
    this.#head = advanceHead(this.#head, range, this.#proof?.seq);
    return kept;
  }

  /** Keeps a proof if no other has so small a seq. */
  addFork(proof: ForkProof): void {
    if (this.#proof !== undefined && this.#proof.seq <= proof.seq) return;
    this.#proof = { ...proof, a: proof.a.slice(), b: proof.b.slice() };
    if (this.#head !== undefined) this.#head = { ...this.#head, forkedAt: proof.seq };
  }

  /** The ranges that lie wholly before `seq` and are signed for. */
  prunable(seq: number): readonly KeptRange[] {
    const limit = Math.min(seq, this.#head?.signedHeight ?? 0);
    const count = this.#ranges.findIndex((range) => range.to > limit);
    return count < 0 ? this.#ranges : this.#ranges.slice(0, count);
  }

  /** Drops the `prunable` ranges; the dropped ones. */
  prune(seq: number): readonly KeptRange[] {
    const dropped = this.prunable(seq);
    const prunedTo = dropped.at(-1)?.to;
    if (prunedTo === undefined || this.#head === undefined) return [];
    const marks = this.#marks.filter((kept) => kept.mark.state.height > prunedTo);
    if (prunedTo < this.#head.height) {
      const { walk, range } = this.#walkTo(prunedTo);
      marks.unshift({ range, mark: walk.mark() });
    }
    this.#marks = marks;
    this.#ranges = this.#ranges.slice(dropped.length);
    this.#head = { ...this.#head, prunedTo };
    return dropped;
  }

  /** The kept ranges that overlap [from, to), first to last. */
  overlapping(from: number, to: number): readonly KeptRange[] {
    if (to <= from) return [];
    const first = lastAtMost(this.#ranges, from, (range) => range.from);
    const last = lastAtMost(this.#ranges, to - 1, (range) => range.from);
    return this.#ranges.slice(Math.max(0, first), last + 1).filter((range) => range.to > from);
  }

  /** A kept range as the contract's value, cut to [from, to). */
  toStored(range: KeptRange, from: number = range.from, to: number = range.to): StoredRange {
    const { bytes, cursor } = range;
    const count = range.to - range.from;
    const whole = { context: this.#context, from: range.from, count, bytes };
    const cut = cutRange(whole, Math.max(from, range.from), Math.min(to, range.to));
    const signed = cut.from + cut.count <= (this.#head?.signedHeight ?? 0);
    return { ...cut, logId: this.#logId, signed, cursor };
  }

  /** The state at a height, or `undefined` where it is not known. */
  stateAt(height: number): ChainState | undefined {
    const head = this.#head;
    if (head === undefined || height < head.prunedTo || height > head.height) return undefined;
    return height === head.height ? stateOf(head) : this.#walkTo(height).walk.cursor.state();
  }

  /** Entries [from, to) that are kept, decoded one by one. */
  *read(from: number, to: number): Generator<Entry, void, void> {
    const parts = this.overlapping(from, to);
    const [first] = parts;
    if (first === undefined) return;
    let { walk } = this.#walkTo(Math.max(from, first.from));
    for (const part of parts) {
      if (part !== first) walk = this.#nextWalk(walk, part);
      while (walk.cursor.height < Math.min(part.to, to)) yield step(walk);
    }
  }

  /** A walk that stands before entry `seq`, which is kept: fewer than `markInterval` hashes. */
  #walkTo(seq: number): { readonly walk: RangeWalk; readonly range: KeptRange } {
    const nearest = this.#marks[lastAtMost(this.#marks, seq, (kept) => kept.mark.state.height)];
    if (nearest === undefined) throw new LogError("STORE_CORRUPT", "a log has no mark");
    let { range } = nearest;
    let walk = createRangeWalk(this.#crypto, range.bytes, nearest.mark, this.#points);
    while (walk.cursor.height < seq) {
      step(walk);
      if (walk.cursor.height < range.to) continue;
      const next = this.#ranges[lastAtMost(this.#ranges, range.to, (kept) => kept.from)];
      if (next === undefined || next.from !== range.to) break;
      range = next;
      walk = this.#nextWalk(walk, range);
    }
    return { walk, range };
  }

  /** The walk over the range after the one that `walk` has ended. */
  #nextWalk(walk: RangeWalk, range: KeptRange): RangeWalk {
    const mark = startMark(walk.cursor.state());
    return createRangeWalk(this.#crypto, range.bytes, mark, this.#points);
  }
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
