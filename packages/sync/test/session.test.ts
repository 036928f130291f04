/** docs/spec/3-sync.md §5–§7: sessions between honest peers. */
import { describe, expect, test } from "vitest";
import {
  bytesOfTopic,
  control,
  createWorld,
  data,
  expectEqual,
  followKey,
  headsText,
  synced,
  testTopic,
  topicOf,
} from "./harness.ts";

const topic = topicOf("one");

describe("two peers", () => {
  test("[TH-034] [TH-109] [P2-L-log_sync_bidirectional_exchange] both get what the other has", async () => {
    const world = createWorld(1);
    const ada = world.node("ada", [testTopic(topic, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    await ada.append(topic, 3, control);
    await ada.append(topic, 40);
    await bob.append(topic, 17);
    const link = world.connect(ada, bob);
    await synced(world, link);
    await expectEqual(topic, ada, bob);
    expect(await bytesOfTopic(ada, topic)).toBe(await bytesOfTopic(bob, topic));
    expect(link.a.progress()).toMatchObject({
      entriesReceived: 17,
      entriesToReceive: 0,
      entriesSent: 43,
      entriesToSend: 0,
    });
    const report = await link.b.synced();
    expect(report.complete).toBe(true);
  });

  test("[TH-110] [TH-112] [P2-L-live_mode] entries made later arrive by themselves", async () => {
    const world = createWorld(2);
    const ada = world.node("ada", [testTopic(topic, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const link = world.connect(ada, bob);
    await synced(world, link);
    for (let round = 0; round < 5; round++) {
      await ada.append(topic, 2);
      await bob.append(topic, 1);
      await synced(world, link);
      await expectEqual(topic, ada, bob);
    }
    expect((await bob.heads(topic)).map((head) => head.height).toSorted((a, b) => a - b)).toEqual([5, 10]);
    expect(await headsText(bob, topic)).not.toBe("");
  });

  test("[ATK-amrepo488] [P2-L-log_sync_no_operations] an empty topic completes too", async () => {
    const world = createWorld(3);
    const ada = world.node("ada", [testTopic(topic, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect(await link.a.synced()).toEqual({
      complete: true,
      topics: [{ topic, given: "full", received: "full", skippedHere: 0, skippedThere: 0 }],
    });
    expect(link.a.access(topic)).toEqual({ given: "full", received: "full" });
    expect(data).not.toBe(control);
  });
});
