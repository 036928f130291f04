#!/usr/bin/env node
/**
 * The hawser command.
 */
import { Command } from "commander";
import { runDeviceCommand, type ChangeRow, type DeviceAnswers, type MemberRow } from "./device.ts";
import { doctor } from "./doctor.ts";
import { CliError, codeOf, messageOf } from "./errors.ts";
import { openHome } from "./home.ts";
import { listLog, logLinesMax } from "./log-listing.ts";
import { createOutput, type Output } from "./output.ts";
import { findPacketWords, runPacketProcess } from "./packet/process.ts";
import type { Reach } from "./relay-link.ts";
import { join, share, sync } from "./session.ts";
import { findStreamWords, runStreamProcess } from "./stream/process.ts";
import { plural } from "./table.ts";

interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
}

const program = new Command("hawser")
  .description("Share a folder through an encrypted space.")
  .option("--home <folder>", "where this device keeps its keys and data (default ~/.hawser)")
  .option("--json", "print one JSON object a line")
  // Its errors are printed like all others, at the end of this file.
  .configureOutput({ outputError: () => undefined })
  .exitOverride();

const stopped = new AbortController();

function settings(): { home: string | undefined; output: Output } {
  const { home, json } = program.opts<GlobalOptions>();
  const { stdout, stderr } = process;
  const nowMs = (): number => performance.now();
  return { home, output: createOutput({ json: json === true, stdout, stderr, nowMs }) };
}

/** Aborts at Ctrl-C and at a polite kill; a second Ctrl-C ends at once. */
function untilStopped(): AbortSignal {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stopped.abort());
  }
  return stopped.signal;
}

program
  .command("share")
  .description("put a folder into an encrypted space, print an invite link, keep both in step")
  .argument("<folder>")
  .option("--relay <url>", "the relay that carries it (default: the one used last)")
  .addHelpText("after", "\nExample: hawser share ./notes --relay ws://localhost:8787")
  .action(async (folder: string, options: { relay?: string }) => {
    await share({ ...settings(), folder, relay: options.relay, signal: untilStopped() });
  });

program
  .command("join")
  .description("join a space by its invite link and fill a folder with it")
  .argument("<invite>")
  .argument("<folder>")
  .option("--relay <url>", "another relay than the one in the link")
  .option("--wait <seconds>", "how long a member may take to let this device in", "60")
  .addHelpText("after", "\nExample: hawser join hawser:join/… ./notes")
  .action(async (link: string, folder: string, options: { relay?: string; wait: string }) => {
    const waitMsMax = wholeNumber("--wait", options.wait, 86_400) * 1_000;
    const given = { link, folder, relay: options.relay, waitMsMax };
    await join({ ...settings(), ...given, signal: untilStopped() });
  });

program
  .command("sync")
  .description("take up a folder that was shared or joined before")
  .argument("<folder>")
  .option("--relay <url>", "another relay than the one used last")
  .option("--space <id>", "the space of a folder that was moved, by the first characters of its id")
  .addHelpText("after", "\nExample: hawser sync ./notes")
  .action(async (folder: string, options: { relay?: string; space?: string }) => {
    const { relay, space } = options;
    await sync({ ...settings(), folder, relay, space, signal: untilStopped() });
  });

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value > 0 && value <= max) return value;
  const remedy = `Give a whole number from 1 to ${max}.`;
  throw new CliError("CLI_USAGE", `${option} ${text} is not understood`, remedy);
}

/** Runs a short command in whichever process has the home open, and prints its value. */
async function ask<Name extends keyof DeviceAnswers>(
  command: Name,
  args: Readonly<Record<string, string | undefined>>,
  show: (value: DeviceAnswers[Name], output: Output) => void,
): Promise<void> {
  const { home, output } = settings();
  const given = Object.entries(args).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  show(await runDeviceCommand(await openHome(home), command, Object.fromEntries(given)), output);
}

const spaceOption = [
  "--space <id>",
  "the first characters of its id, when there are several",
] as const;

program
  .command("members")
  .description("list who is in a space")
  .option(...spaceOption)
  .addHelpText("after", "\nExample: hawser members")
  .action(async (options: { space?: string }) => {
    await ask("members", options, (value, output) => {
      const lines = [`Members of ${value.space}:`, ...value.members.map(memberLine)];
      output.event("members", value, lines.join("\n"));
    });
  });

function memberLine({ author, level, isSelf }: MemberRow): string {
  const note = isSelf ? "this device" : level === "pull" ? "stores and forwards, cannot read" : "";
  return `  ${author.slice(0, 16)}…  ${level.padEnd(6)}  ${note}`.trimEnd();
}

program
  .command("why")
  .description("say why somebody may or may not pull, read, write, manage or delete")
  .argument("<member>", "the first characters (at least 6) of a key")
  .argument("<action>", "pull, read, write, manage or delete")
  .option(...spaceOption)
  .addHelpText("after", "\nExample: hawser why 3f9a2c write")
  .action(async (member: string, action: string, options: { space?: string }) => {
    await ask("why", { ...options, member, action }, (value, output) => {
      output.event("why", value, value.lines.join("\n"));
    });
  });

