/**
 * Folding: a commutative view applies events as they come; any other keeps them in total order and
 * rewinds to a checkpoint when one arrives late (docs/spec/7-views.md §3). Pure.
 */
import { ViewError } from "./errors.ts";
import { compareEvents, positionOf } from "./order.ts";
import type { FoldStart } from "./snapshot.ts";
import type { View, ViewEvent } from "./types.ts";

export interface Fold<State> {
  readonly state: State;
  /** An event came that belongs before what the fold began with: it has to begin further back. */
  readonly isLate: boolean;
  /** Folds events in. Throws ViewError VIEW_REDUCER_FAILED; the state is then as far as it got. */
  add(events: readonly ViewEvent[]): void;
}

/** A fold that can take events out again. */
export interface OrderedFold<State> extends Fold<State> {
  /** Takes out and puts in. What is taken out must be in. Throws as `add` does. */
  exchange(taken: readonly ViewEvent[], put: readonly ViewEvent[]): void;
}

function applyOne<State>(view: View<State>, state: State, event: ViewEvent): State {
  try {
    return view.apply(state, event);
  } catch (cause) {
    const place = `${event.logId.slice(0, 8)}…/${event.seq}`;
    const entry = { logId: event.logId, seq: event.seq };
    const message = `view ${view.name} failed at ${place}`;
    throw new ViewError("VIEW_REDUCER_FAILED", message, { cause, entry });
  }
}

/** Folds events as they come. */
export function createCommutativeFold<State>(view: View<State>, start?: State): Fold<State> {
  let state = start ?? view.init();
  return {
    isLate: false,
    get state() {
      return state;
    },
    add: (events) => {
      for (const event of events) state = applyOne(view, state, event);
    },
  };
}

interface Checkpoint {
  /** How many events the encoded state has folded. */
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** Fewest events between checkpoints; grows with the state so that encoding stays amortised. */
const checkpointGapMin = 256;
const checkpointBytesPerEvent = 64;
/** Checkpoints kept: dense near the end, where late events land, sparse further back. */
const checkpointCountMax = 24;

/** Folds events in total order, whatever order they come in. */
export function createOrderedFold<State>(view: View<State>, start?: FoldStart): OrderedFold<State> {
  // Accepted events behind the start in total order; `folded` of them are in `state`.
  const events: ViewEvent[] = [];
  let checkpoints: Checkpoint[] = [];
  let state = beginning();
  let folded = 0;
  let isLate = false;

  function beginning(): State {
    return (start === undefined ? undefined : view.decode(start.state)) ?? view.init();
  }

  const rewindTo = (count: number): void => {
    checkpoints = checkpoints.filter((checkpoint) => checkpoint.count <= count);
    const last = checkpoints.at(-1);
    const restored = last === undefined ? undefined : view.decode(last.bytes);
    if (last !== undefined && restored !== undefined) {
      state = restored;
      folded = last.count;
    } else {
      state = beginning();
      folded = 0;
    }
  };

  const maybeCheckpoint = (): void => {
    const last = checkpoints.at(-1);
    const gap = Math.max(checkpointGapMin, (last?.bytes.length ?? 0) / checkpointBytesPerEvent);
    if (folded - (last?.count ?? 0) < gap) return;
    checkpoints.push({ count: folded, bytes: view.encode(state) });
    if (checkpoints.length > checkpointCountMax) checkpoints = thinOut(checkpoints);
  };

  const foldRest = (): void => {
    for (; folded < events.length;) {
      const event = events[folded];
      if (event === undefined) break;
      state = applyOne(view, state, event);
      folded += 1;
      maybeCheckpoint();
    }
  };

  const put = (arrived: readonly ViewEvent[]): void => {
    const sorted = [...arrived].sort(compareEvents);
    const first = sorted[0];
    if (first === undefined) return;
    if (start?.last !== undefined && compareEvents(first, start.last) < 0) isLate = true;
    if (isLate) return;
    const position = positionOf(events, first);
    if (position < events.length) mergeSorted(events, position, sorted);
    else for (const event of sorted) events.push(event);
    if (position < folded) rewindTo(position);
  };

  const take = (gone: readonly ViewEvent[]): void => {
    const places = new Set(gone.map((event) => positionOf(events, event)));
    let position = events.length;
    for (const place of places) position = Math.min(position, place);
    const tail = events.splice(position);
    tail.forEach((event, index) => {
      if (!places.has(position + index)) events.push(event);
    });
    if (position < folded) rewindTo(position);
  };

  return {
    get state() {
      return state;
    },
    get isLate() {
      return isLate;
    },
    add: (arrived) => {
      put(arrived);
      foldRest();
    },
    exchange: (taken, arrived) => {
      if (taken.length > 0) take(taken);
      put(arrived);
      foldRest();
    },
  };
}

/** Merges `arrived` into the tail of `events` that starts at `position`. */
function mergeSorted(events: ViewEvent[], position: number, arrived: readonly ViewEvent[]): void {
  const tail = events.splice(position);
  let next = 0;
  for (const event of arrived) {
    for (let old = tail[next]; old !== undefined && compareEvents(old, event) < 0;) {
      events.push(old);
      next += 1;
      old = tail[next];
    }
    events.push(event);
  }
  for (const old of tail.slice(next)) events.push(old);
}

/** Drops every second checkpoint of the older half. */
function thinOut(checkpoints: readonly Checkpoint[]): Checkpoint[] {
  const half = checkpoints.length >> 1;
  return checkpoints.filter((_, index) => index >= half || index % 2 === 1);
}
