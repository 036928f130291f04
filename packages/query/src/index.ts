export type { AbeConf } from "./abe/conf.ts";
export type { EncodeAbeOptions } from "./abe/encode.ts";
export type { AbeOptions } from "./abe/evaluate.ts";
export type { Encodings } from "./abe/scope.ts";
export type { AbeTemplate } from "./abe/template.ts";
export type { AbeDelimiter, AbeToken } from "./abe/tokenize.ts";
export type {
  AbeContext,
  AbeFailure,
  AbeFailureCode,
  AbeList,
  AbeNames,
  AbePart,
  AbeVerdict,
} from "./abe/types.ts";
export type { QueryErrorCode } from "./errors.ts";
export type { AddOutcome, PacketStore, StoredPacket, TreeRow } from "./store/types.ts";
export type { MatchSource, MatchVerdict, Matcher } from "./matcher.ts";
export type { ReferenceQueryError } from "./reference.ts";
export type { QueryFlags, SelectorDefaults, StatementsVerdict } from "./selector.ts";
export type {
  BytesBounds,
  CompiledQuery,
  CountRule,
  IntegerBounds,
  Query,
  QueryConflict,
  QueryFailure,
  QueryFailureCode,
  QueryLimits,
  QueryMode,
  QueryOption,
  QueryRules,
  QueryVerdict,
} from "./types.ts";
export { createAbeConf, parseAbeConf, printAbeConf, printAbeList } from "./abe/conf.ts";
export { defaultPacketTemplate } from "./abe/default-template.ts";
export { encodeAbe, tryEncodeAbe } from "./abe/encode.ts";
export { evaluateAbe } from "./abe/evaluate.ts";
export {
  abeArgvMax,
  abeBytesMax,
  abeDepthMax,
  abeInputBytesMax,
  abePartsMax,
  abeStepsMax,
} from "./abe/limits.ts";
export { abeBytes } from "./abe/parts.ts";
export { createTemplate } from "./abe/template.ts";
export { fromAbeText, toAbeText } from "./abe/text.ts";
export { tokenizeAbe } from "./abe/tokenize.ts";
export { compileQuery } from "./compile.ts";
export { QueryError } from "./errors.ts";
export { createMatcher } from "./matcher.ts";
export { findOption, queryMode, queryQid } from "./options.ts";
export {
  concatQueries,
  createQuery,
  hashQuery,
  parseQuery,
  printQuery,
  queryStatementsMax,
  queryTextBytesMax,
} from "./query.ts";
export { referenceQueryError } from "./reference.ts";
export { flagStatements, parseSelector, selectorStatements } from "./selector.ts";
