/**
 * The main job, shown: a relay and two devices as three processes, one shared folder, an edit on each
 * side, one removal. Every claim is checked from outside, and the exit code is 0 only if all held.
 *
 * Usage: main.ts [folder]   (default: the repository's docs/)
 */
import { appendFile, cp, mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isIgnoredName } from "../folder/paths.ts";
import { formatBytes, formatCount, formatDuration, formatTable } from "../table.ts";
import { findSample, firstDifference, plaintextSamples, readTree } from "./compare.ts";
import { launch, type DemoEvent, type DemoProcess } from "./processes.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const cli = join(here, "..", "main.ts");
const relay = join(here, "..", "..", "..", "relay", "src", "main.ts");
const runTypeScript = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning"];

/** Time a step may take before the demo gives up. */
const stepMsMax = 120_000;

const started = performance.now();
const failures: string[] = [];

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1_000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

function check(claim: string, problem: string | undefined): void {
  say(
    `${problem === undefined ? "✓" : "✗"} ${claim}${problem === undefined ? "" : `: ${problem}`}`,
  );
  if (problem !== undefined) failures.push(claim);
}

interface Stage {
  readonly folder: string;
  readonly ada: string;
  readonly ben: string;
}

async function prepare(source: string): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-demo-"));
  const stage = { folder, ada: join(folder, "ada", "shared"), ben: join(folder, "ben", "shared") };
  await mkdir(stage.ada, { recursive: true });
  await mkdir(stage.ben, { recursive: true });
  await mkdir(join(folder, "relay"));
  const filter = (path: string): boolean => !isIgnoredName(path.split(/[/\\]/).at(-1) ?? "");
  await cp(source, stage.ada, { recursive: true, filter });
  return stage;
}

function device(stage: Stage, name: "ada" | "ben", args: readonly string[]): DemoProcess {
  const home = join(stage.folder, name, "home");
  return launch({ name, args: [...runTypeScript, cli, "--home", home, "--json", ...args] });
}

