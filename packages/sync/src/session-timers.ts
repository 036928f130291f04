/**
 * The named timers of a session. Layer 4; time is injected.
 */
import type { TimerName } from "./machine-types.ts";
import type { Timers } from "./types.ts";

export interface SessionTimers {
  /** Starts a timer; one of the same name starts over. */
  start(name: TimerName, delayMs: number): void;
  stop(name: TimerName): void;
}

export function createSessionTimers(
  timers: Timers,
  onTimer: (name: TimerName) => void,
): SessionTimers {
  const cancels = new Map<TimerName, () => void>();
  const stop = (name: TimerName): void => {
    cancels.get(name)?.();
    cancels.delete(name);
  };
  return {
    start: (name, delayMs) => {
      stop(name);
      const cancel = timers.after(delayMs, () => {
        cancels.delete(name);
        onTimer(name);
      });
      cancels.set(name, cancel);
    },
    stop,
  };
}
