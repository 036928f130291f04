import { afterAll, describe, test } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogStore } from "@hawser/log";
import { logStoreCases, testCrypto } from "@hawser/log/testing";
import { createFileStore } from "@hawser/store-file";

const scratch = await mkdtemp(join(tmpdir(), "hawser-file-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const paths = new Map<LogStore, string>();
let count = 0;

async function open(path = join(scratch, String(count++))): Promise<LogStore> {
  // Small segments: every longer case seals some and compacts.
  const options = { path, durability: "normal", segmentBytes: 16_384 } as const;
  const store = await createFileStore({ crypto: testCrypto }, options);
  paths.set(store, path);
  return store;
}

async function reopen(store: LogStore): Promise<LogStore> {
  await store.close();
  return open(paths.get(store));
}

describe("LogStore contract", () => {
  for (const { name, run } of logStoreCases) {
    test(name, () => run({ open: () => open(), reopen }));
  }
});
