/**
 * Blobs beside plain SHA-256 and a file copy, same machine, same run, same 64 MiB. `node
 * --conditions=hawser-source packages/blob/bench/blob.bench.ts [MiB] [--noble]`.
 *
 * Points go to one file and come back from it, as a stream keeps them; the yardstick copies a file
 * in pieces of 64 KiB and hashes them with SHA-256 by node:crypto on the way.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createCrypto, createNobleCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  openBlob,
  verifyBlob,
  writeBlob,
  type BlobRef,
  type OpenOptions,
  type PointSink,
  type PointSource,
  type WriteOptions,
} from "@hawser/blob";
import { buildDatapoint, parsePacket } from "@hawser/packet";
import { formatTable, measure } from "@hawser-tooling/measure";

const mebibytes = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 64);
const crypto = process.argv.includes("--noble") ? createNobleCrypto() : await createCrypto();
const totalBytes = mebibytes * 1024 * 1024;
const pieceBytes = 64 * 1024;
const folder = mkdtempSync(join(tmpdir(), "hawser-blob-bench-"));
const key = new Uint8Array(32).fill(1);
const random = seededRandom("blob bench");
const original = join(folder, "original");

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

interface FilePoints extends PointSink, PointSource {
  close(): void;
}

function createFilePoints(path: string): FilePoints {
  const file = openSync(path, "w+");
  const places = new Map<string, readonly [number, number]>();
  let end = 0;
  return {
    put: async ({ hash, bytes }) => {
      writeSync(file, bytes, 0, bytes.length, end);
      places.set(toHex(hash), [end, bytes.length]);
      end += bytes.length;
    },
    get: async (hash) => {
      const [offset, size] = places.get(toHex(hash)) ?? [0, 0];
      const bytes = new Uint8Array(size);
      readSync(file, bytes, 0, size, offset);
      const parsed = parsePacket(bytes);
      return parsed.ok ? parsed.packet : undefined;
    },
    close: () => closeSync(file),
  };
}

const rows: (readonly string[])[] = [];

async function row(name: string, work: () => unknown): Promise<void> {
  const { bestSeconds, medianSeconds } = await measure(name, work, { runs: 4 });
  const rate = (seconds: number): string => (totalBytes / 1e6 / seconds).toFixed(0);
  rows.push([name, rate(bestSeconds), rate(medianSeconds)]);
}

async function blobRows(name: string, write: WriteOptions, open: OpenOptions): Promise<void> {
  let last: { readonly ref: BlobRef; readonly points: FilePoints } | undefined;
  await row(`write ${name}`, async () => {
    last?.points.close();
    const points = createFilePoints(join(folder, "points"));
    last = { points, ref: await writeBlob({ crypto, random }, fileBytes(original), points, write) };
  });
  if (last === undefined) return;
  const { ref, points } = last;
  await row(`read ${name}`, async () => {
    const blob = await openBlob({ crypto }, ref, points, open);
    let read = 0;
    for await (const piece of blob.read()) read += piece.length;
    if (read !== totalBytes) throw new Error("short read");
  });
  if (open.seal !== undefined) {
    await row(`verify ${name}, no key`, () => verifyBlob({ crypto }, ref, points));
  }
  points.close();
}

try {
  const file = openSync(original, "w");
  for (let done = 0; done < totalBytes; done += pieceBytes) writeSync(file, random(pieceBytes));
  closeSync(file);
  await row("copy a file, SHA-256", () => {
    const copy = openSync(join(folder, "copy"), "w");
    const hash = createHash("sha256");
    for (const piece of fileBytes(original)) {
      hash.update(piece);
      writeSync(copy, piece);
    }
    hash.digest();
    closeSync(copy);
  });
  const chunk = random(65_020);
  await row("build datapoints, nothing else", () => {
    for (let done = 0; done < totalBytes; done += chunk.length) buildDatapoint(crypto, chunk);
  });
  await blobRows("plain", {}, {});
  await blobRows("chain", { shape: "chain" }, { shape: "chain" });
  await blobRows("sealed, suite 1", { seal: { key, suite: 1 } }, { seal: { key } });
  await blobRows("sealed, suite 2", { seal: { key, suite: 2 } }, { seal: { key } });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(`${mebibytes} MiB through files; ${JSON.stringify(crypto.backEnds)}\n`);
console.log(formatTable(["work", "MB/s best", "median"], rows));
