/**
 * `pnpm sim`: many seeds, or one again. Exit code 1 when anything did not hold. See
 * `docs/guides/simulator.md`.
 */
import { parseArgs } from "node:util";
import { plantedBugs } from "./bugs.ts";
import { troubles, type RunOptions, type Trouble } from "./options.ts";
import { replayCommand, shrink } from "./replay.ts";
import { runSeed, type RunResult } from "./run.ts";

const usage = `usage: pnpm sim [--seeds <count>] [--base <seed>]
       pnpm sim --seed <seed> [--steps <count>] [--with <trouble,…>] [--without <trouble,…>]
                [--bug <name>] [--trace] [--shrink]
troubles: ${troubles.join(" ")}
bugs: ${Object.keys(plantedBugs).join(" ")}`;

interface Wish {
  readonly options: Omit<RunOptions, "seed">;
  readonly seed: number | undefined;
  readonly base: number;
  readonly count: number;
  readonly isShrinking: boolean;
}

function parse(args: readonly string[]): Wish | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "200" },
      base: { type: "string", default: String(Date.now() % 1_000_000_000) },
      steps: { type: "string" },
      without: { type: "string", default: "" },
      with: { type: "string", default: "" },
      bug: { type: "string" },
      trace: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
    },
  });
  const [added, without] = [troublesNamed(values.with), troublesNamed(values.without)];
  const isBugKnown = values.bug === undefined || values.bug in plantedBugs;
  if (added === undefined || without === undefined || !isBugKnown) return undefined;
  const numbers = [values.seed, values.seeds, values.base, values.steps];
  if (numbers.some((text) => text !== undefined && !/^\d+$/.test(text))) return undefined;
  return {
    options: {
      with: added,
      without,
      ...(values.steps === undefined ? {} : { stepsMax: Number(values.steps) }),
      ...(values.bug === undefined ? {} : { bug: values.bug }),
      ...(values.trace ? { onLine: (line: string) => console.log(line) } : {}),
    },
    seed: values.seed === undefined ? undefined : Number(values.seed),
    base: Number(values.base),
    count: Number(values.seeds),
    isShrinking: values.shrink,
  };
}

/** Kinds of trouble from a list with commas; `undefined`: one is unknown. */
function troublesNamed(list: string): ReadonlySet<Trouble> | undefined {
  const names = list.split(",").filter((name) => name !== "");
  const found = troubles.filter((trouble) => names.includes(trouble));
  return found.length === names.length ? new Set(found) : undefined;
}

function tell(options: RunOptions, { seed, flaw, traceHash, counts }: RunResult): void {
  const { writes, acknowledged, entries, virtualMs } = counts;
  const size = `${acknowledged}/${writes} writes, ${entries} entries, ${virtualMs / 1_000} s`;
  if (flaw === undefined)
    console.log(`seed ${seed}: sound (${size}, trace ${traceHash.slice(0, 16)})`);
  else {
    console.log(`seed ${seed}: ${flaw.code} at ${flaw.atMs} ms: ${flaw.detail} (${size})`);
    console.log(`  again: ${replayCommand(options)}`);
  }
}

async function runOne(wish: Wish, seed: number): Promise<number> {
  const options: RunOptions = { ...wish.options, seed };
  const result = await runSeed(options);
  tell(options, result);
  if (result.flaw === undefined) return 0;
  if (wish.isShrinking) console.log(`  least: ${replayCommand(await shrink(options, result))}`);
  return 1;
}

async function runMany(wish: Wish): Promise<number> {
  console.log(`${wish.count} seeds from ${wish.base}`);
  const startedMs = performance.now();
  const kinds = new Map<string, number>();
  for (let index = 0; index < wish.count; index++) {
    const options: RunOptions = { ...wish.options, seed: wish.base + index };
    const result = await runSeed(options);
    if (result.flaw === undefined) continue;
    tell(options, result);
    kinds.set(result.flaw.code, (kinds.get(result.flaw.code) ?? 0) + 1);
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const failed = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...kinds].map(([code, count]) => `${code} ${count}`);
  console.log(`${wish.count - failed} sound, ${failed} not ${parts.join(", ")} in ${seconds} s`);
  return failed === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const wish = parse(args);
  if (wish === undefined) {
    console.error(usage);
    return 2;
  }
  return wish.seed === undefined ? runMany(wish) : runOne(wish, wish.seed);
}

process.exitCode = await main(process.argv.slice(2));
