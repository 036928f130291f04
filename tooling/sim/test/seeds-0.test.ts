/** A quarter of the random seeds: files run side by side. */
import { test } from "vitest";
import { runPart } from "./support.ts";

test("[NB-11] random seeds, part 0: nothing is lost, leaked or forged, and all agree in the end", async () => {
  await runPart(0);
}, 600_000);
