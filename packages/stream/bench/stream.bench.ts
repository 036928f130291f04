/**
 * What streams cost beside a plain copy with SHA-256: same machine, same run, same bytes. In memory
 * and in a file; plain and encrypted with both suites; one block of 256 MB, blocks of 1 MB, and
 * blocks of 300 bytes, in batches under one signature and one by one. A program of its own:
 * `node --conditions=hawser-source packages/stream/bench/stream.bench.ts [MB] [--noble]`.
 *
 * Every append ends with fdatasync where there is a disk, and so does the copy.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCrypto, createNobleCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  createMemoryBytes,
  createStream,
  openStream,
  type ByteStore,
  type Stream,
  type StreamDeps,
  type StreamSuite,
} from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { formatTable, measure } from "@hawser-tooling/measure";

const largeMegabytes = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 256);
const crypto = process.argv.includes("--noble") ? createNobleCrypto() : await createCrypto();
const pieceBytes = 256 * 1024;
const folder = mkdtempSync(join(tmpdir(), "hawser-stream-bench-"));
const random = seededRandom("stream bench");
const secret = new Uint8Array(32).fill(7);
const readingSecret = new Uint8Array(32).fill(9);
const recipients = [crypto.agreementKey(readingSecret)];

/** µs that always move on. */
let micros = 1_790_000_000_000_000;
const deps: StreamDeps = { crypto, random, clock: { nowMicros: () => ++micros } };

/** Blocks of one size, and how they are appended. */
interface Load {
  readonly name: string;
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly append: (stream: Stream, load: Load) => Promise<unknown>;
  readonly runs: number;
}

/** Bytes that no disk compresses; each piece is handed out again and again. */
const piece = random(pieceBytes);

function* content(byteCount: number): Generator<Uint8Array, void, undefined> {
  for (let left = byteCount; left > 0; left -= pieceBytes) {
    yield left < pieceBytes ? piece.subarray(0, left) : piece;
  }
}

async function appendEach(stream: Stream, { blockBytes, blockCount }: Load): Promise<void> {
  for (let count = 0; count < blockCount; count++) await stream.append({}, content(blockBytes));
}

async function appendBatches(stream: Stream, { blockBytes, blockCount }: Load): Promise<void> {
  const drafts = Array.from({ length: 1_000 }, () => ({ content: piece.subarray(0, blockBytes) }));
  for (let done = 0; done < blockCount; done += drafts.length) await stream.appendMany(drafts);
}

const loads: readonly Load[] = [
  {
    name: `one block of ${largeMegabytes} MB`,
    blockBytes: largeMegabytes * 1_000_000,
    blockCount: 1,
    append: appendEach,
    runs: 1,
  },
  { name: "blocks of 1 MB", blockBytes: 1_000_000, blockCount: 16, append: appendEach, runs: 2 },
  {
    name: "blocks of 300 B, batches of 1,000",
    blockBytes: 300,
    blockCount: 2_000,
    append: appendBatches,
    runs: 2,
  },
  {
    name: "blocks of 300 B, one by one",
    blockBytes: 300,
    blockCount: 200,
    append: appendEach,
    runs: 2,
  },
];

const modes: readonly { readonly name: string; readonly suite?: StreamSuite }[] = [
  { name: "plain" },
  { name: "suite 1", suite: 1 },
  { name: "suite 2", suite: 2 },
];

const bytesOf = ({ blockBytes, blockCount }: Load): number => blockBytes * blockCount;

async function megabytesPerSecond(load: Load, work: () => unknown): Promise<number> {
  const { bestSeconds } = await measure(load.name, work, {
    runs: load.runs,
    // A large block compiles on its way; small ones need a run for that.
    warmUps: load.blockCount === 1 ? 0 : 1,
  });
  return bytesOf(load) / 1e6 / bestSeconds;
}

/** Reads a file of the load's bytes, hashes and writes it, syncing as often as the stream does. */
async function copyRate(load: Load): Promise<number> {
  const [from, to] = [join(folder, "original"), join(folder, "copy")];
  const isSynced = load.append === appendEach;
  const stepBytes = Math.min(load.blockBytes, pieceBytes);
  const syncBytes = isSynced ? load.blockBytes : 1_000 * load.blockBytes;
  const original = openSync(from, "w");
  for (const bytes of content(bytesOf(load))) writeSync(original, bytes);
  closeSync(original);
  return megabytesPerSecond(load, () => {
    const [source, target] = [openSync(from, "r"), openSync(to, "w")];
    const hash = createHash("sha256");
    const buffer = new Uint8Array(stepBytes);
    let unsynced = 0;
    for (let size = readSync(source, buffer); size > 0; size = readSync(source, buffer)) {
      const bytes = buffer.subarray(0, size);
      hash.update(bytes);
      writeSync(target, bytes);
      unsynced += size;
      if (unsynced < syncBytes) continue;
      fdatasyncSync(target);
      unsynced = 0;
    }
    fdatasyncSync(target);
    hash.digest();
    closeSync(source);
    closeSync(target);
  });
}

/** Where a stream lies: `make` gives an empty store, `open` the one that was made last. */
interface Medium {
  readonly name: string;
  make(): Promise<ByteStore>;
  open(): Promise<ByteStore>;
}

function inMemory(): Medium {
  let bytes = createMemoryBytes();
  // What a closed store held is handed on; the store itself ends with its stream.
  const kept = (store: typeof bytes): ByteStore => ({ ...store, close: async () => undefined });
  return {
    name: "memory",
    make: async () => kept((bytes = createMemoryBytes())),
    open: async () => kept(bytes),
  };
}

function inFile(): Medium {
  const path = join(folder, "stream");
  return {
    name: "file",
    make: () => openFileBytes(path, { mode: "replace" }),
    open: () => openFileBytes(path, { mode: "read" }),
  };
}

async function verifyAll(store: ByteStore, height: number): Promise<void> {
  const opened = await openStream(deps, store);
  if (!opened.ok) throw new Error(opened.fault.message);
  const verdict = await opened.stream.verify("full");
  await opened.stream.close();
  if (!verdict.ok || verdict.height !== height) throw new Error("the stream does not verify");
}

const rows: (readonly string[])[] = [];

function formatSpeed(megabytes: number): string {
  return megabytes < 10 ? megabytes.toFixed(2) : megabytes.toFixed(0);
}

async function measureLoad(load: Load): Promise<void> {
  const copy = await copyRate(load);
  rows.push([load.name, "", "copy", formatSpeed(copy), "", "1.00"]);
  for (const medium of [inMemory(), inFile()]) {
    for (const { name, suite } of modes) {
      const options = suite === undefined ? {} : { suite, recipients };
      const append = await megabytesPerSecond(load, async () => {
        const stream = await createStream(deps, await medium.make(), { secret, ...options });
        await load.append(stream, load);
        await stream.close();
      });
      const verify = await megabytesPerSecond(load, async () =>
        verifyAll(await medium.open(), load.blockCount + 1),
      );
      const cells = [append, verify].map(formatSpeed);
      // The copy waits for a disk; memory has none, and so nothing to be set beside it.
      const ratio = medium.name === "file" ? (append / copy).toFixed(2) : "–";
      rows.push(["", medium.name, name, ...cells, ratio]);
    }
  }
}

try {
  for (const load of loads) await measureLoad(load);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(`MB/s; copy: file to file with SHA-256; ${JSON.stringify(crypto.backEnds)}\n`);
console.log(formatTable(["blocks", "where", "", "append", "verify", "÷ copy"], rows));
