export type { OracleFlaw, OracleResult } from "./oracle.ts";
export type { P2pandaOp } from "./p2panda.ts";
export type { Scenario } from "./scenario.ts";
export type { HistoryShare, SmallHistory, SmallWorld } from "./small-histories.ts";
export { causalOrder, withCheapSignatures } from "./deliver.ts";
export { acceptedByOracle, resolveByOracle } from "./oracle.ts";
export { resolveByP2panda } from "./p2panda.ts";
export { createScenario, showAccesses } from "./scenario.ts";
export { allOrders, smallHistories, triedAfter } from "./small-histories.ts";
