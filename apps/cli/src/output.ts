/**
 * Output: sentences for a person, or one JSON object a line for a program (`--json`). Results go to
 * stdout, trouble to stderr.
 */
import { CliError } from "./errors.ts";

export interface Output {
  /** Reports an event: `text` to a person, `{event, …fields}` to a program. */
  event(event: string, fields: Readonly<Record<string, unknown>>, text: string | undefined): void;
}

export function createOutput(options: { readonly json: boolean }): Output {
  return {
    event: (event, fields, text) => {
      if (options.json) process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
      else if (text !== undefined) process.stdout.write(`${text}\n`);
    },
  };
}

/** What to do about codes that come from the layers below. */
const remedies: Readonly<Record<string, string>> = {
  SPACE_INVITE_USED: "Ask for a new invite link: each works once.",
  SPACE_INVITE_REVOKED: "Ask for a new invite link.",
  SPACE_INVITE_EXPIRED: "Ask for a new invite link.",
  SPACE_INVITE_INVALID: "Ask for a new invite link.",
  SPACE_LINK_MALFORMED: "Copy the whole link; it begins with hawser:join/.",
  SPACE_LINK_TRUNCATED: "Copy the whole link; its end is missing.",
  SPACE_LINK_CHECKSUM: "Copy the link again; a character in it is wrong.",
  SPACE_LINK_VERSION: "Update hawser: the link was made by a newer version.",
  SPACE_NOT_WELCOMED: "Keep one device of a member online until this one has joined.",
  SPACE_NO_ACCESS: "Ask a manager of the space to give this device the right.",
  SPACE_UNKNOWN: "`hawser spaces` lists the spaces on this device.",
  HAWSER_NO_ACCESS: "This device was removed from the space. What it has stays readable here.",
  HAWSER_RELAY_UNREACHABLE:
    "Check the address and whether the relay runs; changes are kept until then.",
  HAWSER_RELAY_MISBEHAVES:
    "Use another relay (--relay); nothing false was stored, nothing is lost.",
  HAWSER_RELAY_REFUSED: "The relay's owner can raise its limits; or use another relay (--relay).",
  HAWSER_NO_RELAY: "Name a relay with --relay <url>.",
  STORE_NEWER_FORMAT: "Update hawser: a newer version wrote this database.",
  STORE_CORRUPT: "Run `hawser doctor`; restore the database from a backup or join again.",
  STORE_BUSY: "Another process has the database open; stop it or use --home.",
};

/** Prints an error with its code and a remedy; never a stack, never a secret. */
export function printError(error: unknown, options: { readonly json: boolean }): void {
  const code = error instanceof Error && "code" in error ? String(error.code) : "CLI_UNEXPECTED";
  const message = error instanceof Error ? error.message : String(error);
  const remedy = error instanceof CliError ? error.remedy : (remedies[code] ?? "");
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ event: "error", code, message, remedy })}\n`);
  }
  process.stderr.write(`hawser: ${message} [${code}]\n${remedy === "" ? "" : `  → ${remedy}\n`}`);
}
