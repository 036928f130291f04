import { afterAll, describe, expect, test } from "vitest";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { readPacket, withNetHeader, type Packet } from "@hawser/packet";
import { createWatcher } from "@hawser/query";
import {
  createTestTime,
  testClock,
  testData,
  testPoint,
  testQuery,
  texts,
} from "@hawser/query/testing";
import { checkScanLaw } from "@hawser/query/testing/scan-law";
import {
  createSqlitePacketStore,
  createSqliteStore,
  packetFormatVersion,
} from "@hawser/store-sqlite";

const scratch = await mkdtemp(join(tmpdir(), "hawser-packets-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
let count = 0;
const freshPath = (): string => join(scratch, `${count++}.sqlite`);
const clock = testClock();

describe("opening", () => {
  test("a file of a newer format is refused and left as it is", async () => {
    const path = freshPath();
    await createSqlitePacketStore({ clock }, { path }).close();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${packetFormatVersion + 1}`);
    database.close();
    expect(() => createSqlitePacketStore({ clock }, { path })).toThrow(
      expect.objectContaining({ code: "STORE_NEWER_FORMAT" }),
    );
  });

  test("a store of logs is no store of packets, and the other way round", async () => {
    const crypto = createNobleCrypto();
    const [logs, packets] = [freshPath(), freshPath()];
    await createSqliteStore({ crypto }, { path: logs }).close();
    await createSqlitePacketStore({ clock }, { path: packets }).close();
    const foreign = expect.objectContaining({ code: "STORE_FOREIGN_FILE" });
    expect(() => createSqlitePacketStore({ clock }, { path: logs })).toThrow(foreign);
    expect(() => createSqliteStore({ crypto }, { path: packets })).toThrow(foreign);
  });

  test("a file that is no database is refused and left as it is", async () => {
    const path = freshPath();
    await writeFile(path, "these are my notes and not a database, please keep them".repeat(40));
    expect(() => createSqlitePacketStore({ clock }, { path })).toThrow(
      expect.objectContaining({ code: "STORE_UNREADABLE" }),
    );
  });
});

test("[LK-tree-index] the file holds the reference's own key and value bytes", async () => {
  const path = freshPath();
  const packet = testPoint({ domain: "", path: [], stamp: 0 });
  const store = createSqlitePacketStore({ clock: { nowMicros: () => 1 } }, { path });
  await store.add([packet]);
  await store.close();
  const database = new DatabaseSync(path);
  const row = database.prepare("SELECT hex(key) AS key, hex(value) AS value FROM tree").get();
  database.close();
  const group = "62BB3B8B3DD5CE75E1FA882FE1A33AD9598C3715C5893E0FDB8B487D5CFDB139";
  expect(row).toEqual({
    key: `${group}${"00".repeat(49)}`,
    value:
      "0000000000000000249BBE2B19762188F7820EC10AFC5CFDD75F5ED139FD82C3EE3E7D8B2724C44A" +
      "000000000000000100000000",
  });
});

test("[LK-mode-hash] hashes that begin alike are still in order, and told apart", async () => {
  const path = freshPath();
  await using store = createSqlitePacketStore({ clock }, { path });
  // Nobody can make such packets; a store must not depend on it. Their hashes are not theirs.
  const packets = [3, 1, 2, 0].map((end) => withHash(testData(`${end}`), end));
  await store.add(packets);
  const up = await store.byHash(undefined, { max: 10 });
  expect(texts(up)).toEqual(["0", "1", "2", "3"]);
  for (const descending of [false, true]) {
    const [, second] = up;
    const page = await store.byHash(second?.packet.hash, { max: 2, descending });
    expect(texts(page)).toEqual(descending ? ["0"] : ["1", "2"]);
  }
  for (const packet of packets) {
    expect(toHex((await store.get(packet.hash))?.packet.bytes ?? new Uint8Array(0))).toBe(
      toHex(packet.bytes),
    );
  }
  const again = await store.add(packets);
  expect(again.packets.some(({ isNew }) => isNew)).toBe(false);
});

/** A packet under a false hash: 31 bytes of 7, then `end`. */
function withHash(packet: Packet<"verified">, end: number): Packet<"verified"> {
  const copy = withNetHeader(packet, packet.netHeader);
  copy.hash.fill(7);
  copy.hash[31] = end;
  return copy;
}

test("two handles on one file never give one stamp twice, and see each other's packets", async () => {
  const path = freshPath();
  const time = createTestTime();
  await using one = createSqlitePacketStore({ clock: time.clock }, { path });
  await using two = createSqlitePacketStore({ clock: time.clock }, { path });
  const stamps: number[] = [];
  for (let index = 0; index < 10; index++) {
    const store = index % 2 === 0 ? one : two;
    const { packets } = await store.add([testData(`${index}`), testData("shared")]);
    stamps.push(...packets.filter(({ isNew }) => isNew).map(({ recv }) => recv));
  }
  expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
  expect(new Set(stamps).size).toBe(11);
  expect(await one.get(testData("9").hash)).toEqual(await two.get(testData("9").hash));
});

test("[LK-watch] a watcher that is woken gives what another handle stored, and loses nothing", async () => {
  const path = freshPath();
  const time = createTestTime();
  await using one = createSqlitePacketStore({ clock: time.clock }, { path });
  await using two = createSqlitePacketStore({ clock: time.clock }, { path });
  await using watcher = createWatcher({ store: one, clock: time.clock, timers: time.timers });
  const query = testQuery([":qid:x", "i:<:[u32:5]", ":mode:log-asc"]);
  const got: string[] = [];
  const watch = watcher.watch(query, (stored) => void got.push(...texts([stored])));
  await two.add([testData("a")]);
  await one.add([testData("b")]);
  await two.add([testData("c"), testData("d")]);
  watcher.wake();
  await two.add([testData("e")]);
  watcher.wake();
  expect((await watch.ended).reason).toBe("finished");
  expect(got).toEqual(["a", "b", "c", "d", "e"]);
});

test("a writer that cannot get the lock gets a code, and its add had no effect", async () => {
  const path = freshPath();
  await using store = createSqlitePacketStore({ clock }, { path, busyTimeoutMs: 20 });
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  await expect(store.add([testData("a")])).rejects.toMatchObject({ code: "STORE_BUSY" });
  other.exec("ROLLBACK");
  other.close();
  expect(await store.get(testData("a").hash)).toBeUndefined();
  expect((await store.add([testData("a")])).packets[0]?.isNew).toBe(true);
});

test("a full disk is an error the caller sees, nothing of the batch stays, nobody is told", async () => {
  const path = freshPath();
  const store = createSqlitePacketStore({ clock }, { path });
  await store.add([testData("kept")]);
  await store.close();
  const limiter = new DatabaseSync(path);
  const pages = Number(limiter.prepare("PRAGMA page_count").get()?.["page_count"]);
  limiter.close();
  await using small = createSqlitePacketStore({ clock }, { path, pagesMax: pages + 2 });
  const last = await small.lastRecv();
  let told = 0;
  small.onAdd(() => void told++);
  const batch = [testData("small"), testData("x".repeat(60_000)), testPoint({ data: "small" })];
  await expect(small.add(batch)).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
  expect(told).toBe(0);
  expect(await small.lastRecv()).toBe(last);
  for (const packet of batch) expect(await small.get(packet.hash)).toBeUndefined();
  expect(texts(await small.byHash(undefined, { max: 9 }))).toEqual(["kept"]);
});

test("a packet damaged in the file is an error, not a packet", async () => {
  const path = freshPath();
  const packet = testPoint({ data: "whole" });
  const store = createSqlitePacketStore({ clock }, { path });
  await store.add([packet]);
  await store.close();
  const database = new DatabaseSync(path);
  database.prepare("UPDATE packets SET bytes = ?").run(packet.bytes.subarray(0, 80));
  database.close();
  await using damaged = createSqlitePacketStore({ clock }, { path });
  await expect(damaged.get(packet.hash)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  expect(readPacket(createNobleCrypto(), packet.bytes).ok).toBe(true);
});

test("[LK-mode-tree] [LK-mode-hash] [LK-mode-log] [LK-limits] an index scan gives what a naive filter gives, on SQLite", async () => {
  await checkScanLaw(async (law) => createSqlitePacketStore({ clock: law }, { path: ":memory:" }), {
    runs: 40,
  });
}, 30_000);
