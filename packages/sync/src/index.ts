export type { BodyListener, PieceOptions, PiecesOutcome } from "./body-fetcher.ts";
export type { BroadcastListener } from "./broadcasts.ts";
export type { SyncErrorCode } from "./errors.ts";
export type { FrameQueue } from "./frame-queue.ts";
export type { Machine } from "./machine.ts";
export type {
  MachineDeps,
  MachineOptions,
  MachineSeed,
  MachineState,
  RangeRead,
  SyncEffect,
  SyncEvent,
  TopicSnapshot,
} from "./machine-types.ts";
export type { Message } from "./message.ts";
export type { Explanation, PeerInfo, SyncPeer, SyncPeerDeps, SyncPeerOptions } from "./peer.ts";
export type { LogStanding, TopicStanding } from "./report.ts";
export type { SessionAccess, SyncSession } from "./session.ts";
export type {
  BodyPlace,
  BodySource,
  Connection,
  ExplainCode,
  Ingest,
  IngestOutcome,
  LogRef,
  OfferedLog,
  PieceRead,
  PieceRequest,
  SyncClosed,
  SyncCloseCode,
  SyncIdentity,
  SyncProgress,
  SyncReport,
  SyncTopic,
  Timers,
  TopicAccess,
  TopicReport,
} from "./types.ts";
export { decodeMessage } from "./decode.ts";
export { encodeMessage } from "./encode.ts";
export { SyncError } from "./errors.ts";
export { createFrameQueue } from "./frame-queue.ts";
export { askCountMax, broadcastBytesMax, frameBytesMax } from "./limits.ts";
export { createMachine } from "./machine.ts";
export { createSyncPeer } from "./peer.ts";
