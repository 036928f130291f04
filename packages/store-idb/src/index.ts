export type { IdbStoreErrorCode } from "./errors.ts";
export type {
  IdbDatabase,
  IdbFactory,
  IdbKey,
  IdbKeyRange,
  IdbKeyRanges,
  IdbObjectStore,
  IdbTransaction,
} from "./idb-types.ts";
export type { Persistence, StorageState } from "./persistence.ts";
export type { IdbPlatform, IdbStorageManager, StoreMarker, TabChannel } from "./platform.ts";
export type { IdbStore, IdbStoreDeps, IdbStoreOptions } from "./store.ts";
export { IdbStoreError } from "./errors.ts";
export { browserPlatform } from "./platform.ts";
export { formatVersion } from "./records.ts";
export { createIdbStore, deleteIdbStore } from "./store.ts";
