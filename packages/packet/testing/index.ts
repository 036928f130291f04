export type { OracleFields, OracleResult } from "./oracle.ts";
export { oracleDecode } from "./oracle.ts";
