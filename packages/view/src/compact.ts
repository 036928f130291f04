/**
 * Compaction (docs/spec/view.md §7): which events views still need, proven by folding them, before a
 * source drops the others from this device.
 */
import { equalBytes } from "@hawser/codec";
import { asViewError, ViewError } from "./errors.ts";
import type { ViewDeps } from "./open.ts";
import { compareEvents } from "./order.ts";
import type { SourceMark, View, ViewEvent } from "./types.ts";

/** A view of some state, which goes only from a view to the same view. */
type AnyView = View<unknown>;

/** What a compaction did. */
export interface CompactionResult {
  /** Entries that are gone by now from the logs on this device. */
  readonly prunedEntries: number;
  /** Events that stay, beside the logs. */
  readonly keptEvents: number;
}

/**
 * Frees disk: of the events that `views` claim by their types only those stay that a view needs for
 * its state (`superseded`); all others stay. Peers notice nothing. Nobody else on this device may read
 * those types, and time travel to before this moment ends. Throws ViewError
 * VIEW_SNAPSHOT_UNAVAILABLE where the source cannot, VIEW_COMPACTION_UNSOUND where what stays would
 * fold to another state, and what the source throws.
 */
export async function compactView<States extends readonly unknown[]>(
  deps: ViewDeps,
  given: { readonly [Index in keyof States]: View<States[Index]> },
  options: { readonly signal?: AbortSignal } = {},
): Promise<CompactionResult> {
  const { source } = deps;
  // Safe: see AnyView.
  const views = given as unknown as readonly AnyView[];
  if (source.compact === undefined) {
    throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source cannot be compacted");
  }
  const { events, mark } = await readMarked(deps, options.signal);
  const needless = new Set<ViewEvent>(events);
  for (const event of events) {
    const isClaimed = views.some((view) => view.types.includes(event.type));
    if (!isClaimed || event.judgement !== "accept") needless.delete(event);
  }
  for (const view of views) {
    await keepNeeded(deps, view, events, needless);
  }
  const keep = events.filter((event) => !needless.has(event));
  for (const view of views) {
    const whole = view.encode(await foldOf(deps, view, events));
    if (equalBytes(whole, view.encode(await foldOf(deps, view, keep)))) continue;
    const message = `view ${view.name} would not be the same without what it calls superseded`;
    throw new ViewError("VIEW_COMPACTION_UNSOUND", message);
  }
  return await source.compact(mark, keep);
}

const sliceEvents = 2_000;

async function keepNeeded(
  deps: ViewDeps,
  view: AnyView,
  events: readonly ViewEvent[],
  needless: Set<ViewEvent>,
): Promise<void> {
  const state = await foldOf(deps, view, events);
  for (const event of events) {
    if (!view.types.includes(event.type)) continue;
    if (view.superseded?.(state, event) !== true) needless.delete(event);
  }
}

async function foldOf(
  deps: ViewDeps,
  view: AnyView,
  events: readonly ViewEvent[],
): Promise<unknown> {
  const wanted = events.filter(
    (event) => event.judgement === "accept" && view.types.includes(event.type),
  );
  wanted.sort(compareEvents);
  let state = view.init();
  for (let from = 0; from < wanted.length; from += sliceEvents) {
    for (const event of wanted.slice(from, from + sliceEvents)) state = view.apply(state, event);
    await deps.yieldToHost?.();
  }
  return state;
}

async function readMarked(
  deps: ViewDeps,
  signal: AbortSignal | undefined,
): Promise<{ readonly events: readonly ViewEvent[]; readonly mark: SourceMark }> {
  const controller = new AbortController();
  const either =
    signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  let events: ViewEvent[] = [];
  try {
    for await (const batch of deps.source.batches({ signal: either })) {
      if (batch.reset === true) events = [];
      for (const event of batch.events) events.push(event);
      if (!batch.caughtUp) continue;
      const mark = batch.mark?.();
      if (mark !== undefined) return { events, mark };
      throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source cannot tell where it stands");
    }
  } catch (cause) {
    throw asViewError(cause, "compaction");
  }
  throw new ViewError("VIEW_CLOSED", "the source ended before everything was read");
}
