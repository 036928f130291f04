/**
 * `pnpm bench crdt [--keystrokes n] [--rounds n]`: the writing of a paper, 259,778 keystrokes, through
 * Yjs and Automerge into an encrypted space on SQLite, and read back on a second device; beside
 * y-leveldb and automerge-repo's files, which neither sign nor encrypt. Every run is a process of its
 * own, and rounds alternate who comes first.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { formatTable } from "@hawser-tooling/measure";
import { readTrace, traceLength, type Keystroke } from "@hawser-tooling/trace";
import { runNodeFs, runRepo, runSpace, saveDebounceRate } from "./crdt/automerge.ts";
import type { CrdtRun } from "./crdt/run.ts";
import { sliceMs } from "./crdt/typing.ts";
import { runHawser, runLeveldb, runRaw } from "./crdt/yjs.ts";

const runners: Readonly<Record<string, (keystrokes: readonly Keystroke[]) => Promise<CrdtRun>>> = {
  "yjs alone": runRaw,
  "yjs hawser": runHawser,
  "yjs peer": runLeveldb,
  "automerge alone": runRepo,
  "automerge hawser": runSpace,
  "automerge peer": runNodeFs,
};

/** What a bench of one library is about. */
interface Contest {
  readonly engine: "yjs" | "automerge";
  readonly title: string;
  readonly alone: string;
  readonly peer: string;
  /** Goal for ours by the peer's time. */
  readonly goal: number;
  readonly remark: string;
}

const contests: readonly Contest[] = [
  {
    engine: "yjs",
    title: "Yjs",
    alone: "Yjs alone, in memory",
    peer: "y-leveldb, plain",
    goal: 0.4,
    remark:
      "Neither syncs the disk at each write: what is acknowledged survives a crash of the process.",
  },
  {
    engine: "automerge",
    title: `automerge-repo, saving every ${saveDebounceRate} ms`,
    alone: "automerge-repo alone, in memory",
    peer: "nodefs, plain",
    goal: 1,
    remark:
      "nodefs never syncs the disk; SQLite does now and then: what is acknowledged survives a crash of the process.",
  },
];

/** Runs in a fresh process: garbage and compiled code of one run do not colour the next. */
function runApart(name: string, count: number): CrdtRun {
  const args = [...process.execArgv, fileURLToPath(import.meta.url)];
  const child = spawnSync(
    process.execPath,
    [...args, "--run", name, "--keystrokes", String(count)],
    // Node warns of a negative timeout that automerge-repo sets; errors are shown.
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, NODE_NO_WARNINGS: "1" } },
  );
  if (child.status !== 0) throw new Error(`${name} ended with ${child.status ?? child.signal}`);
  // Safe: the process below prints a run.
  return JSON.parse(child.stdout.toString()) as CrdtRun;
}

const seconds = (value: number | undefined, digits = 1): string =>
  value === undefined ? "–" : `${value.toFixed(digits)} s`;
const kilobytes = (value: number | undefined): string =>
  value === undefined ? "–" : `${(value / 1_000).toFixed(0)} kB`;
const milliseconds = (value: number | undefined): string =>
  value === undefined ? "–" : `${value.toFixed(0)} ms`;

const header = [
  "",
  "write",
  "processor",
  "99 % durable",
  "all durable",
  "own time",
  "stores",
  "load",
  "stored",
];

function row(name: string, run: CrdtRun): string[] {
  return [
    name,
    seconds(run.seconds),
    seconds(run.cpuSeconds),
    milliseconds(run.waits?.usualMs),
    milliseconds(run.waits?.longestMs),
    milliseconds(run.waits?.longestOwnMs),
    run.stores === undefined ? "–" : String(run.stores),
    seconds(run.loadSeconds, 2),
    kilobytes(run.bytes),
  ];
}

/** Ours by the peer's, over all rounds. */
function ratioOf(
  ours: readonly CrdtRun[],
  peers: readonly CrdtRun[],
  key: "seconds" | "cpuSeconds",
): string {
  const sum = (runs: readonly CrdtRun[]): number => runs.reduce((all, run) => all + run[key], 0);
  return `${(sum(ours) / sum(peers)).toFixed(2)} ×`;
}

function contend(contest: Contest, count: number, rounds: number): void {
  const { engine, title, goal } = contest;
  const alone = runApart(`${engine} alone`, count);
  const ours: CrdtRun[] = [];
  const peers: CrdtRun[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) ours.push(runApart(`${engine} hawser`, count));
    peers.push(runApart(`${engine} peer`, count));
    if (round % 2 === 1) ours.push(runApart(`${engine} hawser`, count));
  }
  console.log(`\n${title}, ${count} keystrokes, in slices of ${sliceMs} ms`);
  console.log(
    formatTable(header, [
      row(contest.alone, alone),
      ...ours.map((run) => row("Hawser, encrypted, SQLite", run)),
      ...peers.map((run) => row(contest.peer, run)),
    ]),
  );
  const [byProcessor, byClock] = [
    ratioOf(ours, peers, "cpuSeconds"),
    ratioOf(ours, peers, "seconds"),
  ];
  const peer = contest.peer.replace(", plain", "");
  console.log(`time of ${peer}'s: ${byProcessor} by processor, ${byClock} by clock (goal ${goal})`);
  const longest = (key: "longestMs" | "longestOwnMs"): string =>
    milliseconds(Math.max(...ours.map(({ waits }) => waits?.[key] ?? 0)));
  console.log(
    `longest wait until durable: ${longest("longestMs")} (goal 100 ms);` +
      ` of it ${longest("longestOwnMs")} were the thread's own time`,
  );
  console.log(contest.remark);
  const [run] = ours;
  if (run === undefined) return;
  console.log(`open again on the same device: ${seconds(run.reopenSeconds, 2)}`);
  const ratio = ((run.compactedBytes ?? 0) / (alone.rawBytes ?? 1)).toFixed(2);
  console.log(
    `stored: ${kilobytes(run.bytes)}; compacted ${kilobytes(run.compactedBytes)}` +
      ` in ${seconds(run.compactSeconds)}: ${ratio} × raw (goal 2.0)`,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keystrokes: { type: "string", default: String(traceLength) },
      rounds: { type: "string", default: "2" },
      run: { type: "string" },
    },
  });
  const keystrokes = readTrace(Number(values.keystrokes));
  if (keystrokes === undefined) {
    console.log("not run: the editing trace is not at hand");
    return;
  }
  const runner = values.run === undefined ? undefined : runners[values.run];
  if (runner !== undefined) console.log(JSON.stringify(await runner(keystrokes)));
  else {
    for (const contest of contests) contend(contest, keystrokes.length, Number(values.rounds));
    tellOfLoad();
  }
}

/** Times by the clock, and waits, are those of whoever has the machine to itself. */
function tellOfLoad(): void {
  const [load = 0] = loadavg();
  const processors = availableParallelism();
  if (load < processors + 1) return;
  console.log(
    `\n${load.toFixed(0)} processes shared ${processors} processors: compare by processor`,
  );
}

await main();
