/** What runs in the tab: a device on IndexedDB, opened again. */
import { createHawser, type Hawser } from "@hawser/hawser";
import { createKv } from "@hawser/kv";

const path = "main thread";
const batchSize = 500;

/** Writes keys into a new space; its id. */
async function fill(count: number): Promise<string> {
  const device = await createHawser({ path });
  const space = await device.create();
  for (let from = 0; from < count; from += batchSize) {
    await space.kv.batch(
      Array.from({ length: batchSize }, (_, at) => ({ key: `key/${from + at}`, value: from + at })),
    );
    for (let at = 0; at < batchSize; at += 50) await space.kv.put(`key/${from + at}`, "later");
  }
  const { id } = space;
  await device[Symbol.asyncDispose]();
  return id;
}

let device: Hawser | undefined;

/** Opens the device and its map again; its size. */
async function open(id: string): Promise<number> {
  await device?.[Symbol.asyncDispose]();
  device = await createHawser({ path });
  const space = device.space(id);
  if (space === undefined) throw new Error("the space is gone");
  await space.kv.ready;
  return space.kv.size;
}

/** Folds the map anew from all entries; its size. */
async function rebuild(id: string): Promise<number> {
  const space = device?.space(id);
  if (space === undefined) throw new Error("the space is gone");
  await using kv = createKv(space.deps, { snapshots: false });
  await kv.ready;
  return kv.size;
}

Object.assign(globalThis, { hawser: { fill, open, rebuild } });
