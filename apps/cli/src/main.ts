#!/usr/bin/env node
/**
 * The hawser command.
 */
import { Command } from "commander";
import { hostname } from "node:os";
import {
  codeCommand,
  createCommand,
  joinCommand,
  phraseCommand,
  recoverCommand,
  sharesCommand,
  type AccountCommand,
} from "./account.ts";
import { devicesText } from "./account-devices.ts";
import { backup, restore } from "./backup.ts";
import { exportBundle, exportFrontier, importBundle, joinByBundle } from "./bundle.ts";
import { runDeviceCommand, type ChangeRow, type DeviceAnswers, type MemberRow } from "./device.ts";
import { doctor } from "./doctor.ts";
import { CliError, codeOf, messageOf } from "./errors.ts";
import { openHome } from "./home.ts";
import { listLog, logLinesMax } from "./log-listing.ts";
import { createOutput, type Output } from "./output.ts";
import { findPacketWords, runPacketProcess } from "./packet/process.ts";
import type { Reach } from "./relay-link.ts";
import { findRelayWords, runRelayProcess } from "./relay.ts";
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

program
  .command("backup")
  .description("write this device into one encrypted file; the password is asked for")
  .argument("<file>", "a new file")
  .option("--retire", "the device moves: it writes no more here, for good", false)
  .option(
    "--leave-compacted",
    "without what compacted spaces lack here; another device has to bring it after a restore",
    false,
  )
  .addHelpText("after", "\nExample: hawser backup laptop.hawser")
  .action(async (file: string, options: { retire: boolean; leaveCompacted: boolean }) => {
    await backup({ ...settings(), file, ...options, signal: untilStopped() });
  });

program
  .command("restore")
  .description("bring a device back from its file, or read it beside the device that is here")
  .argument("<file>")
  .option("--only-copy", "no other copy of the device has written since: wait for no relay", false)
  .addHelpText("after", "\nExample: hawser --home ./new restore laptop.hawser")
  .action(async (file: string, { onlyCopy }: { onlyCopy: boolean }) => {
    await restore({ ...settings(), file, onlyCopy, signal: untilStopped() });
  });

const bundle = program
  .command("bundle")
  .description("carry a space's entries in files, where no network does");
const bundleSpaces = [
  "--space <id...>",
  "only these, by the first characters of their ids (default: all)",
] as const;

bundle
  .command("export")
  .description("write what somebody lacks into a file, sealed for members")
  .argument("<file>", "a new file")
  .option("--for <frontier>", "the other side's `bundle frontier`: only what it lacks")
  .option(...bundleSpaces)
  .addHelpText("after", "\nExample: hawser bundle export stick/notes.bundle --for stick/theirs")
  .action(async (file: string, options: { for?: string; space?: string[] }) => {
    const given = { file, frontier: options.for, spaces: options.space ?? [] };
    await exportBundle({ ...settings(), ...given, signal: untilStopped() });
  });

bundle
  .command("import")
  .description("take such a file in, as if a peer had sent it")
  .argument("<file>")
  .addHelpText("after", "\nExample: hawser bundle import stick/notes.bundle")
  .action(async (file: string) => {
    await importBundle({ ...settings(), file, signal: untilStopped() });
  });

bundle
  .command("frontier")
  .description("write what this device has, so that the other side exports only the rest")
  .argument("<file>", "a new file")
  .option(...bundleSpaces)
  .addHelpText("after", "\nExample: hawser bundle frontier stick/mine")
  .action(async (file: string, options: { space?: string[] }) => {
    const given = { file, spaces: options.space ?? [] };
    await exportFrontier({ ...settings(), ...given, signal: untilStopped() });
  });

bundle
  .command("join")
  .description("begin to join by an invite link without a relay")
  .argument("<invite>")
  .addHelpText("after", "\nExample: hawser bundle join hawser:join/…")
  .action(async (link: string) => {
    await joinByBundle({ ...settings(), link, signal: untilStopped() });
  });

const account = program
  .command("account")
  .description("this person's devices: let in by a code, revoke, bring back from 24 words");
