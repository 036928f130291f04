/**
 * Quarantined entries, and what managers rule about them (docs/spec/6-space.md §7 *rulings*).
 * Layer 5, internal.
 */
import { allows, type GroupId, type Member, type OpId, type RuleAction } from "@hawser/auth";
import type { LogHead, LogId } from "@hawser/log";
import { changeMembership } from "./actions.ts";
import type { Core } from "./core.ts";
import { SpaceError } from "./errors.ts";
import {
  createAcks,
  judgeStretch,
  lastLeave,
  rulingAt,
  type JudgeDeps,
  type Stretch,
  type Verdict,
} from "./judge.ts";
import type { EntryRange, EntryRef, QuarantineCause, QuarantinedRange } from "./types.ts";
import { dataDomain } from "./words.ts";

/** A stretch of a log that was written at one position, with its judgement. */
interface Judged {
  readonly stretch: Stretch;
  readonly from: number;
  readonly verdict: Extract<Verdict, { readonly kind: "accept" }>;
}

/** What judging takes, of a core as it is now. */
export function judgeDepsOf(core: Core): JudgeDeps {
  const sequencer = core.sequencer();
  return {
    fold: core.fold(),
    findSigned: (hash) => sequencer.findSigned(hash),
    forkedAt: (logId) => core.forkedAt(logId),
  };
}

/** Everything in quarantine, by log id and seq, with what was ruled. */
export async function listQuarantine(core: Core): Promise<readonly QuarantinedRange[]> {
  await core.advance();
  const released = new Map<LogId, number>();
  for (const { logId, to } of core.sequencer().spans) {
    released.set(logId, Math.max(released.get(logId) ?? 0, to));
  }
  const causes = createCauses(core);
  const found: QuarantinedRange[] = [];
  for (const [logId, to] of [...released].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const judged of judgedStretches(core, logId, to)) {
      for (const range of rangesOf(judged, causes)) addRange(found, range);
    }
  }
  return found;
}

/** Stretches of a log of which something may be quarantined. */
function* judgedStretches(core: Core, logId: LogId, to: number): Iterable<Judged> {
  const sequencer = core.sequencer();
  const author = sequencer.authorOf(logId);
  if (author === undefined) return;
  const deps = judgeDepsOf(core);
  const positions = sequencer.positionsOf(logId);
  for (const [index, { seq, heads }] of positions.entries()) {
    const end = Math.min(to, positions[index + 1]?.seq ?? to);
    const stretch = { logId, author, heads, to: end };
    const verdict = judgeStretch(deps, stretch);
    if (verdict.kind === "accept" && verdict.upTo < end) yield { stretch, from: seq, verdict };
  }
}

/** The quarantined part of a stretch, cut where rulings begin and end. */
function* rangesOf(
  { stretch, from, verdict }: Judged,
  causeOf: CauseOf,
): Iterable<QuarantinedRange> {
  const start = Math.max(from, verdict.upTo);
  const edges = verdict.ruled.flatMap((span) => [span.from, span.to]);
  const inside = edges.filter((seq) => start < seq && seq < stretch.to);
  const cuts = [start, ...new Set(inside), stretch.to];
  for (const [index, at] of cuts.slice(0, -1).entries()) {
    const { logId, author } = stretch;
    const ruling = rulingAt(verdict, at)?.ruling;
    yield {
      logId,
      author,
      from: at,
      to: cuts[index + 1] ?? stretch.to,
      ...causeOf(stretch, at),
      ruling: ruling && {
        op: ruling.op,
        author: ruling.author,
        verdict: ruling.action.verdict,
        stamp: ruling.stamp,
      },
    };
  }
}

/** Entries that follow each other, for the same reasons, are one range. */
function addRange(found: QuarantinedRange[], range: QuarantinedRange): void {
  const last = found.at(-1);
  const continues =
    last?.logId === range.logId &&
    last.to === range.from &&
    last.cause === range.cause &&
    last.by.join() === range.by.join() &&
    last.ruling?.op === range.ruling?.op;
  if (continues) found[found.length - 1] = { ...last, to: range.to };
  else found.push(range);
}

type CauseOf = (
  stretch: Stretch,
  seq: number,
) => {
  readonly cause: QuarantineCause;
  readonly by: readonly OpId[];
  readonly since: number | undefined;
};

