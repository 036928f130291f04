/** Projections: rows equal documents, in every engine. */
import { createDocs, defineCollection, defineTable, type Docs } from "@hawser/doc";
import { openProjection, project, SqlError, type Projection, type SqlDatabase } from "@hawser/sql";
import { startTestServer } from "@hawser/store-postgres/testing";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { boats, boatTable, openDocs, postgresAt, sqlite, wasm } from "./help.ts";

/** A schema that takes every object and describes nothing. */
const anyObject: StandardSchemaV1<object, object> = {
  "~standard": {
    version: 1,
    vendor: "test",
    // Safe: documents are objects.
    validate: (value) => ({ value: value as object }),
  },
};

const outcome = await startTestServer();
afterAll(async () => {
  if (outcome.ok) await outcome.server[Symbol.asyncDispose]();
});

type Open = () => SqlDatabase | Promise<SqlDatabase>;
const engines: readonly (readonly [string, Open | undefined])[] = [
  ["SQLite in Node", sqlite],
  ["SQLite in WASM", wasm],
  ["PostgreSQL", outcome.ok ? postgresAt(outcome.server.url) : undefined],
];

/** The cells that the boats should have, by id. */
function expectedRows(docs: Docs) {
  return docs
    .in(boats)
    .query({ sort: ["_id"] })
    .rows.map(({ id, doc }) => ({
      _id: id,
      name: doc.name,
      length: doc.length,
      sails: doc.sails ?? null,
      crew: doc.crew ?? null,
    }));
}

/** The rows of the table, as documents would say it. */
async function rowsOf(projection: Projection) {
  const rows = await projection.read(
    "SELECT _id, name, length, sails, crew FROM boat ORDER BY _id",
  );
  return rows.map((row) => ({
    _id: row["_id"],
    name: row["name"],
    length: row["length"],
    sails: typeof row["sails"] === "number" ? row["sails"] === 1 : row["sails"],
    crew: typeof row["crew"] === "string" ? (JSON.parse(row["crew"]) as unknown) : row["crew"],
  }));
}

