/** Marks that say: this older event is deleted (docs/spec/7-views.md §9.8). */
import { equalBytes } from "@hawser/codec";
import {
  compareEvents,
  type EventRange,
  type EventRef,
  type GateVerdict,
  type ViewEvent,
} from "@hawser/view";
import { sees } from "./edit.ts";
import { decodeTombstone } from "./ops.ts";
import { placeOf } from "./place.ts";
import type { EventName } from "./types.ts";

interface Mark {
  readonly event: ViewEvent;
  readonly names: readonly EventName[];
}

export interface Tombstones {
  /** Gives the places that the marks name. */
  add(events: readonly ViewEvent[]): readonly EventRange[];
  /** Places named by marks that stand in a range. */
  targetsIn(range: EventRange): readonly EventRange[];
  /** `deleted` when a mark of somebody entitled names the event. */
  verdictOn(event: ViewEvent, isEntitled: (mark: ViewEvent) => boolean): GateVerdict;
}

/** Marks of one event: by log, with the hash they name. */
type Marks = Map<string, { readonly event: ViewEvent; readonly hash: Uint8Array }[]>;

/** Marks of one log on one event that are looked at: its first ones. */
const marksOfLogMax = 16;

/** No marks yet. */
export function createTombstones(): Tombstones {
  const byLog = new Map<string, Mark[]>();
  const byTarget = new Map<string, Marks>();
  return {
    add: (events) => {
      const ranges: EventRange[] = [];
      for (const event of events) {
        const names = decodeTombstone(event.body);
        const log = byLog.get(event.logId) ?? [];
        byLog.set(event.logId, log);
        log.push({ event, names });
        for (const name of names) {
          const marks: Marks = byTarget.get(placeOf(name)) ?? new Map();
          byTarget.set(placeOf(name), marks);
          const ofLog = marks.get(event.logId) ?? [];
          marks.set(event.logId, ofLog);
          if (ofLog.length >= marksOfLogMax) continue;
          ofLog.push({ event, hash: name.hash });
          ranges.push(rangeOf(name));
        }
      }
      return ranges;
    },
    targetsIn: ({ logId, from, to }) =>
      (byLog.get(logId) ?? [])
        .filter(({ event }) => event.seq >= from && event.seq < to)
        .flatMap(({ names }) => names.map(rangeOf)),
    verdictOn: (event, isEntitled) => {
      let first: ViewEvent | undefined;
      const marks = byTarget.get(placeOf(event));
      for (const mark of [...(marks?.values() ?? [])].flat()) {
        if (!equalBytes(mark.hash, event.hash) || !sees(mark.event, event)) continue;
        if (first !== undefined && compareEvents(first, mark.event) < 0) continue;
        if (isEntitled(mark.event)) first = mark.event;
      }
      if (first === undefined) return { verdict: "admit" };
      const { logId, seq } = first;
      return { verdict: "deleted", reason: "TOMBSTONE", by: [{ logId, seq }] };
    },
  };
}

/** The range of one event. */
export function rangeOf({ logId, seq }: EventRef): EventRange {
  return { logId, from: seq, to: seq + 1 };
}
