/** The contract on fake-indexeddb, which follows the specification: it runs where no browser is. */
import type { LogStore } from "@hawser/log";
import { logStoreCases, testCrypto } from "@hawser/log/testing";
import { createIdbStore } from "@hawser/store-idb";
import { describe, test } from "vitest";
import { fakePlatform } from "./support/fake-platform.ts";

const names = new Map<LogStore, string>();
const platform = fakePlatform();
let count = 0;

async function open(name = `case ${count++}`): Promise<LogStore> {
  const store = await createIdbStore({ crypto: testCrypto, platform }, { name });
  names.set(store, name);
  return store;
}

async function reopen(store: LogStore): Promise<LogStore> {
  await store.close();
  return open(names.get(store));
}

describe("LogStore contract", () => {
  for (const { name, run } of logStoreCases) {
    test(name, () => run({ open: () => open(), reopen }));
  }
});
