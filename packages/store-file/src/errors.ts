/** What can go wrong with the folder; codes are API. The contract's own codes are LogError's. */
import { LogError } from "@hawser/log";

export type FileStoreErrorCode =
  /** A newer version wrote the folder; nothing was changed. */
  | "STORE_NEWER_FORMAT"
  /** The folder holds other files and no store. */
  | "STORE_FOREIGN_FOLDER"
  /** The folder cannot be opened or read: no permission, not a folder, an I/O error. */
  | "STORE_UNREADABLE"
  /** Another store has the folder open, in this process or another. */
  | "STORE_BUSY"
  /** The disk is full or cannot be written; the commit had no effect. */
  | "STORE_WRITE_FAILED"
  /** A value, range or batch is larger than the format holds; the commit had no effect. */
  | "STORE_TOO_LARGE";

export class FileStoreError extends Error {
  override readonly name = "FileStoreError";
  readonly code: FileStoreErrorCode;

  constructor(code: FileStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Damage, with its place. */
export function corrupt(file: string, offset: number, what: string): LogError {
  return new LogError("STORE_CORRUPT", `${file} at byte ${offset}: ${what}`);
}

/** The system's code of an I/O error, such as ENOSPC; empty when it has none. */
export function codeOf(error: unknown): string {
  const hasCode = typeof error === "object" && error !== null && "code" in error;
  return hasCode ? String(error.code) : "";
}

/** The error a commit rejects with. Errors of the stores pass as they are. */
export function toWriteError(cause: unknown): Error {
  if (cause instanceof Error && codeOf(cause).startsWith("STORE_")) return cause;
  const message = `nothing of the commit was stored: ${codeOf(cause) || "a write failed"}`;
  return new FileStoreError("STORE_WRITE_FAILED", message, { cause });
}

/** The error a read or open fails with. Errors of the stores pass as they are. */
export function toReadError(cause: unknown, what: string): Error {
  if (cause instanceof Error && codeOf(cause).startsWith("STORE_")) return cause;
  return new FileStoreError("STORE_UNREADABLE", `${what} cannot be read`, { cause });
}
