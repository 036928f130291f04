/** docs/spec/3-sync.md §6.1: what stands after peers with real stores were reconciled. */
import type { LogHead } from "@hawser/log";
import { createLogWriter, ingestRange } from "@hawser/log";
import { expect, test } from "vitest";
import { decodeMessage } from "../src/decode.ts";
import {
  authorOf,
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  keyOf,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

const topic = topicOf("reconciled");
const logCount = 80;

interface Pair {
  readonly world: World;
  readonly a: TestNode;
  readonly b: TestNode;
  readonly types: string[];
}

/** Two peers with the same logs of many authors, and every message between them. */
async function createPair(seed: number): Promise<Pair> {
  const types: string[] = [];
  const world = createWorld(seed, undefined, (frame) => {
    types.push(decodeMessage(frame)?.type ?? "none");
  });
  const [a, b] = ["a", "b"].map((name) => world.node(name, [testTopic(topic, [followKey])]));
  if (a === undefined || b === undefined) throw new Error("two nodes were made");
  for (let log = 0; log < logCount; log++) await extend(a, log, 2);
  await a.append(topic, 1);
  for await (const range of a.store.received(topic, 0)) {
    await ingestRange({ store: b.store, crypto }, range);
  }
  return { world, a, b, types };
}

let stampMicros = 1_700_000_000_000_000;

async function extend(node: TestNode, log: number, count: number): Promise<void> {
  const secret = keyOf(`author ${log}`);
  const context = { topic, domain: data, author: authorOf(secret) };
  const clock = { nowMicros: (): number => stampMicros++ };
  const { store } = node;
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append(Array.from({ length: count }, () => ({ data: new Uint8Array(9) })));
}

async function headOf(node: TestNode, log: number): Promise<LogHead> {
  const author = authorOf(keyOf(`author ${log}`));
  const found = (await node.heads(topic)).find((head) => head.context.author === author);
  if (found === undefined) throw new Error("no such log");
  return found;
}

test("level logs are known to be level on both sides, though none was named", async () => {
  const { world, a, b, types } = await createPair(1);
  const link = world.connect(a, b);
  await synced(world, link);
  expect(types.filter((type) => type === "summary")).toHaveLength(2);
  for (const type of ["frontier", "wants", "acks", "range"]) expect(types).not.toContain(type);
  const head = await headOf(a, 7);
  for (const [session, from, to] of [
    [link.a, a, b],
    [link.b, b, a],
  ] as const) {
    expect((await world.run(session.synced())).complete).toBe(true);
    expect(session.standing(topic, [head.logId])).toEqual({
      access: "full",
      logs: [{ announced: 2, here: true }],
    });
    expect(await from.peer.explain({ topic, logId: head.logId }, 1, to.id)).toEqual({
      here: "PRESENT",
      there: "PRESENT",
    });
    expect(await from.peer.explain({ topic, logId: head.logId }, 2, to.id)).toEqual({
      here: "NOT_ANNOUNCED",
      there: "NOT_ANNOUNCED",
    });
  }
});

test("what is written to level logs goes both ways at once, without a want", async () => {
  const { world, a, b, types } = await createPair(2);
  const link = world.connect(a, b);
  await synced(world, link);
  await extend(a, 3, 4);
  await extend(b, 5, 1);
  await synced(world, link);
  await expectEqual(topic, a, b);
  expect(types).not.toContain("wants");
  // Both are announced now: what follows needs neither frontier nor want.
  const before = types.length;
  await extend(a, 3, 1);
  await synced(world, link);
  await expectEqual(topic, a, b);
  expect(types.slice(before).filter((type) => type !== "heartbeat")).toEqual(["range", "acks"]);
});

test("a fork among level logs is found and proved on both sides", async () => {
  const { world, a, b } = await createPair(3);
  await extend(a, 11, 1);
  await extend(b, 11, 1);
  const link = world.connect(a, b);
  await synced(world, link);
  for (const node of [a, b]) expect((await headOf(node, 11)).forkedAt).toBe(2);
  const reports = await world.run(Promise.all([link.a.synced(), link.b.synced()]));
  for (const report of reports) expect(report.complete).toBe(false);
});

test("a third peer, reconciled with one of them, gets what the other writes", async () => {
  const { world, a, b } = await createPair(4);
  const c = world.node("c", [testTopic(topic, [followKey])]);
  const first = world.connect(a, b);
  const second = world.connect(b, c);
  await synced(world, first);
  await synced(world, second);
  await expectEqual(topic, a, c);
  await extend(a, 20, 2);
  await synced(world, first);
  await synced(world, second);
  await expectEqual(topic, a, c);
});
