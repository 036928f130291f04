export type { PlantedBug } from "./bugs.ts";
export type { Flaw, FlawCode } from "./ledger.ts";
export type { RunOptions, Trouble } from "./options.ts";
export type { RunCounts, RunResult } from "./run.ts";
export { plantedBugs } from "./bugs.ts";
export { troubles } from "./options.ts";
export { runSeed } from "./run.ts";
