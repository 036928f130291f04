/**
 * Events (docs/spec/6-space.md §7): released entries, opened and judged, first what is stored, then
 * what comes. When a judgement changes that was handed out already, everything follows again with
 * `reset`. Layer 5, internal.
 */
import { equalBytes } from "@hawser/codec";
import type { Entry, Frontier, LogId } from "@hawser/log";
import { judgementAt, verdictsDiffer, type Stretch as Judged, type Verdict } from "./judge.ts";
import { SpaceError } from "./errors.ts";
import {
  decodeLocal,
  encodeJudged,
  encodeLocal,
  referenceKey,
  segmentsOf,
  type Unopened,
} from "./marks.ts";
import type { Opened, Opener } from "./opener.ts";
import type { Compacted, KeptEvent } from "./order-cache.ts";
import type { Signal } from "./queue.ts";
import type { RecentEntries } from "./recent.ts";
import type { Sequencer, Span } from "./sequencer.ts";
import type { OpId } from "@hawser/auth";
import type { SpaceEvent, SpaceEventBatch, SpaceMark } from "./types.ts";

/** What events are made from; the parts may be replaced when a fork makes the space fold again. */
export interface EventSources {
  readonly recent: RecentEntries;
  readonly changed: Signal;
  readonly sequencer: () => Sequencer;
  readonly opener: () => Opener;
  readonly judge: (stretch: Judged) => Verdict;
  /** What stands in for pruned entries. */
  readonly compacted: () => Compacted | undefined;
  /** Takes in what the store holds by now. */
  readonly advance: () => Promise<void>;
  /** False while nothing can be read yet: then the iteration waits. */
  readonly isReadable: () => boolean;
  readonly isClosed: () => boolean;
  /** Counts changes of membership: judgements are looked at again after each. */
  readonly membershipRevision: () => number;
  /** Counts gains of keys: what did not open is looked at again after each. */
  readonly keyRevision: () => number;
}

/** Where to begin and when to end. */
export interface EventOptions {
  readonly signal?: AbortSignal;
  /** Entries before these heights are left out. */
  readonly after?: Frontier;
  /**
   * Goes on behind a mark: nothing before its frontier is read. When what lies before it is judged or
   * opened otherwise by now, everything follows from the first event, with `reset`.
   */
  readonly resume?: Pick<SpaceMark, "frontier" | "judged" | "local">;
}

/** A batch is full with so many events, or bytes of bodies: opening them is one task. */
const batchEvents = 256;
const batchBytes = 128 * 1024;
const empty = new Uint8Array(0);
/** Epoch references without a key that are remembered one by one. */
const unopenedMax = 4_096;

/** A stretch of a log that was handed out, and how it was judged. */
interface Stretch {
  readonly logId: LogId;
  readonly heads: readonly OpId[];
  readonly from: number;
  to: number;
  /** As the judgements were when they were last looked at; later entries of the stretch get it too. */
  verdict: Verdict;
}

/** One run over the released entries, from the first. */
interface Run {
  readonly sequencer: Sequencer;
  spanIndex: number;
  nextSeq: number;
  readonly stretches: Stretch[];
  readonly lastStretch: Map<LogId, Stretch>;
  /** Epoch references of entries that did not open, with how many keys were tried. */
  readonly unopened: Map<string, Unopened>;
  /** Was anything sealed to chosen devices? */
  hasPrivate: boolean;
  /** What stood in for pruned entries when this run began. */
  readonly compacted: Compacted | undefined;
  /** Entries were pruned under it that it had not read yet. */
  isGapped: boolean;
  /** What was handed out before this run began. */
  skip: ReadonlyMap<string, number>;
  /** What was handed out by now: `logId → height`. */
  readonly handed: Map<string, number>;
  membershipRevision: number;
  keyRevision: number;
  /** Released entries known when the judgements were last looked at. */
  judgedCount: number;
  /** Another run has taken its place: what it handed out counts otherwise now. */
  isOver: boolean;
}