/** Waits until both folders are the same, comparing whenever a device reports a pass. */
async function waitUntilEqual(
  stage: Stage,
  devices: readonly DemoProcess[],
): Promise<string | undefined> {
  const deadline = performance.now() + stepMsMax;
  for (;;) {
    const difference = firstDifference(await readTree(stage.ada), await readTree(stage.ben));
    if (difference === undefined) return undefined;
    const left = deadline - performance.now();
    if (left <= 0) return difference;
    const counts = devices.map((one) => one.events.length);
    const news = devices.map((one, index) =>
      one.waitFor((event) => one.events.indexOf(event) >= (counts[index] ?? 0), left),
    );
    for (const one of news) one.catch(() => undefined);
    await Promise.race([...news, pause(500)]);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((settle) => {
    setTimeout(settle, ms);
  });
}

async function shareAndJoin(
  stage: Stage,
  url: string,
): Promise<readonly [DemoProcess, DemoProcess]> {
  const ada = device(stage, "ada", ["share", stage.ada, "--relay", url]);
  const shared = await ada.waitFor((event) => event.event === "shared", stepMsMax);
  say(`ada shares ${formatCount(Number(shared["files"]))} files; the invite link works once`);
  const link = String(shared["link"]);
  const ben = device(stage, "ben", ["join", link, stage.ben]);
  await ben.waitFor((event) => event.event === "joined", stepMsMax);
  say("ben joined by the link");
  check("both folders are equal, byte for byte", await waitUntilEqual(stage, [ada, ben]));
  return [ada, ben];
}

async function editBothSides(stage: Stage, devices: readonly DemoProcess[]): Promise<void> {
  await writeFile(join(stage.ada, "hawser-demo.txt"), "written by ada\n");
  check("a file ada writes arrives at ben", await waitUntilEqual(stage, devices));
  await appendFile(join(stage.ben, "hawser-demo.txt"), "and edited by ben\n");
  check("ben's edit of it arrives at ada", await waitUntilEqual(stage, devices));
}

const secret = "after-the-removal: only ada may read this sentence\n";

async function removeBen(stage: Stage, ada: DemoProcess, ben: DemoProcess): Promise<void> {
  const before = await readTree(stage.ben);
  const joined = ben.events.find((event) => event.event === "joined");
  const member = String(joined?.["author"]);
  const removal = device(stage, "ada", ["remove", member]);
  await removal.waitFor((event) => event.event === "removed", stepMsMax);
  await removal.stop();
  say("ada removed ben");
  await writeFile(join(stage.ada, "secret.txt"), secret);
  await ada.waitFor(
    (event) =>
      event.event === "synced" && Number(event["uploads"]) > 0 && includes(event, "secret.txt"),
    stepMsMax,
  );
  say("ada wrote secret.txt, and the relay has it");
  const lost = await ben.waitFor((event) => event.event === "lost-access", stepMsMax);
  check("ben is told that the access is gone", lost["code"] === undefined ? "no code" : undefined);
  check(
    "ben's old copy is still there, unchanged",
    firstDifference(before, await readTree(stage.ben)),
  );
  const found = await findSample(join(stage.folder, "ben"), [Buffer.from(secret.slice(0, 40))]);
  check("nothing of secret.txt is on ben's device", found);
}

function includes(event: DemoEvent, path: string): boolean {
  const paths = event["paths"];
  return Array.isArray(paths) && paths.includes(path);
}

function numbers(process: DemoProcess): Readonly<Record<string, number>> {
  const stopped = process.events.findLast((event) => event.event === "stopped");
  const stats = stopped?.["stats"];
  // Safe: our own programs print a flat object of numbers.
  return typeof stats === "object" && stats !== null ? (stats as Record<string, number>) : {};
}

/** Bytes on the wire of one copy may be this many times the payload for the default folder. */
const wireRatioMax = 1.35;

function report(
  ada: DemoProcess,
  ben: DemoProcess,
  server: DemoProcess,
  measured: { files: number; payload: number; upload: number; isDefault: boolean },
): void {
  const [a, b, r] = [numbers(ada), numbers(ben), numbers(server)];
  const ratio = measured.upload / measured.payload;
  if (measured.isDefault) {
    const claim = `the first copy crossed the wire with at most ${wireRatioMax} × its payload`;
    check(claim, ratio <= wireRatioMax ? undefined : ratio.toFixed(3));
  }
  const count = (value: number | undefined): string => formatCount(value ?? Number.NaN);
  process.stdout.write(
    `\n${formatTable("What happened", [
      ["files shared at the start", count(measured.files)],
      ["payload of these files", formatBytes(measured.payload)],
      ["entries on ada's device", count(a["entries"])],
      ["on the wire, ada → relay, first copy", formatBytes(measured.upload)],
      ["  that is, times the payload", ratio.toFixed(3)],
      ["on the wire, ada, everything (sent / received)", pair(a["bytesSent"], a["bytesReceived"])],
      ["on the wire, ben, everything (sent / received)", pair(b["bytesSent"], b["bytesReceived"])],
      ["signatures ada (made / checked)", `${count(a["signed"])} / ${count(a["checked"])}`],
      ["signatures ben (made / checked)", `${count(b["signed"])} / ${count(b["checked"])}`],
      ["time", formatDuration(performance.now() - started)],
    ])}\n\n${formatTable("What the relay holds", [
      ["topics", count(r["topics"])],
      ["logs", count(r["logs"])],
      ["entries", count(r["entries"])],
      ["sealed bytes in entries", formatBytes(r["rangeBytes"] ?? Number.NaN)],
      ["database on disk", formatBytes(r["diskBytes"] ?? Number.NaN)],
      ["names, texts or keys to read them", "none"],
    ])}\n`,
  );
}

function pair(sent: number | undefined, received: number | undefined): string {
  return `${formatBytes(sent ?? Number.NaN)} / ${formatBytes(received ?? Number.NaN)}`;
}

async function run(source: string, isDefault: boolean): Promise<void> {
  const stage = await prepare(source);
  const payloadTree = await readTree(stage.ada);
  const payload = [...payloadTree.values()].reduce((sum, content) => sum + content.length, 0);
  say(
    `sharing a copy of ${source}: ${formatCount(payloadTree.size)} files, ${formatBytes(payload)}`,
  );
  try {
    await using server = launch({
      name: "relay",
      args: [
        ...runTypeScript,
        relay,
        "--json",
        "--port",
        "0",
        "--data",
        join(stage.folder, "relay"),
      ],
    });
    const listening = await server.waitFor((event) => event.event === "listening", stepMsMax);
    say(`the relay listens on ${String(listening["url"])}`);
    const [ada, ben] = await shareAndJoin(stage, String(listening["url"]));
    await using _ada = ada;
    await using _ben = ben;
    const firstSync = await ada.waitFor((event) => event.event === "synced", stepMsMax);
    const upload = Number(firstSync["bytesSent"]);
    await editBothSides(stage, [ada, ben]);
    await removeBen(stage, ada, ben);
    const samples = plaintextSamples(await readTree(stage.ada));
    for (const one of [ada, ben, server]) await one.stop();
    const leak = await findSample(join(stage.folder, "relay"), samples);
    check("nothing in the relay's database is plaintext of the folder", leak);
    report(ada, ben, server, { files: payloadTree.size, payload, upload, isDefault });
  } finally {
    await rm(stage.folder, { recursive: true, force: true });
  }
}

const given = process.argv[2];
const repositoryDocs = join(here, "..", "..", "..", "..", "docs");
try {
  await run(resolve(given ?? repositoryDocs), given === undefined);
} catch (error) {
  say(`✗ ${error instanceof Error ? error.message : String(error)}`);
  failures.push("the demo ran to its end");
}
process.stdout.write(
  failures.length === 0
    ? "\nEvery comparison held.\n"
    : `\n${failures.length} failed:\n${failures.map((claim) => `  ✗ ${claim}`).join("\n")}\n`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
