/**
 * An event source in memory: for tests of views and for trying a reducer without a space.
 */
import { encodeCbor, equalBytes, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type {
  EventBatch,
  EventDraft,
  EventRef,
  EventSource,
  SourceMark,
  ViewEvent,
} from "@hawser/view";

export interface MemorySource extends EventSource {
  /** Delivers events made elsewhere, in this order. */
  deliver(events: readonly ViewEvent[]): void;
  /** Replaces everything: iterations start again with these events. */
  reset(events: readonly ViewEvent[]): void;
  /** Makes the running iterations throw. */
  fail(error: Error): void;
  readonly events: readonly ViewEvent[];
  /** What is on the shelf, by name. */
  readonly shelved: Map<string, Uint8Array>;
  /** Events handed out so far, over all iterations. */
  readonly handedCount: number;
}

/** A hash that is no hash: 32 bytes that differ for every (log, seq). */
export function fakeHash(log: number, seq: number): Uint8Array {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(0, Math.imul(log * 65_537 + seq + 1, 0x9e3779b1) >>> 0);
  new DataView(hash.buffer).setUint32(4, log);
  new DataView(hash.buffer).setUint32(8, seq);
  return hash;
}

/** An event of writer `log` (0, 1, …); its stamp defaults to a counter that respects seq. */
export function fakeEvent(
  log: number,
  seq: number,
  draft: EventDraft,
  stamp: number = 1_000 + seq * 10 + log,
): ViewEvent {
  const author = toHex(new Uint8Array(32).fill(log + 1)) as AuthorId; // Safe: 64 hex characters.
  return {
    author,
    logId: author,
    seq,
    hash: fakeHash(log, seq),
    stamp,
    judgement: "accept",
    ...draft,
  };
}

/**
 * A source whose own appends are events of writer `log`. Sources over one shelf are one device that is
 * opened again.
 */
export function createMemorySource(
  log = 0,
  shelved: Map<string, Uint8Array> = new Map<string, Uint8Array>(),
): MemorySource {
  const events: ViewEvent[] = [];
  const wakers = new Set<() => void>();
  const state: SourceState = { events, failure: undefined, resets: 0, handed: 0, wakers };
  let seq = 0;
  const wake = (): void => {
    for (const waker of state.wakers) waker();
  };
  return {
    events,
    shelved,
    get handedCount() {
      return state.handed;
    },
    shelf: {
      read: async (name) => shelved.get(name),
      write: async (name, value) => {
        if (value === undefined) shelved.delete(name);
        else shelved.set(name, value);
      },
    },
    deliver: (arrived) => {
      events.push(...arrived);
      wake();
    },
    reset: (replacement) => {
      events.splice(0, events.length, ...replacement);
      state.resets += 1;
      wake();
    },
    fail: (error) => {
      state.failure = error;
      wake();
    },
    append: async (drafts) => {
      const stamp = Math.max(1_000, ...events.map((event) => event.stamp)) + 1;
      const seen = heightsOf(events);
      const made = drafts.map((draft, index) => {
        const event = fakeEvent(log, seq + index, draft, stamp + index);
        return { ...event, frontier: new Map(seen).set(event.logId, event.seq) };
      });
      seq += made.length;
      events.push(...made);
      wake();
      return made.map((event): EventRef => ({ logId: event.logId, seq: event.seq }));
    },
    batches: ({ signal, resume }) => iterate(state, signal, resume),
  };
}

/** Judgements before a frontier: here simply what is not accepted. */
function judgedBefore(
  events: readonly ViewEvent[],
  frontier: ReadonlyMap<string, number>,
): Uint8Array {
  const inside = events.filter((event) => event.seq < (frontier.get(event.logId) ?? 0));
  const out = inside.filter((event) => event.judgement !== "accept");
  return encodeCbor([inside.length, ...out.map(({ logId, seq }) => `${logId}/${seq}`).sort()]);
}

function markOf(
  events: readonly ViewEvent[],
  at: ReadonlyMap<string, number> | undefined,
): SourceMark | undefined {
  const handed = heightsOf(events);
  const frontier = new Map(at ?? handed);
  for (const [logId, height] of frontier) if ((handed.get(logId) ?? 0) < height) return undefined;
  const judged = judgedBefore(events, frontier);
  return { frontier, judged, local: encodeCbor([1, [], false]), isShareable: true };
}

/** The frontier of somebody who has seen these events, and what they had seen. */
export function heightsOf(events: readonly ViewEvent[]): Map<string, number> {
  const heights = new Map<string, number>();
  for (const { logId, seq } of events) {
    heights.set(logId, Math.max(heights.get(logId) ?? 0, seq + 1));
  }
  return heights;
}

interface SourceState {
  readonly events: readonly ViewEvent[];
  failure: Error | undefined;
  /** Counts calls of `reset`. */
  resets: number;
  handed: number;
  readonly wakers: Set<() => void>;
}

async function* iterate(
  state: SourceState,
  signal: AbortSignal,
  resume: Pick<SourceMark, "frontier" | "judged"> | undefined,
): AsyncGenerator<EventBatch, void, undefined> {
  let taken = 0;
  let first = true;
  let resets = state.resets;
  let skip: ReadonlyMap<string, number> = new Map();
  if (resume !== undefined) {
    const isHeld = equalBytes(judgedBefore(state.events, resume.frontier), resume.judged);
    if (isHeld) skip = resume.frontier;
    else resets -= 1;
  }
  while (!signal.aborted) {
    if (state.failure !== undefined) throw state.failure;
    const reset = resets !== state.resets;
    if (reset) {
      taken = 0;
      skip = new Map();
    }
    if (taken < state.events.length || first || reset) {
      const wanted = skip;
      const fresh = state.events.slice(taken);
      const events = fresh.filter((event) => event.seq >= (wanted.get(event.logId) ?? 0));
      taken = state.events.length;
      const handed = state.events.slice(0, taken);
      const mark = (at?: ReadonlyMap<string, number>) => markOf(handed, at);
      const batch = { events, caughtUp: first, reset, mark };
      state.handed += events.length;
      resets = state.resets;
      first = false;
      yield batch;
      continue;
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        state.wakers.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      state.wakers.add(done);
      signal.addEventListener("abort", done);
    });
  }
}
