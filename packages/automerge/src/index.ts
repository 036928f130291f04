export type { Automerge, AutomergeDeps } from "./types.ts";
export type { AutomergeErrorCode } from "./errors.ts";
export { createAutomerge } from "./automerge.ts";
export { AutomergeError } from "./errors.ts";