program
  .command("timeline")
  .description("list who came in, went out or was changed, by whom, and whether it counts")
  .option(...spaceOption)
  .addHelpText("after", "\nExample: hawser timeline")
  .action(async (options: { space?: string }) => {
    await ask("timeline", options, (value, output) => {
      const lines = [`Changes in ${value.space}:`, ...value.changes.map(changeLine)];
      output.event("timeline", value, lines.join("\n"));
    });
  });

function changeLine({ time, author, change, members, status }: ChangeRow): string {
  const whom = members.map((member) => member.slice(0, 8)).join(" ");
  const line = `  ${time}  ${author.slice(0, 8)}  ${change.padEnd(6)}  ${whom}`.trimEnd();
  return status === "effective" ? line : `${line}  ${status}`;
}

program
  .command("remove")
  .description("remove a member: it keeps what it has and can read nothing new")
  .argument("<member>", "the first characters (at least 6) of its key")
  .option(...spaceOption)
  .addHelpText("after", "\nExample: hawser remove 3f9a2c")
  .action(async (member: string, options: { space?: string }) => {
    await ask("remove", { ...options, member }, (value, output) => {
      const text = `Removed ${value.author.slice(0, 16)}…; new changes get a new key.`;
      output.event("removed", value, text + reachText(value.relay, "the others learn of it"));
    });
  });

program
  .command("invite")
  .description("print a new invite link, for one more device")
  .option(...spaceOption)
  .addHelpText("after", "\nExample: hawser invite")
  .action(async (options: { space?: string }) => {
    await ask("invite", options, (value, output) => {
      output.event("invite", value, value.link + reachText(value.relay, "the link works"));
    });
  });

/** What a person must know when a change has not left the device. */
function reachText(relay: Reach, effect: string): string {
  if (relay === "reached") return "";
  const reason = relay === "none" ? "No relay is known yet" : "The relay is away";
  return `\n${reason}: ${effect} once this device has reached it (hawser sync).`;
}

program
  .command("id")
  .description("print this device's key, which names it")
  .addHelpText("after", "\nExample: hawser id")
  .action(async () => {
    await ask("id", {}, (value, output) => output.event("id", value, value.author));
  });

program
  .command("spaces")
  .description("list the spaces on this device, and which folders they are")
  .addHelpText("after", "\nExample: hawser spaces")
  .action(async () => {
    await ask("spaces", {}, (spaces, output) => {
      const lines = spaces.flatMap(({ id, state, problem, members, folders }) => {
        const trouble = problem === null ? "" : ` [${problem}]`;
        const where = folders.length === 0 ? "no folder" : folders.join(", ");
        return [id, `  ${state}${trouble}, ${plural(members, "member")}, ${where}`];
      });
      const text = lines.length === 0 ? "No spaces yet." : lines.join("\n");
      output.event("spaces", { spaces }, text);
    });
  });

program
  .command("log")
  .description("list the entries of a space, oldest first, in words")
  .argument("[space]", "the first characters of its id, when there are several")
  .option("--limit <count>", "at most so many lines, the newest", "200")
  .addHelpText("after", "\nExample: hawser log --limit 20")
  .action(async (space: string | undefined, options: { limit: string }) => {
    const limit = String(wholeNumber("--limit", options.limit, logLinesMax));
    await ask("log", { space, limit }, listLog);
  });

program
  .command("doctor")
  .description("verify everything in this device's database and say what is wrong")
  .addHelpText("after", "\nExample: hawser doctor")
  .action(async () => {
    const { home, output } = settings();
    process.exitCode = (await doctor(await openHome(home), output)) ? 0 : 1;
  });

// Only for the list of commands: their own words are parsed in packet/run.ts and stream/run.ts.
program
  .command("packet")
  .description("Linkspace packets on pipes: make, print, filter, collect, save … (packet --help)");
program
  .command("stream")
  .description("one-file signed streams: create, append, verify, mirror, serve … (stream --help)");

/** What commander found wrong with the words of a command. */
function usageError(error: unknown): CliError {
  const message = messageOf(error)
    .replace(/^error: /, "")
    .replaceAll("\n", " ");
  return new CliError("CLI_USAGE", message, "See hawser --help.");
}

/** What shells report for a program that Ctrl-C ended. */
const interruptedExitCode = 130;

try {
  const packetWords = findPacketWords(process.argv.slice(2));
  const streamWords = findStreamWords(process.argv.slice(2));
  if (packetWords !== undefined) process.exitCode = await runPacketProcess(packetWords);
  else if (streamWords !== undefined) process.exitCode = await runStreamProcess(streamWords);
  else await program.parseAsync();
} catch (error) {
  if (codeOf(error).startsWith("commander.")) {
    const exitCode = error instanceof Error && "exitCode" in error ? Number(error.exitCode) : 1;
    process.exitCode = exitCode;
    // Help that was asked for, or is shown for want of a command, is no error.
    if (!codeOf(error).startsWith("commander.help")) settings().output.error(usageError(error));
  } else if (stopped.signal.aborted) {
    process.exitCode = interruptedExitCode;
  } else {
    settings().output.error(error);
    process.exitCode = 1;
  }
}
