/**
 * Structured logs: one event a line, as JSON or for people, with a fixed set of fields. Layer 9.
 *
 * What is logged is counts, codes, durations. Never a topic, a key, a secret, or the address of a
 * client; the text of a failure goes through `redact` first.
 */
import type { Clock } from "@hawser/log";

/** From the least to the most important. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a line may hold beside its event. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** Writes lines of one relay. */
export type Logger = Readonly<Record<LogLevel, (event: string, fields?: LogFields) => void>>;

/** Where lines go and how they look. */
export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly clock: Clock;
  /** Takes one line with its end. */
  readonly write: (line: string) => void;
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const messageCharactersMax = 300;

/** A logger that writes what is at least as important as its level. */
export function createLogger({ level, format, clock, write }: LoggerOptions): Logger {
  const line = (at: LogLevel, event: string, fields: LogFields): string => {
    const time = new Date(Math.floor(clock.nowMicros() / 1_000)).toISOString();
    if (format === "json") return JSON.stringify({ time, level: at, event, ...fields });
    const parts = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
    return [time, at.padEnd(5), event, ...parts].join(" ");
  };
  const logAt =
    (at: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (ranks[at] >= ranks[level]) write(`${line(at, event, fields)}\n`);
    };
  return { debug: logAt("debug"), info: logAt("info"), warn: logAt("warn"), error: logAt("error") };
}

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

/** Quotes what would break the line's form; JSON escapes every control character. */
function shown(value: string | number | boolean): string {
  const text = String(value);
  return /^[\x21\x23-\x3c\x3e-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * A text of an error without what could name a space, a key, a client or a database: URLs with
 * credentials, IP addresses, and runs of 22 or more characters of hex or base64.
 */
export function redact(text: string): string {
  return text
    .slice(0, messageCharactersMax * 4)
    .replace(/[a-z][a-z0-9+.-]*:\/\/[^\s"']*/gi, "(url)")
    .replace(/[A-Za-z0-9_+/=-]{22,}/g, "(…)")
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, "(address)")
    .replace(/(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}/gi, "(address)")
    .slice(0, messageCharactersMax);
}
