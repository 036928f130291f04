/**
 * `pnpm bench crdt`: the writing of a paper, 259,778 keystrokes, through Yjs and Automerge into an
 * encrypted space on SQLite, each durable within 100 ms, and read back on a second device; beside
 * y-leveldb and automerge-repo's files, which neither sign nor encrypt. Automerge takes the first 50,000
 * keystrokes, with HAWSER_FULL=1 all of them.
 */
import { formatTable } from "@hawser-tooling/measure";
import { readTrace, textAfter } from "./crdt/trace.ts";
import { runHawser, runLeveldb, runRaw, type YjsRun } from "./crdt/yjs.ts";

const all = 259_778;
const count = Number(process.env["BENCH_KEYSTROKES"] ?? all);

function row(name: string, run: YjsRun, raw: YjsRun, expected: string): string[] {
  if (run.text !== expected) throw new Error(`${name} gave another text`);
  return [
    name,
    `${run.seconds.toFixed(1)} s`,
    run.loadSeconds === 0 ? "–" : `${run.loadSeconds.toFixed(2)} s`,
    run.bytes === 0 ? "–" : `${(run.bytes / 1_000).toFixed(0)} kB`,
    `${(run.seconds / raw.seconds).toFixed(1)} ×`,
  ];
}

const header = ["", "write", "load", "stored", "of raw"];

async function benchYjs(): Promise<void> {
  const keystrokes = readTrace(count);
  if (keystrokes === undefined) {
    console.log("not run: the editing trace is not at hand");
    return;
  }
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
  console.log(`one snapshot: ${(ours.snapshotBytes / raw.bytes).toFixed(2)} × Yjs' own bytes`);
}

await benchYjs();
