/** Relays that cheat, and strangers, ex-members and forgers who talk to honest relays. */
import { createServer } from "node:http";
import { once } from "node:events";
import { concatBytes, encodeCbor, utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createHawser, createRelayClient, type Hawser, type HawserSpace } from "@hawser/hawser";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";
import { createMemoryStore, ingestRange, type LogStore } from "@hawser/log";
import { controlDomain, dataDomain, parseInviteLink, type Space } from "@hawser/space";
import { createSyncPeer, type SyncPeer, type TopicAccess } from "@hawser/sync";
import { platformTimers as timers } from "@hawser/transport-ws";
import { describe, expect, test } from "vitest";
import { bytesOf, forge, logsOf, villain, type Villain } from "./support/forge.ts";
import { at, createWorld, spaceWith, textsOf, write } from "./support/world.ts";

/** A hosting request, made by somebody who knows the topic and nothing else. */
function forgedHosting(
  crypto: Crypto,
  relay: { readonly author: AuthorId; readonly prekey: Uint8Array },
  topic: string,
  followKey: Uint8Array,
): Uint8Array {
  const fake = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const payload = encodeCbor([bytesOf(topic), fake(1), fake(2), followKey, []]);
  const info = concatBytes(utf8("hawser hosting v1"), bytesOf(relay.author));
  const message = { info, associatedData: new Uint8Array(0) };
  const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(9);
  const sealed = crypto.hpkeSeal(relay.prekey, payload, message, random);
  return encodeCbor([1, "follow", bytesOf(relay.author), sealed]);
}

describe("hosting requests of strangers", () => {
  test("[P2-W4] a false request that came first does not keep a relay from hosting the space", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const adas = at(spaces, 0);
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    const topic = adas.topic;
    await relay.spaces.follow(forgedHosting(world.crypto, bundle, topic, new Uint8Array(32)));
    await adas.add(bundle, "pull");
    await relay.spaces.follow(adas.hosting(bundle));
    await write(adas, "to be kept");
    await world.settle(...devices, relay);
    expect((await relay.store.stats()).entries).toBe((await at(devices, 0).store.stats()).entries);
  });

  test("[TD-4] a false request that came second names no follow key that the relay accepts", async () => {
    const world = await createWorld();
    const { spaces } = await spaceWith(world, "ben");
    const adas = at(spaces, 0);
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    await adas.add(bundle, "pull");
    await relay.spaces.follow(adas.hosting(bundle));
    const evil = new Uint8Array(32).fill(3);
    await relay.spaces.follow(forgedHosting(world.crypto, bundle, adas.topic, evil));
    expect(at(relay.spaces.topics(), 0).followKeys()).not.toContainEqual(evil);
  });

  test("[TD-6] [P2-M3] the follow key of an old link never counts again, also not while a rotation is owed", async () => {
    const world = await createWorld();
    const { devices, spaces, links } = await spaceWith(world, "ben", "cyd");
    const [ada, ben, cyd] = [at(devices, 0), at(devices, 1), at(devices, 2)];
    const adas = at(spaces, 0);
    const { followKey } = parseInviteLink(world.crypto, at(links, 1));
    await adas.remove(ben.author);
    const dan = await world.device("dan");
    const dans = await dan.spaces.join(await adas.invite({ level: "write" }));
    await world.settle(ada, cyd, dan);
    await dans.leave();
    await world.carry(dan, cyd);
    expect(at(cyd.spaces.topics(), 0).followKeys()).not.toContainEqual(followKey);
  });
});

describe("a relay that serves what it likes", () => {
  test("[P2-M11] [TD-3] logs in the worst order, each range twice, one log withheld until the end: the same state", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "cyd");
    const [ada, ben, cyd] = [at(devices, 0), at(devices, 1), at(devices, 2)];
    const [adas, bens] = [at(spaces, 0), at(spaces, 1)];
    await write(bens, "one");
    await adas.set(cyd.author, "read");
    await write(adas, "two");
    await world.settle(ada, ben, cyd);
    await adas.remove(ben.author);
    await write(adas, "three");
    const dan = await world.device("dan");
    await adas.add(await dan.spaces.bundle(), "read");
    const dans = await dan.spaces.accept(adas.offer(await dan.spaces.bundle()));
    const held = logsOf(world.crypto, adas.topic, ada.author).control;
    const heads = [...(await ada.store.heads(adas.topic))].reverse();
    for (const { logId } of [...heads, ...heads]) {
      if (logId === held) continue;
      for await (const range of ada.store.ranges(logId)) await dan.spaces.ingest(range);
    }
    expect(await textsOf(dans)).toEqual([]);
    await world.settle(ada, cyd, dan);
    expect(dans.members()).toEqual(adas.members());
    expect(await textsOf(dans)).toEqual(["one", "three", "two"]);
    expect(await textsOf(adas)).toEqual(["one", "three", "two"]);
  });

  test("[ATK-appflowy1088] [TH-131] a relay restored from an old copy takes nothing back from anybody", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const [adas, bens] = [at(spaces, 0), at(spaces, 1)];
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    await adas.add(bundle, "pull");
    await relay.spaces.follow(adas.hosting(bundle));
    await write(adas, "early");
    await world.settle(ada, ben, relay);
    const old = await copyOf(world.crypto, relay.store);
    await write(bens, "late");
    await world.settle(ada, ben, relay);
    const back = await world.device("relay", { store: old });
    await world.settle(ada, ben, back);
    expect(await textsOf(adas)).toEqual(["early", "late"]);
    expect(await textsOf(bens)).toEqual(["early", "late"]);
    expect((await back.store.stats()).entries).toBe((await ada.store.stats()).entries);
  });

  test("[ATK-hypergraph69] [ATK-jazz2250] who was removed and let in again has the new role, and what it wrote between does not count", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const [adas, bens] = [at(spaces, 0), at(spaces, 1)];
    await adas.set(ben.author, "manage");
    await write(bens, "as a manager");
    await world.settle(ada, ben);
    await adas.remove(ben.author);
    await write(bens, "not knowing of it");
    await world.settle(ada, ben);
    const link = await adas.invite({ level: "read" });
    await ben.spaces.join(link);
    await world.settle(ada, ben);
    expect(adas.access(ben.author)).toMatchObject({ level: "read", mayDelete: false });
    await expect(write(bens, "again")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    expect(await textsOf(adas)).toEqual(["as a manager"]);
    expect(await textsOf(bens)).toEqual(["as a manager"]);
  });
});

