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
  return createRangeCheck(deps.crypto, before, encoded).run();
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

/** One run over one range. */
function createRangeCheck(
  crypto: Pick<Crypto, "hash" | "verifyPoint">,
  before: ChainState,
  encoded: EncodedRange,
): { run(): RangeVerdict } {
  const { context, from, count, bytes } = encoded;
  const author = fromHex(context.author) ?? new Uint8Array(0);
  const points: PointWriter = createPointWriter(context);
  const entries: Entry[] = [];
  const marks: RangeMark[] = [];
  /** Indexes of the keypoints. */
  const keys: number[] = [];

  const holds = (walk: RangeWalk, index: number): boolean => {
    const signature = entries[index]?.signature;
    return signature !== undefined && crypto.verifyPoint(walk.signedBytes(), signature, author);
  };

  /** A walk that has just passed entry `index` again: at most `markInterval` hashes. */
  const revisit = (index: number): RangeWalk => {
    const mark = marks[Math.floor(index / markInterval)] ?? startMark(before);
    const walk = createRangeWalk(crypto, bytes, mark, points);
    while (walk.cursor.height <= from + index) walk.next();
    return walk;
  };

  /** What the keypoint after which `walk` stands vouches for. */
  const prefix = (walk: RangeWalk): VerifiedRange => {
    const size = walk.cursor.height - from;
    const whole = size === entries.length;
    return toVerifiedRange({
      context: before.context,
      from,
      count: size,
      bytes: bytes.subarray(0, walk.offset),
      signed: true,
      before,
      after: walk.cursor.state(),
      entries: whole ? entries : entries.slice(0, size),
      marks: whole ? marks : marks.slice(0, Math.ceil(size / markInterval)),
    });
  };

  /**
   * The last keypoint that holds, by bisection: a fault spoils every keypoint after it, because each
   * is linked to it. (Only an author who signs on top of a bad signature of its own can break that;
   * then a shorter good prefix may be found.)
   */
  const bestKey = (): number => {
    let good = -1;
    let bad = keys.length;
    // The last one first: a fault behind it, or a tail without signature, is the common case.
    let probe = keys.length - 1;
    while (bad - good > 1) {
      const index = keys[probe] ?? 0;
      if (holds(revisit(index), index)) good = probe;
      else bad = probe;
      probe = Math.floor((good + bad) / 2);
    }
    return good;
  };

  const refuse = (fault: RangeRejectionCode, faultIndex: number): RangeVerdict => {
    const best = bestKey();
    const accepted = best < 0 ? undefined : prefix(revisit(keys[best] ?? 0));
    const badKey = keys[best + 1];
    if (badKey !== undefined) {
      return { ok: false, reason: "LOG_BAD_SIGNATURE", failedSeq: from + badKey, accepted };
    }
    const failedSeq =
      fault === "LOG_UNSIGNED_TAIL" ? from + (accepted?.count ?? 0) : from + faultIndex;
    return { ok: false, reason: fault, failedSeq, accepted };
  };

  return {
    run: () => {
      const walk = createRangeWalk(crypto, bytes, startMark(before), points);
      for (let index = 0; index < count; index++) {
        if (index % markInterval === 0) marks.push(walk.mark());
        const entry = walk.next();
        if (typeof entry === "string") return refuse(entry, index);
        entries.push(entry);
        if (entry.signature !== undefined) keys.push(index);
      }
      if (walk.offset !== bytes.length) return refuse("LOG_TRAILING_BYTES", count);
      if (keys.at(-1) !== count - 1) return refuse("LOG_UNSIGNED_TAIL", count);
      if (!holds(walk, count - 1)) return refuse("LOG_BAD_SIGNATURE", count - 1);
      return { ok: true, range: prefix(walk) };
    },
  };
}

/** Whether two states are the same place of the same log. */
export function equalStates(a: ChainState, b: ChainState): boolean {
  if (a.logId !== b.logId || a.height !== b.height) return false;
  if (a.hash === undefined || b.hash === undefined) return a.hash === b.hash;
  return equalBytes(a.hash, b.hash);
}
