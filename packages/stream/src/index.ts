export type { ByteStore, ByteStoreAbilities } from "./byte-store.ts";
export type { StreamErrorCode } from "./errors.ts";
export { StreamError } from "./errors.ts";