/** Iterates until the signal aborts or the space closes. */
export async function* eventBatches(
  sources: EventSources,
  options: EventOptions,
): AsyncGenerator<SpaceEventBatch, void, undefined> {
  const { signal } = options;
  const isOver = (): boolean => signal?.aborted === true || sources.isClosed();
  let run: Run | undefined;
  let reset = false;
  let caughtUp = false;
  while (!isOver()) {
    const seen = sources.changed.revision;
    if (!sources.isReadable()) {
      await sources.changed.changed(seen, signal);
      continue;
    }
    // Everything in the store counts as stored when the iteration began.
    if (run === undefined) await sources.advance();
    if (run === undefined) {
      run = options.resume && resumedRun(sources, options.resume);
      reset = options.resume !== undefined && run === undefined;
      run ??= startRun(sources);
    } else if (mustRestart(sources, run)) {
      reset = true;
      run.isOver = true;
      run = startRun(sources);
    }
    const current = run;
    for await (const events of allEvents(sources, current, options.after)) {
      if (isOver()) return;
      yield batchOf(sources, current, { events, caughtUp, reset });
      reset = false;
    }
    if (isOver()) return;
    if (current.isGapped) continue;
    if (!caughtUp || reset) {
      caughtUp = true;
      yield batchOf(sources, current, { events: [], caughtUp, reset });
      reset = false;
    }
    await sources.changed.changed(seen, signal);
  }
}

function batchOf(
  sources: EventSources,
  run: Run,
  part: Pick<SpaceEventBatch, "events" | "caughtUp"> & { readonly reset: boolean },
): SpaceEventBatch {
  const { events, caughtUp, reset } = part;
  const gone = sources.compacted()?.frontier;
  const mark = markerOf(sources, run);
  return { events, caughtUp, mark, ...(reset && { reset }), ...(gone && { gone }) };
}

function startRun(sources: EventSources): Run {
  const sequencer = sources.sequencer();
  return {
    sequencer,
    spanIndex: 0,
    nextSeq: 0,
    stretches: [],
    lastStretch: new Map(),
    unopened: new Map(),
    hasPrivate: false,
    compacted: sources.compacted(),
    isGapped: false,
    skip: new Map(),
    handed: new Map(),
    membershipRevision: sources.membershipRevision(),
    keyRevision: sources.keyRevision(),
    judgedCount: 0,
    isOver: false,
  };
}

/** A run behind a mark, or `undefined` where that does not hold any more. */
function resumedRun(
  sources: EventSources,
  mark: NonNullable<EventOptions["resume"]>,
): Run | undefined {
  const run = startRun(sources);
  const { frontier } = mark;
  const gone = sources.compacted()?.frontier ?? new Map<LogId, number>();
  for (const [logId, height] of gone) if ((frontier.get(logId) ?? 0) < height) return undefined;
  return skipTo(sources, run, mark) ? run : undefined;
}

/** Takes everything before a mark for handed out. False where it is judged or opened otherwise. */
function skipTo(
  sources: EventSources,
  run: Run,
  { frontier, judged, local }: NonNullable<EventOptions["resume"]>,
): boolean {
  const opener = sources.opener();
  const known = decodeLocal(local);
  if (known === undefined) return false;
  for (const [id, height] of frontier) {
    const logId = id as LogId; // Safe: a key to look up.
    if (run.sequencer.releasedOf(logId) < height) return false;
    for (const { from, to, heads } of segmentsOf(run.sequencer, logId, height)) {
      const verdict = verdictOf(sources, run, { logId, heads });
      const stretch = { logId, heads, from, to, verdict };
      run.stretches.push(stretch);
      run.lastStretch.set(logId, stretch);
    }
    run.handed.set(logId, height);
  }
  for (const { reference, keyCount } of known.unopened) {
    if (opener.keyCount(reference) > keyCount) return false;
    run.unopened.set(referenceKey(reference), { reference, keyCount });
  }
  run.hasPrivate = known.hasPrivate;
  run.skip = frontier;
  return equalBytes(judgedBefore(sources, run, frontier), judged);
}

/** What a run went by: log id → heads of a stretch → verdict. */
type Verdicts = ReadonlyMap<LogId, ReadonlyMap<readonly OpId[], Verdict>>;

function verdictsOf(run: Run): Verdicts {
  const known = new Map<LogId, Map<readonly OpId[], Verdict>>();
  for (const { logId, heads, verdict } of run.stretches) {
    const verdicts = known.get(logId) ?? new Map<readonly OpId[], Verdict>();
    known.set(logId, verdicts.set(heads, verdict));
  }
  return known;
}

/** By the verdicts this run went by, which may be older than what holds now. */
function judgedBefore(
  sources: EventSources,
  run: Run,
  frontier: ReadonlyMap<string, number>,
): Uint8Array {
  const known = verdictsOf(run);
  return encodeJudged(
    run.sequencer,
    frontier,
    (logId, { heads }) => known.get(logId)?.get(heads) ?? verdictOf(sources, run, { logId, heads }),
  );
}

