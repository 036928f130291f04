/**
 * hawser backup and hawser restore: a device in one encrypted file, and back. The password comes by the
 * terminal or standard input, never by the command line, where other users could read it.
 */
import {
  assumeOnlyCopy,
  backupDevice,
  restoredSpaces,
  restoreDevice,
  untilCompared,
  type ExportReport,
  type ImportReport,
} from "@hawser/hawser/archive";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { ownHome } from "./control.ts";
import { openDevice, type Device } from "./device.ts";
import { CliError, isMissing } from "./errors.ts";
import { openHome, protectDatabase, type Home } from "./home.ts";
import type { Output } from "./output.ts";
import { formatBytes, plural } from "./table.ts";

/** What both commands are given. */
export interface ArchiveCommand {
  readonly home: string | undefined;
  readonly file: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

const passwordCharactersMin = 8;
const passwordCharactersMax = 1_024;
/** How long a relay may take to say how far this device's logs go. */
const comparedMsMax = 30_000;

/** The reason of a gap that compaction left. */
const compacted = "PRUNED";

/** Writes the device of a home into a file. */
export async function backup(
  command: ArchiveCommand & { readonly retire: boolean; readonly leaveCompacted: boolean },
): Promise<void> {
  const { output, signal, retire } = command;
  const pruned = command.leaveCompacted ? "leave" : "refuse";
  const file = resolve(command.file);
  if (!(await isFree(file))) {
    const remedy = "Name another file; an older archive is never written over.";
    throw new CliError("CLI_ARCHIVE_EXISTS", `${file} is there already`, remedy);
  }
  const home = await openHome(command.home);
  const password = await readPassword(output, "twice");
  await withHome(home, async () => {
    await using device = await openDevice(home);
    const options = { key: { password }, retire, pruned, signal } as const;
    const onProgress = ({ bytes }: { readonly bytes: number }): void =>
      output.progress({ bytes }, `Writing: ${formatBytes(bytes)}`);
    const made = backupDevice(device.hawser, { ...options, onProgress });
    const bytes = await writeWhole(file, made.bytes);
    const report = made.report();
    if (report === undefined) throw new Error("an archive that ended without a report");
    const said = backupText(report, { file, bytes, retire });
    output.event("backup", { file, bytes, retired: retire, ...report }, said);
    if (report.skipped.some(({ reason }) => reason !== compacted)) process.exitCode = 1;
  });
}

function backupText(
  { spaces, entries, skipped }: ExportReport,
  made: { readonly file: string; readonly bytes: number; readonly retire: boolean },
): string {
  const counts = `${plural(spaces, "space")}, ${plural(entries, "entry", "entries")}`;
  const lines = [
    `${made.file}: ${counts}, ${formatBytes(made.bytes)}.`,
    "Whoever has this file and the password has this device; without the password it is lost.",
    "Folders on this disk are not in it: what was synced of them is.",
    ...gapLines(
      skipped.filter(({ reason }) => reason !== compacted),
      "is damaged here, and not (whole) in it",
    ),
    ...gapLines(
      skipped.filter(({ reason }) => reason === compacted),
      "was compacted here: after a restore another device has to bring what is not in it",
    ),
  ];
  if (made.retire) lines.push("This device is retired: it writes no more. Restore it elsewhere.");
  return lines.join("\n");
}

/** Takes a file into a home: as the device it was made by, or beside the device that is there. */
export async function restore(
  command: ArchiveCommand & { readonly onlyCopy: boolean },
): Promise<void> {
  const { output, signal, onlyCopy } = command;
  const file = resolve(command.file);
  const size = await sizeOf(file);
  const home = await openHome(command.home);
  const password = await readPassword(output, "once");
  await withHome(home, async () => {
    await protectDatabase(home);
    const report = await restoreDevice({
      path: home.database,
      key: { password },
      source: createReadStream(file),
      signal,
      onProgress: ({ bytes, entries }) => {
        const share = `${Math.floor((100 * bytes) / Math.max(1, size))} %`;
        output.progress({ bytes, size, entries }, `Reading: ${share}, ${entries} new entries`);
      },
    });
    const { author, spaces, entries, skipped, damage, complete } = report;
    const isSame = report.identity.author === author;
    const fields = { author, sameDevice: isSame, spaces, entries, skipped, damage, complete };
    output.event("restored", fields, restoredText(report, isSame));
    if (!complete) process.exitCode = 1;
    await using device = await openDevice(home);
    await endWait(device, { output, signal, onlyCopy });
  });
}

function restoredText(report: ImportReport, isSame: boolean): string {
  const { spaces, entries, skipped, damage, author, time } = report;
  const made = new Date(time / 1_000).toISOString();
  const lines = [
    `${plural(spaces.length, "space")}, ${plural(entries, "new entry", "new entries")}, ` +
      `as of ${made}.`,
    isSame
      ? `This is device ${author.slice(0, 16)}… again. Stop any other copy of it: two copies that ` +
        "both write fork their logs."
      : `This device keeps its own key. It reads what device ${author.slice(0, 16)}… could read, and ` +
        "is no member by that.",
    ...damage.map(({ from, to, reason }) => `Bytes ${from} to ${to} of the file are ${reason}.`),
    ...gapLines(skipped, "is not (whole) here"),
    "Take up a folder:  hawser sync <folder> --space <id>   (hawser spaces lists them)",
  ];
  return lines.join("\n");
}

/** Waits a while for a relay, and says how it stands. */
async function endWait(
  { hawser }: Device,
  options: { readonly output: Output; readonly signal: AbortSignal; readonly onlyCopy: boolean },
): Promise<void> {
  const { output, signal, onlyCopy } = options;
  if (onlyCopy) await assumeOnlyCopy(hawser);
  const limit = AbortSignal.timeout(comparedMsMax);
  if (restoredSpaces(hawser).length > 0 && hawser.relays().length > 0) {
    const stop = AbortSignal.any([signal, limit]);
    await untilCompared(hawser, { signal: stop }).catch((error: unknown) => {
      if (!limit.aborted || signal.aborted) throw error;
    });
  }
  const waiting = restoredSpaces(hawser);
  const said =
    waiting.length === 0
      ? "Every space may be written."
      : `${plural(waiting.length, "space")} may not be written yet: no relay has said how far this ` +
        "device's own logs go,\nand writing now could fork them. `hawser sync` asks again. If no " +
        "other copy of this device has written\nsince the archive was made: hawser restore <file> " +
        "--only-copy";
  output.event("writable", { waiting }, said);
}

function gapLines(
  gaps: readonly { readonly topic: string; readonly reason: string }[],
  what: string,
): readonly string[] {
  return gaps.map(({ topic, reason }) => `Space ${topic.slice(0, 16)}… ${what} (${reason}).`);
}

/** Whether nothing is at a path yet. */
export async function isFree(file: string): Promise<boolean> {
  try {
    await stat(file);
    return false;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    const remedy = "Name a file that `hawser backup` has made.";
    throw new CliError("CLI_ARCHIVE_MISSING", `there is no file ${file}`, remedy, { cause });
  }
}

/** The file is there whole, or not at all. */
export async function writeWhole(file: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const part = `${file}.part`;
  let byteCount = 0;
  try {
    const handle = await open(part, "w", 0o600);
    try {
      for await (const piece of pieces) {
        await handle.writeFile(piece);
        byteCount += piece.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return byteCount;
}

/** The home for this command alone: nobody may have spaces open on the store meanwhile. */
async function withHome(home: Home, run: () => Promise<void>): Promise<void> {
  const busy = new CliError(
    "CLI_HOME_BUSY",
    "this device is busy with an archive",
    "Wait until it is done.",
  );
  await using _owner = await ownHome(home, () => Promise.reject(busy));
  await run();
}

/** A password from the terminal, unseen, or the first line of standard input. */
async function readPassword(output: Output, how: "once" | "twice"): Promise<string> {
  const first = process.stdin.isTTY ? await askUnseen("Password: ") : await firstLine();
  const isShort = how === "twice" && first.length < passwordCharactersMin;
  if (isShort || first.length === 0 || first.length > passwordCharactersMax) {
    const message = `a password has ${passwordCharactersMin} to ${passwordCharactersMax} characters`;
    throw new CliError("CLI_USAGE", message, "Several words are good; nothing brings it back.");
  }
  if (how === "twice" && process.stdin.isTTY) {
    const second = await askUnseen("Once more: ");
    if (second !== first) {
      throw new CliError("CLI_USAGE", "the two passwords differ", "Type the same one twice.");
    }
  }
  output.clear();
  return first;
}

async function firstLine(): Promise<string> {
  const [line = ""] = (await text(process.stdin)).split(/\r?\n/);
  return line;
}

/** Reads a line from the terminal without showing it. */
async function askUnseen(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  const typed = Promise.withResolvers<string>();
  let line = "";
  const onData = (keys: string): void => {
    for (const key of keys) {
      if (key === "\r" || key === "\n" || key === "\u0004") typed.resolve(line);
      else if (key === "\u0003") typed.reject(new CliError("CLI_USAGE", "stopped", "Start again."));
      else if (key === "\u007f" || key === "\b") line = Array.from(line).slice(0, -1).join("");
      else line += key;
    }
  };
  stdin.on("data", onData);
  stdin.resume();
  try {
    return await typed.promise;
  } finally {
    stdin.off("data", onData);
    stdin.pause();
    stdin.setRawMode(false);
    stderr.write("\n");
  }
}
