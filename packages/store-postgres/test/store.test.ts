import { createServer } from "node:net";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { toHex } from "@hawser/codec";
import type { Entry, LogStore, StoredRange, VerifiedRange } from "@hawser/log";
import { extendLog, testDrafts, testFork, testLog, testTopic } from "@hawser/log/testing";
import {
  createPostgresStore,
  formatVersion,
  type PostgresStoreError,
} from "@hawser/store-postgres";
import {
  crypto,
  freshSchema,
  nameOf,
  openStore,
  runSql,
  serverTest,
  testServer,
  timers,
  until,
} from "./servers.ts";

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function errorOf(promise: Promise<unknown>): Promise<PostgresStoreError> {
  const settled = await promise.then(
    () => new Error("nothing was thrown"),
    (error: unknown) => error,
  );
  // Safe: what is asserted of it next fails for any other error.
  return settled as PostgresStoreError;
}

/** `count` ranges of one entry each, every tenth one signed. */
function singles(number: number, count: number): readonly VerifiedRange[] {
  const log = testLog(number);
  let state = log.start;
  return Array.from({ length: count }, (_, index) => {
    const range = extendLog(log, state, testDrafts(1, index & 0xff), { sign: index % 10 === 9 });
    state = range.after;
    return range;
  });
}

async function schemaOf(
  what: "keys" | "triggers" | "sequences",
  schema: string,
): Promise<readonly string[]> {
  const text = {
    keys: `SELECT t.table_name || ' ' || coalesce(k.column_name, 'without') AS found
      FROM information_schema.tables t
      LEFT JOIN information_schema.table_constraints c ON c.table_schema = t.table_schema
        AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY'
      LEFT JOIN information_schema.key_column_usage k ON k.constraint_schema = c.constraint_schema
        AND k.constraint_name = c.constraint_name AND k.ordinal_position = 1
      WHERE t.table_schema = $1 ORDER BY 1`,
    triggers: `SELECT trigger_name AS found FROM information_schema.triggers
      WHERE trigger_schema = $1`,
    sequences: `SELECT sequence_name AS found FROM information_schema.sequences
      WHERE sequence_schema = $1`,
  }[what];
  return (await runSql(text, [schema])).map((row) => String(row["found"]));
}

serverTest("every primary key begins with the topic; no triggers, no sequences", async () => {
  const schema = freshSchema();
  await using _ = await openStore(schema);
  const tables = ["commits", "forks", "format", "kv", "lanes", "logs", "ranges", "signed"];
  expect(await schemaOf("keys", schema)).toEqual(tables.map((name) => `${name} topic`));
  expect(await schemaOf("triggers", schema)).toEqual([]);
  expect(await schemaOf("sequences", schema)).toEqual([]);
});

serverTest("stores that open an empty database at once all find one schema", async () => {
  const schema = freshSchema();
  const stores = await Promise.all(Array.from({ length: 6 }, () => openStore(schema)));
  const versions = await runSql(`SELECT version FROM ${schema}.format`);
  expect(versions.map((row) => Number(row["version"]))).toEqual([formatVersion]);
  await Promise.all(stores.map((store) => store.close()));
});

serverTest("a schema of a newer format is refused and left as it is", async () => {
  const schema = freshSchema();
  await (await openStore(schema)).close();
  await runSql(`INSERT INTO ${schema}.format VALUES ('', ${formatVersion + 1})`);
  const error = await errorOf(openStore(schema));
  expect(error.code).toBe("STORE_NEWER_FORMAT");
  expect(await runSql(`SELECT version FROM ${schema}.format`)).toHaveLength(2);
});

serverTest("a schema with tables of another program is refused and left as it is", async () => {
  for (const table of ["notes (id integer)", "format (name text)"]) {
    const schema = freshSchema();
    await runSql(`CREATE SCHEMA ${schema}`);
    await runSql(`CREATE TABLE ${schema}.${table}`);
    expect((await errorOf(openStore(schema))).code).toBe("STORE_FOREIGN_SCHEMA");
    expect(await schemaOf("keys", schema)).toHaveLength(1);
  }
});

