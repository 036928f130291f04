/**
 * The main job, shown: a relay and two devices as three processes, one shared folder, an edit on
 * each side, one removal. Every claim is checked from outside, and the exit code is 0 only if all
 * held.
 *
 * Usage: npm start [-- <folder>]   (default: the repository's docs/)
 */
import { createCrypto } from "@hawser/crypto";
import { appendFile, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf, messageOf, remedyOf } from "../errors.ts";
import { defaultFolderLimits } from "../folder/limits.ts";
import { scanFolder } from "../folder/scan.ts";
import { formatBytes, formatCount, formatDuration, plural } from "../table.ts";
import { findSample, firstDifference, plaintextSamples, readTree } from "./compare.ts";
import { launch, type Launch, type Program, type ProgramEvent } from "./processes.ts";
import { giveEverything, openAll } from "./pry.ts";
import { reportOf, type Measured } from "./report.ts";

/** Time a step may take before the demo gives up; a large folder takes its time. */
const stepMsMax = 300_000;
/** Bytes on the wire of one copy may be this many times the payload, for the default folder. */
const wireRatioMax = 1.35;
/** What shells report for a program that Ctrl-C ended. */
const interruptedExitCode = 130;

const started = performance.now();
const failures: string[] = [];
const interrupt = new AbortController();
const programs: Program[] = [];

/** Starts a program that an interrupt ends too. */
function start(what: Launch): Program {
  interrupt.signal.throwIfAborted();
  const program = launch(what);
  programs.push(program);
  return program;
}

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1_000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

/** `problem` is what speaks against the claim, or `undefined`. */
function check(claim: string, problem: string | undefined): void {
  say(problem === undefined ? `✓ ${claim}` : `✗ ${claim}: ${problem}`);
  if (problem !== undefined) failures.push(claim);
}

interface Stage {
  readonly folder: string;
  /** The folder of each device that is kept in step. */
  readonly ada: string;
  readonly ben: string;
  readonly relayData: string;
}

async function prepare(folder: string, source: string): Promise<Stage> {
  const { files, skipped } = await scanFolder(source, defaultFolderLimits);
  const stage = {
    folder,
    ada: join(folder, "ada", "shared"),
    ben: join(folder, "ben", "shared"),
    relayData: join(folder, "relay"),
  };
  await mkdir(stage.ada, { recursive: true });
  await mkdir(stage.relayData);
  for (const path of files.keys()) {
    await mkdir(dirname(join(stage.ada, path)), { recursive: true });
    await copyFile(join(source, path), join(stage.ada, path));
  }
  const bytes = [...files.values()].reduce((sum, file) => sum + file.byteCount, 0);
  say(`sharing a copy of ${source}: ${plural(files.size, "file")}, ${formatBytes(bytes)}`);
  for (const [path, reason] of skipped) say(`  ${path} stays out: it ${reason}`);
  return stage;
}

type DeviceName = "ada" | "ben";

function homeOf(stage: Stage, name: DeviceName): string {
  return join(stage.folder, name, "home");
}

function device(stage: Stage, name: DeviceName, args: readonly string[]): Program {
  return start({ name, program: "hawser", args: ["--home", homeOf(stage, name), ...args] });
}

const named =
  (name: string) =>
  ({ event }: ProgramEvent): boolean =>
    event === name;

/** Waits until both folders are the same, comparing whenever a device reports something. */
async function waitUntilEqual(
  stage: Stage,
  devices: readonly Program[],
): Promise<string | undefined> {
  const deadline = performance.now() + stepMsMax;
  for (;;) {
    interrupt.signal.throwIfAborted();
    const difference = firstDifference(await readTree(stage.ada), await readTree(stage.ben));
    if (difference === undefined) return undefined;
    if (performance.now() > deadline) return difference;
    const counts = devices.map((one) => one.events.length);
    const news = devices.map((one, index) =>
      one.waitFor((event) => one.events.indexOf(event) >= (counts[index] ?? 0), 1_000),
    );
    await Promise.race(news.map((one) => one.catch(() => undefined)));
  }
}

async function editBothSides(stage: Stage, devices: readonly Program[]): Promise<void> {
  await writeFile(join(stage.ada, "hawser-demo.txt"), "written by ada\n");
  check("a file ada writes arrives at ben", await waitUntilEqual(stage, devices));
  await appendFile(join(stage.ben, "hawser-demo.txt"), "and edited by ben\n");
  check("ben's edit of it arrives at ada", await waitUntilEqual(stage, devices));
}

const secretFile = "secret.txt";
const secret = "after the removal only ada may read this sentence";

async function removeBen(stage: Stage, ada: Program, ben: Program): Promise<void> {
  const before = await readTree(stage.ben);
  const { author } = await ben.waitFor(named("joined"), stepMsMax);
  const removal = device(stage, "ada", ["remove", String(author)]);
  await removal.waitFor(named("removed"), stepMsMax);
  await removal.ended;
  say("ada removed ben");
  await writeFile(join(stage.ada, secretFile), `${secret}\n`);
  await ada.waitFor((event) => isSynced(event, secretFile), stepMsMax);
  say(`ada wrote ${secretFile}, and the relay has it`);
  const lost = await ben.waitFor(named("lost-access"), stepMsMax);
  check(
    "ben is told that the access is gone",
    lost["code"] === "HAWSER_NO_ACCESS" ? undefined : "no code",
  );
  await ben.ended;
  await using again = device(stage, "ben", ["sync", stage.ben]);
  const problem = await again.waitFor(named("lost-access"), stepMsMax).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  await again.stop();
  check("ben starts again and is refused again", problem);
  check(
    "ben's old copy is still there, unchanged",
    firstDifference(before, await readTree(stage.ben)),
  );
}