describe.each(engines)("%s", (name, open) => {
  // A server is not to be had everywhere, as under some users.
  describe.skipIf(open === undefined)("a projection", () => {
    const database = async (): Promise<SqlDatabase> => {
      if (open === undefined) throw new Error("not here");
      return open();
    };

    test("follows what is written, and what was there before", async () => {
      const { docs } = openDocs();
      await docs.in(boats).put("a", { name: "Ada", length: 12.5, sails: true, crew: ["x"] });
      const db = await database();
      const projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await projection.settled();
      expect(await rowsOf(projection)).toEqual(expectedRows(docs));
      await docs.in(boats).put("b", { name: "Bea", length: 7 });
      await docs.in(boats).patch("a", { length: 3, crew: ["y", "z"] });
      await projection.settled();
      expect(await rowsOf(projection)).toEqual(expectedRows(docs));
      await docs.in(boats).delete("a");
      await projection.settled();
      expect(await rowsOf(projection)).toEqual([
        { _id: "b", name: "Bea", length: 7, sails: null, crew: null },
      ]);
      await projection[Symbol.asyncDispose]();
      await db.close();
    });

    test("equals the documents after anything, closed and opened again on the way", async () => {
      const db = await database();
      const id = fc.constantFrom("a", "b", "c", "d");
      const step = fc.oneof(
        fc.record({ kind: fc.constant("put" as const), id, length: fc.integer() }),
        fc.record({ kind: fc.constant("delete" as const), id, length: fc.constant(0) }),
        fc.record({ kind: fc.constant("reopen" as const), id, length: fc.constant(0) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
          const { docs } = openDocs();
          let projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
          for (const { kind, id: key, length } of steps) {
            if (kind === "put") await docs.in(boats).put(key, { name: `n${key}`, length });
            else if (kind === "delete") await docs.in(boats).delete(key);
            else {
              await projection[Symbol.asyncDispose]();
              projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
            }
          }
          await projection.settled();
          expect(await rowsOf(projection)).toEqual(expectedRows(docs));
          await projection[Symbol.asyncDispose]();
          await docs[Symbol.asyncDispose]();
        }),
        { numRuns: name === "PostgreSQL" ? 12 : 40 },
      );
      await db.close();
    });

    test("mends rows that somebody else changed, and writes all anew when asked", async () => {
      const { docs } = openDocs();
      for (const key of ["a", "b", "c"]) await docs.in(boats).put(key, { name: key, length: 1 });
      const db = await database();
      const first = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await first.settled();
      await first[Symbol.asyncDispose]();
      await db.write([
        { sql: "DELETE FROM boat WHERE _id = 'a'", values: [] },
        { sql: "UPDATE boat SET length = 9 WHERE _id = 'b'", values: [] },
        { sql: "INSERT INTO boat (_id, _revision) VALUES ('z', '')", values: [] },
      ]);
      const again = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await again.settled();
      const ids = (await rowsOf(again)).map((row) => row._id);
      expect(ids).toEqual(["a", "b", "c"]);
      await again.rebuild();
      expect(await rowsOf(again)).toEqual(expectedRows(docs));
      await again[Symbol.asyncDispose]();
      await db.close();
    });

    test("finds words, the last one as a beginning, whatever else the text holds", async () => {
      const { docs } = openDocs();
      const list = docs.in(boats);
      await list.put("a", { name: "The grey heron", length: 1 });
      await list.put("b", { name: "Grey gull", length: 2 });
      await list.put("c", { name: "Herring", length: 3 });
      const db = await database();
      const projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await projection.settled();
      const found = async (text: string) =>
        (await projection.search("boat", text)).map((row) => String(row["_id"])).sort();
      expect(await found("her")).toEqual(["a", "c"]);
      expect(await found("grey HER")).toEqual(["a"]);
      expect(await found('gull" OR "her')).toEqual([]);
      expect(await found("'; DROP TABLE boat; --")).toEqual([]);
      expect(await found("!*&|()")).toEqual([]);
      await list.patch("a", { name: "Stork" });
      await list.delete("c");
      await projection.settled();
      expect(await found("her")).toEqual([]);
      expect(await found("stork")).toEqual(["a"]);
      await expect(projection.search("nope", "x")).rejects.toMatchObject({
        code: "SQL_SEARCH_UNKNOWN",
      });
      await projection[Symbol.asyncDispose]();
      await db.close();
    });

    test("reads can write nothing", async () => {
      const { docs } = openDocs();
      await docs.in(boats).put("a", { name: "Ada", length: 1 });
      const db = await database();
      const projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await projection.settled();
      for (const sql of ["DELETE FROM boat", "DROP TABLE boat", "CREATE TABLE x (a TEXT)"]) {
        await expect(projection.read(sql)).rejects.toThrow(/read-?only/i);
      }
      // Several statements in one, the first of which would lift the ban.
      for (const before of ["PRAGMA query_only = 0", "COMMIT", "SELECT 1"]) {
        const sql = `${before}; DELETE FROM boat; BEGIN`;
        await projection.read(sql).then(
          () => undefined,
          () => undefined,
        );
        expect(await rowsOf(projection)).toHaveLength(1);
      }
      const outside = "COMMIT; CREATE TABLE public.outside (a TEXT); BEGIN";
      if (name === "PostgreSQL") await expect(projection.read(outside)).rejects.toThrow(/multiple/);
      await projection.read("PRAGMA query_only = 0").catch(() => undefined);
      await expect(projection.read("DELETE FROM boat")).rejects.toThrow(/read-?only/i);
      expect(await rowsOf(projection)).toHaveLength(1);
      await docs.in(boats).put("b", { name: "Bea", length: 1 });
      await projection.settled();
      expect(await rowsOf(projection)).toHaveLength(2);
      await projection[Symbol.asyncDispose]();
      await db.close();
    });

    test("another mapping makes the table anew, migrations run once and after that again", async () => {
      const { docs } = openDocs();
      await docs.in(boats).put("a", { name: "Ada", length: 12 });
      const db = await database();
      const view = "CREATE VIEW long_boats AS SELECT name FROM boat WHERE length > 10";
      const migrations = [
        { name: "long boats", statements: ["DROP VIEW IF EXISTS long_boats", view] },
      ];
      const open1 = await openProjection(
        { docs, database: db },
        { tables: [boatTable], migrations },
      );
      await open1.settled();
      expect(await open1.read("SELECT name FROM long_boats")).toMatchObject([{ name: "Ada" }]);
      await open1[Symbol.asyncDispose]();
      const narrow = project(boats, { columns: { name: "text", length: "number" } });
      const open2 = await openProjection({ docs, database: db }, { tables: [narrow], migrations });
      await open2.settled();
      expect(await open2.read("SELECT name FROM long_boats")).toMatchObject([{ name: "Ada" }]);
      await expect(open2.read("SELECT crew FROM boat")).rejects.toThrow(/crew/);
      await open2[Symbol.asyncDispose]();
      const changed = [{ name: "long boats", statements: [view] }];
      await expect(
        openProjection({ docs, database: db }, { tables: [narrow], migrations: changed }),
      ).rejects.toMatchObject({ code: "SQL_MIGRATION_INVALID" });
      await db.close();
    });

    test("a live result changes when its rows do, and only then", async () => {
      const { docs } = openDocs();
      const db = await database();
      const projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
      await projection.settled();
      const live = projection.live("SELECT name FROM boat ORDER BY name");
      let told = 0;
      const next = () =>
        new Promise<void>((resolve) => {
          const end = live.subscribe(() => {
            told += 1;
            end();
            resolve();
          });
        });
      await next();
      expect([live.status, live.rows]).toEqual(["ready", []]);
      const changed = next();
      await docs.in(boats).put("a", { name: "Ada", length: 1 });
      await changed;
      expect(live.rows).toMatchObject([{ name: "Ada" }]);
      const before = live.rows;
      await docs.in(boats).patch("a", { length: 2 });
      await projection.settled();
      expect(live.rows).toBe(before);
      live[Symbol.dispose]();
      await docs.in(boats).put("b", { name: "Bea", length: 1 });
      await projection.settled();
      expect([told, live.rows]).toEqual([2, before]);
      const wrong = projection.live("SELECT nothing FROM nowhere");
      await new Promise<void>((resolve) => void wrong.subscribe(resolve));
      expect(wrong.status).toBe("failed");
      await projection[Symbol.asyncDispose]();
      await db.close();
    });

    test("text that no index of the engine takes stops nothing", async () => {
      const wide = project(boats, { table: "wide", indexes: [["name"], ["name", "crew"]] });
      const { docs } = openDocs();
      const db = await database();
      const projection = await openProjection({ docs, database: db }, { tables: [wide] });
      // Nothing in it repeats, so that no engine makes it small.
      const long = Array.from({ length: 8_000 }, (_, index) =>
        String.fromCharCode(0x4e00 + ((index * 7_919) % 20_000)),
      ).join("");
      await docs.in(boats).put("a", { name: long, length: 1, crew: [long.slice(0, 4_000)] });
      await docs.in(boats).put("b", { name: "Bea", length: 2 });
      await projection.settled();
      const rows = await projection.read("SELECT _id, length FROM wide ORDER BY _id");
      expect(rows.map((row) => [row["_id"], row["length"]])).toEqual([
        ["a", 1],
        ["b", 2],
      ]);
      // An id that no text of PostgreSQL is.
      await docs.in(boats).put("c\u0000", { name: "Zero", length: 3 });
      await docs.in(boats).put("d", { name: "Dee", length: 4, crew: ["\\u0000", "\u0000"] });
      await projection.settled();
      const [last] = await projection.read("SELECT crew FROM wide WHERE _id = 'd'");
      const crew = last?.["crew"];
      expect(typeof crew === "string" ? JSON.parse(crew) : crew).toEqual(["\\u0000", "\ufffd"]);
      await projection.rebuild();
      const count = name === "PostgreSQL" ? 3 : 4;
      expect(await projection.read("SELECT _id FROM wide")).toHaveLength(count);
      await docs.in(boats).delete("c\u0000");
      await projection.settled();
      await projection[Symbol.asyncDispose]();
      await db.close();
    });

    test("documents of other members never stop it: zeros, half characters, other kinds", async () => {
      const source = createMemorySource();
      const loose = defineCollection({ name: "boat", schema: anyObject });
      const docs = createDocs({ source }, { collections: [loose] });
      const list = docs.in(loose);
      await list.put("a", { name: "x\u0000y", length: "long", crew: { "a\u0000": "\u0000" } });
      await list.put("b", { name: 7, length: 1e308, crew: null });
      await list.put("'; DROP TABLE boat; --", { name: "'; DROP TABLE boat; --", length: -0 });
      const db = await database();
      const columns = { name: "text", length: "number", crew: "json", sails: "boolean" } as const;
      const table = project(loose, { columns, search: ["name"] });
      const projection = await openProjection({ docs, database: db }, { tables: [table] });
      await projection.settled();
      const rows = await rowsOf(projection);
      expect(rows.map((row) => String(row._id)).sort()).toEqual([
        "'; DROP TABLE boat; --",
        "a",
        "b",
      ]);
      expect(rows.find((row) => row._id === "a")).toMatchObject({ name: "x\ufffdy", length: null });
      expect(rows.find((row) => row._id === "b")).toMatchObject({ name: null, length: 1e308 });
      await projection[Symbol.asyncDispose]();
      await db.close();
    });
  });
});

