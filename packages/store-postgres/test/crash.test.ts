import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { toHex } from "@hawser/codec";
import {
  createLogWriter,
  emptyChain,
  joinRanges,
  verifyRange,
  type LogStore,
  type StoredRange,
  type VerifiedRange,
} from "@hawser/log";
import { extendLog, testClock, testDrafts, testLog } from "@hawser/log/testing";
import {
  crypto,
  freshSchema,
  nameOf,
  openStore,
  runSql,
  serverTest,
  testServer,
  until,
} from "./servers.ts";

const program = fileURLToPath(new URL("./crash-writer.ts", import.meta.url));
const killCount = 4;

/** The last acknowledged place by log number. */
type Acknowledged = Map<number, { readonly seq: number; readonly hash: string }>;

/** Runs the writer and kills it right after it acknowledged `count` appends. */
async function runAndKill(schema: string, first: number, count: number): Promise<Acknowledged> {
  const args = ["--conditions=hawser-source", program, schema, `${first}`];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, HAWSER_TEST_URL: testServer().url },
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const last: Acknowledged = new Map();
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [number = "", seq = "", hash = ""] = line.split(" ");
    // A line that the kill cut short acknowledges nothing.
    if (hash.length === 64) last.set(Number(number), { seq: Number(seq), hash });
    seen += 1;
    if (seen === count) child.kill("SIGKILL");
  }
  await ended;
  return last;
}

/** Reads a log and verifies everything signed in it from nothing, as a stranger would. */
async function checkLog(store: LogStore, number: number): Promise<void> {
  const { context, secret, start } = testLog(number);
  const clock = testClock(1_900_000_000_000_000);
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  expect(writer.head?.signedHeight).toBe(writer.head?.height);
  const parts: StoredRange[] = [];
  for await (const range of store.ranges(start.logId)) parts.push(range);
  const verdict = verifyRange({ crypto }, emptyChain(crypto, context), joinRanges(parts));
  expect(verdict.ok && verdict.range.after.height).toBe(writer.head?.height);
}

serverTest(
  `[TH-153] ${killCount * 2} kills in the middle of appends lose nothing that was acknowledged`,
  async () => {
    const schema = freshSchema();
    await using store = await openStore(schema);
    const heard: StoredRange[] = [];
    store.onCommit((ranges) => heard.push(...ranges));
    const lane = async (first: number): Promise<void> => {
      for (let round = 0; round < killCount; round++) {
        const acknowledged = await runAndKill(schema, first, 4 + round * 11);
        expect(acknowledged.size).toBeGreaterThan(0);
        for (const [number, { seq, hash }] of acknowledged) {
          const { logId } = testLog(number).start;
          const found: string[] = [];
          for await (const entry of store.entries(logId, { from: seq, to: seq + 1 })) {
            found.push(toHex(entry.hash));
          }
          expect(found).toEqual([hash]);
        }
      }
    };
    await Promise.all([lane(0), lane(4)]);
    for (let number = 0; number < 8; number++) await checkLog(store, number);
    // The totals that are kept say what counting says, and every range was heard of.
    const [counted] = await runSql(`SELECT count(*) AS ranges, sum(count) AS entries,
      sum(octet_length(bytes)) AS bytes, sum(data_bytes) AS data FROM ${schema}.ranges`);
    const { ranges, entries, rangeBytes, dataBytes } = await store.stats();
    expect([ranges, entries, rangeBytes, dataBytes]).toEqual(
      ["ranges", "entries", "bytes", "data"].map((name) => Number(counted?.[name])),
    );
    await until(() => heard.length >= ranges);
    expect(new Set(heard.map(nameOf)).size).toBe(ranges);
  },
  60_000,
);

for (const how of ["fast", "crash"] as const) {
  serverTest(`a server that restarts under load (${how}) loses nothing acknowledged`, async () => {
    const schema = freshSchema();
    const options = { retriesMax: 60, pollMsMin: 5, pollMsMax: 100 };
    const stores = await Promise.all([1, 2].map(() => openStore(schema, options)));
    const [first, second] = stores;
    if (first === undefined || second === undefined) throw new Error("no stores");
    const heard: string[] = [];
    second.onCommit((ranges) => heard.push(...ranges.map(nameOf)));
    const written: string[] = [];
    let isEnough = false;
    const write = async (number: number): Promise<void> => {
      const log = testLog(number);
      let state = log.start;
      while (!isEnough) {
        const range: VerifiedRange = extendLog(log, state, testDrafts(1), { sign: false });
        const outcome = await stores[number % 2]?.commit({ ranges: [range] });
        expect(outcome?.ok).toBe(true);
        written.push(nameOf({ ...range, logId: log.start.logId }));
        state = range.after;
      }
    };
    const writing = Promise.all([0, 1, 2, 3].map(write));
    for (let round = 1; round <= 2; round++) {
      const before = written.length;
      await until(() => written.length >= before + 40);
      await testServer().stop(how);
      await testServer().start();
    }
    const before = written.length;
    await until(() => written.length >= before + 40);
    isEnough = true;
    await writing;
    const kept: string[] = [];
    for await (const range of first.received(testLog(0).context.topic, 0)) {
      kept.push(nameOf(range));
    }
    expect(kept.toSorted()).toEqual(written.toSorted());
    await until(() => heard.length >= written.length);
    expect(heard.toSorted()).toEqual(written.toSorted());
    await Promise.all(stores.map((store) => store.close()));
  });
}
