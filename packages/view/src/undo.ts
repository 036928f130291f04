/**
 * Undo and redo by author (docs/spec/view.md §8): an event is taken back by further events, which
 * the view works out from the state before it and the state now. Nothing is ever removed from a log.
 */
import { ViewError } from "./errors.ts";
import type { ViewDeps } from "./open.ts";
import { compareEvents } from "./order.ts";
import { foldAll, isFolded, readStored } from "./stored.ts";
import type { EventRef, View, ViewEvent } from "./types.ts";

/** What taking an event back wrote. */
export interface Undone {
  /** The events that take it back; none where there was nothing left to take back. */
  readonly written: readonly EventRef[];
}

/**
 * Takes one event back; taking back what that wrote is the redo. Reads the source once. Throws
 * ViewError VIEW_UNDO_UNAVAILABLE, VIEW_CLOSED, and what the source throws.
 */
export async function undo<State>(
  deps: ViewDeps,
  view: View<State>,
  ref: EventRef,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Undone> {
  if (view.invert === undefined) throw unavailable(`view ${view.name} cannot take events back`);
  const isWanted = (event: ViewEvent): boolean => isFolded(view, event);
  const stored = await readStored(deps, view.name, isWanted, options.signal);
  const events = [...stored.events].sort(compareEvents);
  const index = events.findIndex((event) => event.logId === ref.logId && event.seq === ref.seq);
  const event = events[index];
  if (event === undefined) throw unavailable(`no event ${ref.seq} of that log is in ${view.name}`);
  if (event.seq < (stored.gone.get(event.logId) ?? 0)) {
    throw unavailable(`what ${view.name} was before event ${ref.seq} was compacted away here`);
  }
  const before = await foldAll(deps, view, events.slice(0, index));
  const drafts = view.invert(event, before, await foldAll(deps, view, events));
  return { written: drafts.length === 0 ? [] : await deps.source.append(drafts) };
}

function unavailable(message: string): ViewError {
  return new ViewError("VIEW_UNDO_UNAVAILABLE", message);
}
