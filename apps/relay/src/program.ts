/** The relay as a program: its commands, what it prints, how it ends. Layer 9. */
import { Command } from "commander";
import { backUp, markRestored, restore } from "./backup.ts";
import { fields, type Field, type FieldPath } from "./config-fields.ts";
import {
  configOrThrow,
  flagOf,
  processSources,
  readConfig,
  variableOf,
  type ConfigValue,
  type ConfigValues,
} from "./config.ts";
import { codeOf } from "./errors.ts";
import { defaultRelayLimits, type RelayLimits } from "./limits.ts";
import { createLogger, redact, type Logger, type LogLevel } from "./logging.ts";
import { checkOptions, type RelayOptions } from "./options.ts";
import { createRelay, type RelayStats } from "./relay.ts";

/** What to do about the failures that people meet when they start a relay. */
const remedies: Readonly<Record<string, string>> = {
  RELAY_OPTION: "See hawser-relay --help; hawser-relay config check lists every mistake.",
  RELAY_LISTEN_FAILED: "Choose another --port or --host, or stop what listens there.",
  RELAY_DATA_BUSY: "Stop the other relay, or give this one a --data folder of its own.",
  RELAY_DATA_UNUSABLE: "Choose a --data folder that this user may write, or check the database.",
  RELAY_SECRET_CORRUPT: "Restore the database from a backup, or start with an empty folder.",
  RELAY_BACKUP_FAILED: "Choose another file or folder; nothing was changed.",
  RELAY_BACKUP_INVALID: "Take another copy; nothing was changed.",
  STORE_NEWER_FORMAT: "Update the relay: a newer version wrote this database. Nothing was changed.",
  STORE_FOREIGN_FILE: "Choose another --data folder; the file there is not a relay's.",
  STORE_FOREIGN_SCHEMA: "Choose another database; its schema hawser is another program's.",
  STORE_UNREADABLE: "Check permissions and the disk; restore the database from a backup.",
  STORE_BUSY: "Another program has the database open; stop it.",
  STORE_REFUSED: "Check user, password and rights at the database.",
  STORE_UNREACHABLE: "Check that the database runs and can be reached.",
  SPACE_STATE_VERSION: "Update the relay: a newer version wrote this database.",
  SPACE_STATE_CORRUPT: "Restore the database from a backup.",
};

const portDefault = 8787;
const dataDefault = "./relay-data";
/** After the deadline of the drain the store has this long to finish, in ms. */
const lastMsMax = 5_000;

type FlagValues = Readonly<Record<string, string | true>>;

/** Runs a command line, without the program's own words. Resolves to the exit code. */
export async function runRelayProgram(args: readonly string[], name: string): Promise<number> {
  let exitCode = 0;
  const command = createCommands(name, async (work) => {
    try {
      exitCode = (await work()) ?? 0;
    } catch (error) {
      printError(error, command.opts<{ json?: true }>().json === true);
      exitCode = 1;
    }
  });
  await command.parseAsync([...args], { from: "user" });
  return exitCode;
}

/** Runs what a command does, which may say the exit code, and prints why it failed. */
type Guarded = (work: () => Promise<number | void>) => Promise<void>;

function createCommands(name: string, guarded: Guarded): Command {
  const command = new Command(name)
    .description("An always-on follower: stores and serves encrypted spaces, and can read none.")
    .option("--config <file>", "settings as JSON; flags and HAWSER_RELAY_… come before it")
    .option("--json", "print one JSON object a line, and log so")
    // The whole help is so long that nobody would see what was wrong above it.
    .showHelpAfterError(`  → See ${name} --help.`);
  for (const field of fields) addFlags(command, field);
  const isJson = (): boolean => command.opts<{ json?: true }>().json === true;
  const values = (): ConfigValues => configOrThrow(readConfig(processSources(flagsOf(command))));
  command.action(() => guarded(() => run(values(), isJson())));
  command
    .command("config")
    .description("settings")
    .command("check")
    .description("say whether the settings are valid, and name every mistake")
    .action(() => guarded(async () => checkConfig(command, isJson())));
  command
    .command("backup")
    .description("copy the SQLite database to a new file, while the relay runs")
    .argument("<file>")
    .action((file: string) =>
      guarded(async () => {
        backUp(dataOf(values()), file);
        print(isJson(), { event: "backed_up" }, `Copied to ${file}. It holds the relay's secret.`);
      }),
    );
  command
    .command("restore")
    .description(
      "make a data folder from a copy; its spaces wait for a peer before the relay writes",
    )
    .argument("<file>")
    .action((file: string) =>
      guarded(async () => printMarked(isJson(), await restore(file, dataOf(values())))),
    );
  command
    .command("restored")
    .description("say that this database was set back to a copy, made by other means than backup")
    .action(() =>
      guarded(async () => {
        const { store, data } = placeOf(values());
        printMarked(isJson(), await markRestored({ store, data }));
      }),
    );
  return command;
}

/** The flags of a field. Texts stay texts: one reader checks them, wherever they come from. */
function addFlags(command: Command, field: Field): void {
  const { path, text, shown, type } = field;
  const words = shown === undefined ? text : `${text} (default: ${shown})`;
  const value = type === "switch" ? "" : ` <${type === "count" ? "count" : type}>`;
  command.option(`--${flagOf(path)}${value}`, `${words} [${variableOf(path)}]`);
  if (field.secret === undefined) return;
  const twin = `--${flagOf(path)}-file <file>`;
  command.option(twin, `a file that holds it [${variableOf(path)}_FILE]`);
}

