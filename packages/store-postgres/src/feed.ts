/**
 * The feed of commits: tells listeners of every range once, those of other nodes too, in order of
 * cursor within a lane (docs/spec/store-postgres.md §6). Layer 4.
 *
 * What it knows is one cursor a lane: everything up to it was told. A range is told when that cursor
 * passes it, whether by a commit of our own or by a look at the database, so none is told twice and
 * none is left out. Notifications and timers only say when to look.
 */
import type { StoredRange } from "@hawser/log";
import { toStoreError, type PostgresStoreError } from "./errors.ts";
import type { Timers } from "./options.ts";
import type { LaneStep } from "./plan.ts";
import type { ReceivedBounds } from "./reads.ts";
import { laneOf } from "./row.ts";

/** What the feed looks at, and whom it tells. */
export interface FeedDeps {
  readonly timers: Timers;
  /** Cursors of all lanes now. */
  readonly laneCursors: () => Promise<readonly number[]>;
  /** The next ranges of a lane in order; empty at the end. */
  readonly lanePage: (lane: number, bounds: ReceivedBounds) => Promise<readonly StoredRange[]>;
  readonly tell: (ranges: readonly StoredRange[]) => void;
  /** Whether anybody listens: without, ranges are passed over unread. */
  readonly hasListeners: () => boolean;
  readonly report: (error: PostgresStoreError) => void;
}

/** A running feed. */
export interface Feed {
  /** A commit of our own became durable. */
  committed(stored: readonly StoredRange[], steps: readonly LaneStep[]): void;
  /** The highest cursor come across: a commit of our own gets a higher one. */
  seen(): number;
  /** Somebody may have committed: look soon. */
  wake(): void;
  /** Whether notifications arrive; without them looks are more frequent. */
  setNotified(isNotified: boolean): void;
  /** Resolves when no look is under way any more. */
  stop(): Promise<void>;
}

/** What was told, lane by lane. */
interface Progress {
  /** One look at the database: tells what is new. Whether anything was. */
  look(): Promise<boolean>;
  /** Tells a commit of our own where that is its turn. Whether ranges of others come first. */
  committed(stored: readonly StoredRange[], steps: readonly LaneStep[]): boolean;
  /** The highest cursor come across. */
  seen(): number;
  /** Ends a look that is under way. */
  stop(): void;
}

function createProgress(deps: FeedDeps, start: readonly number[]): Progress {
  const told = [...start];
  let highest = Math.max(0, ...start);
  let isStopped = false;

  /** Goes through everything new in one lane. Whether there was any. */
  const catchUp = async (lane: number, last: number): Promise<boolean> => {
    const before = told[lane] ?? 0;
    for (;;) {
      const after = told[lane] ?? 0;
      if (after >= last || isStopped) break;
      const page = deps.hasListeners() ? await deps.lanePage(lane, { after, last }) : [];
      // A commit of our own may have moved the cursor meanwhile.
      const ranges = page.filter((range) => range.cursor > (told[lane] ?? 0));
      told[lane] = Math.max(told[lane] ?? 0, page.at(-1)?.cursor ?? last);
      if (ranges.length > 0) deps.tell(ranges);
    }
    return (told[lane] ?? 0) > before;
  };

  return {
    look: async () => {
      let found = false;
      const toldBefore = [...told];
      const cursors = await deps.laneCursors();
      for (const [lane, last] of cursors.entries()) {
        // Behind what was durable when we asked: the database was set back, by a backup or failover.
        if (last < (toldBefore[lane] ?? 0)) told[lane] = last;
        highest = Math.max(highest, last);
        if (last > (told[lane] ?? 0)) found = (await catchUp(lane, last)) || found;
      }
      return found;
    },
    committed: (stored, steps) => {
      const next = new Set<number>();
      let isBehind = false;
      for (const { lane, before, after } of steps) {
        highest = Math.max(highest, after);
        if (told[lane] === before) {
          told[lane] = after;
          next.add(lane);
        } else if ((told[lane] ?? 0) < after) {
          isBehind = true;
        }
      }
      const ranges = stored.filter((range) => next.has(laneOf(range.context.topic)));
      if (ranges.length > 0) deps.tell(ranges);
      return isBehind;
    },
    seen: () => highest,
    stop: () => {
      isStopped = true;
    },
  };
}

/** `start`: the cursors of the lanes, by lane; nothing up to them is told. */
export function createFeed(
  deps: FeedDeps,
  options: { readonly pollMsMin: number; readonly pollMsMax: number },
  start: readonly number[],
): Feed {
  const progress = createProgress(deps, start);
  let isStopped = false;
  let isNotified = false;
  let isWoken = false;
  let delayMs = options.pollMsMin;
  let look: Promise<void> | undefined;
  let stopTimer = (): void => {};

  const runLook = async (): Promise<void> => {
    isWoken = false;
    let found = false;
    try {
      found = await progress.look();
    } catch (error) {
      if (!isStopped) deps.report(toStoreError(error));
    }
    look = undefined;
    if (isStopped) return;
    delayMs = found ? options.pollMsMin : Math.min(options.pollMsMax, delayMs * 2);
    if (isWoken) startLook();
    else stopTimer = deps.timers.after(isNotified ? options.pollMsMax : delayMs, startLook);
  };

  const startLook = (): void => {
    if (isStopped || look !== undefined) return;
    stopTimer();
    look = runLook();
  };

  const wake = (): void => {
    isWoken = true;
    startLook();
  };

  startLook();
  return {
    committed: (stored, steps) => {
      if (progress.committed(stored, steps)) wake();
    },
    seen: progress.seen,
    wake,
    setNotified: (value) => {
      isNotified = value;
      delayMs = options.pollMsMin;
      wake();
    },
    stop: async () => {
      isStopped = true;
      progress.stop();
      stopTimer();
      await look;
    },
  };
}
