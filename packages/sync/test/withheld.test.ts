/** docs/spec/3-sync.md §6, §7: peers that withhold what they announce, and forks at several places. */
import { cutRange, type EncodedRange, logIdOf } from "@hawser/log";
import { describe, expect, test } from "vitest";
import {
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  identityOf,
  keyOf,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, type RawPeer } from "./raw-peer.ts";

const topic = topicOf("withheld");
const beatMs = 20_000;

function member(world: World, name: string): TestNode {
  return world.node(name, [testTopic(topic, [followKey])]);
}

/** A hand-made peer that announces all of a node's logs, and sends none of them. */
async function hoarder(world: World, node: TestNode, owner: TestNode): Promise<RawPeer> {
  const raw = connectRaw(world, node);
  await raw.shakeHands();
  await raw.announce(topic);
  await raw.prove(0, topic, followKey);
  await world.timers.advance(5);
  await announce(raw, owner, true);
  await world.timers.advance(5);
  return raw;
}

async function announce(raw: RawPeer, owner: TestNode, first: boolean): Promise<void> {
  const heads = await owner.heads(topic);
  raw.send({
    type: "frontier",
    topicNumber: 0,
    generation: 1,
    answers: 1,
    access: "full",
    first,
    last: true,
    eager: false,
    logs: heads.map((head) => ({
      author: head.context.author,
      domain: head.context.domain,
      height: head.signedHeight,
      prunedTo: 0,
      hash: head.signedHash,
    })),
  });
}

async function holds(node: TestNode, owner: TestNode): Promise<boolean> {
  const logId = logIdOf(crypto, contextOf(owner));
  const [own, head] = [await node.store.head(logId), await owner.store.head(logId)];
  return own !== undefined && own.signedHeight === head?.signedHeight;
}

describe("a peer that announces and does not send", () => {
  test("keeps a log from the other sessions for two heartbeats only, whatever it announces again", async () => {
    const world = createWorld(1);
    const [writer, reader] = [member(world, "writer"), member(world, "reader")];
    await writer.append(topic, 30);
    const raw = await hoarder(world, reader, writer);
    expect(raw.ofType("wants")).toHaveLength(1);
    world.connect(writer, reader);
    await world.timers.advance(beatMs);
    expect(await holds(reader, writer)).toBe(false);
    for (let beat = 0; beat < 3; beat++) {
      for (let part = 0; part < 4; part++) {
        await announce(raw, writer, false);
        await world.timers.advance(beatMs / 4);
      }
    }
    expect(await holds(reader, writer)).toBe(true);
    await expectEqual(topic, writer, reader);
    expect(raw.ofType("bye")).toEqual([]);
  });

  test("and brings entries of another log all the while, gains nothing by that", async () => {
    const world = createWorld(2);
    const [writer, busy] = [member(world, "writer"), member(world, "busy")];
    const reader = member(world, "reader");
    await writer.append(topic, 30);
    await busy.append(topic, 1);
    const both = await unite(world, writer, busy);
    const raw = await hoarder(world, reader, both);
    world.connect(writer, reader);
    const number = (await both.heads(topic)).findIndex(({ context }) => context.author === busy.id);
    for (let seq = 0; seq < 8; seq++) {
      const range = await rangeOf(busy, seq);
      raw.send({
        type: "range",
        topicNumber: 0,
        logNumber: number,
        from: seq,
        count: 1,
        byteCount: range.bytes.length,
        bytes: range.bytes,
      });
      await world.timers.advance(beatMs / 2);
      await busy.append(topic, 1);
    }
    expect((await reader.store.head(logIdOf(crypto, contextOf(busy))))?.height).toBe(8);
    expect(await holds(reader, writer)).toBe(true);
  });

  test("a slow peer keeps the earlier half of what has not come yet", async () => {
    const world = createWorld(3);
    const writers = Array.from({ length: 8 }, (_, index) => member(world, `writer ${index}`));
    for (const writer of writers) await writer.append(topic, 2);
    const all = await unite(world, ...writers);
    const reader = member(world, "reader");
    const raw = await hoarder(world, reader, all);
    const heads = await all.heads(topic);
    const first = writers.find(({ id }) => id === heads[0]?.context.author);
    if (first === undefined) throw new Error("no writer");
    // One log comes between the beats: the line moves, so not all of the rest is passed on at once.
    await world.timers.advance(beatMs * 1.5);
    const range = await rangeOf(first, 0, 2);
    const { bytes } = range;
    const fields = { topicNumber: 0, logNumber: 0, from: 0, count: 2, byteCount: bytes.length };
    raw.send({ type: "range", ...fields, bytes });
    await world.timers.advance(5);
    world.connect(all, reader);
    await world.timers.advance(beatMs * 0.6);
    const here = await reader.heads(topic);
    expect(here.length).toBeGreaterThanOrEqual(4);
    expect(here.length).toBeLessThan(8);
    await world.timers.advance(beatMs * 3);
    await expectEqual(topic, all, reader);
  });
});

