/**
 * BlobError and its codes. Layer 3; pure. The faults of a blob's points are thrown by readers,
 * which give bytes and have no other way to stop, and returned as a verdict by `verifyBlob`.
 */

/** What can be wrong with the points of a blob. */
export type BlobFaultCode =
  /** The source has no point with this hash. */
  | "BLOB_MISSING"
  /** The source gave a point that has another hash. */
  | "BLOB_HASH"
  /** A point is not what its place in the blob prescribes: kind, place, links, tags, sizes. */
  | "BLOB_SHAPE"
  /** The blob is sealed and no key was given. */
  | "BLOB_SEALED"
  /** A key was given and the blob is not sealed. */
  | "BLOB_NOT_SEALED"
  /** The key or the context is not that of this blob. */
  | "BLOB_KEY"
  /** A sealed chunk does not open: changed, moved, or from another blob. */
  | "BLOB_CIPHERTEXT";

export type BlobErrorCode =
  | BlobFaultCode
  /** An argument makes no sense. */
  | "BLOB_ARGUMENT"
  /** A range lies outside of the content. */
  | "BLOB_RANGE"
  /** The content is larger than the format or the caller allows. */
  | "BLOB_TOO_LARGE"
  /** A resume token is damaged, or of a write with other options. */
  | "BLOB_RESUME"
  /** A convergent write met other content than was announced. */
  | "BLOB_CONTENT";

/** Match on `code`, not on the class. Messages hold hashes and sizes, never keys or content. */
export class BlobError extends Error {
  readonly code: BlobErrorCode;
  /** Hash of the point a fault was found at, in hex. */
  readonly point: string | undefined;

  constructor(code: BlobErrorCode, message: string, point?: string, options?: ErrorOptions) {
    super(point === undefined ? message : `${message} (point ${point})`, options);
    this.name = "BlobError";
    this.code = code;
    this.point = point;
  }
}

const faultCodes: ReadonlySet<string> = new Set<BlobFaultCode>([
  "BLOB_MISSING",
  "BLOB_HASH",
  "BLOB_SHAPE",
  "BLOB_SEALED",
  "BLOB_NOT_SEALED",
  "BLOB_KEY",
  "BLOB_CIPHERTEXT",
]);

/** Whether a code tells of a blob's points rather than of misuse. */
export function isFaultCode(code: BlobErrorCode): code is BlobFaultCode {
  return faultCodes.has(code);
}

/** BLOB_ARGUMENT unless `holds`. */
export function assertArgument(holds: boolean, message: string): asserts holds {
  if (!holds) throw new BlobError("BLOB_ARGUMENT", message);
}
