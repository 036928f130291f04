import { expect } from "vitest";
import { createDatabase, type Database, type Session } from "../src/database.ts";
import { readOptions } from "../src/options.ts";
import { runSql, serverTest, testServer, timers } from "./servers.ts";

const raise = (state: string): string => `DO $$ BEGIN RAISE SQLSTATE '${state}'; END $$`;

async function withTable(
  name: string,
  retriesMax: number,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  await runSql(`CREATE TABLE ${name} (value integer PRIMARY KEY)`);
  const settings = readOptions({ connection: testServer().url, retriesMax });
  const database = createDatabase(timers, settings);
  try {
    await work(database);
  } finally {
    await database.close();
  }
}

async function valuesIn(name: string): Promise<readonly number[]> {
  const rows = await runSql(`SELECT value FROM ${name} ORDER BY value`);
  return rows.map((row) => Number(row["value"]));
}

for (const state of ["40001", "40P01"]) {
  serverTest(`a transaction that conflicts (${state}) is begun anew, and again`, async () => {
    const table = `anew_${state.toLowerCase()}`;
    await withTable(table, 5, async (database) => {
      let attempts = 0;
      const value = await database.transaction(async (session) => {
        attempts += 1;
        await session.query(`INSERT INTO ${table} VALUES ($1)`, [attempts]);
        if (attempts < 4) await session.query(raise(state));
        return attempts;
      });
      expect([value, await valuesIn(table)]).toEqual([4, [4]]);
    });
  });
}

serverTest("conflicts without end are given up after the attempts allowed", async () => {
  await withTable("endless", 3, async (database) => {
    let attempts = 0;
    const trying = database.transaction(async (session) => {
      attempts += 1;
      await session.query("INSERT INTO endless VALUES (1)");
      await session.query(raise("40001"));
    });
    await expect(trying).rejects.toMatchObject({ code: "STORE_BUSY", sqlState: "40001" });
    expect([attempts, await valuesIn("endless")]).toEqual([4, []]);
  });
});

serverTest("what is no conflict is not tried again", async () => {
  await withTable("refused", 3, async (database) => {
    let attempts = 0;
    const trying = database.transaction(async (session) => {
      attempts += 1;
      await session.query("INSERT INTO refused VALUES (1)");
      await session.query(raise("53100"));
    });
    await expect(trying).rejects.toMatchObject({ code: "STORE_WRITE_FAILED", sqlState: "53100" });
    expect([attempts, await valuesIn("refused")]).toEqual([1, []]);
  });
});

serverTest("a statement that comes after its transaction failed has no effect", async () => {
  await withTable("late", 0, async (database) => {
    let kept: Session | undefined;
    const trying = database.transaction(async (session) => {
      kept = session;
      await Promise.all([
        session.query("INSERT INTO late VALUES (1)"),
        session.query(raise("22000")),
        session.query("INSERT INTO late VALUES (2)"),
      ]);
    });
    await expect(trying).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    await expect(kept?.query("INSERT INTO late VALUES (3)")).rejects.toMatchObject({
      code: "STORE_WRITE_FAILED",
    });
    expect(await valuesIn("late")).toEqual([]);
  });
});

serverTest("a failure that was overlooked is no success", async () => {
  await withTable("overlooked", 0, async (database) => {
    const trying = database.transaction(async (session) => {
      await session.query("INSERT INTO overlooked VALUES (1)");
      await session.query(raise("22000")).catch(() => undefined);
    });
    await expect(trying).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    expect(await valuesIn("overlooked")).toEqual([]);
  });
});

serverTest("after close nothing is asked any more", async () => {
  await withTable("closed", 3, async (database) => {
    await database.close();
    await expect(database.query("SELECT 1")).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });
});
