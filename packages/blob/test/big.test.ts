/**
 * Memory: 256 MiB through a process whose V8 heap the flag bounds at 64 MiB; packets held back
 * anywhere would also show in the array buffers outside of it, which the program adds at every
 * sixteenth packet. V8 collects those late, at some 60 MiB, so half of the content is the bound for
 * the sum.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const program = fileURLToPath(new URL("big-program.ts", import.meta.url));
const run = promisify(execFile);

it.each([
  ["plain", 0],
  ["sealed by suite 2", 2],
])(
  "[IW-partial-io] 256 MiB, %s, are written and read back in a heap of 64 MiB",
  async (_, suite) => {
    const folder = await mkdtemp(join(tmpdir(), "hawser-blob-"));
    try {
      const flags = ["--conditions=hawser-source", "--max-old-space-size=64"];
      const { stdout } = await run(process.execPath, [...flags, program, folder, String(suite)]);
      const seen = JSON.parse(stdout) as {
        readonly isEqual: boolean;
        readonly read: number;
        readonly points: number;
        readonly peakBytes: number;
      };
      expect(seen.isEqual).toBe(true);
      expect(seen.read).toBe(256 * 1024 * 1024);
      // 4,129 chunks under five nodes and a root.
      expect(seen.points).toBeGreaterThan(4_100);
      expect(seen.peakBytes).toBeLessThan(128 * 1024 * 1024);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
