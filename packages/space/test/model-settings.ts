/** Seeds and sizes of the model checks, from the environment: `HAWSER_SEED`, `HAWSER_RUNS`. */

/** The seed of this run: `HAWSER_SEED`, or one that the caller fixed for every run. */
export function modelSeed(byDefault: number): number {
  const named = Number(process.env["HAWSER_SEED"] ?? "");
  return Number.isSafeInteger(named) && named > 0 ? named : byDefault;
}

/** How many histories: `HAWSER_RUNS`, or the number that fits into a usual run. */
export function modelRuns(byDefault: number): number {
  const named = Number(process.env["HAWSER_RUNS"] ?? "");
  return Number.isSafeInteger(named) && named > 0 ? named : byDefault;
}

/** `HAWSER_FULL=1`: what a usual run takes a share of is gone through whole. */
export function isFullRun(): boolean {
  return process.env["HAWSER_FULL"] === "1";
}

/** What a check did, for whoever reads its output. */
export function report(text: string): void {
  process.stdout.write(`model check: ${text}\n`);
}
