/**
 * Verdicts that are remembered for the events that follow in a log: as long as its author sees
 * nothing new of the edits, and no edit is added, they are all judged alike.
 */
import type { GateVerdict, ViewEvent } from "@hawser/view";
import type { Vantage } from "./ledger.ts";
import type { Need } from "./types.ts";

/** All that a verdict hangs on, where there is an editor. */
export interface JudgedPlace {
  readonly event: ViewEvent;
  readonly keys: readonly string[];
  readonly vantage: Vantage;
  readonly need: Need;
  readonly sequence: string | undefined;
}

export interface Verdicts {
  find(place: JudgedPlace): GateVerdict | undefined;
  keep(place: JudgedPlace, verdict: GateVerdict): void;
  clear(): void;
}

interface Kept {
  readonly place: JudgedPlace;
  readonly verdict: GateVerdict;
}

/** Sequences of one log of which the last verdict is remembered. */
const sequencesMax = 1_024;

/** Nothing is remembered yet. */
export function createVerdicts(): Verdicts {
  // Log id → sequence → the last verdict there.
  const keptByLog = new Map<string, Map<string | undefined, Kept>>();
  return {
    find: (place) => {
      const kept = keptByLog.get(place.event.logId)?.get(place.sequence);
      return kept !== undefined && isAlike(kept.place, place) ? kept.verdict : undefined;
    },
    keep: (place, verdict) => {
      const kept = keptByLog.get(place.event.logId) ?? new Map<string | undefined, Kept>();
      keptByLog.set(place.event.logId, kept);
      if (kept.size >= sequencesMax) kept.clear();
      kept.set(place.sequence, { place, verdict });
    },
    clear: () => keptByLog.clear(),
  };
}

function isAlike(a: JudgedPlace, b: JudgedPlace): boolean {
  return (
    a.need === b.need &&
    a.event.author === b.event.author &&
    isSame(a.keys, b.keys) &&
    isSame(a.vantage.from, b.vantage.from) &&
    isSame(a.vantage.to, b.vantage.to)
  );
}

function isSame<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
