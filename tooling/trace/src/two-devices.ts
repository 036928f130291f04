/** Two devices of one encrypted space in one process, each on a SQLite file of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import type { Space } from "@hawser/space";
import { createWorld } from "@hawser/space/testing";
import { createSqliteStore } from "@hawser/store-sqlite";

/** A space that one device writes and another reads. */
export interface TwoDevices extends AsyncDisposable {
  /** The writer's store, and the space as each of them has it. */
  readonly store: LogStore;
  readonly writing: Space;
  readonly reading: Space;
  /** Brings what was written to the reader, verified and stored. */
  carry(): Promise<void>;
  /** Bytes of the writer's logs, and of what stands for entries that compaction dropped. */
  storedBytes(): Promise<number>;
}

/** Makes the files in a folder of their own; disposing removes it. */
export async function createTwoDevices(crypto: Crypto): Promise<TwoDevices> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-trace-"));
  const storeOf = (name: string): LogStore =>
    createSqliteStore({ crypto }, { path: join(folder, `${name}.sqlite`), durability: "normal" });
  const world = await createWorld({ crypto });
  const ada = await world.device("ada", { store: storeOf("ada") });
  const ben = await world.device("ben", { store: storeOf("ben") });
  const writing = await ada.spaces.create();
  const reading = await ben.spaces.join(await writing.invite({ level: "write" }));
  await world.settle(ada, ben);
  return {
    store: ada.store,
    writing,
    reading,
    carry: async () => void (await world.carry(ada, ben)),
    storedBytes: async () => {
      const { rangeBytes } = await ada.store.stats();
      const kept = await ada.store.get(`cache/${writing.topic}/compacted`);
      return rangeBytes + (kept?.length ?? 0);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { spaces, store } of [ada, ben]) {
        await spaces.close();
        await store.close();
      }
      await rm(folder, { recursive: true });
    },
  };
}
