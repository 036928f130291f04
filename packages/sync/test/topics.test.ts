/** docs/spec/3-sync.md: sessions that start from what they are given, and topics as subscriptions. */
import { toHex, utf8 } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import {
  createWorld,
  crypto,
  expectEqual,
  followKey,
  keyOf,
  synced,
  testTopic,
  topicOf,
} from "./harness.ts";

const topic = topicOf("one");
const second = topicOf("two");

describe("what a session starts from", () => {
  test("[P2-L-from_args] topics, keys and rights that a peer is made with are those of its sessions", async () => {
    const world = createWorld(31);
    const ada = world.node("ada", [testTopic(topic, [followKey]), testTopic(second, [followKey])]);
    const rows = [
      ["both topics", [testTopic(topic, [followKey]), testTopic(second, [followKey])], [3, 2]],
      ["one topic", [testTopic(second, [followKey])], [0, 2]],
      ["no topic", [], [0, 0]],
      ["another key", [testTopic(topic, [keyOf("another")])], [0, 0]],
    ] as const;
    await ada.append(topic, 3);
    await ada.append(second, 2);
    for (const [name, topics, expected] of rows) {
      const peer = world.node(name, topics);
      const link = world.connect(peer, ada);
      await world.timers.advance(200);
      const heights = [];
      for (const id of [topic, second]) heights.push((await peer.heads(id))[0]?.height ?? 0);
      expect(heights, name).toEqual(expected);
      expect(link.a.access(second)?.received ?? "none", name).toBe(
        expected[1] > 0 ? "full" : "none",
      );
      await link.a.close();
    }
  });
});

describe("subscription", () => {
  test("[TH-122] whoever subscribes to a topic gets its events as they come, and those of no other", async () => {
    const world = createWorld(33);
    const ada = world.node("ada", [testTopic(topic, [followKey]), testTopic(second, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const heard: number[] = [];
    bob.store.onCommit((ranges) => {
      for (const range of ranges) {
        if (range.context.topic === topic) heard.push(range.from + range.count);
        else heard.push(-1);
      }
    });
    await synced(world, world.connect(ada, bob));
    for (let round = 1; round <= 3; round++) {
      await ada.append(topic, 1);
      await ada.append(second, 1);
      await world.timers.advance(50);
      expect(heard).toHaveLength(round);
    }
    expect(heard).toEqual([1, 2, 3]);
    expect(await bob.heads(second)).toEqual([]);
    // Subscribing later brings the past of the other topic, too.
    bob.topics.push(testTopic(second, [followKey]));
    bob.peer.topicsChanged();
    await world.timers.advance(200);
    expect((await bob.heads(second))[0]?.height).toBe(3);
  });
});

describe("a transport in the clear", () => {
  test("[TH-019] the frames of a plain pipe hold neither topic nor key, and sealed content as it is stored", async () => {
    const frames: string[] = [];
    const world = createWorld(34, undefined, (frame) => frames.push(toHex(frame)));
    const ada = world.node("ada", [testTopic(topic, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const plain = utf8("the quick brown fox");
    const key = keyOf("content");
    const sealed = crypto.seal(key, new Uint8Array(24).fill(3), plain, new Uint8Array(0));
    const writer = await ada.writer(topic);
    await writer.append([{ data: sealed }]);
    await synced(world, world.connect(ada, bob));
    await expectEqual(topic, ada, bob);
    const all = frames.join(" ");
    expect(all).toContain(toHex(sealed));
    for (const hidden of [plain, key, followKey]) expect(all).not.toContain(toHex(hidden));
    expect(all).not.toContain(topic);
    // Whoever listens cannot open it; whoever has the key can, from what arrived.
    const [head] = await bob.heads(topic);
    for await (const entry of bob.store.entries(head!.logId)) {
      const nonce = new Uint8Array(24).fill(3);
      expect(crypto.open(keyOf("wiretap"), nonce, entry.data, new Uint8Array(0))).toBeUndefined();
      expect(crypto.open(key, nonce, entry.data, new Uint8Array(0))).toEqual(plain);
    }
  });
});
