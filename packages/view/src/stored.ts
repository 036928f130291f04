/**
 * Reading everything a source has stored, and folding it in slices: what snapshots, compaction, undo
 * and time travel have in common.
 */
import { asViewError, ViewError } from "./errors.ts";
import type { ViewDeps } from "./open.ts";
import type { SourceMark, View, ViewEvent } from "./types.ts";

/** Most events folded between two yields. */
export const sliceEventsMax = 256;
/** Bytes of bodies after which a slice ends: folding one body takes as long as it is large. */
const sliceBytesMax = 8 * 1024;

/** Where the slice ends that begins at `from`; at least one event on. */
export function sliceEnd(
  events: readonly ViewEvent[],
  from: number,
  eventsMax: number = sliceEventsMax,
): number {
  const last = Math.min(events.length, from + eventsMax);
  let bytes = 0;
  for (let end = from; end < last; end++) {
    bytes += events[end]?.body.length ?? 0;
    if (bytes >= sliceBytesMax) return end + 1;
  }
  return last;
}

/** Everything stored when it was read, with the verdicts of that moment. */
export interface StoredEvents {
  /** Those that were wanted, in the source's order. */
  readonly events: readonly ViewEvent[];
  /** Where the source stood, or how a part of it was judged; `undefined` where it cannot tell. */
  readonly mark: (at?: ReadonlyMap<string, number>) => SourceMark | undefined;
  /** As of `EventBatch`; empty where nothing was dropped. */
  readonly gone: ReadonlyMap<string, number>;
}

/**
 * Reads a source to its end, once; `viewName` is for errors. Throws ViewError
 * VIEW_SOURCE_FAILED, and VIEW_CLOSED when the source ends or the signal aborts before that.
 */
export async function readStored(
  deps: ViewDeps,
  viewName: string,
  isWanted: (event: ViewEvent) => boolean,
  signal: AbortSignal = new AbortController().signal,
): Promise<StoredEvents> {
  let events: ViewEvent[] = [];
  try {
    for await (const batch of deps.source.batches({ signal })) {
      if (batch.reset === true) events = [];
      for (const event of batch.events) if (isWanted(event)) events.push(event);
      await deps.yieldToHost?.();
      // Whenever it is asked, the mark speaks of what this reading was handed, by its verdicts.
      const { gone = new Map<string, number>() } = batch;
      if (batch.caughtUp) return { events, mark: (at) => batch.mark?.(at), gone };
    }
  } catch (cause) {
    throw asViewError(cause, viewName);
  }
  throw new ViewError("VIEW_CLOSED", `view ${viewName} ended before everything was read`);
}

/** Whether a view folds an event. */
export function isFolded<State>(view: View<State>, event: ViewEvent): boolean {
  return event.judgement === "accept" && view.types.includes(event.type);
}

/** The state after these events, folded as they stand. Throws what the view throws. */
export async function foldAll<State>(
  deps: Pick<ViewDeps, "yieldToHost">,
  view: View<State>,
  events: readonly ViewEvent[],
): Promise<State> {
  let state = view.init();
  for (let from = 0; from < events.length;) {
    const end = sliceEnd(events, from);
    for (const event of events.slice(from, end)) state = view.apply(state, event);
    from = end;
    await deps.yieldToHost?.();
  }
  return state;
}