serverTest("a role that may make no tables opens a schema that is up to date", async () => {
  const [made, missing] = [freshSchema(), freshSchema()];
  await (await openStore(made)).close();
  await runSql("CREATE ROLE guest LOGIN PASSWORD 'guest-secret'");
  await runSql(`GRANT USAGE ON SCHEMA ${made} TO guest`);
  await runSql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${made} TO guest`);
  const url = new URL(testServer().url);
  url.username = "guest";
  url.password = "guest-secret";
  await using store = await openStore(made, { connection: url.href });
  expect((await store.commit({ ranges: singles(1, 1) })).ok).toBe(true);
  expect((await errorOf(openStore(missing, { connection: url.href }))).code).toBe("STORE_REFUSED");
});

test("options that make no sense are refused, each by its name", async () => {
  const connection = "postgres://user:hidden-word@127.0.0.1:1/x";
  const cases: readonly (readonly [string, object])[] = [
    ["connection", { connection: "mysql://user:hidden-word@127.0.0.1/x" }],
    ["connection", { connection: "postgres://user:hidden-word@[/x" }],
    ["schema", { schema: "a-b" }],
    ["schema", { schema: '"; DROP TABLE logs' }],
    ["schema", { schema: "x".repeat(51) }],
    ["poolSize", { poolSize: 1 }],
    ["statementTimeoutMs", { statementTimeoutMs: 0 }],
    ["retriesMax", { retriesMax: 1.5 }],
    ["pollMsMin", { pollMsMin: 10, pollMsMax: 5 }],
    ["waitingMax", { waitingMax: Number.NaN }],
    ["TLS", { connection: `${connection}?sslmode=require`, tls: true }],
  ];
  for (const [word, options] of cases) {
    const error = await errorOf(
      createPostgresStore({ crypto, timers }, { connection, ...options }),
    );
    expect([error.code, error.message.includes(word)]).toEqual(["STORE_OPTIONS_INVALID", true]);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("hidden-word");
  }
});

serverTest("no error, report or value of the store holds the password", async () => {
  const url = new URL(testServer().url);
  const secret = url.password;
  const told: unknown[] = [];
  const wrong = new URL(url);
  wrong.password = "wrong-password";
  const nowhere = new URL(url);
  nowhere.port = "1";
  const elsewhere = new URL(url);
  elsewhere.pathname = "/missing";
  // Typing mistakes: the password ends up as another part.
  const asHost = `postgres://hawser@${secret}.invalid/x`;
  const asPort = `postgres://hawser:${secret}`;
  const withAt = url.href.replace(`:${secret}@`, `:pass@${secret}@`);
  const expected: readonly (readonly [string, object])[] = [
    ["STORE_REFUSED", { connection: wrong.href }],
    ["STORE_REFUSED", { connection: elsewhere.href }],
    ["STORE_REFUSED", { tls: { rejectUnauthorized: true } }],
    ["STORE_UNREACHABLE", { connection: nowhere.href }],
    ["STORE_UNREACHABLE", { connection: { host: "127.0.0.1", port: 1, password: secret } }],
    ["STORE_UNREACHABLE", { connection: asHost }],
    ["STORE_OPTIONS_INVALID", { connection: asPort }],
    ["STORE_REFUSED", { connection: withAt }],
  ];
  for (const [code, options] of expected) {
    const error = await errorOf(openStore(freshSchema(), { retriesMax: 0, ...options }));
    expect([code, error.code]).toEqual([code, code]);
    told.push(error);
  }
  const schema = freshSchema();
  const store = await openStore(schema, { report: (error) => told.push(error) });
  await runSql(`DROP TABLE ${schema}.kv`);
  told.push(store, await errorOf(store.get("a")), await errorOf(store.commit({ ranges: [] })));
  await runSql(`DROP SCHEMA ${schema} CASCADE`);
  told.push(await errorOf(store.head(testLog(1).start.logId)));
  await store.close();
  const text = inspect(told, { depth: 12, showHidden: true });
  for (const word of [secret, "wrong-password", "pass@"]) expect(text).not.toContain(word);
});

