import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createCrypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { logStoreScaleCases } from "@hawser/log/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { afterAll, describe, test } from "vitest";

const crypto = await createCrypto();
const scratch = await mkdtemp(join(tmpdir(), "hawser-sqlite-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
let path = "";
let count = 0;

async function open(): Promise<LogStore> {
  return createSqliteStore({ crypto }, { path, durability: "normal" });
}

setFlagsFromString("--expose_gc");
// Safe: the flag makes it so.
const collectGarbage = runInNewContext("gc") as () => void;

function memoryBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe("LogStore contract at size", () => {
  for (const { name, run } of logStoreScaleCases) {
    test(name, { timeout: 120_000 }, () => {
      path = join(scratch, `${count++}.sqlite`);
      const reopen = (store: LogStore): Promise<LogStore> => store.close().then(open);
      return run({ open, reopen, memoryBytes, memoryGrowthBytesMax: 16 * 1024 * 1024 });
    });
  }
});