function isSynced({ event, paths }: ProgramEvent, path: string): boolean {
  return event === "synced" && Array.isArray(paths) && paths.includes(path);
}

/**
 * What can be checked once all processes have ended: what lies on which disk, and who can open it.
 */
async function lookAtDisks(stage: Stage): Promise<void> {
  const onBen = await findSample(join(stage.folder, "ben"), [Buffer.from(secret)]);
  check(`nothing of ${secretFile} is on ben's device`, onBen);
  const samples = plaintextSamples(await readTree(stage.ada));
  const onAda = await findSample(stage.ada, samples);
  check(
    `${formatCount(samples.length)} samples of ada's files and names are found in ada's folder`,
    onAda === undefined ? "the search finds nothing" : undefined,
  );
  const leak = await findSample(stage.relayData, samples);
  check("none of them is found in what the relay stores", leak);

  const crypto = await createCrypto();
  const relayDatabase = join(stage.relayData, "relay.sqlite");
  const [adaDatabase, benDatabase] = (["ada", "ben"] as const).map((name) =>
    join(homeOf(stage, name), "hawser.sqlite"),
  );
  if (adaDatabase === undefined || benDatabase === undefined) return;
  const known = await giveEverything(crypto, relayDatabase, benDatabase);
  const ada = await openAll(adaDatabase, known);
  const isReadByAda = ada.opened > 0 && ada.sealed === 0 && ada.finds(secret);
  check(
    `ada's device opens what was written since (${plural(ada.opened, "entry", "entries")})`,
    isReadByAda ? undefined : `${ada.sealed} stay sealed`,
  );
  const ben = await openAll(benDatabase, known);
  const isSealed = ben.opened === 0 && ben.sealed === ada.opened;
  check(
    "ben's device, given every byte the relay holds, opens none of it",
    isSealed ? undefined : `it opens ${ben.opened} of ${ben.opened + ben.sealed}`,
  );
}

async function run(stage: Stage, isDefault: boolean): Promise<void> {
  const tree = await readTree(stage.ada);
  const payload = [...tree.values()].reduce((sum, content) => sum + content.length, 0);
  const data = ["--port", "0", "--data", stage.relayData];
  await using relay = start({ name: "the relay", program: "relay", args: data });
  const url = String((await relay.waitFor(named("listening"), stepMsMax))["url"]);
  say(`the relay listens on ${url}`);
  await using ada = device(stage, "ada", ["share", stage.ada, "--relay", url]);
  const link = String((await ada.waitFor(named("shared"), stepMsMax))["link"]);
  const upload = Number((await ada.waitFor(named("synced"), stepMsMax))["bytesSent"]);
  say(`ada shares ${plural(tree.size, "file")}; the invite link works once`);
  await using ben = device(stage, "ben", ["join", link, stage.ben]);
  await ben.waitFor(named("joined"), stepMsMax);
  say("ben joined by the link");
  check("both folders are equal, byte for byte", await waitUntilEqual(stage, [ada, ben]));
  const ratio = payload === 0 ? undefined : upload / payload;
  if (isDefault && ratio !== undefined) {
    const claim = `the first copy crossed the wire with at most ${wireRatioMax} × its payload`;
    check(claim, ratio <= wireRatioMax ? undefined : ratio.toFixed(3));
  }
  await editBothSides(stage, [ada, ben]);
  await removeBen(stage, ada, ben);
  for (const one of [ada, ben, relay]) await one.stop();
  await lookAtDisks(stage);
  const timeText = formatDuration(performance.now() - started);
  const measured: Measured = { files: tree.size, payload, upload, ratio, timeText };
  process.stdout.write(`\n${reportOf({ ada, ben, relay }, measured)}\n`);
}

/** The folder to share. npm runs scripts at the repository's root, wherever it was called. */
function sourceFolder(given: string | undefined): string {
  if (given === undefined) return fileURLToPath(new URL("../../../../docs", import.meta.url));
  return resolve(process.env["INIT_CWD"] ?? process.cwd(), given);
}

async function demonstrate(given: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-demo-"));
  try {
    const stage = await prepare(folder, sourceFolder(given));
    await run(stage, given === undefined);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Their ends make every wait for them fail, and so the demo unwinds and takes its folder away.
  process.once(signal, () => {
    interrupt.abort();
    for (const program of programs) program.signal("SIGTERM");
  });
}
try {
  await demonstrate(process.argv[2]);
} catch (error) {
  if (!interrupt.signal.aborted) {
    say(`✗ ${messageOf(error)} [${codeOf(error)}]\n          → ${remedyOf(error)}`);
    failures.push("the demo ran to its end");
  }
}
if (interrupt.signal.aborted) {
  process.exitCode = interruptedExitCode;
} else {
  process.stdout.write(
    failures.length === 0
      ? "\nEvery comparison held.\n"
      : `\n${failures.length} failed:\n${failures.map((claim) => `  ✗ ${claim}`).join("\n")}\n`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
