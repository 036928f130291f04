/**
 * Timing with a warm-up and several runs. Results inform; nothing fails because of a number.
 */
import { formatRate, formatTable } from "./table.ts";

export interface MeasureOptions {
  /** Operations one call of the function does; default 1. */
  readonly operations?: number;
  /** Timed runs; default 5. The best one counts (the rest is other people's load), the median is kept. */
  readonly runs?: number;
  /** Runs before the clock starts, so that the code is compiled; default 1. */
  readonly warmUps?: number;
}

export interface Measurement {
  readonly name: string;
  readonly operations: number;
  /** Seconds of the fastest run. */
  readonly bestSeconds: number;
  /** Seconds of the median run (the lower middle one of an even count). */
  readonly medianSeconds: number;
  /** Operations a second in the fastest run. */
  readonly opsPerSecond: number;
}

/** Runs `work` and times it. Work that needs a fresh start each time prepares it before `work`. */
export async function measure(
  name: string,
  work: () => unknown,
  options: MeasureOptions = {},
): Promise<Measurement> {
  const { operations = 1, runs = 5, warmUps = 1 } = options;
  for (let count = 0; count < warmUps; count++) await work();
  const seconds: number[] = [];
  for (let count = 0; count < Math.max(1, runs); count++) {
    const start = performance.now();
    await work();
    seconds.push((performance.now() - start) / 1000);
  }
  seconds.sort((left, right) => left - right);
  const bestSeconds = seconds[0] ?? Number.NaN;
  const medianSeconds = seconds[Math.floor((seconds.length - 1) / 2)] ?? Number.NaN;
  return { name, operations, bestSeconds, medianSeconds, opsPerSecond: operations / bestSeconds };
}

/** Ours and a peer's measurement of the same work in the same run; `peer` absent where none does it. */
export interface Comparison {
  readonly work: string;
  readonly ours: Measurement;
  readonly peer?: Measurement;
}

/** The table of comparisons: work, ours, peer, and how many times as fast ours is. */
export function compare(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ work, ours, peer }) => [
    work,
    formatRate(ours.opsPerSecond),
    peer === undefined ? "–" : `${formatRate(peer.opsPerSecond)} (${peer.name})`,
    peer === undefined ? "–" : `${(ours.opsPerSecond / peer.opsPerSecond).toFixed(2)} ×`,
  ]);
  return formatTable(["work", "ours", "peer", "ratio"], rows);
}
