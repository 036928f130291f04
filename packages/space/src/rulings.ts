/**
 * What managers ruled on the quarantined entries of one log (docs/spec/4-auth.md §6.6): which rulings
 * count, and for which entries. A function of the operations and the log, whatever order they came
 * in. Layer 5, pure.
 */
import type { AuthGraph, OpId, RuleAction } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { LogId } from "@hawser/log";
import type { SignedPlace } from "./sequencer.ts";

/** An accepted ruling with its place in time. */
export interface PlacedRuling {
  readonly op: OpId;
  readonly author: AuthorId;
  /** µs, of its entry. */
  readonly stamp: number;
  readonly action: RuleAction;
}

/** Entries of one log that a ruling decides. */
export interface RuledSpan {
  readonly from: number;
  /** One past the last. */
  readonly to: number;
  readonly verdict: RuleAction["verdict"];
  readonly ruling: PlacedRuling;
}

/** What rulings are weighed against. */
export interface RulingRules {
  readonly graph: AuthGraph;
  readonly findSigned: (hash: string) => SignedPlace | undefined;
  readonly forkedAt: (logId: LogId) => number | undefined;
}

/** Rulings of one log that are looked at: the newest by (stamp, op id). */
const rulingsPerLogMax = 128;

/** Decided stretches of a log in seq order; none overlap. */
export function ruledSpans(
  rules: RulingRules,
  logId: LogId,
  all: readonly PlacedRuling[],
): readonly RuledSpan[] {
  if (all.length === 0) return [];
  const { graph } = rules;
  const effective = all
    .filter(({ op }) => graph.status(op)?.state === "effective")
    .toSorted(byTime)
    .slice(-rulingsPerLogMax);
  const branched = onOneBranch(rules, logId, effective);
  const holding = branched.filter(({ action }) => holds(rules, logId, action));
  return joined(decide(graph, holding));
}

/** Of accepted branches of a forked log one counts, on every device the same. */
function onOneBranch(
  rules: RulingRules,
  logId: LogId,
  rulings: readonly PlacedRuling[],
): readonly PlacedRuling[] {
  const fork = rules.forkedAt(logId);
  if (fork === undefined) return rulings;
  const isAbout = ({ action }: PlacedRuling): boolean =>
    action.verdict === "accept" && action.to > fork;
  const [chosen] = latest(rules.graph, rulings.filter(isAbout)).toSorted(byOp);
  return rulings.flatMap((ruling) => {
    if (ruling === chosen || !isAbout(ruling)) return [ruling];
    // What it says about entries that both branches have still counts, as far as it holds here.
    const { action } = ruling;
    return action.from >= fork ? [] : [{ ...ruling, action: { ...action, to: fork } }];
  });
}

/** Does the log have the entry that the ruling names, at or behind the last one ruled on? */
function holds(rules: RulingRules, logId: LogId, { hash, to }: RuleAction): boolean {
  const place = rules.findSigned(toHex(hash));
  return place?.logId === logId && place.seq >= to - 1;
}

/** Cuts the log where rulings begin and end, and decides each stretch. */
function decide(graph: AuthGraph, rulings: readonly PlacedRuling[]): readonly RuledSpan[] {
  const edges = new Set(rulings.flatMap(({ action }) => [action.from, action.to]));
  const cuts = [...edges].toSorted((a, b) => a - b);
  const spans: RuledSpan[] = [];
  for (const [index, from] of cuts.entries()) {
    const to = cuts[index + 1];
    if (to === undefined) break;
    const covering = rulings.filter(({ action }) => action.from <= from && to <= action.to);
    const last = latest(graph, covering);
    const ruling = last.find(({ action }) => action.verdict === "reject") ?? last[0];
    if (ruling !== undefined) spans.push({ from, to, verdict: ruling.action.verdict, ruling });
  }
  return spans;
}

/** Those that are before no other, by op id. */
function latest(graph: AuthGraph, rulings: readonly PlacedRuling[]): readonly PlacedRuling[] {
  const isOutdated = ({ op }: PlacedRuling): boolean =>
    rulings.some((other) => other.op !== op && graph.dominates([other.op], [op]) === true);
  return rulings.filter((ruling) => !isOutdated(ruling)).toSorted(byOp);
}

function joined(spans: readonly RuledSpan[]): readonly RuledSpan[] {
  const out: RuledSpan[] = [];
  for (const span of spans) {
    const last = out.at(-1);
    if (last?.to === span.from && last.ruling === span.ruling) {
      out[out.length - 1] = { ...last, to: span.to };
    } else out.push(span);
  }
  return out;
}

function byTime(a: PlacedRuling, b: PlacedRuling): number {
  return a.stamp - b.stamp || byOp(a, b);
}

function byOp(a: PlacedRuling, b: PlacedRuling): number {
  return a.op < b.op ? -1 : Number(a.op > b.op);
}
