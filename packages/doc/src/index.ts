/** Documents (docs/spec/doc.md). Layer 7. */
export type { Candidate, Comparison, Condition, FieldPath } from "./conditions.ts";
export type {
  CollectionDefinition,
  CollectionOptions,
  FieldPolicy,
  IndexDefinition,
} from "./definition.ts";
export type { DocErrorCode, DocIssue } from "./errors.ts";
export type { Json, JsonObject } from "./json.ts";
export type { LensStep } from "./lens.ts";
export type { DocItem, DocOp } from "./ops.ts";
export type { DocState } from "./state.ts";
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
export { DocError } from "./errors.ts";
export { decodeItems, encodeItems } from "./ops.ts";
export { docView } from "./state.ts";
