/** What can go wrong in the view kernel; codes are API. */
export type ViewErrorCode =
  /** The view was closed; open it again. */
  | "VIEW_CLOSED"
  /** A reducer threw; `entry` names the event, the cause is the reducer's own error. */
  | "VIEW_REDUCER_FAILED"
  /** A trusted author's snapshot is not what the events give; it was dropped. */
  | "VIEW_SNAPSHOT_MISMATCH"
  /** The view stands behind a gate, or its source keeps no snapshots. */
  | "VIEW_SNAPSHOT_UNAVAILABLE"
  /** What is asked for lies before a compaction of this device. */
  | "VIEW_HISTORY_GONE"
  /** The view has no `invert`, or the event is not in it, or was there before a compaction. */
  | "VIEW_UNDO_UNAVAILABLE"
  /** Folding the events that would be kept does not give the state: nothing was dropped. */
  | "VIEW_COMPACTION_UNSOUND"
  /** The source stopped with an error; the cause says why. */
  | "VIEW_SOURCE_FAILED";

/** What else an error tells. */
export interface ViewErrorOptions extends ErrorOptions {
  readonly entry?: { readonly logId: string; readonly seq: number };
}

export class ViewError extends Error {
  override readonly name = "ViewError";
  readonly code: ViewErrorCode;
  /** The event it is about, where there is one. */
  readonly entry: { readonly logId: string; readonly seq: number } | undefined;

  constructor(code: ViewErrorCode, message: string, options: ViewErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.entry = options.entry;
  }
}

/** The error itself if a view threw it; else that of a source that failed. */
export function asViewError(cause: unknown, viewName: string): ViewError {
  if (cause instanceof ViewError) return cause;
  return new ViewError("VIEW_SOURCE_FAILED", `view ${viewName} lost its source`, { cause });
}
