/** docs/spec/3-sync.md §6, §8: forks, refusals, budgets, and what is said about them. */
import { describe, expect, test } from "vitest";
import type { LogId } from "@hawser/log";
import type { IngestOutcome } from "@hawser/sync";
import {
  control,
  createWorld,
  data,
  expectEqual,
  followKey,
  headsText,
  identityOf,
  keyOf,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

const topic = topicOf("conflicts");

function member(world: World, name: string): TestNode {
  return world.node(name, [testTopic(topic, [followKey])]);
}

/** Two devices that were given one signing key, and so fork its log after `common` entries. */
async function forkedPair(
  world: World,
  counts: { readonly common: number; readonly left: number; readonly right: number },
): Promise<readonly [TestNode, TestNode, LogId]> {
  const secret = keyOf("copied secret");
  const make = (name: string): TestNode =>
    world.node(name, [testTopic(topic, [followKey])], {
      secret,
      identities: () => [identityOf(keyOf(`device ${name}`))],
    });
  const left = make("left");
  const right = make("right");
  if (counts.common > 0) {
    await left.append(topic, counts.common);
    const link = world.connect(left, right);
    await synced(world, link);
    await link.a.close();
  }
  await left.append(topic, counts.left, data, 30);
  await right.append(topic, counts.right, data, 40);
  const [head] = await left.heads(topic);
  if (head === undefined) throw new Error("nothing was written");
  return [left, right, head.logId];
}

describe("forks", () => {
  const shapes = [
    { common: 0, left: 1, right: 1 },
    { common: 3, left: 2, right: 2 },
    { common: 3, left: 2, right: 7 },
    { common: 3, left: 40, right: 1 },
    { common: 100, left: 1, right: 1 },
  ];
  test.each(shapes)(
    "[ATK-automerge870] branches of %o are found, proved to both, and nobody is blamed",
    async (shape) => {
      const world = createWorld(1);
      const [left, right, logId] = await forkedPair(world, shape);
      const link = world.connect(left, right);
      await world.timers.advance(200);
      for (const node of [left, right]) {
        expect((await node.store.head(logId))?.forkedAt).toBe(shape.common);
        expect(await node.store.forkProofs(logId)).toHaveLength(1);
        expect(node.peer.peers()).toHaveLength(1);
      }
      await synced(world, link);
      expect((await link.a.synced()).complete).toBe(false);
      expect((await link.b.synced()).complete).toBe(false);
    },
  );

  test("[ATK-automerge870] equal heights with other hashes never pass as in sync", async () => {
    const world = createWorld(2);
    const [left, right] = await forkedPair(world, { common: 2, left: 3, right: 3 });
    expect(await headsText(left, topic)).not.toBe(await headsText(right, topic));
    const link = world.connect(left, right);
    await synced(world, link);
    const reports = [await link.a.synced(), await link.b.synced()];
    for (const report of reports) {
      expect(report.complete).toBe(false);
      const [own] = report.topics;
      expect((own?.skippedHere ?? 0) + (own?.skippedThere ?? 0)).toBeGreaterThan(0);
    }
  });

  test("a fork proof reaches those who hold one branch only", async () => {
    const world = createWorld(3);
    const [left, right, logId] = await forkedPair(world, { common: 3, left: 4, right: 5 });
    const relay = member(world, "relay");
    const reader = member(world, "reader");
    await synced(world, world.connect(left, relay));
    await synced(world, world.connect(relay, reader));
    expect((await reader.store.head(logId))?.forkedAt).toBeUndefined();
    world.connect(relay, right);
    await world.timers.advance(200);
    for (const node of [relay, reader, left, right]) {
      expect((await node.store.head(logId))?.forkedAt).toBe(3);
    }
  });

  test("other logs of the topic go on after a fork", async () => {
    const world = createWorld(4);
    const [left, right] = await forkedPair(world, { common: 1, left: 2, right: 2 });
    world.connect(left, right);
    await world.timers.advance(100);
    const other = member(world, "other");
    await other.append(topic, 12);
    world.connect(other, left);
    await world.timers.advance(100);
    const heights = (await right.heads(topic)).map((head) => head.height);
    expect(heights).toContain(12);
  });

  test("live branches that cross on the way are a fork, not a fault of who carries them", async () => {
    const world = createWorld(5, { delayMsMax: 20, cutChance: 0 });
    const [left, right, logId] = await forkedPair(world, { common: 2, left: 1, right: 1 });
    const hub = member(world, "hub");
    world.connect(left, hub);
    world.connect(right, hub);
    for (let round = 0; round < 10; round++) {
      await left.append(topic, 1).catch(() => {});
      await right.append(topic, 1).catch(() => {});
      await world.timers.advance(7);
    }
    await world.timers.advance(300);
    expect((await hub.store.head(logId))?.forkedAt).toBe(2);
    expect(hub.peer.peers()).toHaveLength(2);
  });
});

describe("refusals", () => {
  function guarded(world: World, refused: Set<string>, reason = "UNKNOWN_AUTHOR"): TestNode {
    return world.node("guard", [testTopic(topic, [followKey])], {
      wrapIngest:
        (ingest) =>
        async (range): Promise<IngestOutcome> =>
          refused.has(range.context.author) ? { status: "refused", reason } : ingest(range),
    });
  }

  test("[ATK-teleportal54] what the store refused is never passed on", async () => {
    const world = createWorld(10);
    const ada = member(world, "ada");
    const guard = guarded(world, new Set([ada.id]));
    const bob = member(world, "bob");
    const toAda = world.connect(ada, guard);
    const toBob = world.connect(guard, bob);
    await ada.append(topic, 20);
    await guard.append(topic, 3);
    await synced(world, toAda);
    await synced(world, toBob);
    await world.timers.advance(100);
    expect((await bob.heads(topic)).map((head) => head.context.author)).toEqual([guard.id]);
    expect(guard.peer.peers()).toHaveLength(2);
    const [log] = await ada.heads(topic);
    const place = { topic, logId: log?.logId ?? never() };
    expect((await guard.peer.explain(place, 3, ada.id)).here).toBe("REFUSED");
    expect((await ada.peer.explain(place, 3, guard.id)).there).toBe("REFUSED");
    expect((await toAda.b.synced()).complete).toBe(false);
  });

  test("refused logs come after all once control entries changed", async () => {
    const world = createWorld(11);
    const ada = member(world, "ada");
    const refused = new Set<string>([ada.id]);
    const guard = guarded(world, refused);
    const manager = member(world, "manager");
    const link = world.connect(ada, guard);
    world.connect(manager, guard);
    await ada.append(topic, 20);
    await synced(world, link);
    expect(await guard.heads(topic)).toHaveLength(0);
    refused.delete(ada.id);
    await manager.append(topic, 1, control);
    await world.timers.advance(100);
    await expectEqual(topic, ada, guard, manager);
    expect((await link.b.synced()).complete).toBe(true);
  });

  test("and at topicsChanged; entries written in between come too", async () => {
    const world = createWorld(12);
    const ada = member(world, "ada");
    const refused = new Set<string>([ada.id]);
    const guard = guarded(world, refused);
    const link = world.connect(ada, guard);
    await ada.append(topic, 5);
    await synced(world, link);
    await ada.append(topic, 5);
    await world.timers.advance(20);
    refused.delete(ada.id);
    guard.peer.topicsChanged();
    await ada.append(topic, 5);
    await world.timers.advance(50);
    await synced(world, link);
    await expectEqual(topic, ada, guard);
  });

  test("entries held for the clock are asked for again by themselves", async () => {
    const world = createWorld(13);
    const ada = member(world, "ada");
    const refused = new Set<string>([ada.id]);
    const guard = guarded(world, refused, "HELD_FOR_CLOCK");
    world.connect(ada, guard);
    await ada.append(topic, 5);
    await world.timers.advance(100);
    const [log] = await ada.heads(topic);
    const place = { topic, logId: log?.logId ?? never() };
    expect((await guard.peer.explain(place, 0, ada.id)).here).toBe("HELD_FOR_CLOCK");
    refused.delete(ada.id);
    await world.timers.advance(25_000);
    await expectEqual(topic, ada, guard);
  });

  test("a failing ingest ends its session as our own fault, with the cause", async () => {
    const world = createWorld(14);
    const ada = member(world, "ada");
    const broken = world.node("broken", [testTopic(topic, [followKey])], {
      wrapIngest: () => () => Promise.reject(new Error("disk full")),
    });
    const link = world.connect(ada, broken);
    await ada.append(topic, 5);
    await world.timers.advance(50);
    const closed = await world.run(link.b.closed);
    expect(closed).toMatchObject({ code: "SYNC_LOCAL_FAILURE", by: "local" });
    expect(closed.cause).toMatchObject({ message: "disk full" });
    expect(await world.run(link.a.closed)).toMatchObject({
      code: "SYNC_LOCAL_FAILURE",
      by: "remote",
    });
  });
});

describe("budgets", () => {
  test("a peer gets no further than the entries of its budget; the rest is OVER_BUDGET", async () => {
    const world = createWorld(20);
    const ada = member(world, "ada");
    const small = world.node("small", [testTopic(topic, [followKey])], { topicEntries: 60 });
    for (let n = 0; n < 10; n++) await ada.append(topic, 20, data, 40_000);
    const link = world.connect(ada, small);
    await synced(world, link);
    const [log] = await small.heads(topic);
    expect(log?.height).toBeGreaterThan(0);
    expect(log?.height).toBeLessThanOrEqual(60);
    const place = { topic, logId: log?.logId ?? never() };
    expect((await small.peer.explain(place, 150, ada.id)).here).toBe("OVER_BUDGET");
    expect(small.peer.peers()).toHaveLength(1);
  });

  test("the same for bytes", async () => {
    const world = createWorld(21);
    const ada = member(world, "ada");
    const small = world.node("small", [testTopic(topic, [followKey])], { topicBytes: 500_000 });
    for (let n = 0; n < 10; n++) await ada.append(topic, 5, data, 40_000);
    await synced(world, world.connect(ada, small));
    expect((await small.store.stats()).rangeBytes).toBeLessThanOrEqual(500_000);
    expect((await small.store.stats()).rangeBytes).toBeGreaterThan(100_000);
  });
});

describe("explain", () => {
  test("[NB-3] says where an entry stands between two peers", async () => {
    const world = createWorld(30);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    await ada.append(topic, 5);
    const [log] = await ada.heads(topic);
    const place = { topic, logId: log?.logId ?? never() };
    expect(await bob.peer.explain(place, 2, ada.id)).toEqual({
      here: "NOT_ANNOUNCED",
      there: "NOT_ANNOUNCED",
    });
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect(await bob.peer.explain(place, 2, ada.id)).toEqual({ here: "PRESENT", there: "PRESENT" });
    expect(await ada.peer.explain(place, 2, bob.id)).toEqual({ here: "PRESENT", there: "PRESENT" });
    expect(await bob.peer.explain(place, 9, ada.id)).toEqual({
      here: "NOT_ANNOUNCED",
      there: "NOT_ANNOUNCED",
    });
    const unknown = { topic: topicOf("never heard of"), logId: place.logId };
    expect((await bob.peer.explain(unknown, 9, ada.id)).here).toBe("NOT_ANNOUNCED");
  });

  test("[NB-3] NO_ACCESS in both directions, IN_FLIGHT while ingest works, FORKED after a fork", async () => {
    const world = createWorld(31);
    const gate = Promise.withResolvers<void>();
    const ada = member(world, "ada");
    const stranger = world.node("stranger", [testTopic(topic, [keyOf("old key")])]);
    const slow = world.node("slow", [testTopic(topic, [followKey])], {
      wrapIngest: (ingest) => async (range) => {
        await gate.promise;
        return ingest(range);
      },
    });
    await ada.append(topic, 5);
    const [log] = await ada.heads(topic);
    const place = { topic, logId: log?.logId ?? never() };
    world.connect(ada, stranger);
    world.connect(ada, slow);
    await world.timers.advance(50);
    expect((await ada.peer.explain(place, 2, stranger.id)).there).toBe("NO_ACCESS");
    expect((await stranger.peer.explain(place, 2, ada.id)).here).toBe("NO_ACCESS");
    expect((await slow.peer.explain(place, 2, ada.id)).here).toBe("IN_FLIGHT");
    expect((await ada.peer.explain(place, 2, slow.id)).there).toBe("IN_FLIGHT");
    gate.resolve();
    await world.timers.advance(50);
    expect((await slow.peer.explain(place, 2, ada.id)).here).toBe("PRESENT");
    const [left, right, logId] = await forkedPair(world, { common: 1, left: 2, right: 2 });
    world.connect(left, right);
    await world.timers.advance(100);
    const device = identityOf(keyOf("device right")).id;
    expect((await left.peer.explain({ topic, logId }, 0, device)).here).toBe("PRESENT");
    expect((await left.peer.explain({ topic, logId }, 2, device)).here).toBe("FORKED");
  });
});

function never(): never {
  throw new Error("the test's own premise does not hold");
}
