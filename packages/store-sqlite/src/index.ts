export type { SqliteStoreErrorCode } from "./errors.ts";
export type { SqliteStoreDeps, SqliteStoreOptions } from "./store.ts";
export { SqliteStoreError } from "./errors.ts";
export { checkSqliteFile, formatVersion } from "./schema.ts";
export { createSqliteStore } from "./store.ts";
