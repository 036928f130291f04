/**
 * Taking in a range from a peer: compare what is known, verify what is new, notice forks, store
 * (docs/spec/2-log.md §7, §9). Layer 3.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { emptyChain, stateOf } from "./chain.ts";
import { isLogContext } from "./context.ts";
import { LogError, type RangeRejectionCode } from "./errors.ts";
import { verifyForkProof } from "./fork.ts";
import { ingestRetriesMax, markInterval, rangeBytesMax, rangeEntriesMax } from "./limits.ts";
import { buildPath, storeSource, type PathSource } from "./link-path.ts";
import { signedAtOrAfter } from "./proof.ts";
import { cutRange, stateWithin, tryCutRange } from "./range.ts";
import type { LogStore } from "./store.ts";
import type {
  ChainState,
  Clock,
  EncodedRange,
  ForkProof,
  LogHead,
  VerifiedRange,
} from "./types.ts";
import { verifyRange } from "./verify.ts";
import { conflictKey } from "./committer.ts";

export interface IngestDeps {
  readonly store: Pick<
    LogStore,
    "commit" | "head" | "ranges" | "entries" | "stateAt" | "forkProofs"
  >;
  readonly crypto: Pick<Crypto, "hash" | "deriveKey" | "verifyPoint">;
}

export interface IngestOptions {
  /** With a clock, ranges that end more than this after it are held. Default: never. */
  readonly drift?: { readonly clock: Clock; readonly microsMax: number };
}

/** What became of a range. */
export type RangeOutcome =
  | { readonly status: "stored"; readonly height: number; readonly range: VerifiedRange }
  /** Every entry was there already. */
  | { readonly status: "known"; readonly height: number }
  /** The range starts after our head. */
  | { readonly status: "gap"; readonly height: number }
  /** The author signed another branch than the one we hold. The proof is stored. */
  | { readonly status: "forked"; readonly proof: ForkProof }
  /**
   * Our own unsigned tail was continued elsewhere: this device was restored from a backup. Nothing
   * is stored; the log's writer refuses from now on (LOG_FORKED).
   */
  | { readonly status: "conflict"; readonly seq: number }
  /** Stamped too far ahead of the clock: offer it again later. */
  | { readonly status: "held"; readonly stamp: number }
  /** Does not verify. `stored` tells the height when a good prefix was kept. */
  | {
      readonly status: "bad";
      readonly reason: RangeRejectionCode;
      readonly seq: number;
      readonly stored: number | undefined;
    };

/**
 * Verifies and stores a range. Entries that are known already are compared and cut off; a good
 * prefix of a bad range is stored. Reads again and repeats when the head moved meanwhile. Throws
 * what the store throws, and LOG_HEAD_MOVED when the head never stands still.
 */
export async function ingestRange(
  deps: IngestDeps,
  encoded: EncodedRange,
  options: IngestOptions = {},
): Promise<RangeOutcome> {
  if (!isLogContext(encoded.context)) return bad("LOG_RANGE_CONTEXT", encoded.from);
  const { count } = encoded;
  if (encoded.bytes.length > rangeBytesMax) return bad("LOG_RANGE_TOO_LARGE", encoded.from);
  if (!Number.isSafeInteger(count) || count < 1 || count > rangeEntriesMax) {
    return bad("LOG_RANGE_COUNT", encoded.from);
  }
  const start = emptyChain(deps.crypto, encoded.context);
  for (let attempt = 0; attempt < ingestRetriesMax; attempt++) {
    const outcome = await attemptIngest(deps, start, encoded, options);
    if (outcome !== undefined) return outcome;
  }
  throw new LogError("LOG_HEAD_MOVED", "the head moved under every attempt to store a range");
}

function bad(reason: RangeRejectionCode, seq: number, stored?: number): RangeOutcome {
  return { status: "bad", reason, seq, stored };
}

/** One attempt; `undefined` when the head moved and it must be made again. */
async function attemptIngest(
  deps: IngestDeps,
  start: ChainState,
  encoded: EncodedRange,
  options: IngestOptions,
): Promise<RangeOutcome | undefined> {
  const head = await deps.store.head(start.logId);
  const height = head?.height ?? 0;
  if (encoded.from > height) return { status: "gap", height };
  const fresh = head === undefined ? encoded : await withoutKnown(deps, head, encoded);
  if (fresh === undefined) return { status: "known", height };
  const state = head === undefined ? start : stateOf(head);
  const before = fresh.from === height ? state : await deps.store.stateAt(start.logId, fresh.from);
  // Pruned meanwhile: the next attempt sees it.
  if (before === undefined) return undefined;
  const verdict = verifyRange(deps, before, fresh);
  if (verdict.ok) return place(deps, head, verdict.range, options);
  const { reason, failedSeq, accepted } = verdict;
  if (accepted === undefined) return bad(reason, failedSeq);
  const outcome = await place(deps, head, accepted, options);
  if (outcome === undefined) return undefined;
  if (outcome.status === "forked" || outcome.status === "conflict") return outcome;
  const stored = outcome.status === "stored" ? outcome.height : undefined;
  return bad(reason, failedSeq, stored);
}

/**
 * The part of a range that has to be looked at: without what was pruned here, and from our height on
 * if everything before is byte for byte what we hold. `undefined` when nothing is left.
 */
