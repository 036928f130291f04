export type { CompactionReport } from "./compact.ts";
export type { FileStoreErrorCode } from "./errors.ts";
export type { FileLayer, OpenMode, StoreFile } from "./files.ts";
export type { Recovery } from "./recover.ts";
export type { FileStore, FileStoreDeps, FileStoreOptions, FileStoreReport } from "./store.ts";
export { FileStoreError } from "./errors.ts";
export { createNodeFiles } from "./files.ts";
export { formatVersion } from "./format.ts";
export { createFileStore } from "./store.ts";