serverTest("a lock held elsewhere fails a commit in time, and nothing of it is there", async () => {
  const schema = freshSchema();
  const url = new URL(testServer().url);
  await using store = await openStore(schema, { statementTimeoutMs: 150 });
  const { Client } = await import("pg");
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query("BEGIN");
  await client.query(`SELECT 1 FROM ${schema}.lanes FOR UPDATE`);
  const [range] = singles(1, 1);
  const ranges = range === undefined ? [] : [range];
  const writes = [{ key: "a", value: new Uint8Array(1) }];
  expect((await errorOf(store.commit({ ranges, writes }))).code).toBe("STORE_BUSY");
  await client.end();
  expect([await store.get("a"), await store.head(testLog(1).start.logId)]).toEqual([
    undefined,
    undefined,
  ]);
  expect((await store.commit({ ranges, writes })).ok).toBe(true);
});

serverTest(
  "a batch that the database refuses does not take others of its group along",
  async () => {
    const schema = freshSchema();
    await using store = await openStore(schema);
    await runSql(`ALTER TABLE ${schema}.kv ADD CHECK (key <> 'bad')`);
    const outcomes = await Promise.allSettled(
      ["a", "bad", "c"].map((key) => store.commit({ writes: [{ key, value: new Uint8Array(1) }] })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await store.list("")).map(({ key }) => key)).toEqual(["a", "c"]);
  },
);

serverTest("commits beyond the queue's bound are refused, the others go on", async () => {
  const schema = freshSchema();
  await using store = await openStore(schema, { waitingMax: 5 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) =>
      store.commit({ writes: [{ key: `${index}`, value: new Uint8Array(1) }] }),
    ),
  );
  const codes = outcomes.map((one) => (one.status === "rejected" ? one.reason.code : "ok"));
  expect(codes).toEqual([...Array(5).fill("ok"), ...Array(3).fill("STORE_QUEUE_FULL")]);
  expect(await store.list("")).toHaveLength(5);
});

serverTest("close carries out what was accepted, and frees every connection", async () => {
  const schema = freshSchema();
  const store = await openStore(schema);
  const ranges = singles(1, 50);
  const commits = ranges.map((range) => store.commit({ ranges: [range] }));
  await store.close();
  for (const outcome of await Promise.all(commits)) expect(outcome.ok).toBe(true);
  expect(await runSql(`SELECT 1 FROM ${schema}.commits`)).toEqual([]);
  await until(async () => {
    const text = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'hawser'";
    return (await runSql(text)).length === 0;
  });
});

serverTest("lists longer than a page are read whole and in order", async () => {
  const schema = freshSchema();
  await using store = await openStore(schema);
  const ranges = singles(1, 600);
  await Promise.all(ranges.map((range) => store.commit({ ranges: [range] })));
  const names = ranges.map((range) => nameOf({ ...range, logId: range.before.logId }));
  const { logId, context } = testLog(1).start;
  expect((await collect(store.ranges(logId))).map(nameOf)).toEqual(names);
  expect((await collect(store.received(context.topic, 0))).map(nameOf)).toEqual(names);
  const entries = await collect(store.entries(logId, { from: 250, to: 590 }));
  expect(entries.map((entry) => entry.seq)).toEqual(
    Array.from({ length: 340 }, (_, index) => 250 + index),
  );
  const keys = Array.from({ length: 600 }, (_, index) => `key ${String(index).padStart(4, "0")}`);
  const value = new Uint8Array(1);
  await store.commit({ writes: keys.map((key) => ({ key, value })) });
  expect((await store.list("key ")).map(({ key }) => key)).toEqual(keys);
});

