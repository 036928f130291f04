/** What the command line tells a person went wrong: a code, a sentence, and what to do about it. */

/** The codes of this program; those of the layers below are printed as they are. */
export type CliErrorCode =
  /** The folder cannot be read, or is not there any more. */
  | "CLI_FOLDER_MISSING"
  /** The folder was not shared or joined on this device. */
  | "CLI_FOLDER_UNKNOWN"
  /** The device's home lies in the folder. */
  | "CLI_FOLDER_HAS_HOME"
  /** A file is over the limit. */
  | "CLI_FILE_TOO_LARGE"
  /** The folder is over its limit. */
  | "CLI_FOLDER_TOO_LARGE"
  /** Something else stands where a member's file belongs, or on the way to it. */
  | "CLI_PATH_BLOCKED"
  /** The chunks of a file do not give what was announced. */
  | "CLI_FILE_DAMAGED"
  /** The folder belongs to another space. */
  | "CLI_FOLDER_TAKEN"
  /** No space, or several, begin like that. */
  | "CLI_SPACE_UNKNOWN"
  /** The space is on this device already, in another folder. */
  | "CLI_SPACE_ELSEWHERE"
  /** No member, or several, begin like that. */
  | "CLI_MEMBER_UNKNOWN"
  /** A file stands where an archive or bundle is to be written. */
  | "CLI_ARCHIVE_EXISTS"
  /** There is no such archive or bundle. */
  | "CLI_ARCHIVE_MISSING"
  /** This device belongs to no account. */
  | "CLI_NO_ACCOUNT"
  /** No member let this device in within the time. */
  | "CLI_JOIN_UNANSWERED"
  /** Another process has the home. */
  | "CLI_HOME_BUSY"
  /** The home cannot be made or written. */
  | "CLI_HOME_UNUSABLE"
  /** The command or a file of the home cannot be understood. */
  | "CLI_USAGE"
  /** A fault in hawser itself. */
  | "CLI_UNEXPECTED";

/** An error that says what to do. Match on `code`. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** Also codes of the layers below, when another process reported them. */
  readonly code: string;
  /** One sentence that says what to do. */
  readonly remedy: string;

  constructor(
    code: CliErrorCode | (string & {}),
    message: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }
}

