/** Time and processor time of one sync. */
import { setImmediate as nextTurn } from "node:timers/promises";

export interface Stopwatch {
  seconds(): number;
  cpuSeconds(): number;
}

/** Started after the garbage of the preparation is gone. */
export function startStopwatch(): Stopwatch {
  globalThis.gc?.();
  const start = performance.now();
  const startCpu = process.cpuUsage();
  return {
    seconds: () => (performance.now() - start) / 1_000,
    cpuSeconds: () => {
      const { user, system } = process.cpuUsage(startCpu);
      return (user + system) / 1_000_000;
    },
  };
}

/** Resolves when the condition holds; asks after every turn of the event loop. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) await nextTurn();
}

/** Resolves when a count has not moved for 200 ms: what was still on its way has arrived. */
export async function untilQuiet(count: () => number): Promise<void> {
  let before = -1;
  let sinceMs = performance.now();
  while (performance.now() - sinceMs < 200) {
    await nextTurn();
    if (count() === before) continue;
    before = count();
    sinceMs = performance.now();
  }
}
