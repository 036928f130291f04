import { afterAll, expect, test } from "vitest";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PacketStore } from "@hawser/query";
import { testClock, testData, texts } from "@hawser/query/testing";
import { checkSqliteFile, createSqlitePacketStore } from "@hawser/store-sqlite";

const program = fileURLToPath(new URL("./packet-crash-writer.ts", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "hawser-packet-crash-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Runs the writer and kills it right after `count` adds; the acknowledged numbers and stamps. */
async function runAndKill(path: string, first: number, count: number): Promise<number[][]> {
  const args = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning", program];
  const child = spawn(process.execPath, [...args, path, `${first}`], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compiled") },
  });
  const ended = new Promise((settle) => child.once("close", settle));
  const lines: number[][] = [];
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const numbers = line.split(" ").map(Number);
    // A line that the kill cut short acknowledges nothing.
    if (numbers.length === 5) lines.push(numbers);
    if (++seen === count) child.kill("SIGKILL");
  }
  await ended;
  return lines;
}

async function all(store: PacketStore): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let low = 0; ;) {
    const page = await store.byRecv({ low, high: Number.MAX_SAFE_INTEGER }, { max: 64 });
    for (const stored of page) found.set(stored.recv, texts([stored]).join(""));
    const last = page.at(-1);
    if (last === undefined) return found;
    low = last.recv + 1;
  }
}

test("[LK-mode-log] kills in the middle of adds lose nothing that was acknowledged and leave whole batches", async () => {
  const path = join(scratch, "packets.sqlite");
  const acknowledged: number[][] = [];
  for (let round = 0; round < 3; round++) {
    acknowledged.push(...(await runAndKill(path, round * 100_000, 1 + round * 3)));
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(3);
  expect(checkSqliteFile(path)).toEqual([]);
  await using store = createSqlitePacketStore({ clock: testClock() }, { path });
  const found = await all(store);
  for (const [number = 0, first = 0, second = 0, , fourth = 0] of acknowledged) {
    const kept = [first, second, fourth].map((recv) => found.get(recv));
    expect(kept).toEqual([`${number}`, `${number + 1}`, `${number + 2}`]);
  }
  // Whatever was written last is there whole or not at all. Large packets are no numbers.
  const numbers = new Set([...found.values()].filter((text) => /^\d{1,6}$/.test(text)).map(Number));
  for (const number of numbers) {
    const batch = number - ((number % 100_000) % 3);
    for (const index of [0, 1, 2]) expect(numbers.has(batch + index)).toBe(true);
  }
  const bottom = { key: new Uint8Array(0), stamp: 0n, hash: new Uint8Array(32) };
  const rows = await store.treeRows(bottom, { max: 100_000 });
  for (const row of rows) expect((await store.get(row.hash))?.recv).toBe(row.recv);
  // One linkpoint a batch.
  expect(rows.length).toBe(numbers.size / 3);
  const newest = await store.lastRecv();
  const outcome = await store.add([testData("after")]);
  expect(outcome.packets[0]?.recv).toBeGreaterThan(newest);
}, 60_000);
