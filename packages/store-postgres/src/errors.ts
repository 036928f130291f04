/**
 * What can go wrong between the store and its database; codes are API. The contract's own codes are
 * LogError's. Layer 4.
 *
 * An error of the driver is never handed on, not even as `cause`: those hold what they were given,
 * and a connection string or a value may be a secret. What is kept is the SQLSTATE, the name of the
 * system error, and the server's text where that can only speak of our own statements.
 */
export type PostgresStoreErrorCode =
  /** An option makes no sense. */
  | "STORE_OPTIONS_INVALID"
  /** A newer version made the tables; nothing was changed. */
  | "STORE_NEWER_FORMAT"
  /** The schema holds tables that are not ours. */
  | "STORE_FOREIGN_SCHEMA"
  /** The server does not let us in, or not do what we need. */
  | "STORE_REFUSED"
  /** No server, or the connection broke, more often than is retried. */
  | "STORE_UNREACHABLE"
  /** A statement or a lock took longer than its limit, or conflicts would not end. */
  | "STORE_BUSY"
  /** The connection broke while a commit was answered: it may have been applied. */
  | "STORE_OUTCOME_UNKNOWN"
  /** Too many commits wait. */
  | "STORE_QUEUE_FULL"
  /** The database could not carry out a statement; it had no effect. */
  | "STORE_WRITE_FAILED";

/** Match on `code`, not on the class. */
export class PostgresStoreError extends Error {
  override readonly name = "PostgresStoreError";
  readonly code: PostgresStoreErrorCode;
  /** The server's five characters, where it was the server that refused. */
  readonly sqlState: string | undefined;

  constructor(code: PostgresStoreErrorCode, message: string, sqlState?: string) {
    super(message);
    this.code = code;
    this.sqlState = sqlState;
  }
}

/** Conflicts of transactions: the same again may well succeed. */
const conflictStates: ReadonlySet<string> = new Set([
  "40001", // serialization failure
  "40P01", // deadlock
  "23505", // somebody else made the row first: reading again shows it
  "40002",
]);
/** The connection is, or is about to be, gone; or the server takes no more of them for now. */
const lostStates: ReadonlySet<string> = new Set([
  "40003", // statement completion unknown
  "53300", // too many connections
  "57P01", // administrator command
  "57P02", // crash of another backend
  "57P03", // starting up or shutting down
  "57P05", // idle session
  "25P03", // idle in transaction
  "25P04", // transaction timeout
]);
const busyStates: ReadonlySet<string> = new Set(["55P03", "57014"]);
/** SQLSTATE classes whose texts may repeat a name or value of the caller's. */
const wordyClasses: ReadonlySet<string> = new Set(["08", "22", "23", "28", "3D"]);

/** Whether the same transaction, begun anew, may succeed. */
export function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof PostgresStoreError)) return false;
  return error.code === "STORE_UNREACHABLE" || conflictStates.has(error.sqlState ?? "");
}

/** Whether a commit that ended like this may have been applied all the same. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof PostgresStoreError && error.code === "STORE_UNREACHABLE";
}

/** An error of the driver in our words, with nothing of it but what cannot be secret. */
export function toStoreError(error: unknown): PostgresStoreError {
  if (error instanceof PostgresStoreError) return error;
  const raw = error instanceof Error ? error : new Error("no error was given");
  const code = "code" in raw && typeof raw.code === "string" ? raw.code : "";
  // The driver's own errors have no severity, those of the server always do.
  if ("severity" in raw && /^[0-9A-Z]{5}$/.test(code)) return ofState(code, raw.message);
  const isName = /^[A-Z][A-Z_]+$/.test(code);
  if (/CERT|TLS|SSL/.test(code) || /^SASL|does not support SSL/.test(raw.message)) {
    const reason = isName ? code : "no common way to authenticate";
    return new PostgresStoreError("STORE_REFUSED", `the connection was refused: ${reason}`);
  }
  const reason = isName ? code : "the connection was lost";
  return new PostgresStoreError("STORE_UNREACHABLE", `no connection to the database: ${reason}`);
}

function ofState(state: string, text: string): PostgresStoreError {
  const told = wordyClasses.has(state.slice(0, 2)) ? state : `${state} ${text}`;
  const code = codeOfState(state);
  return new PostgresStoreError(code, `the database refused: ${told}`, state);
}

function codeOfState(state: string): PostgresStoreErrorCode {
  if (lostStates.has(state) || state.startsWith("08")) return "STORE_UNREACHABLE";
  if (busyStates.has(state) || conflictStates.has(state)) return "STORE_BUSY";
  if (state.startsWith("28") || state.startsWith("3D") || state === "42501") return "STORE_REFUSED";
  return "STORE_WRITE_FAILED";
}
