export type { KvErrorCode } from "./errors.ts";
export type { KvClock, KvTimers } from "./expiry.ts";
export type { KvExplainOptions } from "./explain.ts";
export type { KvState } from "./held.ts";
export type { Kv, KvDeps, KvOptions, KvWatchOptions } from "./kv.ts";
export type { KvIncrement, KvOp } from "./ops.ts";
export type {
  KvChange,
  KvExplanation,
  KvOrigin,
  KvPair,
  KvPut,
  KvRangeOptions,
  KvValue,
  KvVersion,
} from "./types.ts";
export { KvError } from "./errors.ts";
export { createKv } from "./kv.ts";
export { amountMax, decodeOps, keyBytesMax, ttlMsMax, valueBytesMax } from "./ops.ts";
export { kvView } from "./state.ts";
