/** The door `@hawser/stream/node`: byte stores that need Node's own modules. Layer 4. */
export type { FileBytesOptions, FileMode } from "./stores/file.ts";
export { openFileBytes } from "./stores/file.ts";
