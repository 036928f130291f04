import { afterAll, describe, test } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, PacketStore } from "@hawser/query";
import { packetStoreCases } from "@hawser/query/testing";
import { createSqlitePacketStore } from "@hawser/store-sqlite";

const scratch = await mkdtemp(join(tmpdir(), "hawser-packets-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const paths = new Map<PacketStore, string>();
let count = 0;

async function open(clock: Clock, path = join(scratch, `${count++}.sqlite`)): Promise<PacketStore> {
  const store = createSqlitePacketStore({ clock }, { path, durability: "normal" });
  paths.set(store, path);
  return store;
}

async function reopen(store: PacketStore, clock: Clock): Promise<PacketStore> {
  await store.close();
  return open(clock, paths.get(store));
}

describe("PacketStore contract", () => {
  for (const { name, run } of packetStoreCases) {
    test(name, () => run({ open: (clock) => open(clock), reopen }));
  }
});
