/** Runs one stream command from its words to an exit code. */
import { Command, CommanderError } from "commander";
import { codeOf } from "../errors.ts";
import { createOutput, type Output } from "../output.ts";
import { addAppendCommand } from "./commands/append.ts";
import { addCatCommand } from "./commands/cat.ts";
import { addCreateCommand } from "./commands/create.ts";
import { addDumpCommand } from "./commands/dump.ts";
import { addImportCommand } from "./commands/import.ts";
import { addInfoCommand } from "./commands/info.ts";
import { addKeysCommand } from "./commands/keys.ts";
import { addMirrorCommand } from "./commands/mirror.ts";
import { addProofCommands } from "./commands/proof.ts";
import { addRecoverCommand } from "./commands/recover.ts";
import { addServeCommand } from "./commands/serve.ts";
import { addVerifyCommand } from "./commands/verify.ts";
import { explain, StreamFaultError, usage } from "./errors.ts";
import type { StreamIo } from "./io.ts";
import type { AddCommand, RunWork } from "./session.ts";

/**
 * 0 done · 1 misuse or I/O · 2 a stream, proof or checkpoint does not hold · 130 stopped by Ctrl-C ·
 * 141 whoever read stdout has gone (128 + SIGPIPE).
 */
export type StreamExitCode = 0 | 1 | 2 | 130 | 141;

const commands: readonly AddCommand[] = [
  addKeysCommand,
  addCreateCommand,
  addAppendCommand,
  addInfoCommand,
  addVerifyCommand,
  addCatCommand,
  addDumpCommand,
  addProofCommands,
  addRecoverCommand,
  addMirrorCommand,
  addServeCommand,
  addImportCommand,
];

/**
 * Runs `hawser stream <args…>`. Never rejects: what goes wrong is written to stderr in a sentence
 * with its code and remedy.
 */
export async function runStreamCommand(
  args: readonly string[],
  io: StreamIo,
): Promise<StreamExitCode> {
  const program = createProgram(io);
  const outputNow = (): Output => {
    const isJson = program.opts<{ json?: boolean }>().json === true;
    return createOutput({ json: isJson, stdout: io.stdout, stderr: io.stderr, nowMs: io.nowMs });
  };
  const run: RunWork = async (work) => {
    const isJson = program.opts<{ json?: boolean }>().json === true;
    const { crypto, random, nowMicros } = io;
    const deps = { crypto, random, clock: { nowMicros } };
    await work({ io, deps, output: outputNow(), isJson });
  };
  for (const add of commands) add(program, run);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    return exitCodeOf(error, io, outputNow());
  }
}

function exitCodeOf(error: unknown, io: StreamIo, output: Output): StreamExitCode {
  if (codeOf(error) === "EPIPE") return 141;
  if (error instanceof CommanderError) {
    // Help that was asked for, or is shown for want of a command, is no error.
    if (error.code === "commander.helpDisplayed") return 0;
    if (error.code !== "commander.help") output.error(commandLineError(error));
    return 1;
  }
  const isFault = error instanceof StreamFaultError;
  if (io.signal.aborted && !isFault) {
    output.clear();
    return 130;
  }
  output.error(explain(error, ""));
  return isFault ? 2 : 1;
}

function createProgram({ stdout, stderr }: StreamIo): Command {
  return new Command("hawser stream")
    .description("One file, one signed stream of blocks that anybody can verify.")
    .option("--json", "print one JSON object a line")
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: () => undefined,
    })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .addHelpText(
      "after",
      [
        "",
        "STREAM is a file, or to read also http(s)://…, iw://HOST/ID or s3://BUCKET/NAME.",
        "Keys: --key or HAWSER_STREAM_KEY names the file, HAWSER_PASSWORD holds the password.",
        "Exit codes: 0 done, 1 misuse or I/O, 2 does not verify, 130 stopped.",
        "",
        "Example: hawser stream keys ada && hawser stream create notes.stream --key ada",
      ].join("\n"),
    );
}

/** What commander found wrong with the words of a command. */
function commandLineError(error: CommanderError): Error {
  const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  return usage(message, "See hawser stream --help, or --help of the command.");
}
