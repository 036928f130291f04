/** What can go wrong in the view kernel; codes are API. */
export type ViewErrorCode =
  /** The view was closed; open it again. */
  | "VIEW_CLOSED"
  /** A reducer threw; `entry` names the event, the cause is the reducer's own error. */
  | "VIEW_REDUCER_FAILED"
  /** The source stopped with an error; the cause says why. */
  | "VIEW_SOURCE_FAILED";

export class ViewError extends Error {
  override readonly name = "ViewError";
  readonly code: ViewErrorCode;

  constructor(code: ViewErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error itself if a view threw it; else that of a source that failed. */
export function asViewError(cause: unknown, viewName: string): ViewError {
  if (cause instanceof ViewError) return cause;
  return new ViewError("VIEW_SOURCE_FAILED", `view ${viewName} lost its source`, { cause });
}
