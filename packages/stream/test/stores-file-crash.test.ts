import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openStream } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { testDeps } from "./http-helpers.ts";

const program = fileURLToPath(new URL("stores-file-crash-child.ts", import.meta.url));

/** Lets a process append until it told of `count` blocks, then kills it; the last seq it told. */
async function appendAndKill(path: string, seed: number, count: number): Promise<number> {
  const flags = ["--conditions=hawser-source", program, path, String(seed)];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let last = 0;
  let told = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    told += 1;
    if (told === count) child.kill("SIGKILL");
  }
  await exited;
  expect(told).toBeGreaterThanOrEqual(count);
  return last;
}

test("[IW-bytestore] [IW-a11] a killed writer loses no block it told of, and the next goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hawser-crash-"));
  const path = join(folder, "a.stream");
  try {
    let heightMin = 1;
    for (const [seed, count] of [5, 1, 3, 4].entries()) {
      const last = await appendAndKill(path, seed, count);
      expect(last).toBeGreaterThanOrEqual(heightMin);
      heightMin = last + 1;
      const opened = await openStream(testDeps(), await openFileBytes(path, { mode: "read" }));
      if (!opened.ok) throw new Error(opened.fault.code);
      expect(opened.stream.height).toBeGreaterThanOrEqual(heightMin);
      expect(await opened.stream.verify("full")).toMatchObject({ ok: true });
      await opened.stream.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
