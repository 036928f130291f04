/** docs/spec/3-sync.md §7: news of a topic goes to the sessions that share it, and to no others. */
import { describe, expect, test } from "vitest";
import type { RunningSession } from "../src/session.ts";
import { createTopicSessions } from "../src/topic-sessions.ts";
import {
  createWorld,
  expectEqual,
  followKey,
  synced,
  type TestNode,
  testTopic,
  topicOf,
} from "./harness.ts";

const one = topicOf("one");
const two = topicOf("two");

/** Nothing of a session is looked at: it only has to be itself. */
function session(): RunningSession {
  // Safe: no member is used.
  return {} as RunningSession;
}

describe("sessions by topic", () => {
  test("are those that were added and neither removed nor over", () => {
    const sharing = createTopicSessions();
    const [a, b, c] = [session(), session(), session()];
    const shared = (): readonly (readonly RunningSession[])[] => [
      [...sharing.of(one)],
      [...sharing.of(two)],
    ];
    expect(shared()).toEqual([[], []]);
    sharing.add(a, one);
    sharing.add(b, one);
    sharing.add(b, two);
    sharing.add(c, two);
    expect(shared()).toEqual([
      [a, b],
      [b, c],
    ]);
    sharing.remove(a, one);
    sharing.remove(a, two);
    expect([...sharing.of(one)]).toEqual([b]);
    sharing.removeAll(b);
    sharing.removeAll(b);
    expect(shared()).toEqual([[], [c]]);
    sharing.add(a, one);
    sharing.removeAll(c);
    expect(shared()).toEqual([[a], []]);
  });

  test("may end while they are being told", () => {
    const sharing = createTopicSessions();
    const all = [session(), session(), session()];
    for (const each of all) sharing.add(each, one);
    const told: RunningSession[] = [];
    for (const each of sharing.of(one)) {
      sharing.removeAll(each);
      told.push(each);
    }
    expect(told).toHaveLength(3);
    expect([...sharing.of(one)]).toEqual([]);
  });
});

describe("a peer with sessions of several topics", () => {
  test("[TH-122] tells each what is new in a topic while it shares it, and again when it comes back", async () => {
    const world = createWorld(81);
    const hub = world.node("hub", [testTopic(one, [followKey]), testTopic(two, [followKey])]);
    const ada = world.node("ada", [testTopic(one, [followKey])]);
    const bob = world.node("bob", [testTopic(two, [followKey])]);
    const links = [world.connect(hub, ada), world.connect(hub, bob)];
    for (const link of links) await synced(world, link);
    const heights = async (node: TestNode, topic: typeof one): Promise<number> =>
      (await node.heads(topic))[0]?.height ?? 0;
    const writeBoth = async (): Promise<void> => {
      await hub.append(one, 1);
      await hub.append(two, 1);
      await world.timers.advance(50);
    };

    await writeBoth();
    expect([await heights(ada, one), await heights(ada, two)]).toEqual([1, 0]);
    expect([await heights(bob, one), await heights(bob, two)]).toEqual([0, 1]);
    const left = bob.topics.splice(0);
    bob.peer.topicsChanged();
    await world.timers.advance(50);
    await writeBoth();
    expect([await heights(ada, one), await heights(bob, two)]).toEqual([2, 1]);
    bob.topics.push(...left);
    bob.peer.topicsChanged();
    await world.timers.advance(50);
    await writeBoth();
    expect([await heights(ada, one), await heights(bob, two)]).toEqual([3, 3]);
    await links[0]?.a.close();
    await writeBoth();
    expect([await heights(ada, one), await heights(bob, two)]).toEqual([3, 4]);
    await expectEqual(two, hub, bob);
  });
});
