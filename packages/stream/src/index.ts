export type { ByteStore, ByteStoreAbilities } from "./byte-store.ts";
export type { MemoryBytes, MemoryBytesOptions } from "./stores/memory.ts";
export type { StreamErrorCode } from "./errors.ts";
export { createMemoryBytes } from "./stores/memory.ts";
export { StreamError } from "./errors.ts";
