/** docs/spec/3-sync.md §6.2: a side takes only some logs of a topic, and the rest later on. */
import { createLogWriter, logIdOf, type LogId } from "@hawser/log";
import type { ExplainCode } from "@hawser/sync";
import { describe, expect, test } from "vitest";
import {
  authorOf,
  control,
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  keyOf,
  type Link,
  synced,
  type TestNode,
  type TestTopic,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

const topic = topicOf("partial");
let stampMicros = 1_700_000_000_000_000;

async function extend(node: TestNode, log: number, domain = data): Promise<LogId> {
  const secret = keyOf(`author ${log}`);
  const context = { topic, domain, author: authorOf(secret) };
  const clock = { nowMicros: (): number => stampMicros++ };
  const { store } = node;
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  await writer.append([{ data: new Uint8Array(9) }, { data: new Uint8Array(9) }]);
  return logIdOf(crypto, context);
}

interface Scene {
  readonly world: World;
  readonly full: TestNode;
  readonly part: TestNode;
  readonly own: TestTopic;
  readonly link: Link;
}

/** `full` holds logs of `count` authors; `part` wants those of even ones. */
async function meet(
  count: number,
  options: { readonly reconcileLogs?: number } = {},
): Promise<Scene> {
  const world = createWorld(count);
  const full = world.node("full", [testTopic(topic, [followKey])], options);
  const own = testTopic(topic, [followKey]);
  const even = new Set(
    Array.from({ length: count }, (_, log) => authorOf(keyOf(`author ${log}`))).filter(
      (_, log) => log % 2 === 0,
    ),
  );
  own.wants = ({ author }) => even.has(author);
  const part = world.node("part", [own], options);
  for (let log = 0; log < count; log++) await extend(full, log);
  await extend(full, 1, control);
  const link = world.connect(full, part);
  await synced(world, link);
  return { world, full, part, own, link };
}

async function heightOf(node: TestNode, logId: LogId): Promise<number> {
  return (await node.store.head(logId))?.height ?? 0;
}

function dataLog(log: number): LogId {
  return logIdOf(crypto, { topic, domain: data, author: authorOf(keyOf(`author ${log}`)) });
}

describe.each([
  ["by frontiers", { reconcileLogs: 1_000 }],
  ["by reconciliation", { reconcileLogs: 1 }],
])("%s", (_name, options) => {
  test("only what is wanted comes, and the reports say what does not", async () => {
    const { world, full, part, link } = await meet(6, options);
    for (let log = 0; log < 6; log++) {
      expect(await heightOf(part, dataLog(log))).toBe(log % 2 === 0 ? 2 : 0);
    }
    // Control logs are taken whatever their author.
    const authorOne = authorOf(keyOf("author 1"));
    const controlLog = logIdOf(crypto, { topic, domain: control, author: authorOne });
    expect(await heightOf(part, controlLog)).toBe(2);
    const report = await world.run(link.b.synced());
    expect(report.complete).toBe(false);
    expect(report.topics).toMatchObject([{ leftOut: 3, skippedHere: 0 }]);
    const there = await world.run(link.a.synced());
    expect(there.complete).toBe(false);
    expect(there.topics).toMatchObject([{ leftOut: 0, skippedThere: 3 }]);
    const explained: ExplainCode[] = [];
    for (const log of [0, 1]) {
      const place = { topic, logId: dataLog(log) };
      explained.push((await part.peer.explain(place, 0, full.id)).here);
    }
    expect(explained).toEqual(["PRESENT", "NOT_WANTED"]);
  });

  test("live entries of what is left out do not come, those of the rest do", async () => {
    const { world, full, part, link } = await meet(6, options);
    for (const log of [0, 1, 8, 9]) await extend(full, log);
    await synced(world, link);
    expect(await heightOf(part, dataLog(0))).toBe(4);
    for (const log of [1, 8, 9]) expect(await heightOf(part, dataLog(log))).toBe(0);
  });

  test("what was left out is filled in on request, and wants may shrink again", async () => {
    const { world, full, part, own, link } = await meet(6, options);
    own.wants = () => true;
    part.peer.topicsChanged();
    await synced(world, link);
    await expectEqual(topic, full, part);
    const report = await world.run(link.b.synced());
    expect(report.complete).toBe(true);
    expect(report.topics).toMatchObject([{ leftOut: 0 }]);
    own.wants = () => false;
    part.peer.topicsChanged();
    await synced(world, link);
    await extend(full, 2);
    await synced(world, link);
    // What is here stays; nothing is added.
    expect(await heightOf(part, dataLog(2))).toBe(2);
    expect((await world.run(link.b.synced())).complete).toBe(false);
  });

  test("a side that wants nothing of others still gives what it has", async () => {
    const { world, full, part, own, link } = await meet(4, options);
    own.wants = () => false;
    part.peer.topicsChanged();
    await part.append(topic, 3);
    await synced(world, link);
    const mine = logIdOf(crypto, { topic, domain: data, author: part.id });
    expect(await heightOf(full, mine)).toBe(3);
  });
});