/** A database whose writes fail while told so. */
function failing(database: SqlDatabase): SqlDatabase & { isFull: boolean } {
  const wrapped = {
    ...database,
    isFull: false,
    write: async (statements: Parameters<SqlDatabase["write"]>[0]) => {
      if (wrapped.isFull) throw new Error("disk full");
      await database.write(statements);
    },
  };
  return wrapped;
}

test("a full disk is told, documents go on, and the rows follow once there is room", async () => {
  const { docs } = openDocs();
  const db = failing(sqlite());
  const projection = await openProjection({ docs, database: db }, { tables: [boatTable] });
  await projection.settled();
  db.isFull = true;
  await docs.in(boats).put("a", { name: "Ada", length: 1 });
  await expect(projection.settled()).rejects.toMatchObject({ code: "SQL_WRITE_FAILED" });
  expect(projection.problem).toBeInstanceOf(SqlError);
  expect(docs.in(boats).has("a")).toBe(true);
  db.isFull = false;
  await docs.in(boats).put("b", { name: "Bea", length: 1 });
  await projection.settled();
  expect(projection.problem).toBeUndefined();
  expect(await rowsOf(projection)).toEqual(expectedRows(docs));
  await projection[Symbol.asyncDispose]();
});

test("what one transaction wrote is one transaction there, also over two tables", async () => {
  const crews = defineTable({ name: "crew-list", columns: { boat: "text" } });
  const docs = createDocs({ source: createMemorySource() }, { collections: [boats, crews] });
  const db = sqlite();
  const writes: number[] = [];
  const counted: SqlDatabase = {
    ...db,
    write: async (statements) => {
      writes.push(statements.length);
      await db.write(statements);
    },
  };
  const tables = [boatTable, project(crews)];
  const projection = await openProjection({ docs, database: counted }, { tables });
  await projection.settled();
  writes.length = 0;
  await docs.transaction((tx) => {
    tx.in(boats).put("a", { name: "Ada", length: 1 });
    tx.in(crews).put("c", { boat: "a" });
  });
  await projection.settled();
  expect(writes).toEqual([2]);
  expect(await projection.read("SELECT boat FROM crew_list")).toMatchObject([{ boat: "a" }]);
  await projection[Symbol.asyncDispose]();
});