/** Everything in a store, as a backup would have it. */
async function copyOf(crypto: Crypto, store: LogStore): Promise<LogStore> {
  const copy = createMemoryStore({ crypto });
  for (const topic of await store.topics()) {
    for (const { logId } of await store.heads(topic)) {
      for await (const range of store.ranges(logId)) {
        await ingestRange({ store: copy, crypto }, range);
      }
    }
  }
  const writes = [...(await store.list(""))];
  await copy.commit({ writes });
  return copy;
}

const random = (byteCount: number): Uint8Array =>
  globalThis.crypto.getRandomValues(new Uint8Array(byteCount));

interface Circle {
  readonly crypto: Crypto;
  readonly relay: MemoryRelay;
  readonly ada: Hawser;
  readonly ben: Hawser;
  readonly trip: HawserSpace;
  readonly shared: HawserSpace;
  /** Ben's key, which is in other hands as well. */
  readonly benKey: Villain;
  close(): Promise<void>;
}

/** Ada founded it, Ben joined; a relay in memory between them. */
async function circle(): Promise<Circle> {
  const crypto = await createCrypto();
  const relay = await createMemoryRelay();
  const ada = await createHawser({ relay, crypto });
  const benKey = villain(crypto, "ben");
  const ben = await createHawser({ relay, crypto, secret: benKey.secret });
  const trip = await ada.create();
  const shared = await ben.join(await trip.invite());
  return {
    crypto,
    relay,
    ada,
    ben,
    trip,
    shared,
    benKey,
    close: async () => {
      await ada[Symbol.asyncDispose]();
      await ben[Symbol.asyncDispose]();
      await relay.close();
    },
  };
}

/** A program of one's own that speaks sync to a relay: any store, any key, any follow key. */
function program(
  crypto: Crypto,
  parts: {
    readonly store: LogStore;
    readonly who: Villain;
    readonly topic: Space["topic"];
    readonly followKey: Uint8Array;
  },
): SyncPeer {
  const { store, who, topic, followKey } = parts;
  const full: TopicAccess = "full";
  return createSyncPeer({
    store,
    crypto,
    random,
    timers,
    ingest: async (range) => {
      const outcome = await ingestRange({ store, crypto }, range);
      return outcome.status === "stored"
        ? { status: "stored", height: outcome.height }
        : { status: "known" };
    },
    identities: () => [
      { id: who.author, sign: (label, bytes) => crypto.signTagged(label, bytes, who.secret) },
    ],
    topics: () => [
      {
        topic,
        followKeys: () => [followKey],
        accessOf: () => full,
        controlDomains: [controlDomain],
      },
    ],
  });
}

async function followKeyOf(space: Space, author: AuthorId, crypto: Crypto): Promise<Uint8Array> {
  const { control } = logsOf(crypto, space.topic, author);
  const { followKey } = await space.keysOf(control);
  if (followKey === undefined) throw new Error("no follow key");
  return followKey;
}

