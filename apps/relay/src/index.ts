export type { RelayAnswerCode, RelayErrorCode } from "./errors.ts";
export type { RelayLimits } from "./limits.ts";
export type { Logger, LogFields, LogLevel } from "./logging.ts";
export type { RelayMetricsOptions, RelayOptions } from "./options.ts";
export type { Relay, RelayStats } from "./relay.ts";
export { RelayError } from "./errors.ts";
export { defaultRelayLimits } from "./limits.ts";
export { createRelay } from "./relay.ts";
