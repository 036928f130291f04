export type { History, HistoryStep, PlayedHistory } from "./arbitraries.ts";
export type { OracleResult } from "./oracle.ts";
export type { Scenario } from "./scenario.ts";
export { arbitraryHistory, causalOrder, playHistory, withCheapSignatures } from "./arbitraries.ts";
export { acceptedByOracle, resolveByOracle } from "./oracle.ts";
export { createScenario, showAccesses } from "./scenario.ts";
