/**
 * The command that plays a run again, and the smallest run that still fails: fewer steps, less trouble.
 */
import { troubles, type RunOptions, type Trouble } from "./options.ts";
import { runSeed, type RunResult } from "./run.ts";

/** One line for a shell. */
export function replayCommand(options: RunOptions): string {
  const parts = [`pnpm sim --seed ${options.seed}`];
  if (options.stepsMax !== undefined) parts.push(`--steps ${options.stepsMax}`);
  if (options.without !== undefined && options.without.size > 0) {
    parts.push(`--without ${[...options.without].join()}`);
  }
  if (options.with !== undefined && options.with.size > 0) {
    parts.push(`--with ${[...options.with].join()}`);
  }
  if (options.bug !== undefined) parts.push(`--bug ${options.bug}`);
  return parts.join(" ");
}

/** A run with the same kind of flaw and as little else as can be found in a few dozen runs. */
export async function shrink(options: RunOptions, found: RunResult): Promise<RunOptions> {
  const code = found.flaw?.code;
  const { onLine: _, ...quiet } = options;
  let best: RunOptions = quiet;
  const fails = async (smaller: RunOptions): Promise<boolean> =>
    (await runSeed(smaller)).flaw?.code === code;
  for (const trouble of troubles) {
    const without = new Set<Trouble>([...(best.without ?? []), trouble]);
    if (await fails({ ...best, without })) best = { ...best, without };
  }
  let [low, high] = [0, best.stepsMax ?? 45];
  while (low < high) {
    const stepsMax = Math.floor((low + high) / 2);
    if (await fails({ ...best, stepsMax })) high = stepsMax;
    else low = stepsMax + 1;
  }
  const shorter = { ...best, stepsMax: high };
  return (await fails(shorter)) ? shorter : best;
}
