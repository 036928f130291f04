/** Spaces over the real sync, in memory: proofs, rotation and removal as peers see them. */
import { createSyncPeer, type SyncPeer, type SyncSession } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { forgeControl } from "./forge.ts";
import { seededRandom } from "./help.ts";
import { createWorld, spaceOn, textsOf, write, type TestDevice, type World } from "./world.ts";

function peerOf(world: World, device: TestDevice): SyncPeer {
  const { crypto, timers } = world;
  const peer = createSyncPeer({
    store: device.store,
    crypto,
    timers,
    random: seededRandom(device.name.charCodeAt(0)),
    ingest: (range) => device.spaces.ingest(range),
    identities: () => device.spaces.identities(),
    topics: () => device.spaces.topics(),
  });
  device.spaces.onTopicsChanged(() => peer.topicsChanged());
  return peer;
}

function connect(a: SyncPeer, b: SyncPeer): { readonly a: SyncSession; readonly b: SyncSession } {
  const pair = createMemoryPair();
  return { a: a.attach(pair.a), b: b.attach(pair.b) };
}

describe("spaces over sync", () => {
  test("[TH-109] [TH-041] found, host, join through the relay, write, remove", async () => {
    const world = await createWorld();
    const [ada, ben, relay] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("relay"),
    ];
    const peers = { ada: peerOf(world, ada), ben: peerOf(world, ben), relay: peerOf(world, relay) };
    const space = await ada.spaces.create();
    const bundle = await relay.spaces.bundle();
    await space.add(bundle, "pull");
    await relay.spaces.follow(space.hosting(bundle));
    const uplink = connect(peers.ada, peers.relay);
    await world.pass(5_000);
    expect(uplink.a.access(space.topic)).toEqual({ given: "full", received: "full" });

    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    const downlink = connect(peers.ben, peers.relay);
    await world.pass(5_000);
    expect(other.status()).toMatchObject({ state: "active" });
    expect(downlink.a.access(space.topic)).toEqual({ given: "full", received: "full" });

    await write(space, "from ada");
    await write(other, "from ben");
    await world.pass(5_000);
    expect([...(await textsOf(space))].sort()).toEqual(["from ada", "from ben"]);
    expect([...(await textsOf(other))].sort()).toEqual(["from ada", "from ben"]);

    await space.remove(ben.author);
    const ref = await write(space, "without ben");
    await world.pass(5_000);
    // The relay knows: Ben's session gets nothing of the topic any more.
    expect(downlink.b.access(space.topic)?.given ?? "none").toBe("none");
    expect((await ben.store.head(ref.logId))?.height ?? 0).toBe(1);
    expect([...(await textsOf(other))].sort()).toEqual(["from ada", "from ben"]);
    expect(uplink.a.access(space.topic)).toEqual({ given: "full", received: "full" });
    expect((await relay.store.head(ref.logId))?.height).toBe(2);
    // And a fresh connection gets nothing either.
    const again = connect(peers.ben, peers.relay);
    await world.pass(5_000);
    expect(again.b.access(space.topic)?.given ?? "none").toBe("none");
    for (const peer of Object.values(peers)) await peer[Symbol.asyncDispose]();
  });

  test("[ATK-lfa135] a device that slept through a rotation is let in again by its identity", async () => {
    const world = await createWorld();
    const [ada, ben, cyd] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("cyd"),
    ];
    const space = await ada.spaces.create();
    for (const device of [ben, cyd]) {
      await device.spaces.join(await space.invite({ level: "write" }));
      await world.settle(ada, device);
    }
    await world.settle(ada, ben, cyd);
    await space.remove(cyd.author);
    await write(space, "while ben slept");
    const peers = [peerOf(world, ada), peerOf(world, ben)] as const;
    const link = connect(peers[0], peers[1]);
    await world.pass(5_000);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["while ben slept"]);
    expect(link.a.access(space.topic)).toEqual({ given: "full", received: "full" });
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("a link whose follow key is out of date still lets its owner in", async () => {
    const world = await createWorld();
    const [ada, ben, cyd] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("cyd"),
    ];
    const space = await ada.spaces.create();
    await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);
    const link = await space.invite({ level: "write" });
    await space.remove(ben.author);
    const third = await cyd.spaces.join(link);
    const peers = [peerOf(world, ada), peerOf(world, cyd)] as const;
    connect(peers[0], peers[1]);
    await world.pass(5_000);
    expect(third.status().state).toBe("active");
    await write(third, "made it");
    await world.pass(1_000);
    expect(await textsOf(space)).toEqual(["made it"]);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("[TH-188] a stranger who knows the topic alone gets nothing", async () => {
    const world = await createWorld();
    const [ada, eve] = [await world.device("ada"), await world.device("eve")];
    const space = await ada.spaces.create();
    await write(space, "private");
    const peer = peerOf(world, ada);
    const stranger = createSyncPeer({
      store: eve.store,
      crypto: world.crypto,
      timers: world.timers,
      random: seededRandom(9),
      ingest: () => Promise.resolve({ status: "refused", reason: "NO" }),
      identities: () => eve.spaces.identities(),
      topics: () => [
        {
          topic: space.topic,
          followKeys: () => [new Uint8Array(32)],
          accessOf: () => "full",
          controlDomains: [],
        },
      ],
    });
    const link = connect(peer, stranger);
    await world.pass(5_000);
    expect(link.a.access(space.topic)?.given ?? "none").toBe("none");
    expect(await eve.store.heads(space.topic)).toEqual([]);
    await peer[Symbol.asyncDispose]();
    await stranger[Symbol.asyncDispose]();
  });

  test("[P2-M12] [ATK-automerge870] through a relay that has one branch, all come to one membership", async () => {
    const world = await createWorld();
    const { crypto } = world;
    const [ada, ben, cyd, relay] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("cyd"),
      await world.device("relay"),
    ];
    const space = await ada.spaces.create();
    for (const device of [ben, cyd]) {
      await device.spaces.join(await space.invite({ level: "write" }));
      await world.settle(ada, device);
    }
    await space.set(ben.author, "manage");
    await space.set(cyd.author, "manage");
    const bundle = await relay.spaces.bundle();
    await space.add(bundle, "pull");
    await relay.spaces.follow(space.hosting(bundle));
    await world.settle(ada, ben, cyd, relay);

    // Ben shows Ada one entry and Cyd another; each builds on what it was shown.
    const shown = async (to: TestDevice, address: string): Promise<void> => {
      const range = await forgeControl({
        crypto,
        id: space.id!,
        topic: space.topic,
        author: ben.author,
        secret: ben.secret,
        base: ben.store,
        now: world.clock.nowMicros(),
        contents: [{ kind: "address", address, ttlSeconds: 60 }],
      });
      expect((await to.spaces.ingest(range)).status).toBe("stored");
    };
    await shown(ada, "wss://left.example");
    await shown(cyd, "wss://right.example");
    const cyds = spaceOn(cyd, space);
    await space.add(await (await world.device("dan")).spaces.bundle(), "read");
    await cyds.add(await (await world.device("eve")).spaces.bundle(), "read");

    const peers = [ada, cyd, relay].map((device) => peerOf(world, device));
    const [adas, cydsPeer, hub] = peers as [SyncPeer, SyncPeer, SyncPeer];
    connect(adas, hub);
    await world.pass(5_000);
    connect(cydsPeer, hub);
    await world.pass(20_000);
    expect(cyds.members()).toEqual(space.members());
    expect(space.members()).toHaveLength(6);
    await space.remove(ben.author);
    await write(space, "without ben");
    await world.pass(60_000);
    expect(cyds.members()).toEqual(space.members());
    expect(await textsOf(cyds)).toEqual(["without ben"]);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });
});