async function withoutKnown(
  { store }: IngestDeps,
  head: LogHead,
  encoded: EncodedRange,
): Promise<EncodedRange | undefined> {
  const to = encoded.from + encoded.count;
  if (encoded.from >= head.height) return encoded;
  if (to <= head.prunedTo) return undefined;
  const kept = tryCutRange(encoded, Math.max(encoded.from, head.prunedTo), to);
  if (kept === undefined) return encoded;
  let rest = kept;
  for await (const range of store.ranges(head.logId, { from: kept.from, to })) {
    const end = range.from + range.count;
    const own = range.from === rest.from ? tryCutRange(rest, rest.from, end) : undefined;
    if (own === undefined || !equalBytes(own.bytes, range.bytes)) return kept;
    if (end === to) return undefined;
    rest = tryCutRange(rest, end, to) ?? kept;
    if (rest === kept) return kept;
  }
  return rest;
}

/** Compares what overlaps, stores what is new. `undefined` when the head moved. */
async function place(
  deps: IngestDeps,
  head: LogHead | undefined,
  accepted: VerifiedRange,
  options: IngestOptions,
): Promise<RangeOutcome | undefined> {
  const height = head?.height ?? 0;
  const to = accepted.from + accepted.count;
  if (head !== undefined && accepted.from < height) {
    const parted = await firstDifference(deps, head, accepted);
    if (parted !== undefined) return branch(deps, head, accepted, parted);
  }
  if (to <= height) return { status: "known", height };
  const range = head === undefined ? accepted : newPart(deps, head, accepted);
  const { drift } = options;
  const { stamp } = range.after;
  if (drift !== undefined && stamp > drift.clock.nowMicros() + drift.microsMax) {
    return { status: "held", stamp };
  }
  const outcome = await deps.store.commit({ ranges: [range] });
  return outcome.ok ? { status: "stored", height: to, range } : undefined;
}

/** The entries from our height on. */
function newPart(deps: IngestDeps, head: LogHead, accepted: VerifiedRange): VerifiedRange {
  if (accepted.from === head.height) return accepted;
  const to = accepted.from + accepted.count;
  const verdict = verifyRange(deps, stateOf(head), cutRange(accepted, head.height, to));
  if (!verdict.ok) throw new LogError("STORE_CORRUPT", "a part of a good range does not verify");
  return verdict.range;
}

/** seq of the first entry that differs from ours, or `undefined`. */
async function firstDifference(
  { store }: IngestDeps,
  head: LogHead,
  accepted: VerifiedRange,
): Promise<number | undefined> {
  const to = Math.min(head.height, accepted.from + accepted.count);
  for await (const own of store.entries(head.logId, { from: accepted.from, to })) {
    const other = accepted.entries[own.seq - accepted.from];
    if (other !== undefined && !equalBytes(own.hash, other.hash)) return own.seq;
  }
  return undefined;
}

/** The author wrote two entries at `seq`: proof if both are signed for, conflict otherwise. */
async function branch(
  deps: IngestDeps,
  head: LogHead,
  accepted: VerifiedRange,
  seq: number,
): Promise<RangeOutcome | undefined> {
  const { store } = deps;
  if (seq >= head.signedHeight) {
    const note = { key: conflictKey(head.logId), value: new Uint8Array(0) };
    await store.commit({ writes: [note] });
    return { status: "conflict", seq };
  }
  const [known] = await store.forkProofs(head.logId);
  if (known !== undefined && known.seq <= seq) return { status: "forked", proof: known };
  const proof = await proveFork(deps, head, accepted, seq);
  await store.commit({ forks: [proof] });
  return { status: "forked", proof };
}

async function proveFork(
  deps: IngestDeps,
  head: LogHead,
  accepted: VerifiedRange,
  seq: number,
): Promise<ForkProof> {
  const { store, crypto } = deps;
  const own = storeSource(store, head.logId);
  const other = rangeSource(crypto, accepted);
  const near = await forkBetween(accepted, seq, {
    own: { source: own, from: await signedAtOrAfter(store, head.logId, seq) },
    other: { source: other, from: firstKey(accepted, seq) },
  });
  // A keypoint inside a range was vouched for by a later one; its own signature may be bad.
  if (verifyForkProof(deps, near).ok) return near;
  return forkBetween(accepted, seq, {
    own: { source: own, from: head.signedHeight - 1 },
    other: { source: other, from: accepted.from + accepted.count - 1 },
  });
}

/** Where a path starts. */
interface PathStart {
  readonly source: PathSource;
  readonly from: number;
}

/** Both replicas that meet order the branches alike: by the hash of the entries that differ. */
async function forkBetween(
  { context }: VerifiedRange,
  seq: number,
  { own, other }: { readonly own: PathStart; readonly other: PathStart },
): Promise<ForkProof> {
  const ours = await buildPath(context, own.source, own.from, seq);
  const theirs = await buildPath(context, other.source, other.from, seq);
  const left = (await own.source.entryAt(seq))?.hash ?? new Uint8Array(0);
  const right = (await other.source.entryAt(seq))?.hash ?? new Uint8Array(0);
  const [a, b] = compareBytes(left, right) < 0 ? [ours, theirs] : [theirs, ours];
  return { context, seq, a, b };
}

function firstKey(range: VerifiedRange, seq: number): number {
  const key = range.entries.find((entry) => entry.seq >= seq && entry.signature !== undefined);
  return key?.seq ?? range.from + range.count - 1;
}

function rangeSource(crypto: Pick<Crypto, "hash">, range: VerifiedRange): PathSource {
  return {
    stateAt: async (height) => {
      const mark = range.marks[Math.floor((height - range.from) / markInterval)];
      return stateWithin(crypto, range.before, range, height, mark);
    },
    entryAt: async (seq) => range.entries[seq - range.from],
  };
}
