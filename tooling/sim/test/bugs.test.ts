/** Bugs that are planted on purpose: each must be found, and by the check that is there for it. */
import { expect, test } from "vitest";
import { plantedBugs, runSeed } from "@hawser-tooling/sim";

/** Seeds within which every bug must show. */
const seedsMax = 30;

test.each(Object.entries(plantedBugs))(
  "[NB-11] planted: %s is found",
  async (name, { found }) => {
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { flaw } = await runSeed({ seed, bug: name });
      if (flaw !== undefined && found.includes(flaw.code)) return;
    }
    expect.fail(`${name} was not found in ${seedsMax} seeds`);
  },
  240_000,
);
