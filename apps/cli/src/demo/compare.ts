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

/** The first sample found in any file below `folder`, or `undefined`. */
export async function findSample(
  folder: string,
  samples: readonly Buffer[],
): Promise<string | undefined> {
  for (const [path, content] of await readTree(folder)) {
    for (const sample of samples) if (content.includes(sample)) return path;
  }
  return undefined;
}
