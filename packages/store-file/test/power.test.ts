/** Power lost, or the process killed, at any step the disk takes. */
import type { ChainState } from "@hawser/log";
import { extendLog, testDrafts, testLog } from "@hawser/log/testing";
import type { FileStore } from "@hawser/store-file";
import { describe, expect, test } from "vitest";
import { createMemoryDisk, type MemoryDisk } from "./memory-files.ts";
import { crypto, openOn, seeded } from "./support.ts";

const log = testLog(1);

interface Acknowledged {
  /** Entries of the log. */
  readonly height: number;
  /** Commits of the counter, each one batch with the key `twin`. */
  readonly counter: number;
}

/** Works until the disk fails; what was acknowledged. */
async function workUntilFailure(
  disk: MemoryDisk,
  durability: "full" | "normal",
  random: () => number,
): Promise<Acknowledged> {
  const acknowledged = { height: 0, counter: 0 };
  let store: FileStore;
  try {
    store = await openOn(disk, { durability, segmentBytes: 4_096 });
    acknowledged.height = (await store.head(log.start.logId))?.height ?? 0;
    acknowledged.counter = (await counterOf(store)) ?? 0;
  } catch {
    return acknowledged;
  }
  let state: ChainState = (await store.head(log.start.logId)) ?? log.start;
  let { counter } = acknowledged;
  for (;;) {
    const range = extendLog(log, state, testDrafts(1 + Math.floor(random() * 3), counter), {
      crypto,
      sign: random() < 0.2,
    });
    counter++;
    const value = new Uint8Array(200 + Math.floor(random() * 300)).fill(counter & 0xff);
    new DataView(value.buffer).setUint32(0, counter);
    const writes = ["counter", "twin"].map((key) => ({ key, value }));
    // Two at once, so that they share a write.
    const both = [store.commit({ ranges: [range] }), store.commit({ writes })];
    if (random() < 0.1)
      both.push(store.commit({ writes: [{ key: "twin", value: undefined }, ...writes] }));
    const outcomes = await Promise.allSettled(both);
    if (outcomes[0]?.status === "fulfilled") acknowledged.height = range.after.height;
    if (outcomes[1]?.status === "fulfilled") acknowledged.counter = counter;
    if (outcomes.some((outcome) => outcome.status === "rejected")) {
      await store.close().catch(() => undefined);
      return acknowledged;
    }
    state = range.after;
    if (random() < 0.05) {
      await store.prune(log.start.logId, state.height - 20).catch(() => undefined);
    }
  }
}

async function counterOf(store: FileStore): Promise<number | undefined> {
  const [counter, twin] = [await store.get("counter"), await store.get("twin")];
  // A batch is there wholly or not at all.
  expect(counter).toEqual(twin);
  return counter === undefined ? undefined : new DataView(counter.buffer).getUint32(0);
}

/** Opens what is left, and appends. */
async function checkSurvivor(disk: MemoryDisk, atLeast: Acknowledged): Promise<void> {
  const store = await openOn(disk, { segmentBytes: 4_096 });
  const head = await store.head(log.start.logId);
  expect(head?.height ?? 0).toBeGreaterThanOrEqual(atLeast.height);
  expect((await counterOf(store)) ?? 0).toBeGreaterThanOrEqual(atLeast.counter);
  await checkOrder(store);
  let expected = head?.prunedTo ?? 0;
  for await (const entry of store.entries(log.start.logId)) expect(entry.seq).toBe(expected++);
  expect(expected).toBe(head?.height ?? 0);
  const range = extendLog(log, head ?? log.start, [{ data: new Uint8Array(1) }], {
    crypto,
  });
  expect(await store.commit({ ranges: [range] })).toMatchObject({ ok: true });
  await store.settled();
  expect(store.report().compaction.failure).toBeUndefined();
  await store.close();
}

/** Ranges and counts were committed in turns, so what is left is a beginning of that. */
async function checkOrder(store: FileStore): Promise<void> {
  let last: Uint8Array | undefined;
  for await (const entry of store.entries(log.start.logId)) last = entry.data;
  // One byte: the append of an earlier check.
  if (last?.length !== 3) return;
  const counter = (await counterOf(store)) ?? 0;
  expect([last[0], ((last[0] ?? 0) + 1) & 0xff]).toContain(counter & 0xff);
}

const nothing: Acknowledged = { height: 0, counter: 0 };

/** Several lives of one store, each ended at a random step. */
async function live(
  seed: number,
  durability: "full" | "normal",
  end: "power" | "kill",
): Promise<void> {
  const random = seeded(seed);
  let disk = createMemoryDisk();
  for (let round = 0; round < 4; round++) {
    disk.stepsLeft = Math.floor(random() ** 2 * 600);
    const acknowledged = await workUntilFailure(disk, durability, random);
    disk = end === "kill" ? disk.copy() : disk.afterPowerLoss(random);
    const isKept = end === "kill" || durability === "full";
    await checkSurvivor(disk, isKept ? acknowledged : nothing);
    disk = disk.copy();
  }
}

describe("at any step of the disk", () => {
  test(
    "[TH-153] a power loss takes nothing that was acknowledged in full mode",
    { timeout: 60_000 },
    async () => {
      for (let seed = 0; seed < 60; seed++) await live(seed, "full", "power");
    },
  );

  test(
    "[TH-153] a kill takes nothing that was acknowledged, in either mode",
    { timeout: 60_000 },
    async () => {
      for (let seed = 200; seed < 230; seed++) {
        await live(seed, "normal", "kill");
        await live(seed, "full", "kill");
      }
    },
  );

  test(
    "a power loss in normal mode leaves a store that opens, with whole batches",
    { timeout: 60_000 },
    async () => {
      for (let seed = 300; seed < 350; seed++) await live(seed, "normal", "power");
    },
  );
});
