/** Options that several stream commands have, and how their values are read. */
import type { Command } from "commander";
import type { Metadata } from "@hawser/stream";
import { usage } from "./errors.ts";

/** `--key`, `--password`, `--no-password`. */
export function addKeyOptions(command: Command, purpose: string): Command {
  return command
    .option("--key <file>", `${purpose} (or HAWSER_STREAM_KEY)`)
    .option("--password <text>", "opens the key; others may see it here: better HAWSER_PASSWORD");
}

/** `--pin`. */
export function addPinOption(command: Command): Command {
  return command.option("--pin <id>", "refuse every stream but this one (64 hex digits)");
}

/** Gathers an option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** `--meta name=value`, in order; the value is text. */
export function readMetadata(pairs: readonly string[] = []): Metadata {
  const read = pairs.map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1) throw usage(`--meta ${pair} is not name=value`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const names = new Set(read.map(([name]) => name));
  if (names.size < read.length) throw usage("--meta gives one name twice");
  return Object.fromEntries(read);
}

/** A whole number of an option or argument. */
export function readCount(
  name: string,
  text: string,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(text);
  if (/^(?:0|[1-9][0-9]{0,15})$/.test(text) && value <= max) return value;
  throw usage(`${name} ${text} is no whole number${max < 1e9 ? ` up to ${max}` : ""}`);
}
