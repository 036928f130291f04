export type { CompactionResult } from "./compact.ts";
export type { ViewDeps, ViewOptions } from "./open.ts";
export type { SnapshotOptions } from "./keeper.ts";
export type { ReadViewOptions } from "./read.ts";
export type { CommonSnapshot, MakeSnapshotOptions, SnapshotVerdict } from "./shared.ts";
export type { ViewSnapshot } from "./snapshot.ts";
export type { StoredEvents } from "./stored.ts";
export type {
  EventBatch,
  EventDraft,
  EventRange,
  EventRef,
  EventSource,
  Gate,
  GateChange,
  GateFold,
  GateVerdict,
  OpenView,
  Seen,
  SharedSnapshot,
  Shelf,
  SnapshotLog,
  SourceMark,
  View,
  ViewEvent,
  ViewOrigin,
  WithheldEvent,
} from "./types.ts";
export type { Undone } from "./undo.ts";
export type { ViewErrorCode } from "./errors.ts";
export { ViewError } from "./errors.ts";
export { compactView } from "./compact.ts";
export { openView } from "./open.ts";
export { compareEvents } from "./order.ts";
export { readViewAt } from "./read.ts";
export { commonEveryEvents, makeSnapshot, publishSnapshot, verifySnapshot } from "./shared.ts";
export { decodeSnapshot } from "./snapshot.ts";
export { foldAll, readStored } from "./stored.ts";
export { undo } from "./undo.ts";
