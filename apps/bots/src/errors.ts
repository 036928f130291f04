/** What can go wrong with a bot; codes are API. Layer 9. */
export type BotErrorCode =
  /** An archive file is shorter than what was saved in it, or not what was saved. */
  | "BOT_ARCHIVE_DAMAGED"
  /** What the web side answered was no success, even after trying again. */
  | "BOT_DELIVERY_FAILED";

/** Match on `code`. */
export class BotError extends Error {
  override readonly name = "BotError";
  readonly code: BotErrorCode;

  constructor(code: BotErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
