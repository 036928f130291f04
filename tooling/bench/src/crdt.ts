/**
 * `pnpm bench crdt`: the writing of a paper, 259,778 keystrokes, through Yjs and Automerge into an
 * encrypted space on SQLite, each durable within 100 ms, and read back on a second device; beside
 * y-leveldb and automerge-repo's files, which neither sign nor encrypt. Automerge takes the first 50,000
 * keystrokes, with HAWSER_FULL=1 all of them.
 */
import { formatTable } from "@hawser-tooling/measure";
import { runNodeFs, runSpace, type AutomergeRun } from "./crdt/automerge.ts";
import { readTrace, textAfter, type Keystroke } from "./crdt/trace.ts";
import { runHawser, runLeveldb, runRaw, type CrdtRun, type SpaceRun } from "./crdt/yjs.ts";

const all = 259_778;
const isFull = process.env["HAWSER_FULL"] === "1";
const automergeCount = isFull ? all : 50_000;

function row(name: string, run: CrdtRun, raw: CrdtRun, expected: string): string[] {
  if (run.text !== expected) throw new Error(`${name} gave another text`);
  return [
    name,
    `${run.seconds.toFixed(1)} s`,
    run.loadSeconds === 0 ? "–" : `${run.loadSeconds.toFixed(2)} s`,
    run.bytes === 0 ? "–" : `${(run.bytes / 1_000).toFixed(0)} kB`,
    `${(run.seconds / raw.seconds).toFixed(1)} ×`,
  ];
}

/** Bytes of the log before compaction, and of all that is left after it. */
function storedLine(ours: SpaceRun | AutomergeRun, rawBytes: number): string {
  const kilobytes = [ours.bytes, ours.compactedBytes].map((count) => (count / 1_000).toFixed(0));
  const ratio = (ours.compactedBytes / rawBytes).toFixed(2);
  const seconds = ours.compactSeconds.toFixed(1);
  return `stored: ${kilobytes.join(" kB, compacted ")} kB in ${seconds} s: ${ratio} × raw (goal 2.0)`;
}

const header = ["", "write", "load", "stored", "of raw"];

async function benchYjs(keystrokes: readonly Keystroke[]): Promise<void> {
  const expected = textAfter(keystrokes);
  const raw = await runRaw(keystrokes);
  globalThis.gc?.();
  const ours = await runHawser(keystrokes);
  globalThis.gc?.();
  const leveldb = await runLeveldb(keystrokes);
  console.log(`Yjs, ${keystrokes.length} keystrokes`);
  console.log(
    formatTable(header, [
      row("Yjs alone, in memory", raw, raw, expected),
      row("Hawser, encrypted, SQLite", ours, raw, expected),
      row("y-leveldb, plain", leveldb, raw, expected),
    ]),
  );
  console.log(`time of y-leveldb's: ${(ours.seconds / leveldb.seconds).toFixed(2)} × (goal 0.4)`);
  console.log(`longest wait until durable: ${ours.longestWaitMs.toFixed(0)} ms (goal 100)`);
  console.log(`open again on the same device: ${ours.reopenSeconds.toFixed(2)} s`);
  console.log(storedLine(ours, raw.bytes));
}

async function benchAutomerge(keystrokes: readonly Keystroke[]): Promise<void> {
  const expected = textAfter(keystrokes);
  const peer = await runNodeFs(keystrokes);
  globalThis.gc?.();
  const ours = await runSpace(keystrokes);
  console.log(`\nAutomerge, ${keystrokes.length} keystrokes through automerge-repo`);
  console.log(
    formatTable(header, [
      row("Hawser, encrypted, SQLite", ours, peer, expected),
      row("nodefs, plain", peer, peer, expected),
    ]),
  );
  console.log(`time of nodefs': ${(ours.seconds / peer.seconds).toFixed(2)} × (goal 1.0)`);
  console.log(storedLine(ours, peer.saved));
}

const trace = readTrace(all);
if (trace === undefined) {
  console.log("not run: the editing trace is not at hand");
} else {
  await benchYjs(trace);
  globalThis.gc?.();
  await benchAutomerge(trace.slice(0, automergeCount));
}
