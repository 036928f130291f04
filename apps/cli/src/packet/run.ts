/** Runs one packet command from its words to an exit code. */
import { Command, CommanderError } from "commander";
import { CliError, codeOf, messageOf } from "../errors.ts";
import { createOutput } from "../output.ts";
import { addBuildCommands } from "./commands/build.ts";
import { addCollectCommand } from "./commands/collect.ts";
import { addExpressionCommands } from "./commands/expressions.ts";
import { addFilterCommands } from "./commands/filter.ts";
import { addGetLinksCommand } from "./commands/get-links.ts";
import { addKeyCommand } from "./commands/key.ts";
import { addPrintCommand } from "./commands/print.ts";
import { addRewriteCommand } from "./commands/rewrite.ts";
import { addRouteCommands } from "./commands/route.ts";
import { addSaveCommand } from "./commands/save.ts";
import { addWatchCommands } from "./commands/watch.ts";
import { usage } from "./errors.ts";
import type { PacketIo } from "./io.ts";
import { createSession, type CommonOptions, type Session } from "./session.ts";

/** What a command gets besides its own options. */
export interface PacketCall {
  readonly io: PacketIo;
  /** The words after `--`. */
  readonly trailing: readonly string[];
  /** Runs the command's work in a session of its own; writes out what is queued in any case. */
  run(work: (session: Session) => Promise<void>): Promise<void>;
}

/** 0 done · 1 an error, said on stderr · 141 whoever read stdout has gone (128 + SIGPIPE). */
export type PacketExitCode = 0 | 1 | 141;

/**
 * Runs `hawser packet <args…>`. Never rejects: what goes wrong is written to stderr in a sentence
 * with its code and remedy.
 */
export async function runPacketCommand(
  args: readonly string[],
  io: PacketIo,
): Promise<PacketExitCode> {
  try {
    await runProgram(args, io);
    return 0;
  } catch (error) {
    if (codeOf(error) === "EPIPE") return 141;
    await report(error, io);
    return 1;
  }
}

async function runProgram(args: readonly string[], io: PacketIo): Promise<void> {
  const at = args.indexOf("--");
  const words = at < 0 ? args : args.slice(0, at);
  const trailing = at < 0 ? [] : args.slice(at + 1);
  const printed: string[] = [];
  const program = createProgram(printed);
  const call: PacketCall = {
    io,
    trailing,
    run: (work) => runSession(createSession(io, program.opts<CommonOptions>()), work),
  };
  for (const add of commands) add(program, call);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isHelp = error.code === "commander.helpDisplayed" || error.code === "commander.help";
    if (!isHelp) throw commandLineError(error);
  }
  if (printed.length > 0) await io.writeStdout(Buffer.from(printed.join("")));
}

const commands: readonly ((program: Command, call: PacketCall) => void)[] = [
  addBuildCommands,
  addPrintCommand,
  addFilterCommands,
  addCollectCommand,
  addRewriteCommand,
  addRouteCommands,
  addGetLinksCommand,
  addExpressionCommands,
  addSaveCommand,
  addWatchCommands,
  addKeyCommand,
];

function createProgram(printed: string[]): Command {
  return new Command("hawser packet")
    .description("Linkspace packets on pipes: stdin to stdout, packets back to back.")
    .option("--dir <folder>", "where keys and packets are kept (or LK_DIR; <home>/packets)")
    .option("--db <file>", "the packet store (default packets.sqlite in that folder)")
    .option("--private", "read and write the private group [#:0] (or LK_PRIVATE=true)")
    .option("--no-private", "refuse the private group, with an error")
    .option("--private-read", "read it (or LK_PRIVATE_READ=true)")
    .option("--no-private-read", "refuse to read it")
    .option("--private-write", "write it (or LK_PRIVATE_WRITE=true)")
    .option("--no-private-write", "refuse to write it")
    .option("--hop", "count a hop in the net header of every packet read (or LK_HOP=true)")
    .option("--no-hop", "leave the hop count alone")
    .option("--skip-hash", "check neither hash nor signature (or LK_SKIP_HASH=true)")
    .option("--env", "let expressions read the environment with [env:NAME]")
    .configureOutput({
      writeOut: (text) => void printed.push(text),
      writeErr: (text) => void printed.push(text),
      outputError: () => undefined,
    })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .addHelpText("after", "\nExample: echo hello | hawser packet datapoint | hawser packet print");
}

async function runSession(
  session: Session,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  try {
    await work(session);
    await session.flush();
  } catch (error) {
    // What was done before the error counts, unless nobody reads it.
    if (codeOf(error) !== "EPIPE") await session.flush();
    throw error;
  } finally {
    await session.close();
  }
}

/** What commander found wrong with the words of a command. */
function commandLineError(error: CommanderError): CliError {
  const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  return usage(message, "See hawser packet --help, or --help of the command.");
}

async function report(error: unknown, io: PacketIo): Promise<void> {
  let text = "";
  const stderr = { write: (part: string): void => void (text += part) };
  const output = createOutput({ json: false, stdout: stderr, stderr, nowMs: () => 0 });
  output.error(withRemedy(error));
  await io.writeStderr(Buffer.from(text)).catch(() => undefined);
}

/** Errors of the system get a remedy that fits here. */
function withRemedy(error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof CliError || !(code === "ENOENT" || code === "EISDIR")) return error;
  return new CliError(code, messageOf(error), "Check the path.", { cause: error });
}
