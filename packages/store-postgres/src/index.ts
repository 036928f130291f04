export type { PostgresStoreErrorCode } from "./errors.ts";
export type {
  PostgresAddress,
  PostgresStoreDeps,
  PostgresStoreOptions,
  Timers,
} from "./options.ts";
export { PostgresStoreError } from "./errors.ts";
export { formatVersion } from "./schema.ts";
export { createPostgresStore } from "./store.ts";
