export type { LawOptions } from "./laws.ts";
export type { MemorySource } from "./memory-source.ts";
export { checkViewLaws, oracleFold } from "./laws.ts";
export { createMemorySource, fakeEvent, fakeHash, heightsOf } from "./memory-source.ts";
