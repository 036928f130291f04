/** What runs in the tab: a device on IndexedDB, opened again while the main thread is watched. */
import { createHawser, type Hawser } from "@hawser/hawser";
import { createKv } from "@hawser/kv";

const path = "main thread";
const batchSize = 500;

interface Load {
  readonly size: number;
  readonly ms: number;
  /** The longest task of the main thread meanwhile, in ms; 0 when none took 50. */
  readonly longestMs: number;
}

/** Does work and watches how long it holds up the main thread at a time. */
async function watched(work: () => Promise<number>): Promise<Load> {
  let longestMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestMs = Math.max(longestMs, duration);
  });
  observer.observe({ type: "longtask" as "function" });
  const start = performance.now();
  const size = await work();
  const ms = performance.now() - start;
  // The observer hears of a task after its end.
  await new Promise((resolve) => setTimeout(resolve, 100));
  observer.disconnect();
  return { size, ms, longestMs };
}

/** What the watch must notice: a task of 80 ms. */
async function block(): Promise<Load> {
  return await watched(async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const end = performance.now() + 80;
    while (performance.now() < end);
    return 0;
  });
}

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

/** Opens the device and its map again. */
async function open(id: string): Promise<Load> {
  await device?.[Symbol.asyncDispose]();
  return await watched(async () => {
    device = await createHawser({ path });
    const space = device.space(id);
    if (space === undefined) throw new Error("the space is gone");
    await space.kv.ready;
    return space.kv.size;
  });
}

/** Folds the map anew from all entries. */
async function rebuild(id: string): Promise<Load> {
  const space = device?.space(id);
  if (space === undefined) throw new Error("the space is gone");
  return await watched(async () => {
    await using kv = createKv(space.deps, { snapshots: false });
    await kv.ready;
    return kv.size;
  });
}

Object.assign(globalThis, { hawser: { block, fill, open, rebuild } });
