/** The platform's timers, as sync takes them. */
import type { Timers } from "@hawser/sync";

export const timers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
