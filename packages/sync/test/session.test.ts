/** docs/spec/3-sync.md §6–§8: sessions between honest peers. */
import { createMemoryStore } from "@hawser/log";
import { describe, expect, test } from "vitest";
import {
  bytesOfTopic,
  control,
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  identityOf,
  keyOf,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

const topic = topicOf("one");

function member(world: World, name: string, topicId = topic): TestNode {
  return world.node(name, [testTopic(topicId, [followKey])]);
}

describe("reconciliation", () => {
  test("[TH-034] [TH-109] [TH-120] [P2-L-log_sync_bidirectional_exchange] [P2-L-topic_log_sync_full_duplex] both get what the other has", async () => {
    const world = createWorld(1);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
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
    expect((await link.b.synced()).complete).toBe(true);
  });

  test("[P2-L-log_sync_some_operations] [P2-L-sync_operations_accept] only what is missing crosses", async () => {
    const world = createWorld(2);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    await ada.append(topic, 500, data, 200);
    const first = world.connect(ada, bob);
    await synced(world, first);
    await first.a.close();
    await ada.append(topic, 1, data, 200);
    const before = world.network.traffic().bytes;
    await synced(world, world.connect(ada, bob));
    await expectEqual(topic, ada, bob);
    expect(world.network.traffic().bytes - before).toBeLessThan(3_000);
  });

  test("[ATK-amrepo488] [P2-L-log_sync_no_operations] [P2-L-sync_session_no_operations] an empty topic completes too", async () => {
    const world = createWorld(3);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect(await link.a.synced()).toEqual({
      complete: true,
      topics: [
        { topic, given: "full", received: "full", skippedHere: 0, leftOut: 0, skippedThere: 0 },
      ],
    });
    expect(link.a.access(topic)).toEqual({ given: "full", received: "full" });
  });

  test("no shared topic completes too, and says so", async () => {
    const world = createWorld(4);
    const link = world.connect(member(world, "ada"), member(world, "bob", topicOf("two")));
    await synced(world, link);
    expect(await link.a.synced()).toEqual({ complete: true, topics: [] });
    expect(link.a.access(topic)).toBeUndefined();
  });

  test("[TH-124] a peer that was away for 1,000 events catches up on return", async () => {
    const world = createWorld(5);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const link = world.connect(ada, bob);
    await synced(world, link);
    link.pair.cut();
    for (let n = 0; n < 100; n++) await ada.append(topic, 10);
    await synced(world, world.connect(ada, bob));
    await expectEqual(topic, ada, bob);
    expect((await bob.heads(topic))[0]?.height).toBe(1_000);
  });

  test("control logs arrive before all others, each log oldest first", async () => {
    const world = createWorld(6);
    const ada = member(world, "ada");
    const seen: string[] = [];
    const bob = world.node("bob", [testTopic(topic, [followKey])], {
      wrapIngest: (ingest) => (range) => {
        seen.push(`${range.context.domain} ${range.from}`);
        return ingest(range);
      },
    });
    await ada.append(topic, 900, data, 400);
    await ada.append(topic, 900, data, 400);
    await ada.append(topic, 5, control);
    await synced(world, world.connect(ada, bob));
    expect(seen).toEqual([`${control} 0`, `${data} 0`, `${data} 900`]);
  });

  test("a batch larger than a frame, and than the window, is put together again", async () => {
    const world = createWorld(7);
    const ada = member(world, "ada");
    const bob = world.node("bob", [testTopic(topic, [followKey])], { windowBytes: 256 * 1024 });
    await ada.append(topic, 60, data, 30_000);
    await synced(world, world.connect(ada, bob));
    await expectEqual(topic, ada, bob);
    expect(bob.ingested()).toBe(1);
  });

  test("a batch over the receiver's limit is skipped, told, and holds up nothing else", async () => {
    const world = createWorld(8);
    const ada = member(world, "ada");
    const bob = world.node("bob", [testTopic(topic, [followKey])], { rangeBytes: 100_000 });
    await ada.append(topic, 20, data, 30_000);
    await ada.append(topic, 4, "other");
    const link = world.connect(ada, bob);
    await world.timers.advance(200);
    await synced(world, { ...link, b: link.a });
    const [big] = (await ada.heads(topic)).filter((head) => head.context.domain === data);
    expect((await link.a.synced()).topics[0]?.skippedThere).toBe(1);
    expect((await bob.heads(topic)).map((head) => head.context.domain)).toEqual(["other"]);
    const place = { topic, logId: big?.logId ?? never() };
    expect((await ada.peer.explain(place, 0, bob.id)).there).toBe("OVER_BUDGET");
  });

  test("unsigned entries stay at home until their checkpoint", async () => {
    const world = createWorld(9);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    await ada.append(topic, 2);
    const link = world.connect(ada, bob);
    await synced(world, link);
    const writer = await ada.writer(topic);
    await writer.append([{ data: keyOf("x") }], { sign: "deferred" });
    await world.timers.advance(50);
    expect((await bob.heads(topic))[0]?.height).toBe(2);
    await writer.checkpoint();
    await synced(world, link);
    await expectEqual(topic, ada, bob);
    expect((await bob.heads(topic))[0]?.height).toBe(4);
  });
});

describe("parts and races", () => {
  test("a long unsigned stretch travels up to its signature, whatever its stored pieces", async () => {
    const world = createWorld(40);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const writer = await ada.writer(topic);
    await writer.append([{ data: keyOf("genesis") }]);
    for (let n = 0; n < 300; n++) {
      await writer.append([{ data: new Uint8Array(1_000).fill(n) }], { sign: "deferred" });
    }
    await writer.checkpoint();
    await writer.append([{ data: keyOf("after") }]);
    const link = world.connect(ada, bob);
    await synced(world, link);
    await expectEqual(topic, ada, bob);
    expect((await link.b.synced()).complete).toBe(true);
    expect((await bob.heads(topic))[0]?.height).toBe(303);
  });

  test("entries committed while the heads are read are neither missed nor forgotten", async () => {
    const world = createWorld(41);
    const gate = Promise.withResolvers<void>();
    const store = createMemoryStore({ crypto });
    const ada = world.node("ada", [testTopic(topic, [followKey])], {
      store: {
        ...store,
        heads: async (id) => {
          const heads = await store.heads(id);
          await gate.promise;
          return heads;
        },
      },
    });
    const bob = member(world, "bob");
    await ada.append(topic, 2);
    const link = world.connect(ada, bob);
    await world.timers.advance(20);
    await ada.append(topic, 3);
    await world.timers.advance(20);
    gate.resolve();
    await world.timers.advance(20);
    await synced(world, link);
    expect((await bob.heads(topic))[0]?.height).toBe(5);
  });
});

describe("live", () => {
  test("[TH-110] [TH-112] [P2-L-live_mode] entries made later arrive by themselves", async () => {
    const world = createWorld(10);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const link = world.connect(ada, bob);
    await synced(world, link);
    for (let round = 0; round < 5; round++) {
      await ada.append(topic, 2);
      await bob.append(topic, 1);
      await synced(world, link);
      await expectEqual(topic, ada, bob);
    }
    const heights = (await bob.heads(topic)).map((head) => head.height);
    expect(heights.toSorted((a, b) => a - b)).toEqual([5, 10]);
  });

  test("[TH-111] [TH-112] [P2-L-live_mode_three_peer_forwarding] [P2-L-manager_e2e] a relay passes live entries on, and nothing comes back", async () => {
    const world = createWorld(11);
    const ada = member(world, "ada");
    const relay = member(world, "relay");
    const bob = member(world, "bob");
    const links = [world.connect(ada, relay), world.connect(relay, bob)];
    for (const link of links) await synced(world, link);
    await ada.append(topic, 3);
    await world.timers.advance(20);
    await expectEqual(topic, ada, relay, bob);
    expect([ada.ingested(), relay.ingested(), bob.ingested()]).toEqual([0, 1, 1]);
    await ada.append(topic, 3);
    await bob.append(topic, 2);
    await world.timers.advance(20);
    await expectEqual(topic, ada, relay, bob);
    expect([ada.ingested(), relay.ingested(), bob.ingested()]).toEqual([1, 3, 2]);
  });

  test("[P2-L-dedup_live_mode_messages] two connections to one peer bring the past once", async () => {
    const world = createWorld(12);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    await ada.append(topic, 300, data, 1_000);
    const links = [world.connect(ada, bob), world.connect(ada, bob)];
    for (const link of links) await synced(world, link);
    await expectEqual(topic, ada, bob);
    const bytes = 300_000;
    expect(world.network.traffic().bytes).toBeLessThan(bytes * 1.1);
  });

  test("[ATK-peerbit538] one of two connections closes: the peer stays, and stays live", async () => {
    const world = createWorld(13);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const links = [world.connect(ada, bob), world.connect(ada, bob)];
    for (const link of links) await synced(world, link);
    expect(ada.peer.peers()).toMatchObject([{ id: bob.id, sessions: [{}, {}] }]);
    links[0]?.pair.cut();
    await world.timers.advance(20);
    expect(ada.peer.peers()).toMatchObject([{ id: bob.id, sessions: [{}] }]);
    await ada.append(topic, 5);
    await bob.append(topic, 5);
    await world.timers.advance(20);
    await expectEqual(topic, ada, bob);
    await links[1]?.a.close();
    await world.timers.advance(20);
    expect(ada.peer.peers()).toEqual([]);
  });

  test("[P2-L-non_blocking_manager_stream] one slow ingest holds up its own session alone", async () => {
    const world = createWorld(14);
    const gate = Promise.withResolvers<void>();
    const slow = world.node("slow", [testTopic(topic, [followKey])], {
      wrapIngest: (ingest) => async (range) => {
        await gate.promise;
        return ingest(range);
      },
    });
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    world.connect(ada, slow);
    const link = world.connect(ada, bob);
    await ada.append(topic, 10);
    await synced(world, link);
    await expectEqual(topic, ada, bob);
    expect(await slow.heads(topic)).toHaveLength(0);
    gate.resolve();
    await world.timers.advance(20);
    await expectEqual(topic, ada, slow);
  });
});

describe("cuts", () => {
  test("[TH-123] the socket drops in the middle: reconnected, the gap is filled, no loss, no duplicate", async () => {
    const world = createWorld(20, { delayMsMax: 3, cutChance: 0 });
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    for (let n = 0; n < 40; n++) await ada.append(topic, 25, data, 10_000);
    let connections = 0;
    for (; connections < 30; connections++) {
      const link = world.connect(ada, bob);
      await world.timers.advance(4 + connections);
      if ((await bob.heads(topic))[0]?.height === 1_000) break;
      link.pair.cut();
      await world.timers.advance(20);
    }
    expect(connections).toBeGreaterThan(1);
    await synced(world, world.connect(ada, bob));
    await expectEqual(topic, ada, bob);
    expect(await bob.store.stats()).toMatchObject({ entries: 1_000, logs: 1 });
    expect(await bytesOfTopic(ada, topic)).toBe(await bytesOfTopic(bob, topic));
  });

  test("[P2-L-unexpected_stream_closure_sync] [P2-L-unexpected_stream_closure_live_mode] a cut ends both sessions as SYNC_CONNECTION_LOST", async () => {
    const world = createWorld(21);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    await ada.append(topic, 10);
    const early = world.connect(ada, bob);
    early.pair.cut();
    const live = world.connect(ada, bob);
    await synced(world, live);
    live.pair.cut();
    for (const session of [early.a, early.b, live.a, live.b]) {
      expect(await world.run(session.closed)).toMatchObject({
        code: "SYNC_CONNECTION_LOST",
        by: "connection",
      });
    }
    await expect(live.a.synced()).rejects.toMatchObject({ code: "SYNC_CLOSED" });
  });

  test("close tells the other side why", async () => {
    const world = createWorld(22);
    const link = world.connect(member(world, "ada"), member(world, "bob"));
    await synced(world, link);
    await link.a.close();
    expect(await world.run(link.a.closed)).toEqual({ code: "SYNC_DONE", by: "local" });
    expect(await world.run(link.b.closed)).toEqual({ code: "SYNC_DONE", by: "remote" });
  });

  test("disposing a peer ends its sessions; attach throws from then on", async () => {
    const world = createWorld(23);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const links = [world.connect(ada, bob), world.connect(ada, bob)];
    for (const link of links) await synced(world, link);
    await world.run(ada.peer[Symbol.asyncDispose]());
    await ada.peer[Symbol.asyncDispose]();
    await world.timers.advance(10);
    expect(bob.peer.peers()).toEqual([]);
    expect(() => world.connect(ada, bob)).toThrow("closed");
  });

  test("a peer that falls silent is dropped after three heartbeats, a lively one is not", async () => {
    const world = createWorld(24);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const link = world.connect(ada, bob);
    await world.timers.advance(600_000);
    expect(ada.peer.peers()).toHaveLength(1);
    // From now on what Bob sends goes nowhere, without the pipe breaking.
    Object.assign(link.pair.b, { send: async () => {} });
    await world.timers.advance(100_000);
    expect(await world.run(link.a.closed)).toMatchObject({ code: "SYNC_IDLE", by: "local" });
  });

  test("synced() can be given up by a signal", async () => {
    const world = createWorld(25);
    const ada = member(world, "ada");
    const pair = world.network.connect();
    const session = ada.peer.attach(pair.a);
    const abort = new AbortController();
    const waiting = session.synced({ signal: abort.signal });
    waiting.catch(() => {});
    await world.timers.advance(5);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "SYNC_ABORTED" });
  });
});

