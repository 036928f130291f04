/**
 * Streams in files beside a plain copy with SHA-256: same machine, same run, same bytes. A program of
 * its own: `node --conditions=hawser-source packages/stream/bench/stream.bench.ts [MiB] [--noble]`.
 * Both sides write through the file's buffer; the append then waits for the disk (fdatasync), and so
 * does the copy.
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
  type Stream,
  type StreamDeps,
} from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { formatTable, measure } from "@hawser-tooling/measure";

const mebibytes = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 64);
const crypto = process.argv.includes("--noble") ? createNobleCrypto() : await createCrypto();
const totalBytes = mebibytes * 1024 * 1024;
const pieceBytes = 64 * 1024;
const smallCount = 1_000;
const folder = mkdtempSync(join(tmpdir(), "hawser-stream-bench-"));
const random = seededRandom("stream bench");
const deps: StreamDeps = { crypto, random, clock: { nowMicros: () => Date.now() * 1_000 } };
const secret = new Uint8Array(32).fill(7);
const reader = new Uint8Array(32).fill(9);
const original = join(folder, "original");
const rows: (readonly string[])[] = [];

function* fileBytes(path: string): Generator<Uint8Array, void, undefined> {
  const file = openSync(path, "r");
  const piece = new Uint8Array(pieceBytes);
  try {
    for (let size = readSync(file, piece); size > 0; size = readSync(file, piece)) {
      yield piece.subarray(0, size);
    }
  } finally {
    closeSync(file);
  }
}

async function row(name: string, count: number, unit: string, work: () => unknown): Promise<void> {
  const { bestSeconds, medianSeconds } = await measure(name, work, { runs: 3 });
  const rate = (seconds: number): string => (count / seconds).toFixed(0);
  rows.push([name, rate(bestSeconds), rate(medianSeconds), unit]);
}

async function opened(path: string, mode: "read" | "append" = "read"): Promise<Stream> {
  const verdict = await openStream(deps, await openFileBytes(path, { mode }), {
    decrypt: { secrets: [reader] },
  });
  if (!verdict.ok) throw new Error(verdict.fault.message);
  return verdict.stream;
}

async function largeRows(
  name: string,
  options: { suite?: 1 | 2; recipients?: Uint8Array[] },
): Promise<void> {
  const path = join(folder, "stream");
  const megabytes = totalBytes / 1e6;
  await row(`append one block, ${name}`, megabytes, "MB/s", async () => {
    const store = await openFileBytes(path, { mode: "replace" });
    const stream = await createStream(deps, store, { secret, ...options });
    await stream.append({}, fileBytes(original));
    await stream.close();
  });
  await row(`read it back, ${name}`, megabytes, "MB/s", async () => {
    const stream = await opened(path);
    let byteCount = 0;
    for await (const piece of stream.readStream(1)) byteCount += piece.length;
    if (byteCount !== totalBytes) throw new Error("short read");
    await stream.close();
  });
  await row(`verify all, ${name}`, megabytes, "MB/s", async () => {
    const stream = await opened(path);
    if (!(await stream.verify("full")).ok) throw new Error("the stream does not verify");
    await stream.close();
  });
}

async function smallRows(): Promise<void> {
  const payload = random(200);
  const drafts = Array.from({ length: smallCount }, () => ({ content: payload }));
  const path = join(folder, "small");
  await row("append 200 B one by one, signed, on disk", smallCount / 10, "/s", async () => {
    const stream = await createStream(deps, await openFileBytes(path, { mode: "replace" }), {
      secret,
    });
    for (const { content } of drafts.slice(0, smallCount / 10)) await stream.append({}, content);
    await stream.close();
  });
  let store = createMemoryBytes();
  await row("append 200 B in batches of 1,000, memory", smallCount, "/s", async () => {
    store = createMemoryBytes();
    const stream = await createStream(deps, store, { secret });
    await stream.appendMany(drafts);
  });
  await row("verify all of them", smallCount, "/s", async () => {
    const verdict = await openStream(deps, createMemoryBytes({ bytes: store.contents() }));
    if (!verdict.ok || !(await verdict.stream.verify("full")).ok) throw new Error("not verified");
  });
  await row("open", 1, "/s", async () => {
    await (await opened(path)).close();
  });
}

try {
  const file = openSync(original, "w");
  for (let done = 0; done < totalBytes; done += pieceBytes) writeSync(file, random(pieceBytes));
  closeSync(file);
  await row("copy a file, SHA-256, fdatasync", totalBytes / 1e6, "MB/s", () => {
    const copy = openSync(join(folder, "copy"), "w");
    const hash = createHash("sha256");
    for (const piece of fileBytes(original)) {
      hash.update(piece);
      writeSync(copy, piece);
    }
    hash.digest();
    fdatasyncSync(copy);
    closeSync(copy);
  });
  await largeRows("plain", {});
  const recipients = [crypto.agreementKey(reader)];
  await largeRows("sealed, suite 1", { suite: 1, recipients });
  await largeRows("sealed, suite 2", { suite: 2, recipients });
  await smallRows();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(`${mebibytes} MiB through files; ${JSON.stringify(crypto.backEnds)}\n`);
console.log(formatTable(["work", "best", "median", ""], rows));
