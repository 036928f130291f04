/**
 * docs/spec/3-sync.md §6.1: what reconciliation of 100,000 entries costs on the wire, and how many
 * flights it takes until the last entry is there.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { createLogWriter, createMemoryStore, ingestRange, type LogStore } from "@hawser/log";
import { createMemoryNetwork } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../src/decode.ts";
import {
  createWorld,
  crypto,
  data,
  followKey,
  keyOf,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

const topic = topicOf("large");
const logCount = 1_000;
const entriesPerLog = 100;
/** A frame takes this long, whatever its size. */
const flightMs = 50;

let stampMicros = 1_700_000_000_000_000;
const clock = { nowMicros: (): number => stampMicros++ };

async function extend(store: LogStore, log: number, count: number): Promise<void> {
  const secret = keyOf(`author ${log}`);
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const context = { topic, domain: data, author };
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append(Array.from({ length: count }, () => ({ data: new Uint8Array(20) })));
}

/** Two stores with the same 100,000 entries. */
async function twins(): Promise<readonly [LogStore, LogStore]> {
  const [a, b] = [createMemoryStore({ crypto }), createMemoryStore({ crypto })];
  for (let log = 0; log < logCount; log++) await extend(a, log, entriesPerLog);
  for await (const range of a.received(topic, 0)) await ingestRange({ store: b, crypto }, range);
  return [a, b];
}

interface Cost {
  /** All bytes of the session that are not entries. */
  readonly overheadBytes: number;
  /** Of those, what is about the topic and not its proofs. */
  readonly topicBytes: number;
  /** Round trips from the first summary until both stores were equal. */
  readonly roundTrips: number;
}

/** Lets two stores meet on a pipe of constant delay. */
async function meet(
  seed: number,
  [a, b]: readonly [LogStore, LogStore],
  entries: number,
): Promise<Cost> {
  let overheadBytes = 0;
  let topicBytes = 0;
  let summaryAtMs: number | undefined;
  const world: World = createWorld(seed);
  const { timers } = world;
  const network = createMemoryNetwork({
    timers,
    numbers: () => 0.999,
    faults: { delayMsMax: flightMs, cutChance: 0 },
    onFrame: (frame) => {
      const message = decodeMessage(frame);
      const carried = message?.type === "range" || message?.type === "more" ? message.bytes : [];
      overheadBytes += frame.length - carried.length;
      if (message === undefined || !("topicNumber" in message)) return;
      if (message.type === "proof") return;
      topicBytes += frame.length - carried.length;
      summaryAtMs ??= timers.nowMs();
    },
  });
  const node = (name: string, store: LogStore): TestNode =>
    world.node(`${name} ${seed}`, [testTopic(topic, [followKey])], { store });
  const [left, right] = [node("left", a), node("right", b)];
  const pair = network.connect();
  const sessions = [left.peer.attach(pair.a), right.peer.attach(pair.b)];
  let equalAtMs: number | undefined;
  let isDone = false;
  const done = Promise.all(sessions.map((session) => session.synced())).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await timers.advance(flightMs);
    const [one, other] = [await a.stats(), await b.stats()];
    const isEqual = one.entries === entries && other.entries === entries;
    if (isEqual) equalAtMs ??= timers.nowMs();
    if (timers.nowMs() > 5_000) throw new Error("the two do not come to an end");
  }
  const reports = await done;
  expect(reports.map((report) => report.complete)).toEqual([true, true]);
  expect(await headsOf(a)).toEqual(await headsOf(b));
  await Promise.all([left.peer[Symbol.asyncDispose](), right.peer[Symbol.asyncDispose]()]);
  const trips = ((equalAtMs ?? 0) - (summaryAtMs ?? 0)) / (2 * flightMs);
  return { overheadBytes, topicBytes, roundTrips: trips };
}

async function headsOf(store: LogStore): Promise<readonly string[]> {
  const heads = await store.heads(topic);
  return heads.map((head) => `${head.logId} ${toHex(head.hash ?? new Uint8Array(0))}`);
}

describe("100,000 entries in 1,000 logs", () => {
  const stores = twins();
  let entries = logCount * entriesPerLog;

  test("equal: one round trip, and under 300 bytes about the topic", async () => {
    const [a, b] = await stores;
    const cost = await meet(1, [a, b], 100_000);
    expect(cost.topicBytes).toBeLessThanOrEqual(300);
    // They were equal from the start: the summaries cross, and each side knows.
    expect(cost.roundTrips).toBeLessThanOrEqual(1);
  });

  test("ten logs differ: at most three round trips and 10 kB, whoever has more", async () => {
    const [a, b] = await stores;
    for (let seed = 2; seed < 8; seed++) {
      for (let log = 0; log < 10; log++) {
        const holder = [a, b, log % 2 === 0 ? a : b][seed % 3] ?? a;
        await extend(holder, (seed * 131 + log * 97) % logCount, 1);
        entries += 1;
      }
      const cost = await meet(seed, [a, b], entries);
      expect(cost.overheadBytes).toBeLessThanOrEqual(10_000);
      expect(cost.roundTrips).toBeLessThanOrEqual(3);
    }
  });

  test("ten logs are new on one side", async () => {
    const [a, b] = await stores;
    for (let seed = 8; seed < 10; seed++) {
      for (let log = 0; log < 10; log++) await extend(seed % 2 ? a : b, seed * 1_000 + log, 2);
      entries += 20;
      const cost = await meet(seed, [a, b], entries);
      expect(cost.overheadBytes).toBeLessThanOrEqual(10_000);
      expect(cost.roundTrips).toBeLessThanOrEqual(3);
    }
  });
});
