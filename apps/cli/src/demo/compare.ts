/** Looking at folders and databases from outside, as a person who does not trust the programs would. */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** Relative path → content of every regular file below `root`, ignoring files being written. */
export async function readTree(root: string): Promise<ReadonlyMap<string, Buffer>> {
  const tree = new Map<string, Buffer>();
  const items = await readdir(root, { recursive: true, withFileTypes: true });
  for (const item of items) {
    if (!item.isFile() || item.name.endsWith(".hawser-part")) continue;
    const path = join(item.parentPath, item.name);
    tree.set(relative(root, path), await readFile(path));
  }
  return tree;
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

/** Bytes that are searched for in a window this long: too long to occur by chance. */
const windowBytes = 24;

/** Samples of a tree's content and names that would betray it if they were found somewhere. */
export function plaintextSamples(tree: ReadonlyMap<string, Buffer>): readonly Buffer[] {
  const samples: Buffer[] = [];
  for (const [path, content] of tree) {
    const name = Buffer.from(path);
    if (name.length >= 12) samples.push(name);
    for (let offset = 0; offset + windowBytes <= content.length; offset += 4_096) {
      const sample = content.subarray(offset, offset + windowBytes);
      // A run of one byte is no evidence of anything.
      if (new Set(sample).size > 4) samples.push(sample);
    }
  }
  return samples;
}

/** The first file below `folder` that holds any of the samples, or `undefined`. */
export async function findSample(
  folder: string,
  samples: readonly Buffer[],
): Promise<string | undefined> {
  const search = createSearch(samples);
  for (const [path, content] of await readTree(folder)) if (search(content)) return path;
  return undefined;
}

/**
 * One pass over the content, however many samples: the first four bytes at each place are looked up,
 * behind a bit table that turns most places away without a look-up.
 */
function createSearch(samples: readonly Buffer[]): (content: Buffer) => boolean {
  const byStart = new Map<number, Buffer[]>();
  const isPossible = new Uint8Array(1 << 16);
  for (const sample of samples.filter(({ length }) => length >= 4)) {
    const start = sample.readUInt32LE(0);
    byStart.set(start, [...(byStart.get(start) ?? []), sample]);
    isPossible[fold(start)] = 1;
  }
  return (content) => {
    for (let place = 0; place + 4 <= content.length; place++) {
      const start = content.readUInt32LE(place);
      if (isPossible[fold(start)] === 0) continue;
      for (const sample of byStart.get(start) ?? []) {
        if (sample.equals(content.subarray(place, place + sample.length))) return true;
      }
    }
    return false;
  };
}

function fold(value: number): number {
  return (value ^ (value >>> 16)) & 0xffff;
}
