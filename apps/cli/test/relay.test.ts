/** `hawser relay` is the relay's own program. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const mainPath = fileURLToPath(new URL("../src/main.ts", import.meta.url));

interface Run {
  next(): Promise<Record<string, unknown>>;
  stop(): void;
  readonly exitCode: Promise<number | null>;
}

function start(...args: readonly string[]): Run {
  const child = spawn(process.execPath, ["--conditions=hawser-source", mainPath, ...args]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>,
    stop: () => void child.kill("SIGTERM"),
    exitCode: new Promise((resolve) => {
      child.once("close", resolve);
    }),
  };
}

test("starts a relay that serves until it is told to stop", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hawser-cli-relay-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const run = start("--json", "relay", "--port", "0", "--data", folder);
  const { event, url } = await run.next();
  expect(event).toBe("listening");
  const answer = await fetch(`${String(url).replace("ws", "http")}/healthz`);
  expect(await answer.json()).toEqual({ status: "ok" });
  run.stop();
  expect(await run.next()).toMatchObject({ event: "stopped" });
  expect(await run.exitCode).toBe(0);
}, 60_000);

test("checks settings, names each mistake, and repeats no value", async () => {
  const run = start("relay", "config", "check", "--json", "--port", "hunter2", "--store", "x");
  const line = await run.next();
  expect(line).toMatchObject({
    event: "config",
    ok: false,
    issues: [{ path: "--port" }, { path: "--store" }],
  });
  expect(JSON.stringify(line)).not.toContain("hunter2");
  expect(await run.exitCode).toBe(1);
}, 60_000);
