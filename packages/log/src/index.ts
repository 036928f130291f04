export type {
  ChainState,
  Clock,
  Dep,
  DetachedBody,
  EncodedRange,
  Entry,
  EntryDraft,
  EntryId,
  ForkProof,
  Frontier,
  LogContext,
  LogHead,
  LogId,
  RangeMark,
  Topic,
  VerifiedRange,
} from "./types.ts";
export type {
  CommitBatch,
  CommitOutcome,
  KvWrite,
  LogStore,
  ReadOptions,
  StoredRange,
  StoreStats,
} from "./store.ts";
export type { BuildDeps, StampedDraft } from "./build.ts";
export type { LogErrorCode, ProofRejectionCode, RangeRejectionCode } from "./errors.ts";
export type { RangeVerdict } from "./verify.ts";
export type {
  AppendOptions,
  Drafts,
  LogWriter,
  LogWriterDeps,
  LogWriterOptions,
  SignMode,
} from "./writer.ts";
export { buildRange } from "./build.ts";
export { decodeChainState, emptyChain, encodeChainState } from "./chain.ts";
export { decodeContext, encodeContext, equalContexts, isLogContext, logIdOf } from "./context.ts";
export { LogError } from "./errors.ts";
export { advanceHead } from "./log-index.ts";
export { assertStoreKey, createMemoryStore, findMovedHead } from "./memory-store.ts";
export { cutRange, joinRanges, readRange, stateWithin } from "./range.ts";
export { skipSeqs, skipTarget } from "./skips.ts";
export { verifyRange } from "./verify.ts";
export { checkpointPath, createLogWriter } from "./writer.ts";
