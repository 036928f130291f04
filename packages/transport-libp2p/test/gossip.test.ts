/** docs/spec/transport-libp2p.md §4–§5: gossip between real libp2p nodes. */
import { describe, expect, test } from "vitest";
import type { LogContext } from "@hawser/log";
import { createSeededRandom } from "@hawser/sync/testing";
import { gossipName } from "@hawser/transport-libp2p";
import { crypto, type Device, followKeyOf, startDevice, topic } from "./support/device.ts";
import { sealEnvelope } from "./support/envelope.ts";
import { connect, disconnect, linked, reaches, startNode, until } from "./support/nodes.ts";

const nameOf = (key: string): string => gossipName(crypto, topic, followKeyOf(key));

/** Connects two devices, and resolves when both pass on to each other what they hear. */
async function join(one: Device, two: Device): Promise<void> {
  await connect(one.node, two.node);
  await linked(nameOf("1"), one.node, two.node);
}

async function arrived(device: Device, of: Device, height: number): Promise<void> {
  await until(async () => (await device.heightOf(of.logId)) >= height);
}

describe("live entries", () => {
  test("[TH-112] [TH-122] who holds the keys gets them, though the writer never heard of him", async () => {
    await using writer = await startDevice("writer");
    await using between = await startDevice("between");
    await using subscriber = await startDevice("subscriber");
    await join(between, writer);
    await join(subscriber, between);
    await writer.append(3);
    await arrived(subscriber, writer, 3);
    for (let n = 0; n < 5; n++) await writer.append(1);
    await arrived(subscriber, writer, 8);
    // Nobody but the one between was ever connected to the writer, and no sync ran at all.
    expect(writer.node.getPeers().map(String)).toEqual([between.node.peerId.toString()]);
    expect(subscriber.peer.peers()).toEqual([]);
    expect(subscriber.gossip.stats()).toMatchObject({ foreign: 0, bad: 0, behind: 0 });
    const [here] = await subscriber.store.heads(topic);
    const [there] = await writer.store.heads(topic);
    expect(here?.signedHash).toEqual(there?.signedHash);
  });

  test("[TH-112] [TH-113] what goes by gossip and by a sync stream arrives once", async () => {
    await using writer = await startDevice("writer");
    await using listener = await startDevice("listener");
    await using syncing = await startDevice("syncing");
    await join(listener, writer);
    // The third one only syncs, as if it had no pub/sub; the second one does both.
    await syncing.gossip[Symbol.asyncDispose]();
    for (const device of [listener, syncing]) {
      const connection = await device.streams.dial(writer.node.getMultiaddrs());
      await device.peer.attach(connection).synced();
    }
    const commits: number[] = [];
    listener.store.onCommit((ranges) => commits.push(...ranges.map(({ count }) => count)));
    for (let n = 0; n < 20; n++) await writer.append(2);
    await Promise.all([arrived(listener, writer, 40), arrived(syncing, writer, 40)]);
    await until(() => {
      const { stored, known, behind, repeated } = listener.gossip.stats();
      return stored + known + behind + repeated === writer.gossip.stats().published;
    });
    expect(commits.reduce((sum, count) => sum + count, 0)).toBe(40);
  });

  test("a partition heals: whoever is behind is told, syncs, and goes on live", async () => {
    await using writer = await startDevice("writer");
    await using subscriber = await startDevice("subscriber", { isCurious: true });
    await join(subscriber, writer);
    await writer.append(1);
    await arrived(subscriber, writer, 1);
    await disconnect(subscriber.node, writer.node);
    await until(() => writer.node.services.pubsub.getSubscribers(nameOf("1")).length === 0);
    for (let n = 0; n < 50; n++) await writer.append(2);
    await writer.gossip.flushed();
    expect(writer.gossip.stats().unheard).toBeGreaterThan(0);
    await join(subscriber, writer);
    await writer.append(1);
    await arrived(subscriber, writer, 102);
    expect(subscriber.behind[0]).toMatchObject({ topic, context: writer.context, height: 102 });
    const { stored } = subscriber.gossip.stats();
    const sessions = subscriber.peer.peers().flatMap((one) => one.sessions);
    await Promise.all(sessions.map((session) => session.close()));
    await writer.append(1);
    await arrived(subscriber, writer, 103);
    await until(() => subscriber.gossip.stats().stored > stored);
  });

  test("what is too large for pub/sub is announced, and fetched by sync", async () => {
    await using writer = await startDevice("writer");
    await using subscriber = await startDevice("subscriber", { isCurious: true });
    await join(subscriber, writer);
    await writer.append(3_000);
    await arrived(subscriber, writer, 3_000);
    expect(writer.gossip.stats()).toMatchObject({ published: 0, announced: 1 });
    expect(subscriber.gossip.stats()).toMatchObject({ behind: 1, foreign: 0, bad: 0 });
    expect(subscriber.behind).toMatchObject([{ context: writer.context, height: 3_000 }]);
  });
});

