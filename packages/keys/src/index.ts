export type { EpochId, EpochInfo, HistoryPolicy, KeyBundle } from "./types.ts";