serverTest("ranges larger than a page are read one at a time", async () => {
  const schema = freshSchema();
  await using store = await openStore(schema);
  const log = testLog(1);
  let state = log.start;
  const hashes: string[] = [];
  for (const count of [30, 1, 40, 250, 2]) {
    const drafts = testDrafts(count).map((draft) => ({ ...draft, data: new Uint8Array(60_000) }));
    const range = extendLog(log, state, drafts, { crypto });
    expect((await store.commit({ ranges: [range] })).ok).toBe(true);
    hashes.push(toHex(crypto.hash(range.bytes)));
    state = range.after;
  }
  const hashOf = (range: StoredRange): string => toHex(crypto.hash(range.bytes));
  expect((await collect(store.received(log.context.topic, 0))).map(hashOf)).toEqual(hashes);
  expect((await collect(store.ranges(log.start.logId))).map(hashOf)).toEqual(hashes);
  expect(await collect(store.ranges(log.start.logId, { from: 320 }))).toHaveLength(2);
});

serverTest("heads and topics longer than a page are read whole and in order", async () => {
  const schema = freshSchema();
  await using store = await openStore(schema);
  // Only the ids matter here: rows as many logs and topics would leave them.
  await runSql(`INSERT INTO ${schema}.logs
    SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), decode(lpad(to_hex(n), 64, '0'), 'hex'),
      1, '', 0, NULL, 0, 0 FROM generate_series(1, 600) AS numbers (n)`);
  const topics = await store.topics();
  expect(topics).toHaveLength(600);
  expect(topics).toEqual([...new Set(topics)].sort());
  await runSql(`DELETE FROM ${schema}.logs`);
  const logs = Array.from({ length: 300 }, (_, number) => testLog(number));
  const ranges = logs.map((log) => extendLog(log, log.start, testDrafts(1)));
  await store.commit({ ranges });
  const ids = (await store.heads(testTopic(0))).map((head) => head.logId);
  expect(ids).toEqual(logs.map((log) => log.start.logId).sort());
});

serverTest(
  "a prune of more ranges than a step drops them all, while a reader reads on",
  async () => {
    const schema = freshSchema();
    await using store = await openStore(schema);
    await using other = await openStore(schema);
    const ranges = singles(1, 2_600);
    await Promise.all(ranges.map((range) => store.commit({ ranges: [range] })));
    const { logId } = testLog(1).start;
    const reading = store.entries(logId);
    const first: Entry[] = [];
    for await (const entry of reading) if (first.push(entry) === 10) break;
    const slow = store.entries(logId)[Symbol.asyncIterator]();
    expect((await slow.next()).value?.seq).toBe(0);
    expect(await other.prune(logId, 2_345)).toBe(2_345);
    const seqs: number[] = [];
    for (let next = await slow.next(); next.done !== true; next = await slow.next()) {
      seqs.push(next.value.seq);
    }
    // What it had fetched, then what is left: never anything wrong in between.
    expect(seqs.slice(-255)).toEqual(Array.from({ length: 255 }, (_, index) => 2_345 + index));
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const { entries, ranges: count, logs } = await store.stats();
    expect([logs, entries, count]).toEqual([1, 255, 255]);
    expect(await runSql(`SELECT 1 FROM ${schema}.signed WHERE seq < 2345`)).toEqual([]);
    expect(await store.stateAt(logId, 2_345)).toEqual(ranges[2_344]?.after);
    expect((await collect(store.entries(logId, { from: 2_400, to: 2_401 })))[0]?.hash).toEqual(
      ranges[2_400]?.entries[0]?.hash,
    );
  },
);

serverTest("a missing range is noticed and never passed over", async () => {
  const schema = freshSchema();
  await using store = await openStore(schema);
  await store.commit({ ranges: singles(1, 100) });
  await runSql(`DELETE FROM ${schema}.ranges WHERE first = 50`);
  const { logId } = testLog(1).start;
  const corrupt = { code: "STORE_CORRUPT" };
  await expect(collect(store.entries(logId))).rejects.toMatchObject(corrupt);
  await expect(collect(store.ranges(logId, { from: 40 }))).rejects.toMatchObject(corrupt);
  await expect(store.stateAt(logId, 60)).rejects.toMatchObject(corrupt);
  expect(await collect(store.entries(logId, { to: 50 }))).toHaveLength(50);
});

