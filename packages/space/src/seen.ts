/**
 * What the entries of data logs say their authors had seen (docs/spec/6-space.md §7 *position*): a
 * height for each log they ever pointed at. Costs a pair of numbers for each dep. Layer 5, internal.
 */
import type { LogId } from "@hawser/log";
import type { SeenFrontier } from "./types.ts";

/** From `seq` on, the author had seen `height` entries. */
interface Step {
  readonly seq: number;
  readonly height: number;
}

/** A step with the logs it is about. */
export interface SeenStep extends Step {
  readonly logId: LogId;
  readonly target: LogId;
}

export interface SeenHeights {
  /** All of them, for whoever notes them again, in seq order within each log. */
  steps(): readonly SeenStep[];
  /** The entry points at the last of `height` entries of another log; in seq order. */
  note(logId: LogId, seq: number, target: LogId, height: number): void;
  /** What the author of an entry had seen when writing it. */
  frontierOf(logId: LogId, seq: number): SeenFrontier;
}

/** Nothing was seen by anybody. */
export function createSeenHeights(): SeenHeights {
  const stepsByLog = new Map<LogId, Map<LogId, Step[]>>();
  return {
    steps: () =>
      [...stepsByLog].flatMap(([logId, targets]) =>
        [...targets].flatMap(([target, steps]) =>
          steps.map((step) => ({ ...step, logId, target })),
        ),
      ),
    note: (logId, seq, target, height) => {
      const targets = stepsByLog.get(logId) ?? new Map<LogId, Step[]>();
      stepsByLog.set(logId, targets);
      const steps = targets.get(target) ?? [];
      targets.set(target, steps);
      // Nobody unsees: a dep on an older entry says nothing new.
      if ((steps.at(-1)?.height ?? 0) < height) steps.push({ seq, height });
    },
    frontierOf: (logId, seq) => ({
      get: (target) => {
        if (target === logId) return seq;
        const steps = stepsByLog.get(logId)?.get(target as LogId) ?? []; // Safe: a key to look up.
        return heightAt(steps, seq);
      },
    }),
  };
}

function heightAt(steps: readonly Step[], seq: number): number | undefined {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((steps[middle]?.seq ?? seq) <= seq) low = middle + 1;
    else high = middle;
  }
  return steps[low - 1]?.height;
}
