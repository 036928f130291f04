/** What the command line tells a person went wrong: a code, a sentence, and what to do about it. */
export type CliErrorCode =
  | "CLI_FOLDER_MISSING"
  | "CLI_FILE_TOO_LARGE"
  | "CLI_FOLDER_TOO_LARGE"
  | "CLI_PATH_UNSAFE"
  | "CLI_CHUNK_MISSING"
  | "CLI_FILE_DAMAGED"
  | "CLI_SPACE_UNKNOWN"
  | "CLI_MEMBER_UNKNOWN"
  | "CLI_NOT_ALLOWED"
  | "CLI_HOME_BUSY"
  | "CLI_RELAY_UNREACHABLE"
  | "CLI_USAGE";

export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  /** One sentence that says what to do. */
  readonly remedy: string;

  constructor(code: CliErrorCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }
}
