/**
 * Events (docs/spec/6-space.md §7): released entries, opened and judged, first what is stored, then
 * what comes. When a judgement changes that was handed out already, everything follows again with
 * `reset`. Layer 5, internal.
 */
import { toHex } from "@hawser/codec";
import type { Entry, Frontier, LogId } from "@hawser/log";
import { judgementAt, verdictsDiffer, type Stretch as Judged, type Verdict } from "./judge.ts";
import type { Opened, Opener } from "./opener.ts";
import type { Signal } from "./queue.ts";
import type { RecentEntries } from "./recent.ts";
import type { Sequencer, Span } from "./sequencer.ts";
import type { OpId } from "@hawser/auth";
import type { SpaceEvent, SpaceEventBatch } from "./types.ts";

/** What events are made from; the parts may be replaced when a fork makes the space fold again. */
export interface EventSources {
  readonly recent: RecentEntries;
  readonly changed: Signal;
  readonly sequencer: () => Sequencer;
  readonly opener: () => Opener;
  readonly judge: (stretch: Judged) => Verdict;
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
}

const batchEvents = 256;
const empty = new Uint8Array(0);
/** Epoch references without a key that are remembered one by one. */
const unopenedMax = 4_096;

/** A stretch of a log that was handed out, and how it was judged. */
interface Stretch {
  readonly logId: LogId;
  readonly heads: readonly OpId[];
  readonly from: number;
  to: number;
  readonly verdict: Verdict;
}

/** One run over the released entries, from the first. */
interface Run {
  readonly sequencer: Sequencer;
  spanIndex: number;
  nextSeq: number;
  readonly stretches: Stretch[];
  readonly lastStretch: Map<LogId, Stretch>;
  /** Epoch references of entries that did not open, with how many keys were tried. */
  readonly unopened: Map<string, { readonly reference: Uint8Array; readonly keyCount: number }>;
  membershipRevision: number;
  keyRevision: number;
  /** Released entries known when the judgements were last looked at. */
  judgedSpans: number;
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
    if (run === undefined || mustRestart(sources, run)) {
      reset = run !== undefined;
      run = startRun(sources);
    }
    for await (const events of releasedEvents(sources, run, options.after)) {
      if (isOver()) return;
      yield reset ? { events, caughtUp, reset: true } : { events, caughtUp };
      reset = false;
    }
    if (isOver()) return;
    if (!caughtUp || reset) {
      caughtUp = true;
      yield reset ? { events: [], caughtUp, reset: true } : { events: [], caughtUp };
      reset = false;
    }
    await sources.changed.changed(seen, signal);
  }
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
    membershipRevision: sources.membershipRevision(),
    keyRevision: sources.keyRevision(),
    judgedSpans: 0,
  };
}

/** Did anything change that this run has handed out, or could not hand out? */
function mustRestart(sources: EventSources, run: Run): boolean {
  if (sources.sequencer() !== run.sequencer) return true;
  const opener = sources.opener();
  if (run.keyRevision !== sources.keyRevision()) {
    run.keyRevision = sources.keyRevision();
    if (run.unopened.size >= unopenedMax) return true;
    for (const { reference, keyCount } of run.unopened.values()) {
      if (opener.keyCount(reference) > keyCount) return true;
    }
  }
  const revision = sources.membershipRevision();
  const grew = run.sequencer.spans.length !== run.judgedSpans;
  const mayDiffer = revision !== run.membershipRevision;
  if (!mayDiffer && !(grew && run.stretches.some(isPartial))) return false;
  run.membershipRevision = revision;
  run.judgedSpans = run.sequencer.spans.length;
  return run.stretches.some((stretch) => {
    const now = verdictOf(sources, run, stretch);
    return verdictsDiffer(stretch.verdict, now, stretch.from, stretch.to);
  });
}

/** Quarantined entries may still turn out to be acknowledged when more arrives. */
function isPartial(stretch: Stretch): boolean {
  return stretch.verdict.kind === "accept" && stretch.verdict.upTo < stretch.to;
}

function verdictOf(
  sources: EventSources,
  run: Run,
  stretch: Pick<Stretch, "logId" | "heads" | "to">,
): Verdict {
  const author = run.sequencer.authorOf(stretch.logId);
  if (author === undefined) return { kind: "reject" };
  return sources.judge({ ...stretch, author });
}

async function* releasedEvents(
  sources: EventSources,
  run: Run,
  after: Frontier | undefined,
): AsyncGenerator<readonly SpaceEvent[], void, undefined> {
  let events: SpaceEvent[] = [];
  const { spans } = run.sequencer;
  for (let span = spans[run.spanIndex]; span !== undefined; span = spans[run.spanIndex]) {
    const from = Math.max(span.from, run.nextSeq);
    const { to } = span;
    if (from < to) {
      const skipTo = after?.get(span.logId) ?? 0;
      for await (const entry of sources.recent.read(span.logId, from, to)) {
        const event = eventOf(sources, run, span, entry, skipTo);
        if (event !== undefined) events.push(event);
        run.nextSeq = entry.seq + 1;
        if (events.length < batchEvents) continue;
        yield events;
        events = [];
      }
      run.nextSeq = to;
    }
    // The last span may still grow: stay on it.
    if (run.spanIndex === spans.length - 1) break;
    if (run.nextSeq >= span.to) {
      run.spanIndex += 1;
      run.nextSeq = 0;
    }
  }
  if (events.length > 0) yield events;
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
      run.unopened.set(toHex(reference), { reference, keyCount });
    }
    return undefined;
  }
  if (opened.status !== "opened") return undefined;
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
  const verdict = verdictOf(sources, run, { logId, heads, to: Number.MAX_SAFE_INTEGER });
  const stretch = { logId, heads, from: seq, to: seq + 1, verdict };
  run.lastStretch.set(logId, stretch);
  run.stretches.push(stretch);
  return stretch;
}