test("thousands of documents go over in pages, late events included", async () => {
  const { source, docs } = openDocs();
  const lines = Array.from({ length: 3_000 }, (_, index) =>
    JSON.stringify({ _id: `b${String(index).padStart(5, "0")}`, name: "x", length: index }),
  );
  await docs.in(boats).importLines(lines);
  const projection = await openProjection({ docs, database: sqlite() }, { tables: [boatTable] });
  await projection.settled();
  const count = async () => (await projection.read("SELECT count(*) AS n FROM boat"))[0]?.["n"];
  expect(await count()).toBe(3_000);
  const [event] = source.events;
  if (event === undefined) throw new Error("nothing was written");
  source.deliver([fakeEvent(7, 0, { type: event.type, body: event.body })]);
  await docs.in(boats).delete("b00000");
  await projection.settled();
  expect(await count()).toBe(docs.in(boats).count());
  await projection[Symbol.asyncDispose]();
});

test("columns come from the schema where it describes itself", async () => {
  const notes = defineCollection({
    name: "note",
    schema: z.object({ text: z.string(), n: z.int(), on: z.boolean(), tags: z.array(z.string()) }),
  });
  const { columns } = project(notes);
  expect(columns.map(({ name, type }) => [name, type])).toEqual([
    ["text", "text"],
    ["n", "number"],
    ["on", "boolean"],
    ["tags", "json"],
  ]);
});

