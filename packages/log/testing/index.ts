export type { CommitFaults } from "./faults.ts";
export type { ExtendOptions, TestFork, TestLog } from "./fixtures.ts";
export type { LogStoreCase, StoreHarness } from "./harness.ts";
export type { OracleLog } from "./oracle.ts";
export { withFaults } from "./faults.ts";
export {
  extendLog,
  testClock,
  testCrypto,
  testDrafts,
  testFork,
  testLog,
  testTopic,
} from "./fixtures.ts";
export { createOracleLog, lipmaa, oracleSkipTarget, oracleVerify } from "./oracle.ts";
export { logStoreScaleCases } from "./scale-cases.ts";
export { logStoreCases } from "./store-cases.ts";
