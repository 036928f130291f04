export type {
  AutomergeDeps,
  AutomergeOptions,
  AutomergeStorage,
  WithheldChunk,
} from "./storage.ts";
export type { Timers } from "./outbox.ts";
export type { ChunkFault } from "./vet.ts";
export type { AutomergeErrorCode } from "./errors.ts";
export { AutomergeError } from "./errors.ts";
export { createAutomergeNetwork } from "./network.ts";
export { automergeView } from "./state.ts";
export { createAutomergeStorage } from "./storage.ts";
