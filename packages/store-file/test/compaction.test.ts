/** Rewriting: what it frees, what it costs, what it keeps. */
import { extendLog, testDrafts, testLog } from "@hawser/log/testing";
import type { ChainState } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { createMemoryDisk } from "./memory-files.ts";
import { crypto, dump, openOn, seeded } from "./support.ts";

const segmentBytes = 16_384;
const options = { durability: "normal", segmentBytes } as const;

describe("rewriting", () => {
  test("keeps the disk small under values written over and over, at less than 3 × the writes", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk, options);
    const random = seeded(7);
    for (let index = 0; index < 6_000; index++) {
      const key = `k${Math.floor(random() * 60)}`;
      await store.commit({
        writes: [{ key, value: new Uint8Array(1 + Math.floor(random() * 200)) }],
      });
    }
    await store.settled();
    const { writtenBytes, compaction } = store.report();
    expect(compaction.failure).toBeUndefined();
    expect(compaction.count).toBeGreaterThan(10);
    // Everything the disk took: segments, rewritings, indexes.
    expect(disk.writtenBytes).toBeLessThan(writtenBytes * 3);
    const { diskBytes = 0 } = await store.stats();
    expect(diskBytes).toBeLessThan(60 * 250 * 2 + segmentBytes * 3);
    const whole = await dump(store);
    await store.close();
    const again = await openOn(disk, options);
    expect(await dump(again)).toBe(whole);
    await again.close();
  });

  test("frees keys that were put once and deleted, and their delete records", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk, options);
    for (let index = 0; index < 4_000; index++) {
      await store.commit({ writes: [{ key: `once/${index}`, value: new Uint8Array(40) }] });
      await store.commit({ writes: [{ key: `once/${index}`, value: undefined }] });
    }
    await store.settled();
    expect(await store.list("")).toEqual([]);
    expect((await store.stats()).diskBytes).toBeLessThan(segmentBytes * 4);
    // Its counted bytes agree with what a reader of the files finds.
    const again = await openOn(disk.copy(), options);
    expect(await again.list("")).toEqual([]);
    await again.close();
    await store.close();
  });

  test("a deleted key stays deleted, whichever segments are rewritten before it", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = createMemoryDisk();
      const random = seeded(seed);
      let store = await openOn(disk, { durability: "normal", segmentBytes: 4_096 });
      const expected = new Map<string, number>();
      for (let index = 0; index < 250; index++) {
        const key = `k${Math.floor(random() ** 3 * 40)}`;
        const isPut = random() < 0.5;
        const byteCount = Math.floor(random() * 300);
        await store.commit({
          writes: [{ key, value: isPut ? new Uint8Array(byteCount) : undefined }],
        });
        if (isPut) expected.set(key, byteCount);
        else expected.delete(key);
        if (random() > 0.02) continue;
        await store.close();
        store = await openOn(disk, { durability: "normal", segmentBytes: 4_096 });
      }
      const found = (await store.list("")).map(({ key, value }) => [key, value.length]);
      expect(found).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)));
      await store.close();
    }
  });

  test("frees what was pruned, and the log goes on from the state at the cut", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk, options);
    const log = testLog(1);
    let state: ChainState = log.start;
    for (let index = 0; index < 300; index++) {
      const drafts = testDrafts(5, index).map(({ data }) => ({
        data: new Uint8Array([...data, ...new Uint8Array(60)]),
      }));
      const range = extendLog(log, state, drafts, { crypto, sign: index % 10 === 9 });
      await store.commit({ ranges: [range] });
      state = range.after;
      if (index % 30 === 29) await store.prune(log.start.logId, state.height - 50);
    }
    await store.settled();
    expect(store.report().compaction.count).toBeGreaterThan(2);
    expect((await store.stats()).diskBytes).toBeLessThan(segmentBytes * 3);
    expect((await store.stats()).entries).toBeLessThanOrEqual(50);
    const again = await openOn(disk.copy(), options);
    expect(await dump(again)).toBe(await dump(store));
    expect(await again.stateAt(state.logId, state.height)).toEqual(state);
    await again.close();
    await store.close();
  });

  test("goes on while logs are read and written, and disturbs neither", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk, options);
    const log = testLog(1);
    const range = extendLog(log, log.start, testDrafts(60), { crypto });
    await store.commit({ ranges: [range] });
    const read: number[] = [];
    let index = 0;
    for await (const entry of store.entries(log.start.logId)) {
      read.push(entry.seq);
      const value = new Uint8Array(900).fill(index);
      const writes = [`a${index % 5}`, `b${index % 3}`].map((key) => ({ key, value }));
      await Promise.all([store.commit({ writes }), store.get(`a${(index + 1) % 5}`)]);
      index++;
    }
    expect(read).toEqual(range.entries.map((entry) => entry.seq));
    await store.settled();
    expect(store.report().compaction.count).toBeGreaterThan(0);
    await store.close();
  });

  test("never copies damage: it stops, says so, and leaves the files", async () => {
    const disk = createMemoryDisk();
    let store = await openOn(disk, options);
    for (let index = 0; index < 40; index++) {
      await store.commit({
        writes: [{ key: `k${index}`, value: new Uint8Array(500).fill(index) }],
      });
    }
    await store.close();
    const name = "00000001-00000000.segment";
    const bytes = disk.bytes(name).slice();
    // The value of k3, which the index knows nothing of.
    bytes[26 + 3 * 550 + 100] = 99;
    disk.put(name, bytes);
    store = await openOn(disk, options);
    for (let index = 4; index < 40; index++) {
      await store.commit({ writes: [{ key: `k${index}`, value: undefined }] });
    }
    for (let index = 0; index < 40; index++) {
      await store.commit({ writes: [{ key: "filler", value: new Uint8Array(1_000) }] });
    }
    await store.settled();
    expect(store.report().compaction.failure).toMatchObject({ code: "STORE_CORRUPT" });
    expect(disk.bytes(name)).toEqual(bytes);
    await expect(store.get("k3")).rejects.toThrow(name);
    expect(await store.get("k2")).toEqual(new Uint8Array(500).fill(2));
    await store.close();
  });

  test("a store closed in the middle of it leaves no unfinished file, and nothing is lost", async () => {
    for (let seed = 0; seed < 25; seed++) {
      const disk = createMemoryDisk();
      const store = await openOn(disk, { durability: "normal", segmentBytes: 4_096 });
      for (let index = 0; index < 30 + seed; index++) {
        await store.commit({
          writes: [{ key: `k${index % 4}`, value: new Uint8Array(400).fill(index) }],
        });
      }
      const whole = await dump(store);
      await store.close();
      expect(disk.names().filter((name) => name.endsWith(".new"))).toEqual([]);
      const again = await openOn(disk, { durability: "normal", segmentBytes: 4_096 });
      expect(await dump(again)).toBe(whole);
      await again.close();
    }
  });
});
