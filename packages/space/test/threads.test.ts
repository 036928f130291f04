/** Rows of the Threads paper that need whole spaces: how logs compose, addresses, what is legible. */
import { equalBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import { logIdOf } from "@hawser/log";
import { createSyncPeer, type SyncPeer } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { controlDomain, spaceIdBytes, type Space } from "@hawser/space";
import { expect, test } from "vitest";
import { attacker, forgeControl } from "./forge.ts";
import { seededRandom } from "./help.ts";
import {
  createWorld,
  eventsOf,
  textsOf,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

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

/** An observed-remove set: `+x` adds x under the id of its entry, `-x` ends the additions it saw. */
async function setOf(space: Space): Promise<readonly string[]> {
  const added = new Map<string, Set<string>>();
  for (const { body, hash, author, stamp } of await eventsOf(space)) {
    const [sign, item, ...seen] = new TextDecoder().decode(body).split(" ");
    const tags = added.get(item!) ?? new Set();
    added.set(item!, tags);
    if (sign === "+") tags.add(toHex(hash));
    else for (const tag of seen) tags.delete(tag);
    expect(author).toHaveLength(64);
    expect(stamp).toBeGreaterThan(0);
  }
  return [...added].flatMap(([item, tags]) => (tags.size > 0 ? [item] : [])).sort();
}

async function tagsOf(space: Space, item: string): Promise<readonly string[]> {
  const events = await eventsOf(space);
  const adds = events.filter(({ body }) => new TextDecoder().decode(body) === `+ ${item}`);
  return adds.map(({ hash }) => toHex(hash));
}

test("[TH-023] a set whose operations lie in three logs converges, concurrent changes and all", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const cyd = await world.device("cyd");
  const third = await cyd.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, cyd);
  for (const item of ["tea", "salt"]) await write(space, `+ ${item}`);
  await world.settle(ada, ben, cyd);
  // All three apart: one removes what another adds again, two add the same.
  await write(space, `- tea ${(await tagsOf(space, "tea")).join(" ")}`);
  await write(other, "+ tea");
  await write(other, `- salt ${(await tagsOf(other, "salt")).join(" ")}`);
  await write(third, "+ rice");
  await write(space, "+ rice");
  expect([await setOf(space), await setOf(other), await setOf(third)]).toEqual([
    ["rice", "salt"],
    ["tea"],
    ["rice", "salt", "tea"],
  ]);
  await world.settle(cyd, ben, ada);
  for (const one of [space, other, third]) expect(await setOf(one)).toEqual(["rice", "tea"]);
  const logs = new Set((await eventsOf(space)).map(({ logId }) => logId));
  expect(logs.size).toBe(3);
});

test("[TH-034] [TH-033] a reader fetches from the writer at the address that the writer's log names", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const peers = { ada: peerOf(world, ada), ben: peerOf(world, ben) };
  const listening = new Map([["wss://ada.example", peers.ada]]);
  // Nobody told Ben, and no directory is asked.
  expect(other.addresses()).toEqual([]);
  await space.announceAddress("wss://ada.example", 3_600);
  await world.settle(ada, ben);
  await write(space, "news");
  const dialled: string[] = [];
  for (const { author, address } of other.addresses()) {
    const target = listening.get(address);
    if (target === undefined || author === ben.author) continue;
    dialled.push(address);
    const pair = createMemoryPair();
    target.attach(pair.a);
    peers.ben.attach(pair.b);
  }
  await world.pass(5_000);
  expect(dialled).toEqual(["wss://ada.example"]);
  expect(await textsOf(other)).toEqual(["news"]);
  for (const peer of Object.values(peers)) await peer[Symbol.asyncDispose]();
});

test("[TH-039] a follower is one more address of the log, everywhere", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const relay = await world.device("relay");
  await space.announceAddress("wss://ada.example", 3_600);
  await world.settle(ada, ben);
  const addressesOfAda = (of: Space): readonly string[] =>
    of
      .addresses()
      .filter(({ author }) => author === ada.author)
      .map(({ address }) => address)
      .sort();
  expect(addressesOfAda(other)).toEqual(["wss://ada.example"]);
  const bundle = await relay.spaces.bundle();
  await space.add(bundle, "pull");
  const followed = await relay.spaces.follow(space.hosting(bundle, ["wss://relay.example"]));
  await space.announceAddress("wss://relay.example", 3_600);
  await world.settle(ada, ben, relay);
  for (const one of [space, other, followed]) {
    expect(addressesOfAda(one)).toEqual(["wss://ada.example", "wss://relay.example"]);
  }
});

test("[TH-040] an address of a log is announced in that log alone: nobody speaks for another writer", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  await space.announceAddress("wss://ada.example", 3_600);
  await world.settle(ada, ben);
  const eve = attacker(world.crypto, "eve");
  const announcement = {
    kind: "address",
    address: "wss://eve.example",
    ttlSeconds: 3_600,
  } as const;
  const base = {
    crypto: world.crypto,
    id: space.id!,
    topic: space.topic,
    now: world.clock.nowMicros(),
    contents: [announcement],
  };
  // In a log of her own, although she knows the id; and under Ada's name, which she cannot sign.
  const own = await forgeControl({ ...base, author: eve.author, secret: eve.secret });
  const theirs = { ...own, context: { ...own.context, author: ada.author } };
  for (const range of [own, theirs]) {
    expect((await ben.spaces.ingest(range)).status).not.toBe("stored");
  }
  // A member's announcement is about the member.
  await other.announceAddress("wss://ben.example", 3_600);
  await world.settle(ada, ben);
  for (const one of [space, other]) {
    const listed = one.addresses().map(({ author: of, address }) => `${of} ${address}`);
    expect(new Set(listed)).toEqual(
      new Set([`${ada.author} wss://ada.example`, `${ben.author} wss://ben.example`]),
    );
  }
});

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (bytes[at] === part[0] && equalBytes(bytes.subarray(at, at + part.length), part))
      return true;
  }
  return false;
}