/** Finds out why entries are quarantined, and by which operations. */
function createCauses(core: Core): CauseOf {
  const fold = core.fold();
  const { graph, group } = fold;
  // Whoever is lowered to write still writes.
  const removals = graph
    .groups()
    .flatMap((each) => graph.removals(each))
    .filter(({ status, access }) => status.state === "effective" && !allows(access, "write"));
  const since = (ops: readonly OpId[]): number | undefined => {
    const stamps = ops.flatMap((op) => fold.placeOf(op)?.stamp ?? []);
    return stamps.length === 0 ? undefined : Math.min(...stamps);
  };
  return (stretch, seq) => {
    const { author, heads, logId } = stretch;
    if (seq >= (core.forkedAt(logId) ?? Infinity)) {
      return { cause: "FORKED", by: [], since: undefined };
    }
    const acks = createAcks(judgeDepsOf(core), logId);
    const isUnseen = (op: OpId): boolean =>
      graph.dominates(heads, [op]) === false && acks(op) <= seq;
    // Whoever was in a group is struck together with it.
    const isStruck = ({ kind, id }: Member): boolean =>
      id === author ||
      // Safe: a member of kind "group" carries a group id.
      (kind === "group" && graph.accessOf(id as GroupId, author, heads) !== undefined);
    const strikes = removals
      .filter(({ member, op }) => isStruck(member) && isUnseen(op))
      .map(({ op }) => op);
    if (strikes.length > 0) return { cause: "ENDED", by: strikes, since: since(strikes) };
    const left = lastLeave(fold, author, heads);
    if (left !== undefined && acks(left) <= seq) {
      return { cause: "LEFT", by: [left], since: since([left]) };
    }
    const voids = (graph.why(group, author, "write")?.chain ?? [])
      .filter(({ effect }) => effect === "void")
      .map(({ op, causedBy }) => causedBy ?? op);
    return { cause: "GRANT_VOID", by: voids, since: since(voids) };
  };
}

/**
 * Publishes a manager's ruling. Throws `SPACE_NO_ACCESS`, `SPACE_ENTRY_UNKNOWN`, and
 * `SPACE_NOT_QUARANTINED` where nothing of the range is in quarantine.
 */
export async function ruleOn(
  core: Core,
  ref: EntryRef | EntryRange,
  verdict: RuleAction["verdict"],
): Promise<void> {
  const asked = "seq" in ref ? { logId: ref.logId, from: ref.seq, to: ref.seq + 1 } : ref;
  const head = await core.deps.store.head(asked.logId);
  if (!isDataHere(core, head, asked)) {
    throw new SpaceError("SPACE_ENTRY_UNKNOWN", "no such entries of a data log are here");
  }
  const listed = (await listQuarantine(core)).filter(({ logId }) => logId === asked.logId);
  if (!listed.some(({ from, to }) => from < asked.to && asked.from < to)) {
    throw new SpaceError("SPACE_NOT_QUARANTINED", "nothing in that range is in quarantine");
  }
  const range = { ...asked, from: verdict === "accept" ? acceptedFrom(core, asked) : asked.from };
  const hash = await pinningHash(core, range);
  const { logId: log, from, to } = range;
  await changeMembership(core, { action: { type: "rule", log, from, to, hash, verdict } });
}

function isDataHere(core: Core, head: LogHead | undefined, { from, to }: EntryRange): boolean {
  if (head?.context.topic !== core.syncTopic.topic) return false;
  if (head.context.domain !== dataDomain) return false;
  const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0;
  return isRange && from < to && to <= head.signedHeight;
}

/** Of a forked log one ruling alone counts from the fork on: it has to say all of it. */
function acceptedFrom(core: Core, { logId, from, to }: EntryRange): number {
  const fork = core.forkedAt(logId);
  return fork === undefined || to <= fork ? from : Math.min(from, fork);
}

/** The first signed entry at or behind the last one of the range. */
async function pinningHash(core: Core, { logId, to }: EntryRange): Promise<Uint8Array> {
  for await (const { signature, hash } of core.deps.store.entries(logId, { from: to - 1 })) {
    if (signature !== undefined) return hash;
  }
  throw new SpaceError("SPACE_ENTRY_UNKNOWN", "no signed entry stands for that range");
}
