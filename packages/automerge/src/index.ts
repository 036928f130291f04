export type {
  AutomergeDeps,
  AutomergeOptions,
  AutomergeStorage,
  Timers,
  WithheldChunk,
} from "./storage.ts";
export type { AutomergeErrorCode } from "./errors.ts";
export { AutomergeError } from "./errors.ts";
export { createAutomergeNetwork } from "./network.ts";
export { automergeView } from "./state.ts";
export { createAutomergeStorage } from "./storage.ts";
