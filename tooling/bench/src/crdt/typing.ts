/** Typing as fast as a document takes it, and how long each keystroke waits until it is durable. */
import type { Keystroke } from "@hawser-tooling/trace";
import { breathe } from "./scene.ts";

/** Types without a break for so many ms; then timers and appends get their turn. */
export const sliceMs = 8;

/** Types everything. */
export async function typeAll(
  keystrokes: readonly Keystroke[],
  onKey: (keystroke: Keystroke) => void,
): Promise<void> {
  let sliceEnd = performance.now() + sliceMs;
  for (const keystroke of keystrokes) {
    onKey(keystroke);
    if (performance.now() < sliceEnd) continue;
    await breathe();
    sliceEnd = performance.now() + sliceMs;
  }
}

/** What some work took: seconds by the clock, and of all processors. */
export interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Starts the clocks; the result reads them. */
export function startMeter(): () => Spent {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpuStart);
    const seconds = (performance.now() - start) / 1_000;
    return { seconds, cpuSeconds: (user + system) / 1_000_000 };
  };
}

/** From a keystroke until its storage had acknowledged it. */
export interface Waits {
  /** Of 99 in 100 keystrokes. */
  readonly usualMs: number;
  readonly longestMs: number;
  /**
   * The longest, counted in processor time of the thread that types. It types all the while, so beside
   * the time for which changes are gathered this is the wait where nobody else has the processor.
   */
  readonly longestOwnMs: number;
}

/** Notes when keystrokes were made and when they were durable. */
export interface Waiting {
  /** A keystroke is about to be made. */
  key(): void;
  /** What is stored now holds every keystroke so far; call the result when that is durable. */
  store(): () => void;
  /** Throws where a keystroke was never durable. */
  waits(): Waits;
}

/** For so many keystrokes. */
export function watchKeystrokes(count: number): Waiting {
  const typedAt = new Float64Array(count);
  const typedAtOwn = new Float64Array(count);
  const waitMs = new Float64Array(count);
  let typed = 0;
  let durable = 0;
  let longestOwnMs = 0;
  // Read once a millisecond, since that takes as long as a keystroke: waits come out longer by that.
  let ownMs = 0;
  let ownReadAt = -1;
  return {
    key: () => {
      const now = performance.now();
      if (now - ownReadAt > 1) {
        ownMs = threadMs();
        ownReadAt = now;
      }
      typedAt[typed] = now;
      typedAtOwn[typed] = ownMs;
      typed += 1;
    },
    store: () => {
      const upTo = typed;
      return () => {
        if (durable >= upTo) return;
        const now = performance.now();
        longestOwnMs = Math.max(longestOwnMs, threadMs() - (typedAtOwn[durable] ?? 0));
        for (; durable < upTo; durable++) waitMs[durable] = now - (typedAt[durable] ?? now);
      };
    },
    waits: () => {
      if (durable < count) throw new Error(`${count - durable} keystrokes were never durable`);
      const sorted = waitMs.toSorted();
      const usualMs = sorted[Math.floor(count * 0.99)] ?? 0;
      return { usualMs, longestMs: sorted.at(-1) ?? 0, longestOwnMs };
    },
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
