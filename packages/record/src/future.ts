/**
 * Stamps in the future (docs/spec/record.md §6.3): when this reader first saw them, so that what they
 * date is shown no longer than if they had been honest. Local, and no part of any fold.
 */
import type { AuthorId } from "@hawser/crypto";
import type { ViewEvent } from "@hawser/view";
import { futureEntriesMax, skewMicrosMax, ttlMsMax } from "./limits.ts";
import type { FirstSeen } from "./show.ts";

/** Remembers first sights. */
export interface FutureStamps {
  /** Looks at events that arrived at `now` µs. */
  note(events: readonly ViewEvent[], now: number): void;
  /** When stamps of an author were first seen, as asked at `now` µs. */
  firstSeenBy(author: AuthorId, now: number): FirstSeen;
}

export function createFutureStamps(): FutureStamps {
  const seenAt = new Map<string, number>();
  const idOf = (author: AuthorId, stamp: number): string => `${author}/${stamp}`;
  let forgotAt = 0;
  /** Forgets what nobody would show any more in any case; looks for it once a minute at most. */
  const forget = (now: number): void => {
    if (now < forgotAt + 60_000_000) return;
    forgotAt = now;
    for (const [id, seen] of seenAt) {
      if (seen + ttlMsMax * 1_000 > now) break;
      const stamp = Number(id.slice(id.lastIndexOf("/") + 1));
      if (stamp + ttlMsMax * 1_000 <= now) seenAt.delete(id);
    }
  };
  return {
    note: (events, now) => {
      for (const { author, stamp } of events) {
        const id = idOf(author, stamp);
        if (stamp <= now + skewMicrosMax || seenAt.has(id)) continue;
        if (seenAt.size >= futureEntriesMax) forget(now);
        if (seenAt.size < futureEntriesMax) seenAt.set(id, now);
      }
    },
    // One that there was no room to remember is not shown before its time has come.
    firstSeenBy: (author, now) => (stamp) =>
      seenAt.get(idOf(author, stamp)) ?? (stamp > now + skewMicrosMax ? 0 : undefined),
  };
}
