import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createCrypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { extendLog, logStoreScaleCases, testLog } from "@hawser/log/testing";
import { createFileStore } from "@hawser/store-file";
import { afterAll, describe, expect, test } from "vitest";

const crypto = await createCrypto();
const scratch = await mkdtemp(join(tmpdir(), "hawser-file-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
let path = "";
let count = 0;

async function open(): Promise<LogStore> {
  return createFileStore({ crypto }, { path, durability: "normal" });
}

setFlagsFromString("--expose_gc");
// Safe: the flag makes it so.
const collectGarbage = runInNewContext("gc") as () => void;

function memoryBytes(): number {
  // Twice: the first one only marks the buffers of what it frees.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe("LogStore contract at size", () => {
  for (const { name, run } of logStoreScaleCases) {
    test(name, { timeout: 120_000 }, () => {
      path = join(scratch, String(count++));
      const reopen = (store: LogStore): Promise<LogStore> => store.close().then(open);
      return run({ open, reopen, memoryBytes, memoryGrowthBytesMax: 16 * 1024 * 1024 });
    });
  }
});

test(
  "memory grows by the count of ranges and not by what they hold",
  { timeout: 120_000 },
  async () => {
    path = join(scratch, String(count++));
    const rangeCount = 20_000;
    const log = testLog(1, { crypto });
    let state = log.start;
    let store = await open();
    const append = async (): Promise<void> => {
      const drafts = [{ data: new Uint8Array(2_000).fill(state.height) }];
      const range = extendLog(log, state, drafts, { crypto, sign: state.height % 100 === 99 });
      await store.commit({ ranges: [range] });
      state = range.after;
    };
    for (let index = 0; index < 500; index++) await append();
    const before = memoryBytes();
    for (let index = 0; index < rangeCount; index++) await append();
    expect((memoryBytes() - before) / rangeCount).toBeLessThan(400);
    await store.close();
    store = await open();
    expect((await store.head(log.start.logId))?.height).toBe(rangeCount + 500);
    expect((memoryBytes() - before) / rangeCount).toBeLessThan(400);
    for (const seq of [0, 10_000, 20_400]) {
      for await (const entry of store.entries(log.start.logId, { from: seq, to: seq + 1 })) {
        expect(entry.data[0]).toBe(seq & 0xff);
      }
    }
    await store.close();
  },
);
