export type { ByteStore, ByteStoreAbilities } from "./byte-store.ts";
export type { MemoryBytes, MemoryBytesOptions } from "./stores/memory.ts";
export type { StreamErrorCode, StreamFault, StreamFaultCode } from "./errors.ts";
export type { Metadata, MetadataValue } from "./metadata.ts";
export type {
  CreateStreamOptions,
  OpenStreamOptions,
  OpenVerdict,
  RecoverVerdict,
} from "./open.ts";
export type { StreamProof, StreamProofVerdict } from "./proof.ts";
export type {
  AcceptVerdict,
  BlocksOptions,
  Comparison,
  Recovery,
  Stream,
  VerifyLevel,
  VerifyOptions,
  VerifyVerdict,
} from "./stream.ts";
export type {
  Appended,
  AppendManyOptions,
  AppendOptions,
  Block,
  BlockDraft,
  BlockInfo,
  BlockKind,
  DecryptKeys,
  Directive,
  DirectiveType,
  Manifest,
  StreamDeps,
  StreamId,
  StreamMark,
  StreamSuite,
} from "./types.ts";
export { createMemoryBytes } from "./stores/memory.ts";
export { compareStreams } from "./compare.ts";
export { StreamError } from "./errors.ts";
export { createStream, openStream, recoverStream } from "./open.ts";
export { decodeStreamProof, encodeStreamProof, verifyStreamProof } from "./proof.ts";
