/**
 * The platform's timers as the injected interface. Layer 5: platform globals are allowed here.
 */
import type { Timers } from "@hawser/sync";

/** Longer delays overflow in every engine and would fire at once (ATK-evolu671). */
const delayMsMax = 2 ** 31 - 1;

/** setTimeout and clearTimeout. Delays over 24 days are cut to that. */
export const platformTimers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), delayMsMax));
    return () => clearTimeout(timer);
  },
};
