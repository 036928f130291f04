import { createCrypto } from "@hawser/crypto";
import { createLogWriter, type LogStore } from "@hawser/log";
import { extendLog, testClock, testDrafts, testFork, testLog } from "@hawser/log/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { doctor, type LogFinding } from "../src/doctor.ts";
import { openHome, type Home } from "../src/home.ts";
import { createOutput } from "../src/output.ts";
import { openWorkshop } from "./support/programs.ts";

const workshop = openWorkshop();
afterAll(() => workshop[Symbol.asyncDispose]());
const crypto = await createCrypto();

interface Diagnosis {
  readonly healthy: boolean;
  readonly database: readonly string[];
  readonly logs: readonly LogFinding[];
  /** What a person reads. */
  readonly text: string;
}

async function diagnose(home: Home): Promise<Diagnosis> {
  let [json, text] = ["", ""];
  const stderr = { write: () => true };
  const into = (keep: (piece: string) => void) => ({ write: keep });
  const toJson = into((piece) => (json += piece));
  const toText = into((piece) => (text += piece));
  const nowMs = (): number => 0;
  const isHealthy = await doctor(home, createOutput({ json: true, stdout: toJson, stderr, nowMs }));
  await doctor(home, createOutput({ json: false, stdout: toText, stderr, nowMs }));
  const found = JSON.parse(json) as Omit<Diagnosis, "text">;
  expect(found.healthy).toBe(isHealthy);
  return { ...found, text };
}

/** A home whose store was filled by `fill`, and then changed from outside by `damage`. */
async function homeWith(
  fill: (store: LogStore) => Promise<unknown>,
  damage: (database: DatabaseSync) => void = () => undefined,
): Promise<Home> {
  const home = await openHome(workshop.newHome());
  const store = createSqliteStore({ crypto }, { path: home.database });
  await fill(store);
  await store.close();
  const database = new DatabaseSync(home.database);
  damage(database);
  database.close();
  return home;
}

const log = testLog(1);
const first = extendLog(log, log.start, testDrafts(20));
const second = extendLog(log, first.after, testDrafts(20, 1));
const fillHealthy = (store: LogStore): Promise<unknown> =>
  store.commit({ ranges: [first, second, extendLog(testLog(2), testLog(2).start, testDrafts(3))] });