/** Tells marks as of now, whenever it is asked: most batches nobody asks about. */
function markerOf(sources: EventSources, run: Run): SpaceEventBatch["mark"] {
  const handed = new Map(run.handed);
  return (at = handed) => {
    for (const [logId, height] of at) if ((handed.get(logId) ?? 0) < height) return undefined;
    return markOf(sources, run, new Map(at));
  };
}

function markOf(
  sources: EventSources,
  run: Run,
  frontier: ReadonlyMap<string, number>,
): SpaceMark | undefined {
  if (run.isOver || sources.sequencer() !== run.sequencer) return undefined;
  if (run.unopened.size >= unopenedMax) return undefined;
  const judged = judgedBefore(sources, run, frontier);
  const { hasPrivate } = run;
  const local = encodeLocal({ unopened: [...run.unopened.values()], hasPrivate });
  const isWhole = sources.compacted() === undefined && run.unopened.size === 0;
  const isShareable = isWhole && !hasPrivate;
  return { frontier, judged, local, isShareable };
}

/** First what stands in for pruned entries, then what is released. */
async function* allEvents(
  sources: EventSources,
  run: Run,
  after: Frontier | undefined,
): AsyncGenerator<readonly SpaceEvent[], void, undefined> {
  const compacted = sources.compacted();
  if (compacted !== undefined && run.handed.size === 0) {
    if (!skipTo(sources, run, compacted)) {
      const message = "entries that were compacted away here would count otherwise now";
      throw new SpaceError("SPACE_HISTORY_GONE", message);
    }
    const verdicts = verdictsOf(run);
    const kept = compacted.events.flatMap((event) => keptEvent(run, verdicts, event) ?? []);
    const wanted = kept.filter((event) => event.seq >= (after?.get(event.logId) ?? 0));
    if (wanted.length > 0) yield wanted;
  }
  yield* releasedEvents(sources, run, after);
}

function keptEvent(run: Run, verdicts: Verdicts, kept: KeptEvent): SpaceEvent | undefined {
  const { detachedBytes, ...event } = kept;
  const { logId, seq } = event;
  const heads = run.sequencer.positionOf(logId, seq);
  const verdict = verdicts.get(logId)?.get(heads);
  const judgement = verdict === undefined ? "reject" : judgementAt(verdict, seq);
  if (judgement === "reject") return undefined;
  const frontier = run.sequencer.frontierOf(logId, seq);
  const detached = detachedBytes === undefined ? undefined : { byteCount: detachedBytes };
  return { ...event, detached, judgement, authHeads: heads, frontier };
}

/** Did anything change that this run has handed out, or could not hand out? */
function mustRestart(sources: EventSources, run: Run): boolean {
  if (run.isGapped || sources.sequencer() !== run.sequencer) return true;
  const opener = sources.opener();
  if (run.keyRevision !== sources.keyRevision()) {
    run.keyRevision = sources.keyRevision();
    if (run.unopened.size >= unopenedMax) return true;
    for (const { reference, keyCount } of run.unopened.values()) {
      if (opener.keyCount(reference) > keyCount) return true;
    }
  }
  const revision = sources.membershipRevision();
  const grew = run.sequencer.releasedCount !== run.judgedCount;
  const mayDiffer = revision !== run.membershipRevision;
  if (!mayDiffer && !(grew && run.stretches.some(isPartial))) return false;
  run.membershipRevision = revision;
  run.judgedCount = run.sequencer.releasedCount;
  return run.stretches.some((stretch) => {
    const now = verdictOf(sources, run, stretch);
    const differs = verdictsDiffer(stretch.verdict, now, stretch.from, stretch.to);
    // What was handed out stands, and what comes from now on is judged by what is known now: a
    // removal may leave the one as it is and not the other.
    stretch.verdict = now;
    return differs;
  });
}

/** Quarantined entries may still turn out to be acknowledged when more arrives. */
function isPartial(stretch: Stretch): boolean {
  return stretch.verdict.kind === "accept" && stretch.verdict.upTo < stretch.to;
}

/** The verdict on all of a stretch, entries that are still to come included. */
function verdictOf(
  sources: EventSources,
  run: Run,
  { logId, heads }: Pick<Stretch, "logId" | "heads">,
): Verdict {
  const author = run.sequencer.authorOf(logId);
  if (author === undefined) return { kind: "reject" };
  return sources.judge({ logId, heads, author, to: Number.MAX_SAFE_INTEGER });
}

