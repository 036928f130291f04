export type { BlobErrorCode, BlobFaultCode } from "./errors.ts";
export type { MemoryPoints } from "./memory-points.ts";
export type { ReadDeps } from "./read.ts";
export type { ChunkOpener, ChunkSealer, OpenerVerdict } from "./seal.ts";
export type {
  Blob,
  BlobCrypto,
  BlobRef,
  ByteSource,
  ChainWriteOptions,
  OpenOptions,
  PointSink,
  PointSource,
  Progress,
  ReadOptions,
  SealKey,
  SealOptions,
  SealSuite,
  TreeWriteOptions,
  WriteOptions,
  WriteProgress,
} from "./types.ts";
export type {
  BlobVerdict,
  MissingOptions,
  MissingPoint,
  PointPlace,
  VerifyOptions,
} from "./verify.ts";
export type { WriteDeps } from "./write.ts";
export { BlobError } from "./errors.ts";
export { chunkBytes, sealedChunkBytes } from "./layout.ts";
export { blobBytesMax, chainLinkCountMax, chunkCountMax, sealTagBytes } from "./limits.ts";
export { createMemoryPoints } from "./memory-points.ts";
export { openBlob } from "./read.ts";
export { resumePoint } from "./resume.ts";
export { convergentKey, createChunkOpener, createChunkSealer, sealHeaderBytes } from "./seal.ts";
export { missingPoints, pointAt, verifyBlob } from "./verify.ts";
export { hashContent, writeBlob } from "./write.ts";
