export type { ArchiveDamage } from "./chunks.ts";
export type {
  ArchiveDeps,
  ArchiveExport,
  ArchiveGap,
  ArchiveProgress,
  ExportOptions,
  ExportReport,
} from "./export.ts";
export type { ArchiveCost, ArchiveKey } from "./format.ts";
export type { ImportDeps, ImportOptions, ImportReport } from "./import.ts";
export { exportAndRetire, exportArchive } from "./export.ts";
export { archiveCostDefault } from "./format.ts";
export { importArchive } from "./import.ts";
