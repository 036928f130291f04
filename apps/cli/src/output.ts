/**
 * Output: sentences for a person, or one JSON object a line for a program (`--json`). Results go to
 * stdout, trouble to stderr.
 */
import { codeOf, messageOf, remedyOf } from "./errors.ts";

export type EventFields = Readonly<Record<string, unknown>>;

export interface Output {
  /** Reports an event: `text` to a person, `{event, …fields}` to a program. */
  event(event: string, fields: EventFields, text: string | undefined): void;
  /**
   * Reports how far something is. A terminal shows the newest on one line; others hear it rarely.
   */
  progress(fields: EventFields, text: string): void;
  /** Takes the line of progress away. */
  clear(): void;
  /** Reports an error with its code and what to do; never a stack, never a secret. */
  error(error: unknown): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly stdout: {
    write(text: string): unknown;
    readonly isTTY?: boolean;
    readonly columns?: number;
  };
  readonly stderr: { write(text: string): unknown };
  readonly nowMs: () => number;
}

/** What could steer a terminal or turn a line around: names and types are other people's choice. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** The text without what could steer a terminal; line breaks stay. */
export function printable(text: string): string {
  return text.replace(steering, "\ufffd");
}

/** The same JSON with those characters escaped: `JSON.stringify` leaves some as they are. */
function printableJson(value: unknown): string {
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(steering, escape);
}

/** Time between two reports of progress: on a terminal, to a program, to a file. */
const progressMs = { terminal: 200, program: 1_000, file: 10_000 } as const;

export function createOutput({ json, stdout, stderr, nowMs }: OutputOptions): Output {
  const isTerminal = stdout.isTTY === true && !json;
  const pauseMs = json ? progressMs.program : isTerminal ? progressMs.terminal : progressMs.file;
  let lastProgressMs = nowMs();
  let hasStatusLine = false;

  const clearStatus = (): void => {
    if (hasStatusLine) stdout.write("\r\u001b[K");
    hasStatusLine = false;
  };
  const printJson = (event: string, fields: EventFields): void => {
    stdout.write(`${printableJson({ event, ...fields })}\n`);
  };
  return {
    event: (event, fields, text) => {
      clearStatus();
      if (json) printJson(event, fields);
      else if (text !== undefined) stdout.write(`${printable(text)}\n`);
    },
    progress: (fields, text) => {
      if (nowMs() - lastProgressMs < pauseMs) return;
      lastProgressMs = nowMs();
      if (json) return printJson("progress", fields);
      clearStatus();
      const line = printable(text);
      stdout.write(isTerminal ? line.slice(0, (stdout.columns ?? 80) - 1) : `${line}\n`);
      hasStatusLine = isTerminal;
    },
    clear: clearStatus,
    error: (error) => {
      clearStatus();
      const [code, message, remedy] = [codeOf(error), messageOf(error), remedyOf(error)];
      if (json) printJson("error", { code, message, remedy });
      stderr.write(printable(`hawser: ${message} [${code}]\n  → ${remedy}\n`));
    },
  };
}