test.each<readonly [string, () => unknown, string]>([
  ["a table with a quote", () => project(boats, { table: 'a"b' }), "SQL_MAPPING_INVALID"],
  ["a column of ours", () => project(boats, { columns: { _id: "text" } }), "SQL_MAPPING_INVALID"],
  [
    "columns that differ in case",
    () => project(boats, { columns: { a: "text", A: "text" } }),
    "SQL_MAPPING_INVALID",
  ],
  ["an index on nothing", () => project(boats, { indexes: [["nope"]] }), "SQL_MAPPING_INVALID"],
  ["an index without columns", () => project(boats, { indexes: [[]] }), "SQL_MAPPING_INVALID"],
  ["a search in numbers", () => project(boats, { search: ["length"] }), "SQL_MAPPING_INVALID"],
  ["no column", () => project(boats, { columns: {} }), "SQL_MAPPING_INVALID"],
  [
    "a schema that does not describe itself",
    () =>
      project(
        defineCollection({
          name: "c",
          schema: anyObject,
        }),
      ),
    "SQL_COLUMNS_UNKNOWN",
  ],
])("%s is refused", (_name, run, code) => {
  expect(run).toThrow(expect.objectContaining({ code }));
});

test("names that mean something to an engine or a projection are refused", () => {
  const refused = expect.objectContaining({ code: "SQL_MAPPING_INVALID" });
  for (const table of [
    "hawser_tables",
    "Hawser_Migrations",
    "sqlite_stat1",
    "pg_class",
    'boat"; DROP TABLE x; --',
    "boat'",
    "",
    "1a",
    "x".repeat(49),
  ]) {
    expect(() => project(boats, { table })).toThrowError(refused);
  }
  for (const column of [
    "rowid",
    "oid",
    "_id",
    "_row",
    "ctid",
    "xmin",
    "tableoid",
    "CMax",
    'a"',
    "a b",
  ]) {
    expect(() => project(boats, { columns: { [column]: "text" } })).toThrowError(refused);
  }
  const ranked = { columns: { rank: "text" }, search: ["rank"] } as const;
  expect(() => project(boats, ranked)).toThrowError(refused);
});

test("tables whose searches would have the names of other tables are refused", async () => {
  const { docs } = openDocs();
  const tables = [boatTable, project(boats, { table: "boat_search_data" })];
  await expect(openProjection({ docs, database: sqlite() }, { tables })).rejects.toMatchObject({
    code: "SQL_MAPPING_INVALID",
  });
});

test("two tables of one name, migrations of one name, and use after the end are refused", async () => {
  const { docs } = openDocs();
  const database = sqlite();
  const tables = [boatTable];
  await expect(
    openProjection({ docs, database }, { tables: [boatTable, project(boats, { table: "BOAT" })] }),
  ).rejects.toMatchObject({ code: "SQL_MAPPING_INVALID" });
  const twice = [
    { name: "m", statements: ["SELECT 1"] },
    { name: "m", statements: ["SELECT 2"] },
  ];
  await expect(
    openProjection({ docs, database }, { tables, migrations: twice }),
  ).rejects.toMatchObject({ code: "SQL_MIGRATION_INVALID" });
  const projection = await openProjection({ docs, database }, { tables });
  await projection[Symbol.asyncDispose]();
  await expect(projection.settled()).rejects.toMatchObject({ code: "SQL_CLOSED" });
  await expect(projection.read("SELECT 1")).rejects.toMatchObject({ code: "SQL_CLOSED" });
  expect(() => projection.live("SELECT 1")).toThrow(
    expect.objectContaining({ code: "SQL_CLOSED" }),
  );
});
