/**
 * The total order of events, and a list kept in it (docs/spec/7-views.md §2).
 */
import { compareBytes } from "@hawser/codec";
import type { ViewEvent } from "./types.ts";

/** Earlier stamp first, then smaller hash. Extends causality, because stamps do. */
export function compareEvents(
  a: Pick<ViewEvent, "stamp" | "hash">,
  b: Pick<ViewEvent, "stamp" | "hash">,
): number {
  return a.stamp - b.stamp || compareBytes(a.hash, b.hash);
}

/** How many of `events` (in total order) come before `event`. */
export function positionOf(events: readonly ViewEvent[], event: ViewEvent): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = events[middle];
    if (other !== undefined && compareEvents(other, event) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
