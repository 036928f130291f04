/**
 * A fold behind a gate (docs/spec/7-views.md §7.1): every event is judged by the gate, what it
 * admits is folded, and when the gate changes its mind events are put in or taken out. Pure.
 */
import { createCommutativeFold, createOrderedFold } from "./fold.ts";
import { compareEvents } from "./order.ts";
import type { FoldStart } from "./snapshot.ts";
import { sliceEnd } from "./stored.ts";
import type { Gate, GateChange, GateVerdict, View, ViewEvent, WithheldEvent } from "./types.ts";

/** The fold that a view runs on, with or without a gate. */
export interface ViewFold<State> {
  readonly state: State;
  /** Takes in accepted events of every type; gives those that the state changed by. */
  add(events: readonly ViewEvent[]): readonly ViewEvent[];
  /**
   * True when the state lags behind the gate's verdicts: the kernel then calls `rebuild`, step by
   * step, until it is false again.
   */
  readonly isStale: boolean;
  /** As of `Fold`; never behind a gate. */
  readonly isLate: boolean;
  /** Folds up to `count` more events of the state to come; it replaces the state when complete. */
  rebuild(eventsMax: number): void;
  withheld(): readonly WithheldEvent[];
}

type Kept = Exclude<GateVerdict, { readonly verdict: "admit" }>;

interface KnownLog {
  /** The view's events of one log, in seq order. */
  readonly events: ViewEvent[];
  /** What the gate said of those it keeps out, by seq. */
  readonly kept: Map<number, Kept>;
}

/** Events put in and taken out by one step. */
interface Moves {
  readonly put: ViewEvent[];
  readonly taken: ViewEvent[];
  /** Were all events that are put in handed in by this very step? */
  isFresh: boolean;
}

/** A fold of `view` whose events all pass `gate`. */
export function createGatedFold<State>(view: View<State>, gate: Gate): ViewFold<State> {
  const types = new Set(view.types);
  const verdicts = gate.start();
  const logs = new Map<string, KnownLog>();
  const folding = view.commutative === true ? replaceable(view, logs) : exchangeable(view);

  const judgeOne = (log: KnownLog, event: ViewEvent, moves: Moves, isNew: boolean): void => {
    const verdict = verdicts.judge(event);
    const wasIn = !isNew && !log.kept.has(event.seq);
    if (verdict.verdict === "admit") {
      log.kept.delete(event.seq);
      if (wasIn) return;
      moves.put.push(event);
      if (!isNew) moves.isFresh = false;
    } else {
      log.kept.set(event.seq, verdict);
      if (wasIn) moves.taken.push(event);
    }
  };

  const judgeAgain = (change: GateChange, moves: Moves): void => {
    if (change === "none") return;
    if (change === "all") {
      for (const log of logs.values()) {
        for (const event of log.events) judgeOne(log, event, moves, false);
      }
      return;
    }
    for (const { logId, from, to } of change) {
      const log = logs.get(logId);
      if (log === undefined) continue;
      for (let index = firstFrom(log.events, from); index < log.events.length; index++) {
        const event = log.events[index];
        if (event === undefined || event.seq >= to) break;
        judgeOne(log, event, moves, false);
      }
    }
  };

  return {
    get state() {
      return folding.state;
    },
    get isStale() {
      return folding.isStale;
    },
    isLate: false,
    rebuild: (eventsMax) => folding.rebuild(eventsMax),
    add: (events) => {
      const moves: Moves = { put: [], taken: [], isFresh: true };
      judgeAgain(verdicts.add(events), moves);
      for (const event of events) {
        if (!types.has(event.type)) continue;
        const log = logs.get(event.logId) ?? { events: [], kept: new Map<number, Kept>() };
        logs.set(event.logId, log);
        log.events.push(event);
        judgeOne(log, event, moves, true);
      }
      folding.move(moves);
      return [...moves.put, ...moves.taken];
    },
    withheld: () => withheldIn(logs),
  };
}

interface Folding<State> extends Pick<ViewFold<State>, "state" | "isStale" | "rebuild"> {
  move(moves: Moves): void;
}

/** An ordered view rewinds for whatever moves. */
function exchangeable<State>(view: View<State>): Folding<State> {
  const fold = createOrderedFold(view);
  return {
    get state() {
      return fold.state;
    },
    isStale: false,
    rebuild: () => undefined,
    move: ({ put, taken }) => fold.exchange(taken, put),
  };
}

/**
 * A commutative view takes nothing out, and takes nothing in behind what came after it: it is
 * folded anew beside the state that readers see.
 */
function replaceable<State>(
  view: View<State>,
  logs: ReadonlyMap<string, KnownLog>,
): Folding<State> {
  let fold = createCommutativeFold(view);
  let next: { readonly fold: typeof fold; readonly events: ViewEvent[]; count: number } | undefined;
  let isStale = false;
  return {
    get state() {
      return fold.state;
    },
    get isStale() {
      return isStale;
    },
    rebuild: (eventsMax) => {
      next ??= { fold: createCommutativeFold(view), events: admittedIn(logs), count: 0 };
      const end = sliceEnd(next.events, next.count, eventsMax);
      next.fold.add(next.events.slice(next.count, end));
      next.count = end;
      if (next.count < next.events.length) return;
      fold = next.fold;
      next = undefined;
      isStale = false;
    },
    move: ({ put, taken, isFresh }) => {
      if (taken.length > 0 || !isFresh) {
        isStale = true;
        next = undefined;
      }
      if (!isStale) fold.add(put);
    },
  };
}

function admittedIn(logs: ReadonlyMap<string, KnownLog>): ViewEvent[] {
  const events = [...logs.values()].flatMap((log) =>
    log.events.filter((event) => !log.kept.has(event.seq)),
  );
  return events.sort(compareEvents);
}

function withheldIn(logs: ReadonlyMap<string, KnownLog>): readonly WithheldEvent[] {
  const list: WithheldEvent[] = [];
  for (const log of logs.values()) {
    for (const [seq, kept] of log.kept) {
      const event = log.events[firstFrom(log.events, seq)];
      if (event !== undefined) list.push({ event, ...kept });
    }
  }
  return list.sort((a, b) => compareEvents(a.event, b.event));
}

/** The first index whose event is at `seq` or behind it. */
function firstFrom(events: readonly ViewEvent[], seq: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.seq ?? seq) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A fold of `view` that lets every accepted event in. */
export function createOpenFold<State>(
  view: View<State>,
  at?: { readonly snapshot: FoldStart; readonly state: State },
): ViewFold<State> {
  const types = new Set(view.types);
  const fold =
    view.commutative === true
      ? createCommutativeFold(view, at?.state)
      : createOrderedFold(view, at?.snapshot);
  return {
    get isLate() {
      return fold.isLate;
    },
    get state() {
      return fold.state;
    },
    isStale: false,
    rebuild: () => undefined,
    add: (events) => {
      const wanted = events.filter((event) => types.has(event.type));
      fold.add(wanted);
      return wanted;
    },
    withheld: () => [],
  };
}
