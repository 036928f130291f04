import { chunkBytes, sealedChunkBytes } from "@hawser/blob";
import { describe, expect, test } from "vitest";
import { bodyLayout } from "../src/body-source.ts";

const fanOut = 1024;
const full = 64 + 64 + 48 * fanOut;
const pad = (bytes: number): number => Math.ceil(bytes / 8) * 8;

interface Written {
  readonly level: number;
  readonly index: number;
  readonly offset: number;
}

/** Writes a tree as docs/spec/stream.md §3 says, keeping rows of counts instead of hashes. */
function write(byteCount: number, isSealed: boolean): { nodes: Written[]; end: number } {
  const size = isSealed ? sealedChunkBytes : chunkBytes;
  const chunkCount = Math.max(1, Math.ceil(byteCount / size));
  const rows: number[] = [];
  const counts: number[] = [];
  const nodes: Written[] = [];
  let end = 0;
  const close = (level: number, data: number): void => {
    nodes.push({ level: level + 1, index: counts[level] ?? 0, offset: end });
    counts[level] = (counts[level] ?? 0) + 1;
    end += 64 + pad(64 + 48 * (rows[level] ?? 0) + data);
    rows[level] = 0;
  };
  const insert = (start: number): void => {
    for (let level = start; ; level++) {
      const row = rows[level] ?? 0;
      if (row < fanOut) {
        rows[level] = row + 1;
        return;
      }
      close(level, 0);
      rows[level] = 1;
    }
  };
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    const content = Math.min(size, byteCount - chunk * size);
    end += 64 + pad(4 + content + (isSealed ? 16 : 0));
    insert(0);
  }
  if (rows.length === 1 && rows[0] === 1 && !isSealed) return { nodes, end };
  for (let level = 0; level < rows.length; level++) {
    const isRoot = level + 1 === rows.length;
    close(level, isRoot && isSealed ? 66 : 0);
    if (isRoot) break;
    insert(level + 1);
  }
  return { nodes, end };
}

describe("where the points of a content lie", () => {
  const counts = [1, 2, 1023, 1024, 1025, 1026, 2048, 2049, 5000, fanOut ** 2 - 1, fanOut ** 2];
  const large = [1, 2, 1024, 1025, 2048].map((more) => fanOut ** 2 + more);
  test.each([...counts, ...large, 2 * fanOut ** 2 + 1, 3 * fanOut ** 2 + 1024])(
    "[IW-range] a tree of %i chunks",
    (chunks) => {
      for (const isSealed of [false, true]) {
        const size = isSealed ? sealedChunkBytes : chunkBytes;
        const byteCount = (chunks - 1) * size + 777;
        const layout = bodyLayout(byteCount, isSealed);
        const { nodes, end } = write(byteCount, isSealed);
        expect(layout.byteCount).toBe(end);
        expect(layout.rootLevel).toBe(nodes.at(-1)?.level ?? 0);
        const wrong = nodes.filter(
          ({ level, index, offset }) => layout.place({ level, index }).offset !== offset,
        );
        expect(wrong).toEqual([]);
        const first = nodes[0];
        if (first !== undefined && chunks > fanOut + 1) {
          expect(layout.place({ level: 0, index: fanOut + 1 }).offset).toBe(first.offset + full);
        }
      }
    },
  );
});
