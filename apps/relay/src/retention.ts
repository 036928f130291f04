/**
 * How long a relay keeps what it stores (docs/guides/relay.md, *Retention*): content after so many days,
 * or of spaces for which nobody comes any more. Membership always stays, and so does every log's head:
 * new entries go on where the old ones were. Layer 9.
 *
 * A clock that is wrong would make everything old at once. So nothing is dropped before the clock has
 * gone on steadily for a day.
 */
import { decodeCbor, encodeCbor } from "@hawser/codec";
import type { Clock, KvWrite, LogHead, LogStore, Topic } from "@hawser/log";
import { controlDomain, type BodyDepot } from "@hawser/space";
import type { SyncSession, Timers } from "@hawser/sync";
import { nowSeconds } from "./gate.ts";
import type { UsageBook } from "./usage.ts";

/** After how many days. Without either everything stays. */
export interface RetentionOptions {
  /** Content that is older by its stamp is dropped. */
  readonly days?: number;
  /** Content of spaces that nobody synced or read for so long is dropped. */
  readonly idleDays?: number;
}

/** What was dropped in one go. */
export interface Dropped {
  readonly entries: number;
  readonly bytes: number;
}

/** A relay's memory of what is old. */
export interface Retention {
  /** Somebody who may have the space came for it. */
  seen(topic: Topic): void;
  /** As long as the session lasts, its topics are seen. */
  attached(session: Pick<SyncSession, "synced" | "closed">): void;
  /** Writes down what was seen, and drops what is old. */
  sweep(): Promise<Dropped>;
  stop(): void;
}

export interface RetentionDeps {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly usage: Pick<UsageBook, "dropped" | "applyDropped">;
  /** Deletes the bodies of a log's entries before `seq`. */
  readonly dropBodies: BodyDepot["dropBefore"];
  readonly topics: () => readonly { readonly topic: Topic }[];
  /** Of several nodes one drops. */
  readonly isWriter: () => boolean;
  readonly onDropped: (dropped: Dropped) => void;
  readonly onFailure: (cause: unknown) => void;
}

/** A century. */
export const retentionDaysMax = 36_500;
const sweepMs: number = 60 * 60 * 1_000;
const daySeconds = 86_400;
/** Sweeps further apart than this, or backwards: the clock was set, or the relay was away. */
const steadySecondsMax = daySeconds;
const backSecondsMax = 3_600;
/** Ranges dropped at once: between two such steps others have their turn. */
const rangesPerStep = 64;
const seenPrefix = "relay/seen/";
const clockKey = "relay/retention-clock";

/** Begins to sweep, once an hour. */
export function createRetention(deps: RetentionDeps, options: RetentionOptions): Retention {
  const { store, clock, timers, onFailure } = deps;
  const seenNow = new Set<Topic>();
  const topicsBySession = new Map<object, readonly Topic[]>();
  let isStopped = false;
  let stopTimer = (): void => {};

  const sweepLater = (): void => {
    stopTimer = timers.after(sweepMs, () => {
      sweep()
        .then((dropped) => {
          if (dropped.entries > 0) deps.onDropped(dropped);
        })
        .catch((cause: unknown) => {
          if (!isStopped) onFailure(cause);
        })
        .finally(() => {
          if (!isStopped) sweepLater();
        });
    });
  };
  const lastSeen = async (): Promise<ReadonlyMap<Topic, number>> => {
    const pairs = await store.list(seenPrefix);
    // Safe: only topics are written there.
    return new Map(
      pairs.map(({ key, value }) => [key.slice(seenPrefix.length) as Topic, readSeconds(value)]),
    );
  };
  const writeSeen = async (topics: Iterable<Topic>, now: number): Promise<void> => {
    const writes: KvWrite[] = [...topics]
      .sort()
      .map((topic) => ({ key: seenPrefix + topic, value: encodeCbor([now]) }));
    if (writes.length > 0) await store.commit({ writes });
  };
  const sweep = async (): Promise<Dropped> => {
    const now = nowSeconds(clock);
    const isSteady = await checkClock(store, now);
    const here = deps.topics().map(({ topic }) => topic);
    const before = await lastSeen();
    const fresh = isSteady === "set" ? here : here.filter((topic) => !before.has(topic));
    await writeSeen(new Set([...seenNow, ...[...topicsBySession.values()].flat(), ...fresh]), now);
    seenNow.clear();
    let total: Dropped = { entries: 0, bytes: 0 };
    if (isSteady !== "steady" || !deps.isWriter()) {
      await deps.usage.applyDropped();
      return total;
    }
    const seen = await lastSeen();
    for (const topic of here.toSorted()) {
      if (isStopped) break;
      const idleSeconds = now - (seen.get(topic) ?? now);
      const dropped = await dropBefore(deps, topic, cutoffOf(options, now, idleSeconds));
      total = { entries: total.entries + dropped.entries, bytes: total.bytes + dropped.bytes };
    }
    await deps.usage.applyDropped();
    return total;
  };

  sweepLater();
  return {
    sweep,
    seen: (topic) => void seenNow.add(topic),
    attached: (session) => {
      void session.closed.then(() => topicsBySession.delete(session));
      session.synced().then(
        ({ topics }) => {
          const given = topics.filter((each) => each.given === "full").map(({ topic }) => topic);
          for (const topic of given) seenNow.add(topic);
          topicsBySession.set(session, given);
        },
        // It ended before: then it had come for nothing.
        () => undefined,
      );
    },
    stop: () => {
      isStopped = true;
      stopTimer();
    },
  };
}

