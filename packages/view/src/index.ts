export type { ViewDeps, ViewOptions } from "./open.ts";
export type {
  EventBatch,
  EventDraft,
  EventRef,
  EventSource,
  OpenView,
  View,
  ViewEvent,
} from "./types.ts";
export type { ViewErrorCode } from "./errors.ts";
export { ViewError } from "./errors.ts";
export { openView } from "./open.ts";
export { compareEvents } from "./order.ts";
