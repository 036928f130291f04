/**
 * From an encoded range to a verified one: n hashes and one signature check
 * (docs/spec/2-log.md §7). Layer 3; pure.
 */
import { equalBytes, fromHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { equalContexts, isLogContext } from "./context.ts";
import type { RangeRejectionCode } from "./errors.ts";
import {
  compactEntryBytesMin,
  integerMax,
  markInterval,
  rangeBytesMax,
  rangeEntriesMax,
} from "./limits.ts";
import { createPointWriter, type PointWriter } from "./point-writer.ts";
import type { ChainState, EncodedRange, Entry, RangeMark, VerifiedRange } from "./types.ts";
import { createRangeWalk, startMark, type RangeWalk } from "./walk.ts";

/** The verdict about a range. */
export type RangeVerdict =
  | { readonly ok: true; readonly range: VerifiedRange }
  | {
      readonly ok: false;
      readonly reason: RangeRejectionCode;
      /** The first entry that is not accepted; for a bad signature, the keypoint that fails. */
      readonly failedSeq: number;
      /** The good prefix, which ends with a keypoint whose signature holds; or nothing. */
      readonly accepted: VerifiedRange | undefined;
    };

/** What a range rests on. */
export interface RangeParts extends EncodedRange {
  readonly signed: boolean;
  readonly before: ChainState;
  readonly after: ChainState;
  readonly entries: readonly Entry[];
  readonly marks: readonly RangeMark[];
}

/** Marks parts as verified. For this package only: who calls it has checked, or just signed. */
export function toVerifiedRange(parts: RangeParts): VerifiedRange {
  // Safe: the brand says that the caller vouches for the signature.
  return parts as VerifiedRange;
}

/**
 * Checks that `encoded` continues the log at `before`. The last keypoint vouches by links for every
 * entry before it, so one signature check covers the range. Only when it fails are the keypoints
 * before it searched for the last one that holds; what that one vouches for is `accepted`.
 */
export function verifyRange(
  deps: { readonly crypto: Pick<Crypto, "hash" | "verifyPoint"> },
  before: ChainState,
  encoded: EncodedRange,
): RangeVerdict {
  const misfit = checkShape(before, encoded);
  if (misfit !== undefined) {
    return { ok: false, reason: misfit, failedSeq: encoded.from, accepted: undefined };
  }
  return new RangeCheck(deps.crypto, before, encoded).run();
}

function checkShape(before: ChainState, encoded: EncodedRange): RangeRejectionCode | undefined {
  const { context, from, count, bytes } = encoded;
  if (!isLogContext(context) || !equalContexts(context, before.context)) return "LOG_RANGE_CONTEXT";
  if (from !== before.height) return "LOG_RANGE_GAP";
  if (!Number.isSafeInteger(count) || count < 1 || count > rangeEntriesMax)
    return "LOG_RANGE_COUNT";
  if (from > integerMax - count) return "LOG_RANGE_COUNT";
  if (bytes.length > rangeBytesMax) return "LOG_RANGE_TOO_LARGE";
  return count * compactEntryBytesMin > bytes.length ? "LOG_ENTRY_TRUNCATED" : undefined;
}

/** One check of one range, whose shape is good. */
class RangeCheck {
  readonly #crypto: Pick<Crypto, "hash" | "verifyPoint">;
  readonly #before: ChainState;
  readonly #encoded: EncodedRange;
  readonly #author: Uint8Array;
  readonly #points: PointWriter;
  readonly #entries: Entry[] = [];
  readonly #marks: RangeMark[] = [];
  /** Indexes of the keypoints. */
  readonly #keys: number[] = [];

  constructor(
    crypto: Pick<Crypto, "hash" | "verifyPoint">,
    before: ChainState,
    encoded: EncodedRange,
  ) {
    this.#crypto = crypto;
    this.#before = before;
    this.#encoded = encoded;
    this.#author = fromHex(encoded.context.author) ?? new Uint8Array(0);
    this.#points = createPointWriter(encoded.context);
  }

  run(): RangeVerdict {
    const { count, bytes } = this.#encoded;
    const walk = createRangeWalk(this.#crypto, bytes, startMark(this.#before), this.#points);
    for (let index = 0; index < count; index++) {
      if (index % markInterval === 0) this.#marks.push(walk.mark());
      const entry = walk.next();
      if (typeof entry === "string") return this.#refuse(entry, index);
      this.#entries.push(entry);
      if (entry.signature !== undefined) this.#keys.push(index);
    }
    if (walk.offset !== bytes.length) return this.#refuse("LOG_TRAILING_BYTES", count);
    if (this.#keys.at(-1) !== count - 1) return this.#refuse("LOG_UNSIGNED_TAIL", count);
    if (!this.#holds(walk, count - 1)) return this.#refuse("LOG_BAD_SIGNATURE", count - 1);
    return { ok: true, range: this.#prefix(walk) };
  }

  /** Whether the signature of entry `index` holds, which `walk` has just passed. */
  #holds(walk: RangeWalk, index: number): boolean {
    const signature = this.#entries[index]?.signature;
    if (signature === undefined) return false;
    return this.#crypto.verifyPoint(walk.signedBytes(), signature, this.#author);
  }

  /** A walk that has just passed entry `index` again: at most `markInterval` hashes. */
  #revisit(index: number): RangeWalk {
    const { from, bytes } = this.#encoded;
    const mark = this.#marks[Math.floor(index / markInterval)] ?? startMark(this.#before);
    const walk = createRangeWalk(this.#crypto, bytes, mark, this.#points);
    while (walk.cursor.height <= from + index) walk.next();
    return walk;
  }

  /** What the keypoint vouches for that `walk` has just passed. */
  #prefix(walk: RangeWalk): VerifiedRange {
    const { from, bytes } = this.#encoded;
    const count = walk.cursor.height - from;
    const isWhole = count === this.#entries.length;
    return toVerifiedRange({
      context: this.#before.context,
      from,
      count,
      bytes: bytes.subarray(0, walk.offset),
      signed: true,
      before: this.#before,
      after: walk.cursor.state(),
      entries: isWhole ? this.#entries : this.#entries.slice(0, count),
      marks: isWhole ? this.#marks : this.#marks.slice(0, Math.ceil(count / markInterval)),
    });
  }

  /**
   * Which keypoint is the last that holds, or −1, by bisection: a fault spoils every keypoint after
   * it, because each is linked to it. (Only an author who signs on top of a bad signature of its own
   * can break that; then a shorter good prefix may be found.)
   */
  #lastGoodKey(): number {
    let good = -1;
    let bad = this.#keys.length;
    // The last one first: a fault behind it, or a tail without signature, is the common case.
    let probe = this.#keys.length - 1;
    while (bad - good > 1) {
      const index = this.#keys[probe] ?? 0;
      if (this.#holds(this.#revisit(index), index)) good = probe;
      else bad = probe;
      probe = Math.floor((good + bad) / 2);
    }
    return good;
  }

  #refuse(fault: RangeRejectionCode, faultIndex: number): RangeVerdict {
    const { from } = this.#encoded;
    const good = this.#lastGoodKey();
    const accepted = good < 0 ? undefined : this.#prefix(this.#revisit(this.#keys[good] ?? 0));
    const badKey = this.#keys[good + 1];
    if (badKey !== undefined) {
      return { ok: false, reason: "LOG_BAD_SIGNATURE", failedSeq: from + badKey, accepted };
    }
    // Of a tail without signature, the first entry that nothing vouches for.
    const index = fault === "LOG_UNSIGNED_TAIL" ? (accepted?.count ?? 0) : faultIndex;
    return { ok: false, reason: fault, failedSeq: from + index, accepted };
  }
}

/** Whether two states are the same place of the same log. */
export function equalStates(a: ChainState, b: ChainState): boolean {
  if (a.logId !== b.logId || a.height !== b.height) return false;
  if (a.hash === undefined || b.hash === undefined) return a.hash === b.hash;
  return equalBytes(a.hash, b.hash);
}
