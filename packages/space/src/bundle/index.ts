export type { BundleErrorCode } from "./errors.ts";
export type {
  BundleExport,
  BundleExportDeps,
  BundleExportOptions,
  BundleExportReport,
  BundleFrontier,
  BundleProgress,
  WithheldLog,
} from "./export.ts";
export type {
  BundleImportDeps,
  BundleImportOptions,
  BundleImportReport,
  ImportedSpace,
  RefusedRange,
} from "./import.ts";
export type { BundleDamage } from "./reader.ts";
export { BundleError } from "./errors.ts";
export { exportBundle, exportFrontier } from "./export.ts";
export { importBundle, readFrontier } from "./import.ts";
