/** docs/spec/2-log.md §13: a pruned log and its unpruned twin go on as one. */
import { toHex } from "@hawser/codec";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  proveEntry,
  verifyProof,
  type EncodedRange,
  type LogStore,
} from "@hawser/log";
import { testClock, testDrafts } from "@hawser/log/testing";
import { describe, expect, test } from "vitest";
import { collect, exampleLog, fastCrypto as crypto } from "./support/logs.ts";

const { context, secret, start } = exampleLog;
const { logId } = start;
const count = 60;

/** Sixty entries, one range each. */
async function filled(): Promise<{ readonly store: LogStore; readonly ranges: EncodedRange[] }> {
  const store = createMemoryStore({ crypto });
  const clock = testClock();
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  for (let index = 0; index < count; index++) await writer.append(testDrafts(1, index));
  await writer.close();
  return { store, ranges: await collect(store.ranges(logId)) };
}

describe("pruning", () => {
  test("[P2-M21] never lowers a height, takes back a head, or moves backwards", async () => {
    const { store } = await filled();
    const before = await store.head(logId);
    let lowest = 0;
    for (const seq of [5, 1, 40, 0, 39, 60, 1_000, 2]) {
      const prunedTo = await store.prune(logId, seq);
      expect(prunedTo).toBeGreaterThanOrEqual(lowest);
      lowest = prunedTo;
      const head = await store.head(logId);
      expect(head).toEqual({ ...before, prunedTo });
    }
    expect(await collect(store.entries(logId))).toEqual([]);
  });

  test("[P2-M21] whatever is appended later has the bytes it would have had: no ancestor is missed", async () => {
    for (let cut = 1; cut <= count; cut += 3) {
      const [whole, pruned] = [
        await copyOf((await shared).ranges),
        await copyOf((await shared).ranges),
      ];
      await pruned.prune(logId, cut);
      const [more, same] = [await extended(whole), await extended(pruned)];
      expect(same, `cut at ${cut}`).toEqual(more);
    }
  });

  test("[P2-M21] old entries that come again lower nothing and bring nothing back", async () => {
    const { store, ranges } = await filled();
    await store.prune(logId, 30);
    const head = await store.head(logId);
    for (const range of ranges.slice(0, 30)) {
      expect((await ingestRange({ store, crypto }, range)).status).toBe("known");
    }
    expect(await store.head(logId)).toEqual(head);
    expect((await collect(store.entries(logId)))[0]?.seq).toBe(30);
  });

  test("[P2-M21] every entry that is left can be proved as before", async () => {
    const { store } = await filled();
    const kept = await collect(store.entries(logId, { from: 25 }));
    await store.prune(logId, 25);
    for (const entry of kept) {
      const proof = await proveEntry({ store, crypto }, logId, entry.seq);
      const verdict = verifyProof({ crypto }, proof);
      expect(verdict.ok && toHex(verdict.entry.hash)).toBe(toHex(entry.hash));
    }
    await expect(proveEntry({ store, crypto }, logId, 3)).rejects.toMatchObject({
      code: "LOG_NOT_FOUND",
    });
  });
});

const shared = filled();

async function copyOf(ranges: readonly EncodedRange[]): Promise<LogStore> {
  const store = createMemoryStore({ crypto });
  for (const range of ranges) await ingestRange({ store, crypto }, range);
  return store;
}

/** The bytes of twenty more entries, made by a writer that opens the store now. */
async function extended(store: LogStore): Promise<readonly string[]> {
  const clock = testClock(1_800_000_000_000_000);
  const writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append(testDrafts(20, 200));
  await writer.close();
  const ranges = await collect(store.ranges(logId, { from: count }));
  return ranges.map(({ from, bytes }) => `${from} ${toHex(bytes)}`);
}
