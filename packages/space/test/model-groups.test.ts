/**
 * Groups in random trouble. `HAWSER_SEED` chooses the first run, `HAWSER_RUNS` how many.
 */
import { expect, test } from "vitest";
import { flawOfGroups } from "./model-group-stage.ts";
import { modelRuns, modelSeed, report } from "./model-settings.ts";

test("[P2-M1] [P2-M9] [P2-M10] spaces that share groups come to the same members, and keys follow them", async () => {
  const runs = Math.min(modelRuns(40), 2_000);
  const first = modelSeed(1);
  const started = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    const flaw = await flawOfGroups(seed);
    if (flaw !== undefined) expect.fail(`HAWSER_SEED=${seed} HAWSER_RUNS=1: ${flaw}`);
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  report(`${runs} stages of groups from HAWSER_SEED=${first}, ${seconds} s`);
}, 600_000);
