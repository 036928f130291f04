/** What a SQLite store keeps when a log is pruned, and when a large write is given up. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createLogWriter, type LogStore } from "@hawser/log";
import { testClock, testCrypto, testDrafts, testLog } from "@hawser/log/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { afterAll, describe, expect, test } from "vitest";

const scratch = await mkdtemp(join(tmpdir(), "hawser-prune-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
const crypto = testCrypto;
const { context, secret, start } = testLog(3);
const { logId } = start;

function open(path: string, pagesMax?: number): LogStore {
  const limits = pagesMax === undefined ? {} : { pagesMax };
  return createSqliteStore({ crypto }, { path, durability: "normal", ...limits });
}

/** Appends one range an entry. */
async function append(store: LogStore, count: number, time: number): Promise<void> {
  const clock = testClock(time);
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  for (let index = 0; index < count; index++) await writer.append(testDrafts(1, index));
}

async function bytesFrom(store: LogStore, from: number): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const range of store.ranges(logId, { from })) found.push(toHex(range.bytes));
  return found;
}

describe("pruning", () => {
  test.each([1, 7, 8, 13, 20])(
    "[P2-M21] cut at %i and reopened, a log keeps its height and goes on with the same bytes",
    async (cut) => {
      const [whole, pruned] = [join(scratch, `${cut}-whole`), join(scratch, `${cut}-pruned`)];
      const found: (readonly string[])[] = [];
      for (const path of [whole, pruned]) {
        const first = open(path);
        await append(first, 20, 1_700_000_000_000_000);
        const before = await first.head(logId);
        if (path === pruned) expect(await first.prune(logId, cut)).toBe(cut);
        await first.close();
        await using again = open(path);
        expect(await again.head(logId)).toEqual({
          ...before,
          prunedTo: path === pruned ? cut : 0,
        });
        await append(again, 12, 1_800_000_000_000_000);
        expect((await again.head(logId))?.height).toBe(32);
        found.push(await bytesFrom(again, 20));
      }
      expect(found[1]).toEqual(found[0]);
      expect(found[0]).toHaveLength(12);
    },
  );
});

describe("a large write that is given up", () => {
  test("[ATK-bimootb1555] drops nothing, evicts nothing, and smaller ones go on", async () => {
    const path = join(scratch, "large");
    const roomy = open(path);
    await append(roomy, 5, 1_700_000_000_000_000);
    await roomy.commit({ writes: [{ key: "note", value: new Uint8Array([1, 2, 3]) }] });
    const kept = await bytesFrom(roomy, 0);
    await roomy.close();
    await using store = open(path, 60);
    const before = await store.stats();
    for (const byteCount of [2 ** 20, 2 ** 24]) {
      const writes = [
        { key: "note", value: new Uint8Array(1) },
        { key: "large", value: new Uint8Array(byteCount) },
      ];
      await expect(store.commit({ writes })).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
      expect(await store.get("large")).toBeUndefined();
      expect(await store.get("note")).toEqual(new Uint8Array([1, 2, 3]));
      expect(await bytesFrom(store, 0)).toEqual(kept);
      expect({ ...(await store.stats()), diskBytes: 0 }).toEqual({ ...before, diskBytes: 0 });
    }
    await append(store, 2, 1_800_000_000_000_000);
    expect((await store.head(logId))?.height).toBe(7);
  });

  test("[ATK-bimootb1555] an entry over the limit is told from a full disk by its code", async () => {
    await using store = open(join(scratch, "limit"));
    await append(store, 1, 1_700_000_000_000_000);
    const clock = testClock(1_800_000_000_000_000);
    await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
    const large = writer.append([{ data: new Uint8Array(2 ** 17) }]);
    await expect(large).rejects.toMatchObject({ code: "LOG_DATA_TOO_LARGE" });
    expect((await store.head(logId))?.height).toBe(1);
    await writer.append(testDrafts(1));
    expect((await store.head(logId))?.height).toBe(2);
  });
});
