/**
 * `pnpm bench sync`: initial and incremental sync beside hypercore, cojson, automerge-repo and
 * OrbitDB, on the same entries of 200 bytes, in one run. Each measurement is a process of its own
 * that holds both sides; time, processor time and bytes are those of both. The fastest of three rounds
 * counts where rounds are short.
 *
 * Slow systems get fewer entries or logs. Rates and bytes for each byte of payload are compared as
 * they are, which flatters whoever gets slower with size; what is scaled up to 1,000 logs says so.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatTable } from "@hawser-tooling/measure";
import { roundsMax, type SyncRun, type SyncShape, type SyncSystem } from "./sync/types.ts";

interface Candidate {
  readonly name: string;
  load(): Promise<SyncSystem>;
  /** Entries of the initial sync. */
  readonly initial: number;
  /** Logs of the incremental sync; absent where it is measured under another name. */
  readonly incremental?: SyncShape;
}

const shape: SyncShape = { logs: 1_000, entriesPerLog: 10 };

const candidates: readonly Candidate[] = [
  {
    name: "hawser, memory",
    load: async () => (await import("./sync/hawser.ts")).createMemorySystem(),
    initial: 100_000,
    incremental: shape,
  },
  {
    name: "hawser, SQLite",
    load: async () => (await import("./sync/hawser.ts")).createSqliteSystem(),
    initial: 100_000,
    incremental: shape,
  },
  {
    name: "hawser, encrypted",
    load: async () => (await import("./sync/hawser.ts")).createSpaceSystem(),
    initial: 100_000,
  },
  {
    name: "hawser, encrypted, read",
    load: async () => (await import("./sync/hawser.ts")).createReadSpaceSystem(),
    initial: 50_000,
  },
  {
    name: "cojson, encrypted",
    load: async () => (await import("./sync/cojson.ts")).createCojsonSystem(),
    initial: 100_000,
    incremental: shape,
  },
  {
    name: "cojson, encrypted, read",
    load: async () => (await import("./sync/cojson.ts")).createReadCojsonSystem(),
    initial: 50_000,
  },
  {
    name: "hypercore, disk",
    load: async () => (await import("./sync/hypercore.ts")).createHypercoreSystem(),
    initial: 20_000,
    incremental: shape,
  },
  {
    name: "automerge-repo, memory",
    load: async () => (await import("./sync/automerge-repo.ts")).createAutomergeRepoSystem(),
    initial: 3_000,
    incremental: { logs: 200, entriesPerLog: 10 },
  },
  {
    name: "orbitdb, disk",
    load: async () => (await import("./sync/orbitdb.ts")).createOrbitdbSystem(),
    initial: 600,
    incremental: { logs: 20, entriesPerLog: 10 },
  },
];

/** What was measured of one system; `undefined` where it was not, a text where it failed. */
interface Measured {
  readonly candidate: Candidate;
  readonly initial: SyncRun | string;
  readonly incremental: SyncRun | string | undefined;
}

const script = fileURLToPath(import.meta.url);
/** One measurement that takes longer is stuck. */
const childMsMax = 60_000;

async function main(names: readonly string[]): Promise<void> {
  if (names[0] === "child") return runChild(names[1] ?? "", names[2] ?? "");
  const measured: Measured[] = [];
  for (const candidate of candidates) {
    const initial = await runInChild(candidate, "initial");
    const incremental =
      candidate.incremental === undefined ? undefined : await runInChild(candidate, "incremental");
    measured.push({ candidate, initial, incremental });
  }
  console.log(initialTable(measured));
  console.log(`\n${incrementalTable(measured)}`);
  console.log(`\n${goals(measured)}`);
}

/** Measures in this process, and writes the result as the last line. */
async function runChild(name: string, kind: string): Promise<void> {
  const candidate = candidates.find((one) => one.name === name);
  if (candidate === undefined) throw new Error(`no system is called ${name}`);
  const system = await candidate.load();
  // So that code is compiled, for everybody alike.
  await (
    await system.initial(Math.min(2_000, candidate.initial / 10))
  )();
  const run =
    kind === "initial" || candidate.incremental === undefined
      ? await bestOf(await system.initial(candidate.initial))
      : await system.incremental(candidate.incremental);
  await new Promise<void>((resolve) => {
    process.stdout.write(`\n${JSON.stringify(run)}\n`, () => resolve());
  });
  // Peers leave timers and sockets behind.
  process.exit(0);
}

/** The fastest of a few rounds, or of fewer when they take long. */
async function bestOf(sync: () => Promise<SyncRun>): Promise<SyncRun> {
  const runs: SyncRun[] = [await sync()];
  const isShort = (): boolean => runs.reduce((sum, { seconds }) => sum + seconds, 0) < 2;
  while (runs.length < roundsMax && isShort()) runs.push(await sync());
  return runs.reduce((best, run) => (run.seconds < best.seconds ? run : best));
}

