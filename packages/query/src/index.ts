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
export type { GetLinksOptions, LinkedPacket } from "./store/links.ts";
export type { Listeners } from "./store/listeners.ts";
export type { MemoryPacketStoreDeps } from "./store/memory.ts";
export type { ReadQueryOptions } from "./store/read.ts";
export type {
  AddOutcome,
  Clock,
  PacketStore,
  PageOptions,
  StoredPacket,
  Timers,
  TreePlace,
  TreeRow,
} from "./store/types.ts";
export type { PacketHandler, WatchEnd, WatchStopReason } from "./store/watch.ts";
export type { Watch, Watcher, WatcherDeps, WatcherOptions, WatchOptions } from "./store/watcher.ts";
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
export { getLinks, linkedPackets } from "./store/links.ts";
export { createListeners } from "./store/listeners.ts";
export { createMemoryPacketStore } from "./store/memory.ts";
export { compareTreePlaces, treeRowOf } from "./store/place.ts";
export { readQuery } from "./store/read.ts";
export { receiveStamps } from "./store/recv.ts";
export { createWatcher } from "./store/watcher.ts";