describe("followers", () => {
  test("[TH-037] [TH-130] [TH-041] a follower without read keys holds the same bytes, serves them, and cannot read", async () => {
    const world = createWorld(30);
    const readKey = keyOf("read key");
    const ada = member(world, "ada");
    const follower = member(world, "follower");
    const nonce = new Uint8Array(24).fill(7);
    const sealed = crypto.seal(readKey, nonce, keyOf("plain words"), new Uint8Array(0));
    await (await ada.writer(topic)).append([{ data: sealed }]);
    const first = world.connect(ada, follower);
    await synced(world, first);
    expect(await bytesOfTopic(follower, topic)).toBe(await bytesOfTopic(ada, topic));
    await first.a.close();
    // The writer is off; a reader still catches up, from the follower.
    const reader = member(world, "reader");
    await synced(world, world.connect(reader, follower));
    expect(await bytesOfTopic(reader, topic)).toBe(await bytesOfTopic(ada, topic));
    const [head] = await follower.heads(topic);
    for await (const entry of follower.store.entries(head?.logId ?? never())) {
      expect(crypto.open(followKey, nonce, entry.data, new Uint8Array(0))).toBeUndefined();
      expect(crypto.open(readKey, nonce, entry.data, new Uint8Array(0))).toEqual(
        keyOf("plain words"),
      );
    }
  });

  test("[TH-131] a writer who lost its disk gets its own log back and goes on without a fork", async () => {
    const world = createWorld(31);
    const ada = member(world, "ada");
    const follower = member(world, "follower");
    await ada.append(topic, 30);
    const first = world.connect(ada, follower);
    await synced(world, first);
    await world.run(ada.peer[Symbol.asyncDispose]());
    const again = world.node("ada again", [testTopic(topic, [followKey])], {
      secret: ada.secret,
      identities: () => [identityOf(ada.secret)],
    });
    const link = world.connect(again, follower);
    await synced(world, link);
    await again.append(topic, 5);
    await synced(world, link);
    await expectEqual(topic, again, follower);
    expect((await follower.heads(topic))[0]).toMatchObject({ height: 35, forkedAt: undefined });
  });

  test("[P2-L-with_concurrently_pruned_log] entries pruned between announcement and read are passed over", async () => {
    const world = createWorld(32);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    for (let n = 0; n < 10; n++) await ada.append(topic, 25);
    await ada.append(topic, 4, "other");
    const [log] = (await ada.heads(topic)).filter((head) => head.context.domain === data);
    const link = world.connect(ada, bob);
    // The frontier is out and the want is on its way when the first entries go.
    await world.until(() => link.a.access(topic)?.given === "full");
    await ada.store.prune(log?.logId ?? never(), 100);
    await world.timers.advance(100);
    await synced(world, link);
    const heights = (await bob.heads(topic)).map((head) => `${head.context.domain} ${head.height}`);
    expect(heights).toContain("other 4");
    expect(link.a.access(topic)).toBeDefined();
  });

  test("a log that starts after what we hold is skipped as PRUNED, and nothing waits for it", async () => {
    const world = createWorld(33);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    for (let n = 0; n < 4; n++) await ada.append(topic, 25);
    const [log] = await ada.heads(topic);
    const place = { topic, logId: log?.logId ?? never() };
    await ada.store.prune(place.logId, 50);
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect((await link.b.synced()).topics[0]?.skippedHere).toBe(1);
    expect(await bob.peer.explain(place, 60, ada.id)).toEqual({ here: "PRUNED", there: "PRESENT" });
  });
});

function never(): never {
  throw new Error("the test's own premise does not hold");
}
