#!/usr/bin/env node
/**
 * The hawser command.
 */
import { Command } from "commander";
import { runDeviceCommand, type MemberRow } from "./device.ts";
import { doctor } from "./doctor.ts";
import { openHome } from "./home.ts";
import { listLog } from "./log-listing.ts";
import { createOutput, printError, type Output } from "./output.ts";
import { join, share, sync } from "./share.ts";

interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
}

const program = new Command("hawser")
  .description("Share a folder through an encrypted space.")
  .option("--home <folder>", "where this device keeps its keys and data (default ~/.hawser)")
  .option("--json", "print one JSON object a line")
  .showHelpAfterError()
  .exitOverride();

function settings(): { home: string | undefined; output: Output } {
  const options = program.opts<GlobalOptions>();
  return { home: options.home, output: createOutput({ json: options.json === true }) };
}

/** Aborts at Ctrl-C and at a polite kill; a second Ctrl-C ends at once. */
function untilStopped(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => controller.abort());
  }
  return controller.signal;
}

program
  .command("share")
  .description("put a folder into an encrypted space, print an invite link, keep both in step")
  .argument("<folder>")
  .option("--relay <url>", "the relay that carries it, e.g. ws://localhost:8787")
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
  .addHelpText("after", "\nExample: hawser join hawser:join/… ./notes")
  .action(async (link: string, folder: string, options: { relay?: string }) => {
    await join({ ...settings(), link, folder, relay: options.relay, signal: untilStopped() });
  });

program
  .command("sync")
  .description("take up a folder that was shared or joined before")
  .argument("<folder>")
  .option("--relay <url>", "another relay than the one used last")
  .addHelpText("after", "\nExample: hawser sync ./notes")
  .action(async (folder: string, options: { relay?: string }) => {
    await sync({ ...settings(), folder, relay: options.relay, signal: untilStopped() });
  });

/** Runs a short command in whichever process has the home open, and prints its value. */
async function ask<Value>(
  command: string,
  args: Readonly<Record<string, string | undefined>>,
  show: (value: Value, output: Output) => void,
): Promise<void> {
  const { home, output } = settings();
  const given = Object.entries(args).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  const request = { command, args: Object.fromEntries(given) };
  // Safe: `deviceCommands` defines what each command returns.
  show((await runDeviceCommand(await openHome(home), request)) as Value, output);
}

program
  .command("members")
  .description("list who is in a space")
  .option("--space <id>", "the first characters of its id, when there are several")
  .addHelpText("after", "\nExample: hawser members")
  .action(async (options: { space?: string }) => {
    await ask<{ space: string; members: readonly MemberRow[] }>(
      "members",
      options,
      (value, output) => {
        const rows = value.members.map((row) =>
          `  ${row.author.slice(0, 16)}…  ${row.level.padEnd(6)}  ${row.note}`.trimEnd(),
        );
        output.event("members", value, [`Members of ${value.space}:`, ...rows].join("\n"));
      },
    );
  });

program
  .command("remove")
  .description("remove a member: it keeps what it has and can read nothing new")
  .argument("<member>", "the first characters (at least 6) of its key")
  .option("--space <id>", "the first characters of its id, when there are several")
  .addHelpText("after", "\nExample: hawser remove 3f9a2c")
  .action(async (member: string, options: { space?: string }) => {
    await ask<{ space: string; author: string }>(
      "remove",
      { ...options, member },
      (value, output) => {
        output.event(
          "removed",
          value,
          `Removed ${value.author.slice(0, 16)}…; the keys are changed.`,
        );
      },
    );
  });

program
  .command("invite")
  .description("print a new invite link, for one more device")
  .option("--space <id>", "the first characters of its id, when there are several")
  .addHelpText("after", "\nExample: hawser invite")
  .action(async (options: { space?: string }) => {
    await ask<{ space: string; link: string }>("invite", options, (value, output) => {
      output.event("invite", value, value.link);
    });
  });

program
  .command("id")
  .description("print this device's key, which names it")
  .addHelpText("after", "\nExample: hawser id")
  .action(async () => {
    await ask<{ author: string }>("id", {}, (value, output) =>
      output.event("id", value, value.author),
    );
  });

program
  .command("spaces")
  .description("list the spaces on this device")
  .addHelpText("after", "\nExample: hawser spaces")
  .action(async () => {
    await ask<readonly { id: string; folder?: string; members: number }[]>(
      "spaces",
      {},
      (spaces, output) => {
        const lines = spaces.map((space) =>
          `${space.id}\n  ${space.members} members  ${space.folder ?? ""}`.trimEnd(),
        );
        output.event(
          "spaces",
          { spaces },
          lines.length === 0 ? "No spaces yet." : lines.join("\n"),
        );
      },
    );
  });

program
  .command("log")
  .description("list the entries of a space, oldest first, in words")
  .argument("[space]", "the first characters of its id, when there are several")
  .option("--limit <count>", "at most so many lines, the newest", "200")
  .addHelpText("after", "\nExample: hawser log --limit 20")
  .action(async (space: string | undefined, options: { limit: string }) => {
    await ask("log", { space, limit: options.limit }, listLog);
  });

program
  .command("doctor")
  .description("verify everything in this device's database and say what is wrong")
  .addHelpText("after", "\nExample: hawser doctor")
  .action(async () => {
    const { home, output } = settings();
    process.exitCode = (await doctor(await openHome(home), output)) ? 0 : 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  const isCommander =
    error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
  if (isCommander) {
    process.exitCode = "exitCode" in error ? Number(error.exitCode) : 1;
  } else {
    printError(error, { json: program.opts<GlobalOptions>().json === true });
    process.exitCode = 1;
  }
}
