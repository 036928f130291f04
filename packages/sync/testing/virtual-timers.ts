/**
 * Time that passes only when a test says so. Timers fire in order of time, then of making; between
 * two timers everything that is ready to run (promises) runs to its end.
 */
import type { Timers } from "@hawser/sync";

export interface VirtualTimers extends Timers {
  /** Milliseconds since the start. */
  nowMs(): number;
  /** Fires timers until `isDone`, at most `limitMs` of virtual time. False when it did not come. */
  runUntil(isDone: () => boolean, limitMs: number): Promise<boolean>;
  /** Fires every timer of the next `durationMs`. */
  advance(durationMs: number): Promise<void>;
}

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export function createVirtualTimers(): VirtualTimers {
  let nowMs = 0;
  let order = 0;
  const timers = new Set<Timer>();

  const earliest = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) {
      const isEarlier =
        first === undefined ||
        timer.atMs < first.atMs ||
        (timer.atMs === first.atMs && timer.order < first.order);
      if (isEarlier) first = timer;
    }
    return first;
  };
  const fireNext = (untilMs: number): boolean => {
    const timer = earliest();
    if (timer === undefined || timer.atMs > untilMs) return false;
    timers.delete(timer);
    nowMs = Math.max(nowMs, timer.atMs);
    timer.callback();
    return true;
  };
  return {
    nowMs: () => nowMs,
    after: (delayMs, callback) => {
      const timer = { atMs: nowMs + delayMs, order: order++, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    runUntil: async (isDone, limitMs) => {
      const untilMs = nowMs + limitMs;
      for (;;) {
        await drain();
        if (isDone()) return true;
        if (!fireNext(untilMs)) return false;
      }
    },
    advance: async (durationMs) => {
      const untilMs = nowMs + durationMs;
      do await drain();
      while (fireNext(untilMs));
      nowMs = untilMs;
    },
  };
}

/** Lets every promise that is ready, and what follows from it, run. */
export async function drain(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
