/** Options that several packet commands share, as commander knows them. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { DataOptions } from "./data.ts";
import { dataOverflows } from "./data.ts";
import type { PacketInputOptions } from "./input.ts";
import type { KeyOptions } from "./keys.ts";

/** What the command line said besides options: the words after `--`. */
export interface PointOptions extends KeyOptions, DataOptions {
  readonly create?: string;
  readonly stamp?: string;
  readonly createInt?: bigint;
  readonly sign?: boolean;
}

export interface OutputOptions {
  readonly write: readonly string[];
}

export interface ForwardOptions extends OutputOptions, PacketInputOptions {
  readonly forward: readonly string[];
}

/** Gathers a repeated option; the first use replaces the default. */
export function repeated(): (value: string) => readonly string[] {
  let values: readonly string[] = [];
  return (value) => (values = [...values, value]);
}

/** A whole number of at least `min` and at most `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

const u64Max = 0xffff_ffff_ffff_ffffn;

function parseU64(text: string): bigint {
  if (/^[0-9]{1,20}$/.test(text) && BigInt(text) <= u64Max) return BigInt(text);
  throw new InvalidArgumentError("Give µs since 1970 as a whole number of at most 64 bits.");
}

export function addWrite(command: Command, initial = "stdout"): Command {
  return command.option(
    "-w, --write <destination>",
    "where results go: stdout, stderr, db, null, file:PATH, <one of them>-expr:EXPR; repeatable",
    repeated(),
    [initial],
  );
}

export function addForward(command: Command, initial: string): Command {
  return command.option(
    "-f, --forward <destination>",
    "where the incoming packets go; repeatable",
    repeated(),
    [initial],
  );
}

export function addPacketInput(command: Command): Command {
  return command
    .option("--pkts <file>", "read packets from a file, not from stdin")
    .option("--no-pkts", "read no packets");
}

export function addKeyOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--password <expr>", "password of the key, as an expression (or LK_PASS)"),
    )
    .addOption(new Option("--pass <expr>").hideHelp())
    .option("-u, --utf8-password", "take the password as it is, not as an expression")
    .option("-k, --key <name>", "the key that is kept under this name (or LK_KEYNAME; me:local)")
    .option("-e, --enckey <text>", "the key itself, as enckey text");
}

export function addDataOptions(
  command: Command,
  { stdinByDefault = false }: { readonly stdinByDefault?: boolean } = {},
): Command {
  return command
    .option("--data <file>", "data from a file")
    .option("--data-stdin", `data from stdin${stdinByDefault ? " (default)" : ""}`)
    .option("--data-str <text>", "data from this text")
    .option("--no-data", "no data")
    .option("--data-repeat", "begin again when file or text end")
    .addOption(new Option("--rr").hideHelp())
    .option("-D, --data-delim <expr>", "a byte that ends a block, e.g. '\\n'; it is dropped")
    .option(
      "-n, --data-bufsize <bytes>",
      "at most so many bytes a block",
      wholeNumber(1, 1_048_576),
    )
    .option("--data-reads <count>", "at most so many blocks", wholeNumber(0, 2 ** 53 - 1))
    .addOption(
      new Option(
        "--data-overflow <what>",
        "a block larger than the packet's room: error, or split it over packets, carry the rest" +
          " into the next block, trim it off",
      ).choices(dataOverflows),
    )
    .option("--data-eval", "evaluate each block as an expression");
}

export function addCreateOptions(command: Command): Command {
  return command
    .option("--create <expr>", "the stamp as an expression, e.g. [now:-1D] or [epoch]")
    .addOption(new Option("--stamp <expr>").hideHelp())
    .addOption(
      new Option("--create-int <micros>", "the stamp in µs since 1970")
        .argParser(parseU64)
        .conflicts(["create", "stamp"]),
    );
}

/** Second names that Linkspace has for some options. */
export function unifyKeyOptions<Options extends KeyOptions & { readonly pass?: string }>(
  options: Options,
): Options {
  return options.password === undefined && options.pass !== undefined
    ? { ...options, password: options.pass }
    : options;
}