async function* releasedEvents(
  sources: EventSources,
  run: Run,
  after: Frontier | undefined,
): AsyncGenerator<readonly SpaceEvent[], void, undefined> {
  let events: SpaceEvent[] = [];
  let bytes = 0;
  const { spans } = run.sequencer;
  for (let span = spans[run.spanIndex]; span !== undefined; span = spans[run.spanIndex]) {
    const from = Math.max(span.from, run.nextSeq, run.skip.get(span.logId) ?? 0);
    const { to } = span;
    if (from < to) {
      const skipTo = after?.get(span.logId) ?? 0;
      for await (const entry of sources.recent.read(span.logId, from, to)) {
        if (isAfterGap(sources, run, entry)) return;
        const event = eventOf(sources, run, span, entry, skipTo);
        if (event !== undefined) events.push(event);
        bytes += entry.data.length;
        run.nextSeq = entry.seq + 1;
        run.handed.set(span.logId, run.nextSeq);
        if (events.length < batchEvents && bytes < batchBytes) continue;
        yield events;
        events = [];
        bytes = 0;
      }
      if (isAfterGap(sources, run, { logId: span.logId, seq: to })) return;
      run.nextSeq = to;
    } else if (run.nextSeq < to) run.nextSeq = to;
    // The last span may still grow: stay on it.
    if (run.spanIndex === spans.length - 1) break;
    if (run.nextSeq >= span.to) {
      run.spanIndex += 1;
      run.nextSeq = 0;
    }
  }
  if (events.length > 0) yield events;
}

/**
 * Were entries pruned that come before this one and were not handed out? Then the run begins anew with
 * what compaction kept. Throws `SPACE_HISTORY_GONE` where nothing was.
 */
function isAfterGap(
  sources: EventSources,
  run: Run,
  { logId, seq }: Pick<Entry, "logId" | "seq">,
): boolean {
  if ((run.handed.get(logId) ?? 0) >= seq) return false;
  if (sources.compacted() === run.compacted) {
    const message = "entries were pruned on this device, and what was kept of them is not here";
    throw new SpaceError("SPACE_HISTORY_GONE", message);
  }
  run.isGapped = true;
  return true;
}

function eventOf(
  sources: EventSources,
  run: Run,
  span: Span,
  entry: Entry,
  skipTo: number,
): SpaceEvent | undefined {
  const { logId, seq } = entry;
  if (run.sequencer.standingOf(logId, seq).state !== "released") return undefined;
  const stretch = stretchFor(sources, run, logId, seq);
  const judgement = judgementAt(stretch.verdict, seq);
  if (judgement === "reject" || seq < skipTo) return undefined;
  const opened = sources.opener().open(span.author, entry);
  if (opened.status === "noKey") {
    const { reference, keyCount } = opened;
    // Over the limit any new key starts the run again.
    if (run.unopened.size < unopenedMax) {
      run.unopened.set(referenceKey(reference), { reference, keyCount });
    }
    return undefined;
  }
  if (opened.status !== "opened") return undefined;
  if (opened.recipients !== undefined) run.hasPrivate = true;
  const { body = empty, detached } = opened;
  if (opened.body === undefined && detached === undefined) return undefined;
  return {
    ...headerOf(entry, opened),
    author: span.author,
    body,
    detached: detached && { byteCount: detached.byteCount },
    judgement,
    authHeads: stretch.heads,
    frontier: run.sequencer.frontierOf(logId, seq),
  };
}

function headerOf(
  entry: Entry,
  opened: Extract<Opened, { readonly status: "opened" }>,
): Pick<SpaceEvent, "logId" | "seq" | "stamp" | "hash" | "type" | "sequence" | "recipients"> {
  const { logId, seq, stamp, hash } = entry;
  const { type, sequence, recipients } = opened;
  return { logId, seq, stamp, hash, type, sequence, recipients };
}

/** The stretch an entry belongs to, made when the log's position moved. */
function stretchFor(sources: EventSources, run: Run, logId: LogId, seq: number): Stretch {
  const heads = run.sequencer.positionOf(logId, seq);
  const last = run.lastStretch.get(logId);
  if (last !== undefined && last.heads === heads) {
    last.to = seq + 1;
    return last;
  }
  const verdict = verdictOf(sources, run, { logId, heads });
  const stretch = { logId, heads, from: seq, to: seq + 1, verdict };
  run.lastStretch.set(logId, stretch);
  run.stretches.push(stretch);
  return stretch;
}
