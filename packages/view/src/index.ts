export type { ViewDeps, ViewOptions } from "./open.ts";
export type { ReadViewOptions } from "./read.ts";
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
  View,
  ViewEvent,
  WithheldEvent,
} from "./types.ts";
export type { ViewErrorCode } from "./errors.ts";
export { ViewError } from "./errors.ts";
export { openView } from "./open.ts";
export { compareEvents } from "./order.ts";
export { readViewAt } from "./read.ts";
