/** What the tests of the simulator share. */
import { expect } from "vitest";
import { runSeed, type RunOptions, type RunResult } from "@hawser-tooling/sim";
import { replayCommand } from "../src/replay.ts";

/** Random seeds of a usual run begin here; `HAWSER_SIM_BASE` moves them. */
export const baseSeed: number = Number(process.env["HAWSER_SIM_BASE"] ?? 7_000_000);
/** Seeds of all random files together, and files they are spread over. */
const seedCount = Number(process.env["HAWSER_SIM_SEEDS"] ?? 200);
const fileCount = 4;

/** Runs one part of the random seeds; fails at the first flaw with the command that plays it again. */
export async function runPart(part: number): Promise<void> {
  const count = Math.ceil(seedCount / fileCount);
  const first = baseSeed + part * count;
  let entries = 0;
  for (let seed = first; seed < first + count; seed++) {
    entries += (await expectSound({ seed })).counts.entries;
  }
  process.stdout.write(`sim: seeds ${first} to ${first + count - 1}, ${entries} entries\n`);
  expect(entries).toBeGreaterThan(count * 5);
}

/** Runs a seed that must be sound. */
export async function expectSound(options: RunOptions): Promise<RunResult> {
  const result = await runSeed(options);
  const { flaw } = result;
  if (flaw !== undefined) {
    expect.fail(
      `${flaw.code} at ${flaw.atMs} ms: ${flaw.detail}\n  again: ${replayCommand(options)}`,
    );
  }
  return result;
}
