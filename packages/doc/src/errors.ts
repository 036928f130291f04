/**
 * The errors of documents. Codes are part of the interface: none is renamed or used again. Layer 7.
 */

/** What a caller of documents can do wrong; codes are API. */
export type DocErrorCode =
  /** The collection was not given when the documents were opened. */
  | "DOC_COLLECTION_UNKNOWN"
  /** A definition contradicts itself: its name, an index, a reference, a lens. */
  | "DOC_DEFINITION_INVALID"
  /** An id is not 1–256 bytes of well-formed text. */
  | "DOC_ID_INVALID"
  /** `insert` met a document of that id. */
  | "DOC_EXISTS"
  /** There is no document of that id to change. */
  | "DOC_MISSING"
  /** The schema or the collection's rule refuses the document; `issues` has the paths. */
  | "DOC_INVALID"
  /** The schema answers later: documents are checked while they are read, at once. */
  | "DOC_SCHEMA_ASYNC"
  /** A value is no JSON, or outside the limits. */
  | "DOC_VALUE_INVALID"
  /** A change takes more than one entry holds. */
  | "DOC_TOO_LARGE"
  /** The field's policy cannot express the change. */
  | "DOC_FIELD_POLICY"
  /** Another document holds the value of a unique index. */
  | "DOC_UNIQUE"
  /** A query contradicts itself. */
  | "DOC_QUERY_INVALID"
  /** The query names an index that the collection does not have. */
  | "DOC_INDEX_UNKNOWN"
  /** The cursor is of another query, or none. */
  | "DOC_CURSOR_INVALID"
  /** A line of an import cannot be read; nothing was written. */
  | "DOC_LINE_INVALID"
  /** A transaction is over, or was used from outside. */
  | "DOC_TRANSACTION_OVER"
  /** More than 4,096 writes wait for their turn. */
  | "DOC_BUSY";

/** One thing that is wrong with a document. */
export interface DocIssue {
  /** Keys from the document's root; empty for the document itself. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Thrown for misuse. Match on `code`. */
export class DocError extends Error {
  override readonly name = "DocError";
  readonly code: DocErrorCode;
  /** What is wrong where, for DOC_INVALID and DOC_VALUE_INVALID. */
  readonly issues: readonly DocIssue[];

  constructor(
    code: DocErrorCode,
    message: string,
    options: ErrorOptions & { readonly issues?: readonly DocIssue[] } = {},
  ) {
    super(message, options);
    this.code = code;
    this.issues = options.issues ?? [];
  }
}
