export type { KvErrorCode } from "./errors.ts";
export type { Kv, KvOptions, KvWatchOptions } from "./kv.ts";
export type { KvOp } from "./ops.ts";
export type { KvState } from "./state.ts";
export type { KvChange, KvPair, KvPut, KvRangeOptions, KvValue, KvVersion } from "./types.ts";
export { KvError } from "./errors.ts";
export { createKv } from "./kv.ts";
export { decodeOps, keyBytesMax, valueBytesMax } from "./ops.ts";
export { kvView } from "./state.ts";
