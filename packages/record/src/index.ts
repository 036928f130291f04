export type { RecordErrorCode, RefusalCode } from "./errors.ts";
export type {
  DictNode,
  ListNode,
  NodeInput,
  Pair,
  Path,
  PathStep,
  PredicateNode,
  RecordNode,
  ScalarNode,
} from "./types.ts";
export type { NodeVerdict } from "./node-bytes.ts";
export type { FetchCid, ProvideCid, Provider, RoutingPattern } from "./patterns.ts";
export type { RecordMatch, RecordQuery } from "./query.ts";
export type {
  Prober,
  ReachabilityReport,
  Verifier,
  VerifierDeps,
  VerifierOptions,
} from "./reachability.ts";
export type { ReadOptions, Records, RecordsDeps, RecordsOptions, WriteOptions } from "./records.ts";
export type { SmartTag, TagDeps, TagReading, TagRegistry, TagVerdict } from "./registry.ts";
export type { Found, Parsed, Pattern, WildPath } from "./select.ts";
export type { RecordDocument, Shown } from "./show.ts";
export type { Reachability, Signed, Signer, Verified } from "./tags.ts";
export type { UpstreamRecordVerdict } from "./upstream-json.ts";
export type { RecordState, RefusedEntry } from "./view.ts";
export type { RecordChange, RecordTimers, WatchOptions } from "./watch.ts";
export { verdictKey } from "./annotate.ts";
export { RecordError } from "./errors.ts";
export {
  depthMax,
  documentBytesMax,
  documentNodesMax,
  keyBytesMax,
  liveKeysMax,
  tagBytesMax,
  ttlMsMax,
} from "./limits.ts";
export { decodeNode, encodeNode } from "./node-bytes.ts";
export {
  bool,
  bytes,
  dict,
  equalNodes,
  float,
  int,
  list,
  predicate,
  printNode,
  text,
  toNode,
} from "./nodes.ts";
export {
  fetchCidPattern,
  findCidPattern,
  findPathPattern,
  linkPattern,
  multiaddrPattern,
  pathPattern,
  peerPattern,
  provideCidPattern,
  providerPattern,
  providersPattern,
} from "./patterns.ts";
export { prunable } from "./prune.ts";
export { createVerifier } from "./reachability.ts";
export { createRecords } from "./records.ts";
export { createRegistry } from "./registry.ts";
export { anything, matchAll, select, tagged } from "./select.ts";
export {
  connectivityTag,
  dialableTag,
  linkTag,
  multiaddrTag,
  pathTag,
  peerTag,
  reachabilityVerdictTags,
  signStatement,
  signedTag,
  smartTags,
  verifiedTag,
  verifyTag,
  vouch,
} from "./tags.ts";
export {
  formatUpstreamJson,
  formatUpstreamRecord,
  parseUpstreamJson,
  parseUpstreamRecord,
} from "./upstream-json.ts";
export { recordView } from "./view.ts";
