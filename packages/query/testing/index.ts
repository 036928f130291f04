export type { ReadCounts } from "./counting-store.ts";
export type { TestPoint, TestTime } from "./fixtures.ts";
export type { PacketStoreCase, PacketStoreHarness } from "./harness.ts";
export type { OracleCounts, OracleQuery } from "./store-oracle.ts";
export { countReads } from "./counting-store.ts";
export {
  createTestTime,
  linksTo,
  testClock,
  testData,
  testPoint,
  testPublicKey,
  testQuery,
  testStart,
  texts,
} from "./fixtures.ts";
export { packetStoreCases } from "./store-cases.ts";
export { oracleRead } from "./store-oracle.ts";