/** Flips one bit of a stored blob. */
function flip(database: DatabaseSync, table: string, column: string, at: number): void {
  const row = database.prepare(`SELECT rowid AS id, ${column} AS bytes FROM ${table}`).get();
  const bytes = Uint8Array.from(row?.["bytes"] as Uint8Array);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  database
    .prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`)
    .run(bytes, row?.["id"] ?? 0);
}

describe("hawser doctor", () => {
  test("a home without a database is healthy", async () => {
    const { healthy, text } = await diagnose(await openHome(workshop.newHome()));
    expect(healthy).toBe(true);
    expect(text).toMatch(/nothing to check/);
  });

  test("a healthy store", async () => {
    const { healthy, database, logs, text } = await diagnose(await homeWith(fillHealthy));
    expect([healthy, database]).toEqual([true, []]);
    const verified = logs.map((one) => one.verified).sort((a, b) => a - b);
    expect(verified).toEqual([3, 40]);
    expect(logs.map(({ unsigned }) => unsigned)).toEqual([0, 0]);
    expect(text).toMatch(/Everything verifies\.\n$/);
  });

  test.each([3, 100, 200, -1, -70])("one flipped bit at byte %i of a range", async (at) => {
    const home = await homeWith(fillHealthy, (database) => flip(database, "ranges", "bytes", at));
    const { healthy, logs, text } = await diagnose(home);
    expect(healthy).toBe(false);
    const [problem] = logs.flatMap(({ problems }) => problems);
    expect(problem).toMatch(/entry \d+/);
    expect(text).toMatch(/✗ .*\n {4}.*entry \d+/);
    expect(text).toMatch(/→ .*backup.*\n$/);
    // The other log is still said to be good.
    expect(logs.filter(({ problems }) => problems.length === 0)).toHaveLength(1);
  });

  test("a range that is gone", async () => {
    const home = await homeWith(fillHealthy, (database) => {
      database.exec("DELETE FROM ranges WHERE first = 0 AND count = 20");
    });
    const { healthy, logs } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(logs.flatMap(({ problems }) => problems)).toHaveLength(1);
  });

  test("a head that names another entry", async () => {
    const home = await homeWith(fillHealthy, (database) => {
      database.exec("UPDATE logs SET signed_hash = zeroblob(32)");
    });
    const { logs } = await diagnose(home);
    expect(logs.flatMap(({ problems }) => problems)).toEqual([
      expect.stringMatching(/head does not name entry/),
      expect.stringMatching(/head does not name entry/),
    ]);
  });

  const fillUnsigned = async (store: LogStore): Promise<void> => {
    const writer = await createLogWriter(
      { store, crypto, clock: testClock() },
      { context: log.context, secret: log.secret },
    );
    await writer.append(testDrafts(2));
    await writer.append(testDrafts(3), { sign: "deferred" });
  };

  test("an unsigned tail is no damage, and is told", async () => {
    const { healthy, logs, text } = await diagnose(await homeWith(fillUnsigned));
    expect(healthy).toBe(true);
    expect(logs).toMatchObject([{ verified: 2, unsigned: 3 }]);
    expect(text).toMatch(/3 not signed yet/);
  });

  test("one flipped bit in an unsigned tail", async () => {
    const home = await homeWith(fillUnsigned, (database) => {
      const row = database.prepare("SELECT rowid AS id, bytes FROM ranges WHERE first = 2").get();
      const bytes = Uint8Array.from(row?.["bytes"] as Uint8Array);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      const update = database.prepare("UPDATE ranges SET bytes = ? WHERE rowid = ?");
      update.run(bytes, row?.["id"] ?? 0);
    });
    const { healthy, logs } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(logs[0]?.problems[0]).toMatch(/unsigned entries after 2|after entry 2/);
  });

  test("a fork, with the entry at which it starts", async () => {
    const { shared, left, proof } = await testFork(testLog(3), 5);
    const home = await homeWith((store) =>
      store.commit({ ranges: shared === undefined ? [left] : [shared, left], forks: [proof] }),
    );
    const { healthy, logs } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(logs[0]?.problems).toEqual([expect.stringMatching(/two branches at entry 5/)]);
  });

  test("a file that is no database", async () => {
    const home = await openHome(workshop.newHome());
    await writeFile(home.database, "not a database at all ".repeat(300));
    const { healthy, database, text } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(database.join("\n")).toMatch(/not a database/);
    expect(text).toMatch(/→ /);
  });

  test("a database cut in the middle", async () => {
    const whole = await homeWith((store) =>
      store.commit({ ranges: [extendLog(log, log.start, testDrafts(2_000))] }),
    );
    const home = await openHome(workshop.newHome());
    const bytes = await readFile(whole.database);
    await writeFile(home.database, bytes.subarray(0, 4_096 * Math.floor(bytes.length / 8_192)));
    const { healthy, database } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(database.length).toBeGreaterThan(0);
  });

  test("a store of a newer format is left as it is", async () => {
    const home = await homeWith(fillHealthy, (database) =>
      database.exec("PRAGMA user_version = 9"),
    );
    await mkdir(join(home.folder, "copy"));
    await copyFile(home.database, join(home.folder, "copy", "before"));
    const { healthy, text } = await diagnose(home);
    expect(healthy).toBe(false);
    expect(text).toMatch(/\[STORE_NEWER_FORMAT\]/);
    expect(text).toMatch(/→ Update hawser/);
    expect(await readFile(home.database)).toEqual(
      await readFile(join(home.folder, "copy", "before")),
    );
  });
});
