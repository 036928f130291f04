/** The door `@hawser/stream/legacy`: ImmutableWeb `.iw` files, read only. Layer 4. */
export type { LegacyFault, LegacyFaultCode } from "./legacy/faults.ts";
export type { LegacySubtle } from "./legacy/keys.ts";
export type { Json, LegacyBlock, LegacyDeps, LegacyOptions, LegacyStream } from "./legacy/read.ts";
export { openLegacyStream } from "./legacy/read.ts";
export type { LegacyImport } from "./legacy/import.ts";
export { importLegacyStream } from "./legacy/import.ts";
