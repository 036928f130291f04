/** The platform behind the injected interfaces: the only place of the libraries that reads it. */
import type { Random } from "@hawser/crypto";
import type { Clock } from "@hawser/log";

/** µs since the Unix epoch by the system's clock. */
export const systemClock: Clock = { nowMicros: () => Date.now() * 1_000 };

/** Random bytes of the platform's generator, 65,536 at most in one piece. */
export const systemRandom: Random = (byteCount) => {
  const bytes = new Uint8Array(byteCount);
  for (let start = 0; start < byteCount; start += 65_536) {
    globalThis.crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  }
  return bytes;
};

/** What browsers have for this; Safari has none yet. */
interface Scheduler {
  yield?(): Promise<void>;
}
const { scheduler } = globalThis as { readonly scheduler?: Scheduler };

/**
 * A later task, so that a browser can paint between two slices of work. A timer is the last resort:
 * browsers let nested ones wait for 4 ms each, and Node for one.
 */
export const yieldToHost = (): Promise<void> => {
  if (scheduler?.yield !== undefined) return scheduler.yield();
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
};
