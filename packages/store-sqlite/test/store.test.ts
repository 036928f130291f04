import { afterAll, describe, expect, test } from "vitest";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { toHex } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { createLogWriter, logIdOf, type LogId, type Topic } from "@hawser/log";
import { createSqliteStore, formatVersion } from "@hawser/store-sqlite";
import { latestSql, newestSql } from "../src/rows.ts";

const crypto = createNobleCrypto();
const scratch = await mkdtemp(join(tmpdir(), "hawser-sqlite-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
let count = 0;
const freshPath = (): string => join(scratch, `${count++}.sqlite`);

describe("opening", () => {
  test("a file of a newer format is refused and left as it is", () => {
    const path = freshPath();
    void createSqliteStore({ crypto }, { path }).close();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${formatVersion + 1}`);
    database.close();
    expect(() => createSqliteStore({ crypto }, { path })).toThrow(
      expect.objectContaining({ code: "STORE_NEWER_FORMAT" }),
    );
  });

  test("another program's database is refused", () => {
    const path = freshPath();
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE somebody_elses (x)");
    database.close();
    expect(() => createSqliteStore({ crypto }, { path })).toThrow(
      expect.objectContaining({ code: "STORE_FOREIGN_FILE" }),
    );
  });

  test("a file that is no database is refused and left as it is", async () => {
    const path = freshPath();
    await writeFile(path, "these are my notes and not a database, please keep them".repeat(40));
    expect(() => createSqliteStore({ crypto }, { path })).toThrow(
      expect.objectContaining({ code: "STORE_UNREADABLE" }),
    );
  });
});

test("two handles on one file see each other's values", async () => {
  const path = freshPath();
  const value = new Uint8Array([1, 2, 3]);
  await using one = createSqliteStore({ crypto }, { path });
  await using two = createSqliteStore({ crypto }, { path });
  await one.commit({ writes: [{ key: "a", value }] });
  expect(await two.get("a")).toEqual(value);
});

test("two handles on one file see each other's heads, whatever they remember of them", async () => {
  const path = freshPath();
  const clock = { nowMicros: () => 1_794_000_000_000_000 };
  const secret = new Uint8Array(32).fill(7);
  // Safe: both are 64 hex characters.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const context = { topic: "11".repeat(32) as Topic, domain: "two", author };
  const logId = logIdOf(crypto, context);
  await using one = createSqliteStore({ crypto }, { path });
  await using two = createSqliteStore({ crypto }, { path });
  for (let height = 1; height <= 12; height++) {
    const [mine, theirs] = height % 2 === 0 ? [one, two] : [two, one];
    await using writer = await createLogWriter({ store: mine, crypto, clock }, { context, secret });
    await writer.append([{ data: new Uint8Array([height]) }]);
    const head = await theirs.head(logId);
    expect(head?.height).toBe(height);
    expect(head).toEqual(await mine.head(logId));
  }
});

test("reading on from a cursor takes steps for what came since, not for the whole topic", () => {
  const path = freshPath();
  void createSqliteStore({ crypto }, { path }).close();
  const database = new DatabaseSync(path, { readOnly: true });
  const planOf = (sql: string, ...values: readonly (number | Uint8Array)[]): readonly unknown[] =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...values)
      .map((step) => step["detail"]);
  expect(planOf(latestSql, 0, 1, new Uint8Array(32))).toEqual([
    "SEARCH ranges USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "SEARCH logs USING INTEGER PRIMARY KEY (rowid=?)",
  ]);
  expect(planOf(newestSql, 1, 9, 1)).toEqual([
    "SEARCH ranges USING COVERING INDEX ranges_place (log=? AND first<?)",
  ]);
  database.close();
});

test("what a topic received is the same, read through little or much that came since", async () => {
  await using store = createSqliteStore({ crypto }, { path: ":memory:" });
  const clock = { nowMicros: () => 1_794_000_000_000_000 };
  const random = seededRandom("received");
  const topics = ["11", "22", "33"].map((pair) => pair.repeat(32) as Topic);
  const writers = await Promise.all(
    Array.from({ length: 6 }, (_, index) => {
      const secret = new Uint8Array(32).fill(1 + (index >> 1));
      // Safe: 64 hex characters.
      const author = toHex(crypto.publicKey(secret)) as AuthorId;
      const topic = topics[index >> 1] ?? ("" as Topic);
      const context = { topic, domain: `log${index % 2}`, author };
      return createLogWriter({ store, crypto, clock }, { context, secret, sign: "deferred" });
    }),
  );
  const received: { topic: Topic; logId: LogId; from: number; cursor: number }[] = [];
  store.onCommit((ranges) => {
    for (const { context, logId, from, cursor } of ranges) {
      received.push({ topic: context.topic, logId, from, cursor });
    }
  });
  for (let round = 0; round < 700; round++) {
    // The last topic is seldom written to.
    const pick = (random(1)[0] ?? 0) % (round % 50 === 0 ? 6 : 4);
    await writers[pick]?.append([{ data: new Uint8Array([round & 0xff]) }]);
  }
  for (const topic of topics) {
    for (const after of [0, 1, 300, 443, 444, 445, 600, 699, 700]) {
      const found: typeof received = [];
      for await (const { logId, from, cursor } of store.received(topic, after)) {
        found.push({ topic, logId, from, cursor });
      }
      const isWanted = (one: (typeof received)[number]): boolean =>
        one.topic === topic && one.cursor > after;
      expect(found, `${topic.slice(0, 2)} after ${after}`).toEqual(received.filter(isWanted));
    }
  }
});

test("a writer that cannot get the lock gets a code, and its commit had no effect", async () => {
  const path = freshPath();
  await using store = createSqliteStore({ crypto }, { path, busyTimeoutMs: 20 });
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const write = { writes: [{ key: "a", value: new Uint8Array([1]) }] };
  await expect(store.commit(write)).rejects.toMatchObject({ code: "STORE_BUSY" });
  other.exec("ROLLBACK");
  other.close();
  expect(await store.get("a")).toBeUndefined();
  await store.commit(write);
  expect(await store.get("a")).toEqual(new Uint8Array([1]));
});

test("a full disk is an error the caller sees, and nothing of the commit stays", async () => {
  const path = freshPath();
  const store = createSqliteStore({ crypto }, { path });
  await store.commit({ writes: [{ key: "kept", value: new Uint8Array([1]) }] });
  await store.close();
  const limiter = new DatabaseSync(path);
  const pages = Number(limiter.prepare("PRAGMA page_count").get()?.["page_count"]);
  limiter.close();
  await using small = createSqliteStore({ crypto }, { path, pagesMax: pages + 2 });
  const write = { writes: [{ key: "big", value: new Uint8Array(200_000) }] };
  await expect(small.commit(write)).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
  expect(await small.get("big")).toBeUndefined();
  expect(await small.get("kept")).toEqual(new Uint8Array([1]));
});
