/** Time as it passes, for tests and benchmarks over real sockets and disks. */
import type { Timers } from "@hawser/sync";

/** setTimeout and clearTimeout. */
export const realTimers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
