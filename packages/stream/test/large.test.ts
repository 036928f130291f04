import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

// A gibibyte takes 12 s on two slow cores, so the plain one is smaller unless it is asked for.
const plainMebibytes = process.env["HAWSER_LARGE"] === "1" ? 1024 : 128;

test.each([
  ["sealed", 1024],
  ["plain", plainMebibytes],
])(
  "[IW-large] a %s block of %i MiB passes through a heap of 64 MiB",
  async (kind, mebibytes) => {
    const folder = await mkdtemp(join(tmpdir(), "hawser-large-"));
    try {
      const child = fileURLToPath(new URL("./large-child.ts", import.meta.url));
      const flags = ["--conditions=hawser-source", "--max-old-space-size=64"];
      const run = promisify(execFile);
      const { stdout } = await run(process.execPath, [
        ...flags,
        child,
        join(folder, "large"),
        String(mebibytes),
        kind,
      ]);
      const result: unknown = JSON.parse(stdout);
      expect(result).toMatchObject({ byteCount: mebibytes * 2 ** 20, isEqual: true });
      // Buffers lie outside of the heap: the whole process has to stay small too.
      const { rssMiB } = result as { readonly rssMiB: number };
      expect(rssMiB).toBeLessThan(320);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  240_000,
);
