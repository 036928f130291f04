/**
 * Compaction (docs/spec/view.md §7): which events views still need, proven by folding them, before a
 * source drops the others from this device.
 */
import { equalBytes } from "@hawser/codec";
import { ViewError } from "./errors.ts";
import type { ViewDeps } from "./open.ts";
import { compareEvents } from "./order.ts";
import { foldAll, isFolded, readStored } from "./stored.ts";
import type { View, ViewEvent } from "./types.ts";

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
  const stored = await readStored(deps, "compaction", () => true, options.signal);
  const { events } = stored;
  const mark = stored.mark();
  if (mark === undefined) {
    throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source cannot tell where it stands");
  }
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

function foldOf(deps: ViewDeps, view: AnyView, events: readonly ViewEvent[]): Promise<unknown> {
  const wanted = events.filter((event) => isFolded(view, event)).sort(compareEvents);
  return foldAll(deps, view, wanted);
}
