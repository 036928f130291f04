/** The door `@hawser/stream/opfs`: streams in a browser's own file system. Layer 4. */
export type { FileBlob, OpfsDirectory, OpfsFile, OpfsMode, SyncHandle } from "./stores/handle.ts";
export type { BytePort } from "./stores/port.ts";
export { openOpfsBytes } from "./stores/handle.ts";
export { connectBytes, serveBytes } from "./stores/port.ts";