function contextOf(node: TestNode): EncodedRange["context"] {
  return { topic, domain: data, author: node.id };
}

/** One node that holds what all of them hold. */
async function unite(world: World, ...nodes: readonly TestNode[]): Promise<TestNode> {
  const all = member(world, `all ${nodes.length}`);
  for (const node of nodes) {
    const link = world.connect(all, node);
    await world.run(Promise.all([link.a.synced(), link.b.synced()]));
    await world.run(link.a.close());
  }
  return all;
}

async function rangeOf(node: TestNode, from: number, count = 1): Promise<EncodedRange> {
  const logId = logIdOf(crypto, contextOf(node));
  for await (const range of node.store.ranges(logId, { from, to: from + count })) {
    return cutRange(range, from, from + count);
  }
  throw new Error("no such range");
}

describe("a log that forked at several places", () => {
  const secret = keyOf("secret of a forker");
  const logId = logIdOf(crypto, { topic, domain: data, author: identityOf(secret).id });

  function device(world: World, name: string): TestNode {
    const identities = () => [identityOf(keyOf(`device ${name}`))];
    return world.node(name, [testTopic(topic, [followKey])], { secret, identities });
  }

  async function share(world: World, from: TestNode, to: TestNode): Promise<void> {
    const link = world.connect(from, to);
    await world.run(Promise.all([link.a.synced(), link.b.synced()]));
    await world.run(link.a.close());
  }

  /** Three devices of one key: the third leaves the first's branch at seq 1, the second at seq 3. */
  async function branches(world: World): Promise<readonly [TestNode, TestNode, TestNode]> {
    const [one, two, three] = [device(world, "1"), device(world, "2"), device(world, "3")];
    await one.append(topic, 1);
    await share(world, one, three);
    await one.append(topic, 2);
    await share(world, one, two);
    for (const [index, node] of [one, two, three].entries()) {
      await node.append(topic, 2, data, 30 + index);
    }
    return [one, two, three];
  }

  test("is forked from the first of them on every device, also on who knew the later fork", async () => {
    const world = createWorld(4);
    const [one, two, three] = await branches(world);
    const [late, far, early] = ["late", "far", "early"].map((name) => member(world, name));
    if (!late || !far || !early) throw new Error("no watchers");
    world.connect(late, far);
    world.connect(one, late);
    await world.timers.advance(1_000);
    world.connect(two, late);
    await world.timers.advance(1_000);
    for (const node of [late, far]) expect((await node.store.head(logId))?.forkedAt).toBe(3);
    world.connect(one, early);
    await world.timers.advance(1_000);
    world.connect(three, early);
    await world.timers.advance(1_000);
    expect((await early.store.head(logId))?.forkedAt).toBe(1);
    world.connect(early, far);
    await world.timers.advance(1_000);
    for (const node of [late, far, early]) {
      expect((await node.store.head(logId))?.forkedAt).toBe(1);
      expect((await node.store.forkProofs(logId)).map(({ seq }) => seq)).toContain(1);
    }
    // A later fork changes nothing, and nobody goes on telling.
    const link = world.connect(two, far);
    await world.timers.advance(1_000);
    expect((await far.store.head(logId))?.forkedAt).toBe(1);
    expect(link.a.progress().bytesReceived).toBeLessThan(20_000);
  });
});
