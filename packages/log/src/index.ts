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
export type { ChainCursor } from "./chain.ts";
export type { Checkpoint } from "./checkpoint.ts";
export type { CommitQueue, CommitQueueDeps } from "./commit-queue.ts";
export type { Drafts, SignMode } from "./committer.ts";
export type { LinkedEntry } from "./entry-packet.ts";
export type { LogErrorCode, ProofRejectionCode, RangeRejectionCode } from "./errors.ts";
export type { ForkVerdict } from "./fork.ts";
export type { IngestDeps, IngestOptions, RangeOutcome } from "./ingest.ts";
export type { PointWriter } from "./point-writer.ts";
export type { EntryProof, EntryProofVerdict } from "./proof.ts";
export type { RangeVerdict } from "./verify.ts";
export type { RangeWalk } from "./walk.ts";
export type { AppendOptions, LogWriter, LogWriterDeps, LogWriterOptions } from "./writer.ts";
export { buildRange } from "./build.ts";
export { createChainCursor, decodeChainState, emptyChain, encodeChainState } from "./chain.ts";
export {
  createCheckpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  verifyCheckpoint,
} from "./checkpoint.ts";
export { createCommitQueue } from "./commit-queue.ts";
export { checkpointPath } from "./committer.ts";
export { decodeContext, encodeContext, equalContexts, isLogContext, logIdOf } from "./context.ts";
export { entryPacket, readEntryPacket } from "./entry-packet.ts";
export { LogError } from "./errors.ts";
export { decodeForkProof, encodeForkProof, verifyForkProof } from "./fork.ts";
export { ingestRange } from "./ingest.ts";
export {
  appendBytesMax,
  appendEntriesMax,
  depsMax,
  forkBranchBytesMax,
  markInterval,
  rangeBytesMax,
  rangeEntriesMax,
} from "./limits.ts";
export { advanceHead } from "./log-index.ts";
export { assertStoreKey, createMemoryStore, findMovedHead, tellListeners } from "./memory-store.ts";
export { createPointWriter } from "./point-writer.ts";
export { decodeEntryProof, encodeEntryProof, proveEntry, verifyProof } from "./proof.ts";
export { cutRange, joinRanges, readRange, stateWithin, tryCutRange } from "./range.ts";
export { skipSeqs, skipTarget } from "./skips.ts";
export { verifyRange } from "./verify.ts";
export { createRangeWalk, startMark } from "./walk.ts";
export { createLogWriter } from "./writer.ts";