test("[TH-050] a space made without any option shows nothing on disk or on the wire", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const texts = ["a plain sentence", "another one"];
  await space.append([{ type: "diary-entry", sequence: "holidays", body: utf8(texts[0]!) }]);
  const peers = { ada: peerOf(world, ada), ben: peerOf(world, ben) };
  const frames: Uint8Array[] = [];
  const pair = createMemoryPair((frame) => frames.push(frame.slice()));
  peers.ada.attach(pair.a);
  peers.ben.attach(pair.b);
  await world.pass(5_000);
  const { logId } = await write(other, texts[1]!);
  await world.pass(5_000);
  expect([...(await textsOf(space))].sort()).toEqual([...texts].sort());
  const stored: Uint8Array[] = [];
  for (const { store } of [ada, ben]) {
    for (const head of await store.heads(space.topic)) {
      for await (const range of store.ranges(head.logId)) stored.push(range.bytes);
    }
    stored.push(...(await store.list("")).flatMap(({ value }) => value ?? []));
  }
  const { readKey, followKey } = await space.keysOf(logId);
  const secrets = [
    ...[...texts, "diary-entry", "holidays", space.id!].map(utf8),
    readKey!,
    followKey!,
    spaceIdBytes(space.id!),
    ada.secret,
    ben.secret,
  ];
  expect(frames.length).toBeGreaterThan(4);
  expect(stored.length).toBeGreaterThan(8);
  for (const secret of secrets) {
    expect(frames.some((frame) => holds(frame, secret))).toBe(false);
    expect(stored.some((bytes) => holds(bytes, secret))).toBe(false);
  }
  // What is looked for would be found: authors are there.
  expect(frames.some((frame) => holds(frame, fromHex(ada.author)!))).toBe(true);
});

test("[TH-102] whoever makes a space has its id, a log that is his, and all keys at once", async () => {
  const world = await createWorld();
  const ada = await world.device("ada");
  const space = await ada.spaces.create();
  expect(ada.spaces.open(space.id!)).toBe(space);
  const [log] = await ada.store.heads(space.topic);
  expect(log!.context.author).toBe(ada.author);
  const keys = await space.keysOf(log!.logId);
  expect(keys).toMatchObject({ publicKey: ada.author, privateKey: ada.secret });
  expect([keys.readKey?.length, keys.followKey?.length]).toEqual([32, 32]);
  expect(keys.readKey).not.toEqual(keys.followKey);
});

test("[TH-106] who adds somebody does it by entries of his own log, and only the newcomer opens the keys in them", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const cyd = await world.device("cyd");
  const heightsOf = async (device: TestDevice): Promise<Map<string, number>> => {
    const heads = await device.store.heads(space.topic);
    return new Map(heads.map(({ logId, height }) => [logId, height]));
  };
  const before = await heightsOf(ada);
  const bundle = await cyd.spaces.bundle();
  await space.add(bundle, "write");
  const after = await heightsOf(ada);
  const grown = [...after].filter(([logId, height]) => height !== before.get(logId));
  const own = logIdOf(world.crypto, {
    topic: space.topic,
    domain: controlDomain,
    author: ada.author,
  });
  expect(grown.map(([logId]) => logId)).toEqual([own]);
  const third = await cyd.spaces.accept(space.offer(bundle));
  // An impostor has the offer and every entry, and not the secret of the bundle.
  const eve = await world.device("eve");
  await expect(eve.spaces.accept(space.offer(bundle))).rejects.toMatchObject({
    code: "SPACE_OFFER_INVALID",
  });
  await world.settle(ada, ben, cyd);
  await write(other, "for three");
  await world.settle(ada, ben, cyd);
  expect(await textsOf(third)).toEqual(["for three"]);
});

test("[TH-107] [TH-108] every writer understands one join by itself, without a word of the others", async () => {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  const dan = await world.device("dan");
  const fourth = await dan.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, dan);
  const cyd = await world.device("cyd");
  await cyd.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, dan);
  // Cyd hears what there is and joins. Nobody answers yet; each of the three gets Cyd's log alone.
  // Logs wait for each other: what was refused the first time comes again.
  for (let round = 0; round < 3; round++) await world.copy(ada, cyd);
  await world.pass(400);
  const joined = logIdOf(world.crypto, {
    topic: space.topic,
    domain: controlDomain,
    author: cyd.author,
  });
  for (const [device, handle] of [
    [ada, space],
    [ben, other],
    [dan, fourth],
  ] as const) {
    expect(handle.access(cyd.author)).toBeUndefined();
    for await (const range of cyd.store.ranges(joined)) await device.spaces.ingest(range);
    // Asked before any timer runs: nobody else's answer is on its way.
    expect(handle.access(cyd.author)).toMatchObject({ level: "write" });
  }
});
