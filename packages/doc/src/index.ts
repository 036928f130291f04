/** Documents (docs/spec/doc.md). Layer 7. */
export type { Collection, DanglingReference, Page, Patch } from "./collection.ts";
export type { Candidate, Comparison, Condition, FieldPath } from "./conditions.ts";
export type {
  CollectionDefinition,
  CollectionOptions,
  FieldPolicy,
  IndexDefinition,
} from "./definition.ts";
export type { Docs, DocsDeps, DocsOptions, RefusedWrite, StoredCollection } from "./docs.ts";
export type { DocErrorCode, DocIssue } from "./errors.ts";
export type { IdSources } from "./ids.ts";
export type { Json, JsonObject } from "./json.ts";
export type { LensStep } from "./lens.ts";
export type { DocChanges, DocRow, LiveQuery } from "./live.ts";
export type { DocItem, DocOp } from "./ops.ts";
export type { DocOrigin, OriginsOptions } from "./origins.ts";
export type { Query, QueryPlan, SortKey } from "./query.ts";
export type { InvalidDoc, UniqueConflict } from "./records.ts";
export type { DocState } from "./state.ts";
export type {
  Column,
  Columns,
  ColumnType,
  RowOf,
  Selection,
  Table,
  TableDefinition,
  TableOptions,
} from "./table.ts";
export type { Transaction, TransactionCollection } from "./transaction.ts";
export {
  and,
  contains,
  eq,
  exists,
  ge,
  gt,
  isIn,
  le,
  lt,
  ne,
  not,
  or,
  prefix,
} from "./conditions.ts";
export { defineCollection } from "./definition.ts";
export { createDocs } from "./docs.ts";
export { DocError } from "./errors.ts";
export { createIdMaker } from "./ids.ts";
export { decodeItems, encodeItems } from "./ops.ts";
export { docView } from "./state.ts";
export { createTable, defineTable } from "./table.ts";