const relayOption = [
  "--relay <url>",
  "the relay where devices meet (default: the last one)",
] as const;
const nameOption = ["--name <name>", "what this device is called", hostname()] as const;

function accountSettings(options: { relay?: string }): AccountCommand {
  return { ...settings(), relay: options.relay, signal: untilStopped() };
}

account
  .command("create")
  .description("found an account with this device, and print its 24 words")
  .option(...nameOption)
  .option(...relayOption)
  .addHelpText("after", "\nExample: hawser account create --relay wss://relay.example")
  .action(async (options: { name: string; relay?: string }) => {
    await createCommand(accountSettings(options), options);
  });

account
  .command("code")
  .description("show a code, and let in the device that is given it")
  .option(...relayOption)
  .addHelpText("after", "\nExample: hawser account code")
  .action(async (options: { relay?: string }) => {
    await codeCommand(accountSettings(options));
  });

account
  .command("join")
  .description("join the account of the device that shows a code")
  .argument("<code>", "twelve digits")
  .option(...nameOption)
  .option(...relayOption)
  .addHelpText("after", "\nExample: hawser account join 4821-0275-9164")
  .action(async (code: string, options: { name: string; relay?: string }) => {
    await joinCommand(accountSettings(options), { code, name: options.name });
  });

account
  .command("devices")
  .description("list the devices of the account")
  .addHelpText("after", "\nExample: hawser account devices")
  .action(async () => {
    await ask("accountDevices", {}, (devices, output) => {
      output.event("devices", { devices }, devicesText(devices));
    });
  });

account
  .command("revoke")
  .description("take a device out of the account, and out of every space the account is in")
  .argument("<device>", "its name, or the first characters (at least 6) of its key")
  .addHelpText("after", "\nExample: hawser account revoke phone")
  .action(async (device: string) => {
    await ask("accountRevoke", { device }, (revoked, output) => {
      const { name, author } = revoked;
      const text = `Revoked ${name ?? "the device"} (${author.slice(0, 16)}…).`;
      output.event("revoked", { device: revoked }, text);
    });
  });

account
  .command("recover")
  .description("bring the account back from the 24 words on standard input")
  .option(...nameOption)
  .option(...relayOption)
  .option("--lost <device...>", "devices to revoke at once: names, or characters of keys", [])
  .addHelpText("after", "\nExample: hawser account recover --lost laptop < words.txt")
  .action(async (options: { name: string; relay?: string; lost: string[] }) => {
    await recoverCommand(accountSettings(options), options);
  });

account
  .command("shares")
  .description("cut the 24 words on standard input into shares for friends")
  .option("--count <count>", "shares to make", "3")
  .option("--needed <count>", "shares that give the words back", "2")
  .addHelpText("after", "\nExample: hawser account shares --count 5 --needed 3 < words.txt")
  .action(async (options: { count: string; needed: string }) => {
    const count = wholeNumber("--count", options.count, 32);
    const needed = wholeNumber("--needed", options.needed, 32);
    await sharesCommand(accountSettings({}), { count, needed });
  });

account
  .command("phrase")
  .description("print the 24 words of the shares on standard input")
  .addHelpText("after", "\nExample: hawser account phrase < shares.txt")
  .action(async () => {
    await phraseCommand(accountSettings({}));
  });

// Only for the list of commands: their own words are parsed in packet/run.ts, stream/run.ts and @hawser/relay.
program
  .command("packet")
  .description("Linkspace packets on pipes: make, print, filter, collect, save … (packet --help)");
program
  .command("stream")
  .description("one-file signed streams: create, append, verify, mirror, serve … (stream --help)");
program
  .command("relay")
  .description("run a relay, as hawser-relay does: config check, backup, restore … (relay --help)");

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
  const relayWords = findRelayWords(process.argv.slice(2));
  if (relayWords !== undefined) process.exitCode = await runRelayProcess(relayWords);
  else if (packetWords !== undefined) process.exitCode = await runPacketProcess(packetWords);
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