/** Flags by the path of their setting. */
function flagsOf(command: Command): FlagValues {
  const given = command.opts<Record<string, string | true | undefined>>();
  const flags: Record<string, string | true> = {};
  const take = (path: string): void => {
    const name = flagOf(path).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const value = given[name];
    if (value !== undefined) flags[path] = value;
  };
  take("config");
  for (const { path } of fields) {
    take(path);
    take(`${path}File`);
  }
  return flags;
}

/** Says whether the settings hold; the exit code. */
function checkConfig(command: Command, isJson: boolean): number {
  const outcome = readConfig(processSources(flagsOf(command)));
  // What fits alone may still not do together, or not be a URL after all.
  if (outcome.ok) checkOptions(optionsOf(outcome.values));
  if (outcome.ok) {
    print(isJson, { event: "config", ok: true }, "The settings are valid.");
    return 0;
  }
  const lines = outcome.issues.map(({ path, message }) => `${path}: ${message}`);
  print(isJson, { event: "config", ok: false, issues: outcome.issues }, lines.join("\n"));
  return 1;
}

async function run(values: ConfigValues, isJson: boolean): Promise<void> {
  // Whoever read these lines may be gone; that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const logger = loggerOf(values, isJson);
  const onFailure = (cause: unknown): void =>
    logger.error("failure", { code: codeOf(cause), message: redact(messageOf(cause)) });
  const options = optionsOf(values);
  const relay = await createRelay({ ...options, logger, onFailure });
  const { url, author, metricsPort } = relay;
  const stopped = untilStopped();
  const place =
    options.store === undefined ? `its data in ${options.data}` : "its data in PostgreSQL";
  print(
    isJson,
    { event: "listening", url, author, ...(metricsPort === undefined ? {} : { metricsPort }) },
    `Relay ${author}\nlistens on ${url}, keeps ${place}. Ctrl-C ends it.`,
  );
  logger.info("listening");
  await stopped;
  // A store that hangs must not keep the process: what was acknowledged is on disk.
  const giveUp = setTimeout(() => process.exit(1), (options.drainMs ?? 0) + lastMsMax);
  await relay.close();
  clearTimeout(giveUp);
  const stats = await relay.stats();
  logger.info("stopped");
  print(isJson, { event: "stopped", stats }, stoppedText(stats));
}

/** Settings as options of `createRelay`. */
export function optionsOf(values: ConfigValues): RelayOptions & { readonly data?: string } {
  const { data, store } = placeOf(values);
  const text = (path: FieldPath): string | undefined => textOf(values[path]);
  const [host, metricsHost, token] = [text("host"), text("metrics.host"), text("metrics.token")];
  const metricsPort = values["metrics.port"];
  const [publicUrl, contact] = [text("publicUrl"), text("webPush.contact")];
  return {
    port: numberOf(values["port"]) ?? portDefault,
    ...(host === undefined ? {} : { host }),
    ...(store === undefined ? {} : { store }),
    ...(data === undefined ? {} : { data }),
    trustProxy: values["trustProxy"] === true,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(contact === undefined ? {} : { webPush: { contact } }),
    retention: {
      ...numberAs("days", values["retention.days"]),
      ...numberAs("idleDays", values["retention.idleDays"]),
    },
    limits: limitsOf(values),
    drainMs: (numberOf(values["drain.seconds"]) ?? 10) * 1_000,
    metrics: {
      ...(typeof metricsPort === "number" ? { port: metricsPort } : {}),
      ...(metricsHost === undefined ? {} : { host: metricsHost }),
      ...(token === undefined ? {} : { token }),
    },
  };
}

function limitsOf(values: ConfigValues): Partial<RelayLimits> {
  const limits = Object.keys(defaultRelayLimits).flatMap((name) => {
    // Safe: the paths of limits are made of these names.
    const value = numberOf(values[`limits.${name}` as FieldPath]);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(limits);
}

function loggerOf(values: ConfigValues, isJson: boolean): Logger {
  const format = values["log.format"] ?? (isJson ? "json" : "text");
  return createLogger({
    // Safe: the reader of settings lets no other values through.
    level: (values["log.level"] ?? "info") as LogLevel,
    format: format === "json" ? "json" : "text",
    clock: { nowMicros: () => Date.now() * 1_000 },
    write: (line) => void process.stderr.write(line),
  });
}

function placeOf(values: ConfigValues): {
  readonly store: string | undefined;
  readonly data: string | undefined;
} {
  const store = textOf(values["store"]);
  return { store, data: store === undefined ? dataOf(values) : undefined };
}

function dataOf(values: ConfigValues): string {
  return textOf(values["data"]) ?? dataDefault;
}

function textOf(value: ConfigValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** `{ name: value }`, or nothing where nobody said it. */
function numberAs(name: string, value: ConfigValue | undefined): Readonly<Record<string, number>> {
  return typeof value === "number" ? { [name]: value } : {};
}

function numberOf(value: ConfigValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
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

function printMarked(isJson: boolean, spaces: number): void {
  const text = `${spaces} spaces wait for a peer that knows the relay's own logs.`;
  print(isJson, { event: "restored", spaces }, text);
}

function print(isJson: boolean, event: Readonly<Record<string, unknown>>, sentences: string): void {
  process.stdout.write(`${isJson ? JSON.stringify(event) : sentences}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Code, message and what to do; never a stack, never a secret. */
function printError(error: unknown, isJson: boolean): void {
  const code = codeOf(error);
  const message = messageOf(error);
  const remedy = remedies[code] ?? "";
  if (isJson) print(true, { event: "error", code, message, remedy }, "");
  process.stderr.write(`hawser-relay: ${message} [${code}]\n`);
  if (remedy !== "") process.stderr.write(`  → ${remedy}\n`);
}
