/** Projections into SQL databases (docs/spec/sql.md). Layer 8. */
export type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from "./database.ts";
export type { SqlErrorCode } from "./errors.ts";
export type { Migration } from "./layout.ts";
export type { LiveRows } from "./live.ts";
export type { ColumnMapping, ReadyColumn, TableMapping, TableOptions } from "./mapping.ts";
export type {
  LiveRowsOptions,
  Projection,
  ProjectionDeps,
  ProjectionOptions,
} from "./projection.ts";
export { SqlError } from "./errors.ts";
export { project } from "./mapping.ts";
export { openProjection } from "./projection.ts";
