/**
 * What can go wrong between the store and the browser's database; codes are API. The contract's own
 * codes are LogError's. Layer 4.
 */
export type IdbStoreErrorCode =
  /** There is no IndexedDB here, or the browser does not let this page use it. */
  | "STORE_UNAVAILABLE"
  /** A newer version of the application has upgraded the database; nothing was changed. */
  | "STORE_NEWER_FORMAT"
  /** The database of this name is another program's; nothing was changed. */
  | "STORE_FOREIGN_DATABASE"
  /** Another tab keeps an older version open and does not let go of it. */
  | "STORE_BLOCKED"
  /** Another tab upgrades the database; this one has let go of it. */
  | "STORE_SUPERSEDED"
  /** The database is gone though there was one: evicted, cleared or deleted. */
  | "STORE_EVICTED"
  /** The browser did not carry out a write; it had no effect. */
  | "STORE_WRITE_FAILED"
  /** The browser did not carry out a read. */
  | "STORE_READ_FAILED"
  /** Too many commits wait. */
  | "STORE_QUEUE_FULL";

/** Match on `code`, not on the class. */
export class IdbStoreError extends Error {
  override readonly name = "IdbStoreError";
  readonly code: IdbStoreErrorCode;

  constructor(code: IdbStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What a request or transaction failed with; engines leave it out when the connection was lost. */
export function failureOf(error: Error | null): Error {
  if (error !== null) return error;
  const unstated = new Error("no reason was given");
  unstated.name = "AbortError";
  return unstated;
}

/** The `name` of a DOMException or error; empty for anything else. */
export function nameOf(error: unknown): string {
  return typeof error === "object" && error !== null && "name" in error ? String(error.name) : "";
}

/** Whether a write failed because the browser gives this origin no more room. */
export function isQuotaError(error: unknown): boolean {
  return nameOf(error) === "QuotaExceededError";
}

/** The error that says the database is gone. `how` ends the sentence "the database …". */
export function evicted(how: string): IdbStoreError {
  const remedy = "restore it from another device or a backup, then open with existing: 'optional'";
  return new IdbStoreError("STORE_EVICTED", `the database ${how}; ${remedy}`);
}

/** The error of a write for which there is no room. */
export function noRoom(cause: unknown): IdbStoreError {
  const remedy = "free space on the device, prune logs, or have the storage made persistent";
  const message = `the browser gives this site no more room: ${remedy}`;
  return new IdbStoreError("STORE_WRITE_FAILED", message, { cause });
}

/** A failed transaction in our words; what has a code of ours stays as it is. */
export function toStoreError(cause: unknown, mode: "readonly" | "readwrite"): Error {
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause;
  if (isQuotaError(cause)) return noRoom(cause);
  const what = mode === "readonly" ? "a read" : "a write";
  const code = mode === "readonly" ? "STORE_READ_FAILED" : "STORE_WRITE_FAILED";
  const reason = nameOf(cause) || "no reason was given";
  return new IdbStoreError(code, `${what} was not carried out: ${reason}`, { cause });
}
