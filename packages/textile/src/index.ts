export type { ChangeKind, Collections, DocumentChange } from "./changes.ts";
export type { DagMap, DagValue } from "./dag.ts";
export type { EdgePart } from "./edges.ts";
export type { TextileErrorCode } from "./errors.ts";
export type { JsonFields, JsonValue } from "./json.ts";
export type { TextileKeyPair, ThreadKey } from "./keys.ts";
export type { LogClaims, RefusedReason, VerifiedLog } from "./log.ts";
export type {
  ReadRecord,
  RecordBlocks,
  RecordDraft,
  RecordRead,
  SealedRecord,
  UnreadableReason,
} from "./record.ts";
export type { MessageName, WireMessage, WireValue } from "./wire.ts";
export {
  applyChange,
  changeBetween,
  changesMax,
  changesOfLines,
  decodeChanges,
  documentLines,
  encodeChanges,
  foldChanges,
  formatChange,
} from "./changes.ts";
export { blockBytesMax, blockCid, dagDepthMax, decodeDag, encodeDag, parseCid } from "./dag.ts";
export { edgeOf, emptyEdge, headsEdge } from "./edges.ts";
export { TextileError } from "./errors.ts";
export { diffPatch, equalJson, formatJson, jsonDepthMax, mergePatch, parseJson } from "./json.ts";
export {
  formatThreadKey,
  identityOf,
  keyBytes,
  keyPairOf,
  marshalPrivateKey,
  marshalPublicKey,
  parseThreadKey,
  peerId,
  unmarshalPrivateKey,
  unmarshalPublicKey,
} from "./keys.ts";
export { isSigned, verifyLog } from "./log.ts";
export { readRecord, sealRecord } from "./record.ts";
export { nonceBytes, openBlock, openBox, sealBlock, sealBox } from "./seal.ts";
export { issueToken, tokenUser } from "./token.ts";
export { decodeWire, encodeWire, isMessageName } from "./wire.ts";
