export type { SqliteStoreErrorCode } from "./errors.ts";
export type { SqlitePacketStoreDeps, SqlitePacketStoreOptions } from "./packet-store.ts";
export type { SqliteStoreDeps, SqliteStoreOptions } from "./store.ts";
export { SqliteStoreError } from "./errors.ts";
export { packetFormatVersion } from "./packet-rows.ts";
export { createSqlitePacketStore } from "./packet-store.ts";
export { checkSqliteFile, formatVersion } from "./schema.ts";
export { createSqliteStore } from "./store.ts";
