import { describe } from "vitest";
import type { LogStore } from "@hawser/log";
import { logStoreCases } from "@hawser/log/testing";
import { freshSchema, openStore, serverTest } from "./servers.ts";

const schemas = new Map<LogStore, string>();

async function open(schema = freshSchema()): Promise<LogStore> {
  const store = await openStore(schema);
  schemas.set(store, schema);
  return store;
}

async function reopen(store: LogStore): Promise<LogStore> {
  await store.close();
  return open(schemas.get(store));
}

describe("LogStore contract", () => {
  for (const { name, run } of logStoreCases) {
    serverTest(name, () => run({ open: () => open(), reopen }));
  }
});
