/**
 * A collection as it is kept open, and how those who follow it are told. Layer 7.
 */
import type { KeptQuery } from "./live.ts";
import type { Records, RowChange } from "./records.ts";
import type { Shelf } from "./writer.ts";

/** A collection as it is kept open. */
export interface OpenShelf extends Shelf {
  /** What reads show: the records themselves, or these with waiting writes laid over them. */
  readonly shown: Records;
  readonly queries: Set<KeptQuery>;
}

/** Tells followers of changes, in the order in which these came about. */
export interface Delivery {
  changed(changes: ReadonlyMap<OpenShelf, readonly RowChange[]>): void;
  restarted(shelves: Iterable<OpenShelf>): void;
}

/** A delivery. Whoever writes while it is told of something is told of that after everybody else. */
export function createDelivery(): Delivery {
  const outbox: (() => void)[] = [];
  let isDelivering = false;
  const deliver = (): void => {
    if (isDelivering) return;
    isDelivering = true;
    try {
      for (let next = outbox.shift(); next !== undefined; next = outbox.shift()) next();
    } finally {
      isDelivering = false;
    }
  };
  return {
    changed: (byShelf) => {
      for (const [shelf, changes] of byShelf) {
        if (changes.length === 0) continue;
        // Who begins to follow later has read these changes already.
        for (const query of shelf.queries) outbox.push(() => query.take(changes));
      }
      deliver();
    },
    restarted: (shelves) => {
      for (const shelf of shelves) {
        for (const query of shelf.queries) outbox.push(() => query.restart());
      }
      deliver();
    },
  };
}
