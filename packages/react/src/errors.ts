/**
 * The errors of the hooks. Codes are part of the interface: none is renamed or used again. Layer 8.
 */

export type ReactErrorCode =
  /** A hook found no `DocsProvider` above it. */
  | "REACT_NO_PROVIDER"
  /** The document is there, and the schema of this version refuses it; `cause` has the paths. */
  | "REACT_DOC_INVALID";

/** Thrown for misuse, or the `error` of what a hook gives; match on `code`. */
export class ReactError extends Error {
  readonly code: ReactErrorCode;

  constructor(code: ReactErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ReactError";
    this.code = code;
  }
}
