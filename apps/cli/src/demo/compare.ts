/**
 * Looking at folders and databases from outside, as a person who does not trust the programs would.
 */
import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { temporarySuffix } from "../folder/paths.ts";

/** Relative path → content of every regular file below `root`, ignoring files being written. */
export async function readTree(root: string): Promise<ReadonlyMap<string, Buffer>> {
  const tree = new Map<string, Buffer>();
  for (const path of await listFiles(root)) {
    if (path.endsWith(temporarySuffix)) continue;
    tree.set(relative(root, path), await readFile(path));
  }
  return tree;
}

async function listFiles(root: string): Promise<readonly string[]> {
  const items = await readdir(root, { recursive: true, withFileTypes: true });
  return items.filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name));
}

/** The first difference between two trees in words, or `undefined` when they are equal. */
export function firstDifference(
  a: ReadonlyMap<string, Buffer>,
  b: ReadonlyMap<string, Buffer>,
): string | undefined {
  for (const path of [...new Set([...a.keys(), ...b.keys()])].sort()) {
    const left = a.get(path);
    const right = b.get(path);
    if (left === undefined) return `${path} is only on the second device`;
    if (right === undefined) return `${path} is only on the first device`;
    if (!left.equals(right)) return `${path} differs`;
  }
  return undefined;
}

/** Samples are this long: too long to occur by chance. */
const sampleBytes = 24;
/** Names shorter than this may occur by chance. */
const nameBytesMin = 10;
/** One sample for so many bytes of a file. */
const sampleStride = 4_096;
/** Samples of one tree; more only take longer. */
const sampleCountMax = 20_000;

/** Samples of a tree's content and names that would betray it if they were found somewhere. */
export function plaintextSamples(tree: ReadonlyMap<string, Buffer>): readonly Buffer[] {
  const samples: Buffer[] = [];
  for (const [path, content] of tree) {
    const name = Buffer.from(path);
    if (name.length >= nameBytesMin) samples.push(name);
    for (let offset = 0; offset + sampleBytes <= content.length; offset += sampleStride) {
      const sample = content.subarray(offset, offset + sampleBytes);
      // A run of one byte is no evidence of anything.
      if (new Set(sample).size > 4) samples.push(sample);
    }
  }
  const step = Math.max(1, Math.ceil(samples.length / sampleCountMax));
  return samples.filter((_, index) => index % step === 0);
}

/** The first file below `folder` that contains a sample, or `undefined`. */
export async function findSample(
  folder: string,
  samples: readonly Buffer[],
): Promise<string | undefined> {
  const search = createSearch(samples);
  for (const path of await listFiles(folder)) {
    if (await streamContains(path, search)) return relative(folder, path);
  }
  return undefined;
}

interface Search {
  readonly longest: number;
  finds(bytes: Buffer): boolean;
}

/** Looks for all samples in one run over the bytes: by their first four bytes, then in full. */
function createSearch(samples: readonly Buffer[]): Search {
  const bySample = new Map<number, Buffer[]>();
  for (const sample of samples) {
    const start = sample.readUInt32BE(0);
    bySample.set(start, [...(bySample.get(start) ?? []), sample]);
  }
  // One bit for each start's low 16 bits spares nearly every look into the map.
  const isLikely = new Uint8Array(65_536);
  for (const start of bySample.keys()) isLikely[start & 0xffff] = 1;
  return {
    longest: Math.max(0, ...samples.map((sample) => sample.length)),
    finds: (bytes) => {
      for (let offset = 0; offset + 4 <= bytes.length; offset++) {
        const low = (bytes[offset + 2] ?? 0) * 256 + (bytes[offset + 3] ?? 0);
        if (isLikely[low] !== 1) continue;
        const candidates = bySample.get(bytes.readUInt32BE(offset)) ?? [];
        const isHit = (sample: Buffer): boolean =>
          bytes.subarray(offset, offset + sample.length).equals(sample);
        if (candidates.some(isHit)) return true;
      }
      return false;
    },
  };
}

async function streamContains(path: string, search: Search): Promise<boolean> {
  if (search.longest === 0) return false;
  let rest = Buffer.alloc(0);
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    // Safe: a stream without an encoding gives buffers.
    const bytes = Buffer.concat([rest, piece as Buffer]);
    if (search.finds(bytes)) return true;
    rest = Buffer.from(bytes.subarray(Math.max(0, bytes.length - search.longest + 1)));
  }
  return false;
}
