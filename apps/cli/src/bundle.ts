/**
 * hawser bundle: entries in files, for devices that no network joins. What a stick carries is sealed;
 * what comes off one is verified like anything from a peer.
 */
import {
  beginJoin,
  loadFrontier,
  takeBundle,
  writeBundle,
  writeFrontier,
  type BundleExportReport,
  type BundleImportReport,
} from "@hawser/hawser/bundle";
import type { HawserSpace } from "@hawser/hawser";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isFree, writeWhole } from "./backup.ts";
import { ownHome } from "./control.ts";
import { chooseSpace, openDevice, type Device } from "./device.ts";
import { CliError, codeOf, isMissing, messageOf } from "./errors.ts";
import { openHome } from "./home.ts";
import type { Output } from "./output.ts";
import { formatBytes, plural } from "./table.ts";

/** What all of these commands are given. */
export interface BundleCommand {
  readonly home: string | undefined;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** What to do about the codes of bundles. */
const remedies: Readonly<Record<string, string>> = {
  BUNDLE_MALFORMED: "Name a file that `hawser bundle export` or `bundle frontier` has made.",
  BUNDLE_VERSION: "Update hawser: the file was made by a newer version.",
  BUNDLE_KIND:
    "`bundle import` takes what `bundle export` wrote, `--for` what `bundle frontier` did.",
  BUNDLE_TOO_MANY: "Name spaces with --space, and make several files.",
  BUNDLE_DAMAGED: "Copy the frontier again; or leave --for away: then everything goes in.",
};

/** Writes what somebody lacks into a new file. */
export async function exportBundle(
  command: BundleCommand & {
    readonly file: string;
    /** The other side's frontier file. */
    readonly frontier: string | undefined;
    readonly spaces: readonly string[];
  },
): Promise<void> {
  const { output, signal } = command;
  const file = await newFile(command.file);
  const known = command.frontier === undefined ? undefined : await openable(command.frontier);
  await withDevice(command, async ({ hawser }, spaces) => {
    const frontier = known && (await loadFrontier(hawser, known()));
    const onProgress = ({ bytes }: { readonly bytes: number }): void =>
      output.progress({ bytes }, `Writing: ${formatBytes(bytes)}`);
    const options = {
      signal,
      onProgress,
      ...(spaces && { spaces }),
      ...(frontier && { frontier }),
    };
    const made = writeBundle(hawser, options);
    const bytes = await writeWhole(file, made.bytes);
    const report = made.report();
    if (report === undefined) throw new Error("a bundle that ended without a report");
    output.event("exported", { file, bytes, ...report }, exportText(report, file, bytes));
    if (report.withheld.length > 0) process.exitCode = 1;
  });
}

function exportText(report: BundleExportReport, file: string, bytes: number): string {
  const { spaces, entries, withheld } = report;
  const counts = `${plural(entries, "entry", "entries")} of ${plural(spaces, "space")}`;
  return [
    `${file}: ${counts}, ${formatBytes(bytes)}.`,
    "Only members and relays of these spaces can open it.",
    ...withheld.map(
      ({ topic, reason }) => `Of space ${topic.slice(0, 16)}… a log is left out (${reason}).`,
    ),
  ].join("\n");
}

/** Takes a file in; exit code 1 when not everything in it is here now. */
export async function importBundle(
  command: BundleCommand & { readonly file: string },
): Promise<void> {
  const { output, signal } = command;
  const open = await openable(command.file);
  const { size } = await stat(resolve(command.file));
  await withDevice({ ...command, spaces: [] }, async ({ hawser }) => {
    const report = await takeBundle(hawser, open, {
      signal,
      onProgress: ({ bytes, entries }) => {
        const share = `${Math.floor((100 * bytes) / Math.max(1, size))} %`;
        output.progress({ bytes, size, entries }, `Reading: ${share}, ${entries} new entries`);
      },
    });
    const entries = report.spaces.reduce((sum, space) => sum + space.entries, 0);
    output.event("imported", { entries, ...report }, importText(report, entries));
    if (!report.complete) process.exitCode = 1;
  });
}

function importText(report: BundleImportReport, entries: number): string {
  const { spaces, foreign, refused, refusedCount, damage, damageCount } = report;
  const lines = [
    `${plural(entries, "new entry", "new entries")} in ${plural(spaces.length, "space")}.`,
  ];
  if (foreign > 0) lines.push(`${plural(foreign, "space")} in the file: not on this device.`);
  for (const { topic, unopened, withheld } of spaces) {
    const space = `Space ${topic.slice(0, 16)}…`;
    if (unopened > 0) {
      lines.push(
        `${space}: ${plural(unopened, "part")} under a key this device does not have (yet): it is not ` +
          "let in,\nor was removed. Once it is let in, import the file again.",
      );
    }
    if (withheld > 0) lines.push(`${space}: whoever made the file could not put everything in.`);
  }
  for (const { topic, author, from, count, reason } of refused.slice(0, linesMax)) {
    const what = `entries ${from} to ${from + count - 1} of ${author.slice(0, 8)}`;
    lines.push(`Space ${topic.slice(0, 16)}…: ${what} are not taken (${reason}).`);
  }
  if (refusedCount > linesMax) lines.push(`… and ${refusedCount - linesMax} more not taken.`);
  for (const { section, chunk, reason } of damage.slice(0, linesMax)) {
    const where = chunk === undefined ? `part ${section}` : `part ${section}, piece ${chunk}`;
    lines.push(`The file is ${reason} in ${where}.`);
  }
  if (damageCount > linesMax) lines.push(`… and ${damageCount - linesMax} damaged places more.`);
  return lines.join("\n");
}

/** Lines of one kind that are printed; `--json` has more. */
const linesMax = 20;

/** Writes what this device has, so that the other side exports only the rest. */
export async function exportFrontier(
  command: BundleCommand & { readonly file: string; readonly spaces: readonly string[] },
): Promise<void> {
  const { output, signal } = command;
  const file = await newFile(command.file);
  await withDevice(command, async ({ hawser }, spaces) => {
    const pieces = writeFrontier(hawser, { signal, ...(spaces && { spaces }) });
    const bytes = await writeWhole(file, pieces);
    const text = `${file}: ${formatBytes(bytes)}.\nOn the other side:  hawser bundle export <file> --for ${command.file}`;
    output.event("frontier", { file, bytes }, text);
  });
}

/** Begins to join by a link without a relay; files do the rest. */
export async function joinByBundle(
  command: BundleCommand & { readonly link: string },
): Promise<void> {
  await withDevice({ ...command, spaces: [] }, async ({ hawser }) => {
    const topic = await beginJoin(hawser, command.link);
    const text =
      "Joining. Import a file of a member, export one for a member to import, and import one of that\n" +
      "member again: then this device is in. `hawser spaces` says how it stands.";
    command.output.event("joining", { author: hawser.author, topic }, text);
  });
}

/** The home for this command alone, its device, and the spaces that were named. */
async function withDevice(
  command: BundleCommand & { readonly spaces?: readonly string[] },
  run: (device: Device, spaces: readonly HawserSpace[] | undefined) => Promise<void>,
): Promise<void> {
  const home = await openHome(command.home);
  const busy = new CliError(
    "CLI_HOME_BUSY",
    "this device is busy with a bundle",
    "Wait until it is done.",
  );
  await using _owner = await ownHome(home, () => Promise.reject(busy));
  await using device = await openDevice(home);
  const named = (command.spaces ?? []).map((id) => chooseSpace(device.hawser, id));
  try {
    await run(device, named.length === 0 ? undefined : named);
  } catch (error) {
    const remedy = remedies[codeOf(error)];
    if (remedy === undefined) throw error;
    throw new CliError(codeOf(error), messageOf(error), remedy, { cause: error });
  }
}

async function newFile(name: string): Promise<string> {
  const file = resolve(name);
  if (await isFree(file)) return file;
  const remedy = "Name another file; none is written over.";
  throw new CliError("CLI_ARCHIVE_EXISTS", `${file} is there already`, remedy);
}

/** Opens a file as often as it has to be read. */
async function openable(name: string): Promise<() => AsyncIterable<Uint8Array>> {
  const file = resolve(name);
  try {
    await stat(file);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    const remedy = "Name a file that `hawser bundle` has made.";
    throw new CliError("CLI_ARCHIVE_MISSING", `there is no file ${file}`, remedy, { cause });
  }
  return () => createReadStream(file);
}