serverTest("of fork proofs by several stores at once the smallest stays", async () => {
  const schema = freshSchema();
  const stores = await Promise.all([1, 2, 3].map(() => openStore(schema)));
  const log = testLog(1);
  const proofs = await Promise.all([7, 3, 5].map(async (seq) => (await testFork(log, seq)).proof));
  await Promise.all(
    stores.map((store, index) => store.commit({ forks: proofs.slice(index, index + 1) })),
  );
  for (const store of stores) {
    expect((await store.forkProofs(log.start.logId)).map(({ seq }) => seq)).toEqual([3]);
    await store.close();
  }
});

serverTest("cursors rise from commit to commit, in every topic and after reopening", async () => {
  const schema = freshSchema();
  const cursors: number[] = [];
  for (let round = 0; round < 3; round++) {
    await using store: LogStore = await openStore(schema);
    for (const number of [0, 1, 2, 1, 0]) {
      const log = testLog(cursors.length, { topic: testTopic(number) });
      const outcome = await store.commit({ ranges: [extendLog(log, log.start, testDrafts(1))] });
      cursors.push(outcome.ok ? outcome.cursor : 0);
    }
  }
  expect(cursors).toEqual(cursors.toSorted((a, b) => a - b));
  expect(new Set(cursors).size).toBe(cursors.length);
});

test("whoever asks for TLS gets TLS or nothing", async () => {
  const seen: string[] = [];
  const plain = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      seen.push(bytes.toString("hex"));
      socket.end("N");
    });
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const address = plain.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const connection = `postgres://user:hidden-word@127.0.0.1:${port}/x`;
  for (const tls of [true, { rejectUnauthorized: true }]) {
    const error = await errorOf(createPostgresStore({ crypto, timers }, { connection, tls }));
    expect(error.code).toBe("STORE_REFUSED");
  }
  // The request for TLS, and nothing after it.
  expect(seen).toEqual(["0000000804d2162f", "0000000804d2162f"]);
  await new Promise((resolve) => plain.close(resolve));
});

test("a server that never answers is given up in time", async () => {
  const silent = createServer((socket) => void socket.resume());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const connection = { host: "127.0.0.1", port, user: "a", password: "b" };
  const options = { connection, connectTimeoutMs: 50, retriesMax: 1 };
  const error = await errorOf(createPostgresStore({ crypto, timers }, options));
  expect(error.code).toBe("STORE_UNREACHABLE");
  await new Promise((resolve) => silent.close(resolve));
});

serverTest(
  "1,000,000 entries are written and read with bounded memory",
  async () => {
    const schema = freshSchema();
    await using store = await openStore(schema);
    const log = testLog(1);
    const [rounds, perRange] = [200, 5_000];
    let state = log.start;
    let peakBytes = 0;
    const look = (): void => {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      peakBytes = Math.max(peakBytes, heapUsed + arrayBuffers);
    };
    const data = new Uint8Array(60).fill(7);
    const drafts = Array.from({ length: perRange }, () => ({ data }));
    for (let round = 0; round < rounds; round++) {
      const range = extendLog(log, state, drafts, { crypto });
      expect((await store.commit({ ranges: [range] })).ok).toBe(true);
      state = range.after;
      look();
    }
    let count = 0;
    let bytes = 0;
    for await (const range of store.received(log.context.topic, 0)) {
      count += range.count;
      bytes += range.bytes.length;
      look();
    }
    expect([count, bytes > 60_000_000]).toEqual([rounds * perRange, true]);
    let last: Entry | undefined;
    for await (const entry of store.entries(log.start.logId, { from: 900_000 })) {
      last = entry;
      if (entry.seq % 10_000 === 0) look();
    }
    expect(last?.hash).toEqual(state.hash);
    expect(peakBytes).toBeLessThan(300 * 1024 * 1024);
  },
  60_000,
);