/** Stamps below it are old, in µs. */
function cutoffOf({ days, idleDays }: RetentionOptions, now: number, idleSeconds: number): number {
  if (idleDays !== undefined && idleSeconds > idleDays * daySeconds) return Infinity;
  return days === undefined ? 0 : (now - days * daySeconds) * 1_000_000;
}

/** `set`: it jumped, or nobody was here to see it; `early`: not steady for long enough. */
async function checkClock(store: LogStore, now: number): Promise<"set" | "early" | "steady"> {
  const [since, last] = readPair(await store.get(clockKey));
  const isSet = last === undefined || now - last > steadySecondsMax || last - now > backSecondsMax;
  const start = isSet ? now : (since ?? now);
  await store.commit({ writes: [{ key: clockKey, value: encodeCbor([start, now]) }] });
  if (isSet) return "set";
  return now - start >= daySeconds ? "steady" : "early";
}

/** Drops ranges whose last entry has a lower stamp, from the start of each log on. */
async function dropBefore(deps: RetentionDeps, topic: Topic, cutoff: number): Promise<Dropped> {
  let [entries, bytes] = [0, 0];
  if (cutoff <= 0) return { entries, bytes };
  for (const head of await deps.store.heads(topic)) {
    if (head.context.domain === controlDomain) continue;
    for (;;) {
      // A store may answer at once: sockets and timers have their turn before each look.
      await new Promise<void>((resolve) => void deps.timers.after(0, resolve));
      const step = await findOld(deps.store, head, cutoff);
      if (step.entries === 0) break;
      // Bodies first: without their entries nobody would find them.
      await deps.dropBodies(topic, head.logId, step.to);
      const prunedTo = await deps.store.prune(head.logId, step.to);
      // What a store keeps after all is not tried again today.
      if (prunedTo < step.to) break;
      await deps.usage.dropped(head.context, step);
      entries += step.entries;
      bytes += step.bytes;
    }
  }
  return { entries, bytes };
}

/** Old ranges at the start of a log, as many as are dropped at once. */
async function findOld(
  store: LogStore,
  { logId }: LogHead,
  cutoff: number,
): Promise<Dropped & { readonly to: number }> {
  let [to, entries, bytes, ranges] = [0, 0, 0, 0];
  for await (const range of store.ranges(logId)) {
    const end = range.from + range.count;
    if (ranges >= rangesPerStep || !range.signed) break;
    if (cutoff !== Infinity && (await stampOf(store, logId, end - 1)) >= cutoff) break;
    [to, entries, bytes, ranges] = [
      end,
      entries + range.count,
      bytes + range.bytes.length,
      ranges + 1,
    ];
  }
  return { to, entries, bytes };
}

async function stampOf(store: LogStore, logId: LogHead["logId"], seq: number): Promise<number> {
  for await (const { stamp } of store.entries(logId, { from: seq, to: seq + 1 })) return stamp;
  return Infinity;
}

function readSeconds(value: Uint8Array): number {
  return readPair(value)[0] ?? 0;
}

function readPair(value: Uint8Array | undefined): readonly (number | undefined)[] {
  const decoded = value === undefined ? undefined : decodeCbor(value);
  if (!Array.isArray(decoded) || !decoded.every((item) => typeof item === "number")) return [];
  return decoded;
}