/** A run, or the last words of a process that failed. */
async function runInChild(candidate: Candidate, kind: string): Promise<SyncRun | string> {
  // Whatever becomes of the process, its files go.
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  const args = ["--conditions=hawser-source", "--expose-gc", "--no-warnings", script];
  const child = spawn(process.execPath, [...args, "child", candidate.name, kind], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: childMsMax,
    killSignal: "SIGKILL",
    env: { ...process.env, TMPDIR: folder },
  });
  const output = { out: "", error: "" };
  child.stdout.on("data", (data: Buffer) => (output.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output.error += data.toString()));
  const [code, signal] = await new Promise<readonly [number | null, string | null]>((resolve) => {
    child.on("close", (...end) => resolve(end));
  });
  await rm(folder, { recursive: true, force: true });
  const last = output.out.trim().split("\n").at(-1) ?? "";
  // Safe: the child writes a SyncRun when it ends well.
  if (code === 0 && last.startsWith("{")) return JSON.parse(last) as SyncRun;
  return `failed (${signal ?? code}): ${output.error.trim().slice(-300)}`;
}

const number = (value: number): string => Math.round(value).toLocaleString("en");
const rateOf = ({ entries, seconds }: SyncRun): number => entries / seconds;
const cpuRateOf = ({ entries, cpuSeconds }: SyncRun): number => entries / cpuSeconds;
/** In place of a run that failed: no goal is met by it. */
const noRun: SyncRun = {
  entries: Number.NaN,
  logs: 0,
  seconds: 0,
  cpuSeconds: 0,
  wireBytes: Number.NaN,
  payloadBytes: 0,
};
const wireOf = ({ wireBytes, payloadBytes }: SyncRun): number => wireBytes / payloadBytes;

function initialTable(measured: readonly Measured[]): string {
  const rows = measured.map(({ candidate, initial }) =>
    typeof initial === "string"
      ? [candidate.name, initial.replaceAll("\n", " ")]
      : [
          candidate.name,
          number(initial.entries),
          `${initial.seconds.toFixed(2)} s`,
          `${number(rateOf(initial))}/s`,
          `${((initial.cpuSeconds / initial.entries) * 1e6).toFixed(1)} µs`,
          `${(initial.wireBytes / 1e6).toFixed(2)} MB`,
          `${wireOf(initial).toFixed(3)} ×`,
        ],
  );
  const titles = ["one log, to an empty peer", "entries", "time", "rate", "CPU each", "wire"];
  return formatTable([...titles, "payload"], rows);
}

function incrementalTable(measured: readonly Measured[]): string {
  const rows = measured.flatMap(({ candidate, incremental }) => {
    if (incremental === undefined) return [];
    if (typeof incremental === "string") return [[candidate.name, incremental]];
    const scale = shape.logs / incremental.logs;
    const mark = scale === 1 ? "" : ` (× ${scale} of ${incremental.logs})`;
    return [
      [
        candidate.name,
        `${number(incremental.logs)}`,
        `${number(incremental.seconds * scale * 1_000)} ms`,
        `${number(incremental.cpuSeconds * scale * 1_000)} ms`,
        `${((incremental.wireBytes * scale) / 1_000).toFixed(1)} kB${mark}`,
      ],
    ];
  });
  const titles = ["10 new entries over 1,000 logs of 10", "logs", "time", "CPU", "wire"];
  return formatTable(titles, rows);
}

/** A goal, met or not by the clock, and by processor time where a busy machine spoils the clock. */
interface Goal {
  readonly name: string;
  readonly byClock: number;
  /** Absent where it is no matter of speed. */
  readonly byCpu?: number;
  readonly sign: "≥" | "≤";
  readonly limit: number;
}

function goals(measured: readonly Measured[]): string {
  const find = (name: string): SyncRun | undefined => {
    const run = measured.find(({ candidate }) => candidate.name === name)?.initial;
    return typeof run === "string" ? undefined : run;
  };
  const ratio = (name: string, ours: string, theirs: string, limit: number): Goal => {
    const [one, two] = [find(ours), find(theirs)];
    return {
      name,
      byClock: rateOf(one ?? noRun) / rateOf(two ?? noRun),
      byCpu: cpuRateOf(one ?? noRun) / cpuRateOf(two ?? noRun),
      sign: "≥",
      limit,
    };
  };
  const plain = find("hawser, memory") ?? noRun;
  const sealed = find("hawser, encrypted") ?? noRun;
  const all: readonly Goal[] = [
    {
      name: "initial rate, thousands a second",
      byClock: rateOf(plain) / 1_000,
      byCpu: cpuRateOf(plain) / 1_000,
      sign: "≥",
      limit: 100,
    },
    ratio("initial rate ÷ cojson's", "hawser, memory", "cojson, encrypted", 3),
    ratio("… both encrypted", "hawser, encrypted", "cojson, encrypted", 3),
    ratio("… both encrypted and read", "hawser, encrypted, read", "cojson, encrypted, read", 3),
    ratio("initial rate ÷ hypercore's", "hawser, memory", "hypercore, disk", 30),
    ratio("… both on disk", "hawser, SQLite", "hypercore, disk", 30),
    { name: "wire ÷ payload, plain", byClock: wireOf(plain), sign: "≤", limit: 1.15 },
    { name: "wire ÷ payload, encrypted", byClock: wireOf(sealed), sign: "≤", limit: 1.6 },
  ];
  return formatTable(["goal", "wanted", "by the clock", "by CPU time"], all.map(goalRow));
}

function goalRow({ name, byClock, byCpu, sign, limit }: Goal): readonly string[] {
  const isMet = (value: number): boolean => (sign === "≥" ? value >= limit : value <= limit);
  const cell = (value: number): string => `${value.toFixed(2)} ${isMet(value) ? "met" : "MISSED"}`;
  return [name, `${sign} ${limit}`, cell(byClock), byCpu === undefined ? "" : cell(byCpu)];
}

await main(process.argv.slice(2));