describe("rotation", () => {
  test("who lost the key hears nothing more, and cannot tell under which name it goes on", async () => {
    await using writer = await startDevice("writer");
    await using member = await startDevice("member");
    await using removed = await startDevice("removed");
    for (const device of [member, removed]) await join(device, writer);
    await writer.append(1);
    await Promise.all([arrived(member, writer, 1), arrived(removed, writer, 1)]);
    await Promise.all([writer.rotate(["2"]), member.rotate(["2"])]);
    await linked(nameOf("2"), writer.node, member.node);
    // The removed one goes on publishing under the old name: nobody hears it.
    await until(() => removed.node.services.pubsub.getSubscribers(nameOf("1")).length === 0);
    await removed.append(1);
    await writer.append(1);
    await arrived(member, writer, 2);
    await removed.gossip.flushed();
    expect(await removed.heightOf(writer.logId)).toBe(1);
    expect(await member.heightOf(removed.logId)).toBe(0);
    expect(removed.gossip.stats()).toMatchObject({ unheard: 1, stored: 1 });
    expect(writer.node.services.pubsub.getTopics()).toEqual([nameOf("2")]);
  });

  test("while two keys are current, what is sealed with either is heard", async () => {
    await using one = await startDevice("one", { keys: ["2", "1"] });
    await using two = await startDevice("two", { keys: ["1", "2"] });
    await connect(one.node, two.node);
    for (const key of ["1", "2"]) await linked(nameOf(key), one.node, two.node);
    await Promise.all([one.append(1), two.append(1)]);
    await Promise.all([arrived(two, one, 1), arrived(one, two, 1)]);
  });

  test("names are 64 hex characters, another one for each topic and each key", () => {
    const other = `${"1".repeat(63)}2` as typeof topic;
    const names = [nameOf("1"), nameOf("2"), gossipName(crypto, other, followKeyOf("1"))];
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect(names.join("")).not.toContain(topic);
  });
});

describe("strangers", () => {
  test("garbage, foreign seals, other topics and what is too large go no further", async () => {
    await using writer = await startDevice("writer");
    await using member = await startDevice("member");
    await join(member, writer);
    const stranger = await startNode({ allowPublishToZeroTopicPeers: true });
    await connect(stranger, writer.node);
    const { pubsub } = stranger.services;
    // A subscription travels in clear: any connected node can send under its name.
    pubsub.subscribe(nameOf("1"));
    await linked(nameOf("1"), stranger, writer.node);
    const random = createSeededRandom(9);
    const range = { context: writer.context, from: 0, count: 1, bytes: random(90) };
    const elsewhere = { ...writer.context, topic: "22".repeat(32) as typeof topic };
    const seal = (key: string, context: LogContext): Uint8Array =>
      sealEnvelope(crypto, random, followKeyOf(key), {
        kind: "range",
        range: { ...range, context },
      });
    const messages = [
      random(1),
      random(500),
      random(128 * 1024 + 1),
      seal("2", writer.context),
      seal("1", elsewhere),
      seal("1", { ...writer.context, domain: "" }),
    ];
    for (const message of messages) await pubsub.publish(nameOf("1"), message);
    await until(() => writer.gossip.stats().foreign === messages.length);
    await pubsub.publish(nameOf("1"), seal("1", writer.context));
    await until(() => writer.gossip.stats().bad === 1);
    // Behind the writer nothing of it was heard.
    await writer.append(1);
    await arrived(member, writer, 1);
    expect(member.gossip.stats()).toMatchObject({ foreign: 0, bad: 0, stored: 1 });
    await stranger.stop();
  });

  test("a flood is not looked at beyond its rate, and the entries of others arrive", async () => {
    await using writer = await startDevice("writer");
    await using member = await startDevice("member", { gossip: { peerMessagesPerSecond: 1 } });
    await join(member, writer);
    const stranger = await startNode();
    await connect(stranger, member.node);
    const { pubsub } = stranger.services;
    await until(() => reaches(nameOf("1"), stranger, member.node));
    const random = createSeededRandom(9);
    for (let n = 0; n < 300; n++) await pubsub.publish(nameOf("1"), random(1_000));
    await until(() => {
      const { foreign, overBudget } = member.gossip.stats();
      return foreign + overBudget >= 300;
    });
    await writer.append(1);
    await arrived(member, writer, 1);
    expect(member.gossip.stats().foreign).toBeLessThan(50);
    await stranger.stop();
  });

  test("a replay is neither taken nor passed on, whoever signs it anew", async () => {
    const signed = { globalSignaturePolicy: "StrictSign" } as const;
    await using writer = await startDevice("writer", { node: signed });
    await using member = await startDevice("member", { node: signed });
    await using behind = await startDevice("behind", { node: signed });
    const stranger = await startNode(signed);
    await join(member, writer);
    await join(behind, member);
    await connect(stranger, member.node);
    const { pubsub } = stranger.services;
    const heardThere: Uint8Array[] = [];
    pubsub.addEventListener("message", ({ detail }) => heardThere.push(detail.data));
    pubsub.subscribe(nameOf("1"));
    await linked(nameOf("1"), stranger, member.node);
    await writer.append(1);
    await arrived(behind, writer, 1);
    await until(() => heardThere.length > 0);
    const [message = new Uint8Array(0)] = heardThere;
    for (let n = 0; n < 10; n++) await pubsub.publish(nameOf("1"), message);
    await until(() => member.gossip.stats().repeated >= 10);
    expect(behind.gossip.stats()).toMatchObject({ stored: 1, known: 0, repeated: 0 });
    await stranger.stop();
  });

  test("entries of somebody who may not write go no further", async () => {
    await using writer = await startDevice("writer");
    await using member = await startDevice("member", { refused: [writer.context.author] });
    await using behind = await startDevice("behind");
    await join(member, writer);
    await join(behind, member);
    await writer.append(1);
    await until(() => member.gossip.stats().refused === 1);
    await member.append(1);
    await arrived(behind, member, 1);
    expect(await behind.heightOf(writer.logId)).toBe(0);
  });
});
