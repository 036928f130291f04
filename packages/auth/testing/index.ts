export type { OracleResult } from "./oracle.ts";
export type { Scenario } from "./scenario.ts";
export { acceptedByOracle, resolveByOracle } from "./oracle.ts";
export { createScenario, showAccesses } from "./scenario.ts";