/** What to do about codes that come from the layers below and from the system. */
const remedies: Readonly<Record<string, string>> = {
  SPACE_INVITE_USED: "Ask for a new invite link: each works once.",
  SPACE_INVITE_REVOKED: "Ask for a new invite link: this one was taken back.",
  SPACE_INVITE_EXPIRED: "Ask for a new invite link: this one is too old.",
  SPACE_INVITE_INVALID: "Ask for a new invite link, from somebody who may invite.",
  SPACE_LINK_MALFORMED: "Copy the whole link; it begins with hawser:join/.",
  SPACE_LINK_TRUNCATED: "Copy the whole link; its end is missing.",
  SPACE_LINK_CHECKSUM: "Copy the link again; a character in it is wrong.",
  SPACE_LINK_VERSION: "Update hawser: the link was made by a newer version.",
  SPACE_GENESIS_MISMATCH: "Ask for a new invite link: what the relay serves is another space.",
  SPACE_NOT_WELCOMED: "Have a member's device run; if this one was in before, run `hawser doctor`.",
  SPACE_BACKGROUND: "Run `hawser doctor`, then start again; the logs are unharmed.",
  SPACE_NO_ACCESS: "Ask a manager of the space to give this device the right.",
  SPACE_MEMBERSHIP: "`hawser members` shows who is in, and who manages.",
  SPACE_STATE_VERSION: "Update hawser: a newer version wrote this database.",
  SPACE_STATE_CORRUPT: "Run `hawser doctor`; restore the database from a backup or join again.",
  SPACE_RESTORED: "Run `hawser sync`: the relay says how far this device's own logs go.",
  SPACE_RETIRED: "Use the device it was moved to, or restore its archive in another --home.",
  SPACE_ARCHIVE_KEY: "Type the password again; if it is right, the file is damaged: use a copy.",
  SPACE_ARCHIVE_MALFORMED: "Name a file that `hawser backup` has made.",
  SPACE_ARCHIVE_VERSION: "Update hawser: the archive was made by a newer version.",
  SPACE_ARCHIVE_COST: "Do not open it: it was not made by `hawser backup`.",
  SPACE_ARCHIVE_DAMAGED: "Use another copy of the archive.",
  SPACE_ARCHIVE_PRUNED:
    "Back up a device that did not compact the space, or leave that out: --leave-compacted.",
  SPACE_ARCHIVE_IDENTITY: "Restore into a new home: hawser --home <folder> restore <file>.",
  ACCOUNT_EXISTS: "This device has an account; give another one a home of its own with --home.",
  ACCOUNT_PAPER_KEY: "Revoke devices only; the words stay valid as long as the account is there.",
  ACCOUNT_PHRASE_INVALID: "Compare the words with the paper: order and spelling count.",
  ACCOUNT_SHARE_INVALID: "Compare the share with the original, letter by letter.",
  ACCOUNT_SHARES_UNFIT: "Use shares of one set, each once, and enough of them.",
  ACCOUNT_OUT_OF_RANGE: "See hawser account --help.",
  ACCOUNT_CODE_INVALID: "A code has twelve digits, as the other device shows it.",
  ACCOUNT_CODE_WRONG: "Show a new code with `hawser account code`: this one is used up.",
  ACCOUNT_PAIRING_FAILED: "Update hawser on both devices, then show a new code.",
  ACCOUNT_PAIRING_DENIED: "Ask on the other device, then show a new code.",
  ACCOUNT_MAILBOX_CLOSED: "Show a new code: this one was used, called off, or is too old.",
  ACCOUNT_RELAY_UNREACHABLE: "Check the relay's address; both devices need the same one.",
  HAWSER_INVITE_REFUSED: "Ask for a new invite link, while a device of its maker is online.",
  HAWSER_NO_ACCESS: "Ask for a new invite link to come back. The folder here stays as it is.",
  HAWSER_RELAY_UNREACHABLE: "Check the address and whether the relay runs; nothing is lost.",
  HAWSER_RELAY_MISBEHAVES:
    "Use another relay (--relay <url>); nothing false was stored, nothing is lost.",
  HAWSER_RELAY_REFUSED: "Its owner can raise its limits; or use another relay (--relay <url>).",
  HAWSER_NO_RELAY: "Name a relay with --relay <url>.",
  STORE_NEWER_FORMAT: "Update hawser: a newer version wrote this database. Nothing was changed.",
  STORE_FOREIGN_FILE: "Use another --home: the file there belongs to another program.",
  STORE_UNREADABLE: "Check permissions and the disk; restore the database from a backup.",
  STORE_CORRUPT: "Run `hawser doctor`; restore the database from a backup or join again.",
  VIEW_SOURCE_FAILED: "Run `hawser doctor`; restore the database from a backup or join again.",
  STORE_BUSY: "Another program has the database open; stop it or use --home.",
  STORE_WRITE_FAILED: "Free some space on the disk, then start again; nothing is lost.",
  EACCES: "Give this user the right to read and write there.",
  EPERM: "Give this user the right to read and write there.",
  EROFS: "The disk is read-only; choose another folder or --home.",
  ENOSPC: "Free some space on the disk, then start again; nothing is lost.",
  EMFILE: "Raise the limit of open files (ulimit -n), then start again.",
};

export function codeOf(error: unknown): string {
  const hasCode = error instanceof Error && "code" in error && typeof error.code === "string";
  return hasCode ? String(error.code) : "CLI_UNEXPECTED";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function remedyOf(error: unknown): string {
  if (error instanceof CliError) return error.remedy;
  return remedies[codeOf(error)] ?? "This is a fault in hawser: please report it with the code.";
}

/** True when a file or folder is not there. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** True when this user may not read or write something. */
export function isForbidden(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EACCES" || code === "EPERM";
}