describe("programs of one's own at an honest relay", () => {
  test("[ATK-quiet3454] [TD-4] [TH-057] a stranger who knows the topic gets nothing and leaves nothing", async () => {
    const { crypto, relay, trip, ada, close } = await circle();
    await trip.kv.put("k", "v");
    await trip.synced();
    const eve = villain(crypto, "eve");
    const store = createMemoryStore({ crypto });
    const base = { crypto, topic: trip.space.topic, who: eve, now: Date.now() * 1_000 };
    for (const domain of [controlDomain, dataDomain]) {
      const range = await forge({ ...base, domain }, () => [{ data: new Uint8Array(1_000) }]);
      await ingestRange({ store, crypto }, range);
    }
    const before = await relay.store.stats();
    const parts = { store, who: eve, topic: trip.space.topic, followKey: new Uint8Array(32) };
    const peer = program(crypto, parts);
    const session = peer.attach(await relay.connect({ signal: new AbortController().signal }));
    const report = await session.synced();
    expect(report.topics).toMatchObject([{ received: "none" }]);
    expect(await store.heads(trip.space.topic)).toHaveLength(2);
    expect(await relay.store.stats()).toEqual(before);
    await peer[Symbol.asyncDispose]();
    await trip.kv.put("k", "still");
    await trip.synced();
    expect((await relay.store.stats()).entries).toBe((await ada.stats()).entries);
    await close();
  });

  test("[P2-M3] [TH-210] a removed member with its old follow key and device key is served nothing new", async () => {
    const { crypto, relay, trip, shared, ben, benKey, close } = await circle();
    await trip.kv.put("k", "old");
    await trip.synced();
    await shared.synced();
    const followKey = await followKeyOf(shared.space, ben.author, crypto);
    await trip.remove(ben.author);
    await trip.kv.put("k", "new");
    await trip.synced();
    const store = createMemoryStore({ crypto });
    const peer = program(crypto, { store, who: benKey, topic: trip.space.topic, followKey });
    const session = peer.attach(await relay.connect({ signal: new AbortController().signal }));
    const report = await session.synced();
    expect(report.topics).toMatchObject([{ received: "none" }]);
    expect(await store.heads(trip.space.topic)).toEqual([]);
    await peer[Symbol.asyncDispose]();
    await close();
  });

  test("[P2-M7] [ATK-quiet3456] frames recorded of a member, played to the relay again, open nothing", async () => {
    const { crypto, relay, trip, shared, benKey, ben, close } = await circle();
    const followKey = await followKeyOf(shared.space, ben.author, crypto);
    const store = await copyOf(crypto, ben.store);
    const recorded: Uint8Array[] = [];
    const peer = program(crypto, { store, who: benKey, topic: trip.space.topic, followKey });
    const real = await relay.connect({ signal: new AbortController().signal });
    const session = peer.attach({
      ...real,
      frames: real.frames,
      close: (reason) => real.close(reason),
      send: (frame) => {
        recorded.push(frame.slice());
        return real.send(frame);
      },
    });
    expect((await session.synced()).topics).toMatchObject([{ received: "full" }]);
    await peer[Symbol.asyncDispose]();
    const before = await relay.store.stats();
    const replay = await relay.connect({ signal: new AbortController().signal });
    const heard: number[] = [];
    for (const frame of recorded) await replay.send(frame).catch(() => undefined);
    for await (const frame of replay.frames) heard.push(frame[0] ?? 0);
    // Hello, then identities, then goodbye: no topics, no frontier, no range.
    expect(heard.filter((type) => type >= 3 && type <= 12)).toEqual([]);
    expect(await relay.store.stats()).toEqual(before);
    await trip.kv.put("k", "still works");
    await trip.synced();
    await close();
  });

  test("[P2-M12] [ATK-automerge870] whoever hears of a fork by its proof quarantines as whoever saw both branches", async () => {
    const { crypto, relay, trip, shared, ben, benKey, close } = await circle();
    const topic = trip.space.topic;
    const [ref] = await shared.space.append([{ type: "note", body: utf8("left") }]);
    if (ref === undefined) throw new Error("nothing appended");
    await shared.synced();
    await trip.synced();
    expect(await textsOf(trip.space)).toEqual(["left"]);
    const followKey = await followKeyOf(shared.space, ben.author, crypto);
    const store = createMemoryStore({ crypto });
    const base = { crypto, topic, who: benKey, domain: dataDomain, now: Date.now() * 1_000 };
    const right = await forge(base, () => [{ data: new Uint8Array(0) }]);
    await ingestRange({ store, crypto }, right);
    const peer = program(crypto, { store, who: benKey, topic, followKey });
    const session = peer.attach(await relay.connect({ signal: new AbortController().signal }));
    await session.synced();
    await peer[Symbol.asyncDispose]();
    await trip.kv.put("k", "v");
    await trip.synced();
    expect(await textsOf(trip.space)).not.toContain("left");
    await close();
  });
});

describe("relays that are no relays", () => {
  test("[P2-M17] an answer without end is not read to the end", async () => {
    let byteCount = 0;
    const server = createServer((_request, response) => {
      const chunk = Buffer.alloc(256 * 1024, 0x20);
      const more = (): void => {
        while (byteCount < 32 * 1024 * 1024) {
          byteCount += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
        response.end();
      };
      response.on("error", () => undefined);
      more();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const client = createRelayClient(`ws://127.0.0.1:${port}`);
    const { signal } = new AbortController();
    const asked = client.bundle({ signal });
    await expect(asked).rejects.toMatchObject({ code: "HAWSER_RELAY_UNREACHABLE" });
    server.closeAllConnections();
    server.close();
    expect(byteCount).toBeLessThan(8 * 1024 * 1024);
  });
});
