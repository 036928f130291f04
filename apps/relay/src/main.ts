#!/usr/bin/env node
/** The relay as a program. Layer 9. */
import { Command, InvalidArgumentError } from "commander";
import { codeOf } from "./errors.ts";
import { defaultRelayLimits, type RelayLimits } from "./limits.ts";
import { createRelay, type RelayStats } from "./relay.ts";

/** What a person reads about each limit in `--help`. */
const limitTexts: { readonly [Name in keyof RelayLimits]: string } = {
  topicsMax: "spaces hosted",
  topicBytesMax: "compact bytes of one space",
  topicEntriesMax: "entries of one space",
  storeBytesMax: "compact bytes of all spaces",
  connectionsMax: "WebSockets open at once",
  connectionsPerAddressMax: "WebSockets open at once from one address",
  hostRequestsPerHourMax: "hosting requests an hour from one address",
  connectsPerMinuteMax: "new WebSockets a minute from one address",
  mailboxesMax: "mailboxes open at once for pairing",
  pairRequestsPerMinuteMax: "requests about mailboxes a minute from one address",
};
// Safe: the object above has exactly these keys.
const limitNames = Object.keys(limitTexts) as readonly (keyof RelayLimits)[];

/** What to do about the failures that people meet when they start a relay. */
const remedies: Readonly<Record<string, string>> = {
  RELAY_OPTION: "See hawser-relay --help.",
  RELAY_LISTEN_FAILED: "Choose another --port or --host, or stop what listens there.",
  RELAY_DATA_BUSY: "Stop the other relay, or give this one a --data folder of its own.",
  RELAY_DATA_UNUSABLE: "Choose a --data folder that this user may write.",
  RELAY_SECRET_CORRUPT: "Restore the database from a backup, or start with an empty folder.",
  STORE_NEWER_FORMAT: "Update the relay: a newer version wrote this database. Nothing was changed.",
  STORE_FOREIGN_FILE: "Choose another --data folder; the file there is not a relay's.",
  STORE_UNREADABLE: "Check permissions and the disk; restore the database from a backup.",
  STORE_BUSY: "Another program has the database open; stop it.",
  SPACE_STATE_VERSION: "Update the relay: a newer version wrote this database.",
  SPACE_STATE_CORRUPT: "Restore the database from a backup.",
};

type ProgramOptions = Partial<RelayLimits> & {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly trustProxy?: true;
  readonly json?: true;
};

const program = createProgram();
program.parse();
const options = program.opts<ProgramOptions>();
const isJson = options.json === true;

try {
  await run();
} catch (error) {
  printError(error);
  process.exitCode = 1;
}

function createProgram(): Command {
  const command = new Command("hawser-relay")
    .description("An always-on follower: stores and serves encrypted spaces, and can read none.")
    .option("--port <number>", "TCP port; 0 takes any free one", wholeNumber, 8787)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--data <folder>", "where the database lies; made when missing", "./relay-data")
    .option("--trust-proxy", "count clients by X-Forwarded-For; only behind your own proxy")
    .option("--json", "print one JSON object a line");
  for (const name of limitNames) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const text = `${limitTexts[name]} (default: ${defaultRelayLimits[name]})`;
    command.option(`--${flag} <count>`, text, wholeNumber);
  }
  return command.showHelpAfterError();
}

function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number.");
}

async function run(): Promise<void> {
  const { port, host, data, trustProxy } = options;
  const relay = await createRelay({
    port,
    host,
    data,
    trustProxy: trustProxy === true,
    limits: chosenLimits(),
    onFailure: printError,
  });
  const { url, author } = relay;
  const stopped = untilStopped();
  print({ event: "listening", url, author }, [
    `Relay ${author}`,
    `listens on ${url}, keeps its data in ${data}. Ctrl-C ends it.`,
  ]);
  await stopped;
  await relay.close();
  const stats = await relay.stats();
  print({ event: "stopped", stats }, [stoppedText(stats)]);
}

function chosenLimits(): Partial<RelayLimits> {
  return Object.fromEntries(
    limitNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}

/** Resolves at Ctrl-C or a polite kill; a second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

function stoppedText(stats: RelayStats): string {
  const { topics, logs, entries, rangeBytes, diskBytes } = stats;
  return (
    `Stopped. ${topics} spaces, ${logs} logs, ${entries} entries, ` +
    `${rangeBytes} bytes of them in ${diskBytes} bytes on disk.`
  );
}

function print(event: Readonly<Record<string, unknown>>, sentences: readonly string[]): void {
  process.stdout.write(`${isJson ? JSON.stringify(event) : sentences.join("\n")}\n`);
}

/** Code, message and what to do; never a stack, never a secret. */
function printError(error: unknown): void {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const remedy = remedies[code] ?? "";
  if (isJson) print({ event: "error", code, message, remedy }, []);
  process.stderr.write(`hawser-relay: ${message} [${code}]\n`);
  if (remedy !== "") process.stderr.write(`  → ${remedy}\n`);
}
