/**
 * How content stands (docs/spec/6-space.md §7 *judgement*). Layer 5, pure.
 */
import type { Judgement, OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { LogId } from "@hawser/log";
import type { ControlFold } from "./fold.ts";
import { ruledSpans, type RuledSpan } from "./rulings.ts";
import type { SignedPlace } from "./sequencer.ts";

/** The judgement of a stretch of a log that was written at one position. */
export type Verdict =
  | { readonly kind: "reject" }
  /** Entries before `upTo` are accepted, the others quarantined unless a ruling decides. */
  | { readonly kind: "accept"; readonly upTo: number; readonly ruled: readonly RuledSpan[] };

/** What judging takes. */
export interface JudgeDeps {
  readonly fold: ControlFold;
  readonly findSigned: (hash: string) => SignedPlace | undefined;
  readonly forkedAt: (logId: LogId) => number | undefined;
}

/** Content of one author, written at one position. */
export interface Stretch {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly heads: readonly OpId[];
  /** One past the last entry of interest. */
  readonly to: number;
}

/** The verdict that `judgementAt` reads. */
export function judgeStretch(deps: JudgeDeps, stretch: Stretch): Verdict {
  const { fold } = deps;
  const { author, heads, logId } = stretch;
  const plain = fold.graph.judge(fold.group, author, heads, "write");
  if (plain === undefined || plain === "reject") return { kind: "reject" };
  const forkedAt = deps.forkedAt(logId) ?? Infinity;
  const left = lastLeave(fold, author, heads);
  const acks = createAcks(deps, logId);
  const leftAt = left === undefined ? Infinity : acks(left);
  const end = Math.min(forkedAt, leftAt);
  const ruled = ruledSpans({ ...deps, graph: fold.graph }, logId, fold.rulingsOf(logId));
  if (plain === "accept") return { kind: "accept", upTo: end, ruled };
  const isAccepted = (seq: number): boolean =>
    fold.graph.judge(fold.group, author, heads, "write", (op) => acks(op) > seq) === "accept";
  return { kind: "accept", upTo: Math.min(end, firstFailing(isAccepted, stretch.to)), ruled };
}

/** The judgement of one entry of the stretch. */
export function judgementAt(verdict: Verdict, seq: number): Judgement {
  if (verdict.kind === "reject") return "reject";
  if (seq < verdict.upTo) return "accept";
  return rulingAt(verdict, seq)?.verdict ?? "quarantine";
}

/** The ruling that decides about a quarantined entry, or `undefined`. */
export function rulingAt(verdict: Verdict, seq: number): RuledSpan | undefined {
  if (verdict.kind === "reject" || seq < verdict.upTo) return undefined;
  return verdict.ruled.find((span) => span.from <= seq && seq < span.to);
}

/** Do two verdicts differ for an entry in [from, to)? */
export function verdictsDiffer(a: Verdict, b: Verdict, from: number, to: number): boolean {
  if (a.kind === "reject" || b.kind === "reject") return a.kind !== b.kind;
  const edges = [a, b].flatMap(({ upTo, ruled }) => [upTo, ...ruled.flatMap(endsOf)]);
  const inside = edges.filter((seq) => from < seq && seq < to);
  return [from, ...inside].some((seq) => judgementAt(a, seq) !== judgementAt(b, seq));
}

function endsOf(span: RuledSpan): readonly number[] {
  return [span.from, span.to];
}

/** The author's own effective leave that is not in the position. */
export function lastLeave(
  fold: ControlFold,
  author: AuthorId,
  heads: readonly OpId[],
): OpId | undefined {
  const { graph, group } = fold;
  return fold.leavesOf(author).find((op) => {
    if (graph.status(op)?.state !== "effective") return false;
    // Whoever left one of two groups is still there by the other.
    if (graph.get(op)?.group !== group && graph.can(group, author, "write")) return false;
    return fold.graph.dominates(heads, [op]) === false;
  });
}

/** Height of the log up to which the author of an operation had seen it, when issuing it. */
export function createAcks(deps: JudgeDeps, logId: LogId): (op: OpId) => number {
  const known = new Map<OpId, number>();
  return (op) => {
    const cached = known.get(op);
    if (cached !== undefined) return cached;
    let height = 0;
    // On every branch alike: which of them is the log differs from device to device.
    for (const place of deps.fold.placesOf(op)) {
      for (const seen of deps.fold.seenUpTo(place.logId, place.seq)) {
        for (const dep of seen.deps) {
          const signed = deps.findSigned(toHex(dep.hash));
          if (signed?.logId === logId) height = Math.max(height, signed.seq + 1);
        }
      }
    }
    known.set(op, height);
    return height;
  };
}

/** The first seq below `end` that fails a test which, once failed, stays failed; else `end`. */
function firstFailing(holds: (seq: number) => boolean, end: number): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low === end ? Infinity : low;
}
