/**
 * Every way this layer refuses: verdicts about ranges and proofs (values), and the one error class
 * for misuse and I/O. Layer 3; pure.
 */

/** Why a range is not (wholly) acceptable, in the order of the checks (docs/spec/2-log.md §7). */
export type RangeRejectionCode =
  | "LOG_RANGE_CONTEXT"
  | "LOG_RANGE_GAP"
  | "LOG_RANGE_COUNT"
  | "LOG_RANGE_TOO_LARGE"
  | "LOG_ENTRY_TRUNCATED"
  | "LOG_ENTRY_FLAGS"
  | "LOG_ENTRY_STAMP"
  | "LOG_ENTRY_DEPS"
  | "LOG_ENTRY_PATH"
  | "LOG_ENTRY_TOO_LARGE"
  | "LOG_GENESIS_UNSIGNED"
  | "LOG_TRAILING_BYTES"
  | "LOG_BAD_SIGNATURE"
  | "LOG_UNSIGNED_TAIL";

/** Why a proof or checkpoint proves nothing (docs/spec/2-log.md §8–§10). */
export type ProofRejectionCode =
  | "LOG_PROOF_MALFORMED"
  | "LOG_PROOF_CONTEXT"
  | "LOG_PROOF_UNSIGNED"
  | "LOG_PROOF_LINK"
  | "LOG_PROOF_SEQ"
  | "LOG_PROOF_SAME"
  | "LOG_BAD_SIGNATURE";

/** Codes of thrown errors: misuse, a resource that is gone, or data that went bad at home. */
export type LogErrorCode =
  | "LOG_CONTEXT_INVALID"
  | "LOG_WRONG_KEY"
  | "LOG_DATA_TOO_LARGE"
  | "LOG_DEPS_INVALID"
  | "LOG_PATH_INVALID"
  | "LOG_BODY_INVALID"
  | "LOG_STAMP"
  | "LOG_FORKED"
  | "LOG_HEAD_MOVED"
  | "LOG_QUEUE_FULL"
  | "LOG_STORE_FAILED"
  | "LOG_CLOSED"
  | "LOG_NOT_FOUND"
  | "LOG_CUT_INVALID"
  | "LOG_STATE_INVALID"
  | "STORE_CLOSED"
  | "STORE_CORRUPT"
  | "STORE_KEY_INVALID";

/** Match on `code`, not on the class. Codes are API: never renamed, never reused. */
export class LogError extends Error {
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LogError";
    this.code = code;
  }
}
