/** Raw spaces (docs/spec/6-space.md §13): no membership; signatures, chains and forks alone. */
import { encodeCbor, utf8 } from "@hawser/codec";
import { logIdOf, type EncodedRange } from "@hawser/log";
import { createSyncPeer, type SyncPeer } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import {
  dataDomain,
  explainWhy,
  metadataKeyOf,
  parseRawLink,
  parseSpaceId,
  rawQuota,
  spaceIdBytes,
  type RawSpace,
  type SpaceErrorCode,
} from "@hawser/space";
import { addressContent, forge, forgeControl, villain } from "@hawser/space/testing";
import { describe, expect, test } from "vitest";
import { seededRandom } from "./help.ts";
import { createWorld, eventsOf, textsOf, write, type TestDevice, type World } from "./world.ts";

async function codeOf(work: Promise<unknown>): Promise<SpaceErrorCode | "none"> {
  return work.then(
    () => "none",
    (error: { readonly code: SpaceErrorCode }) => error.code,
  );
}

/** Two devices that know one id. */
async function pair(world: World) {
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const space = await ada.spaces.createRaw();
  const other = await ben.spaces.openRaw(space.id ?? "");
  return { ada, ben, space, other };
}

async function sorted(space: RawSpace): Promise<readonly string[]> {
  return [...(await textsOf(space))].sort();
}

async function rangeOf(device: TestDevice, space: RawSpace): Promise<EncodedRange> {
  const context = { topic: space.topic, domain: dataDomain, author: device.author };
  const logId = logIdOf((await createWorld()).crypto, context);
  for await (const range of device.store.ranges(logId)) return range;
  throw new Error("nothing was written");
}

/** A plain event: what anybody can write who knows the topic. */
function plain(text: string): Uint8Array {
  const body = utf8(text);
  return Uint8Array.of(2, 0, 4, ...utf8("note"), 0, body.length, ...body);
}

describe("everybody who knows the id", () => {
  test("[TH-195] [TH-086] reads and writes what they want, each in a log of their own", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const parsed = parseSpaceId(space.id ?? "");
    expect(parsed).toMatchObject({ ok: true, value: { variant: "raw" } });
    expect(space.variant).toBe("raw");
    await write(space, "ada 1");
    await write(other, "ben 1");
    await world.settle(ada, ben);
    await write(space, "ada 2");
    await world.settle(ada, ben);
    const all = ["ada 1", "ada 2", "ben 1"];
    expect(await sorted(space)).toEqual(all);
    expect(await sorted(other)).toEqual(all);
    const events = await eventsOf(other);
    expect(new Set(events.map(({ author }) => author))).toEqual(new Set([ada.author, ben.author]));
    expect(events.every(({ judgement }) => judgement === "accept")).toBe(true);
    await space.ready();
    expect(space.status()).toMatchObject({ state: "active", problem: undefined });
  });

  test("a link opens it, in whatever spelling; a wrong one says what is wrong", async () => {
    const world = await createWorld();
    const { space } = await pair(world);
    const cyd = await world.device("cyd");
    const link = space.link(["wss://relay.example"]);
    expect(link.startsWith("hawser:open/")).toBe(true);
    expect(parseRawLink(world.crypto, link)).toEqual({
      id: space.id,
      addresses: ["wss://relay.example"],
    });
    const slashes = link.replace("hawser:", "hawser://");
    const opened = await cyd.spaces.openRaw(slashes);
    expect(opened.topic).toBe(space.topic);
    expect(await cyd.spaces.openRaw(space.id ?? "")).toBe(opened);
    expect(cyd.spaces.open(space.id ?? "")).toBe(opened);
    const flipped = link.slice(0, 20) + (link[20] === "A" ? "B" : "A") + link.slice(21);
    expect(await codeOf(cyd.spaces.openRaw(flipped))).toBe("SPACE_LINK_CHECKSUM");
    expect(await codeOf(cyd.spaces.openRaw(link.slice(0, -9)))).toBe("SPACE_LINK_TRUNCATED");
    expect(await codeOf(cyd.spaces.openRaw("hawser:join/AQCg"))).toBe("SPACE_ID_BASE");
    const closed = await cyd.spaces.create();
    expect(await codeOf(cyd.spaces.openRaw(closed.id ?? ""))).toBe("SPACE_ID_VARIANT");
    expect(await codeOf(cyd.spaces.join(link))).toBe("SPACE_LINK_MALFORMED");
  });

  test("[TH-085] the random part of its id has as many bytes as wanted, 16 at least", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const short = await ada.spaces.createRaw({ idRandomBytes: 16 });
    const parsed = parseSpaceId(short.id ?? "");
    expect(parsed.ok && parsed.value.random.length).toBe(16);
    const codes = [15, 200].map((idRandomBytes) => codeOf(ada.spaces.createRaw({ idRandomBytes })));
    expect(await Promise.all(codes)).toEqual(["SPACE_ID_RANDOM", "SPACE_ID_TOO_LONG"]);
  });

  test("[TH-050] [TH-057] without the id nothing is legible, on disk or beside the topic", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    await write(space, "a word that stands nowhere in clear");
    const { bytes } = await rangeOf(ada, space);
    expect(Buffer.from(bytes).includes("stands nowhere")).toBe(false);
    const idBytes = Buffer.from(spaceIdBytes(space.id ?? ("" as never)));
    expect(Buffer.from(space.topic, "hex").equals(idBytes.subarray(2))).toBe(false);
    for (const { value } of await ada.store.list("")) {
      expect(Buffer.from(value).includes(idBytes.subarray(2))).toBe(false);
    }
  });

  test("it survives a restart with its logs, role and position", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    await write(space, "before");
    await world.settle(ada, ben);
    const again = await world.restart(ada);
    const reopened = again.spaces.open(space.id ?? "");
    expect(reopened.variant).toBe("raw");
    await write(reopened, "after");
    await write(other, "ben");
    await world.settle(again, ben);
    expect(await sorted(reopened as RawSpace)).toEqual(["after", "before", "ben"]);
    expect(again.spaces.list().map(({ topic }) => topic)).toEqual([space.topic]);
    await again.spaces.close();
    expect(await codeOf(again.spaces.createRaw())).toBe("SPACE_CLOSED");
    expect(await codeOf(write(reopened, "late"))).toBe("SPACE_CLOSED");
  });

  test("bodies for anybody and for chosen devices work as in any space", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.openRaw(space.link());
    const only = [await ben.spaces.bundle()];
    await space.append([
      { type: "note", body: utf8("all"), audience: "anybody" },
      { type: "note", body: utf8("ben's"), audience: { only } },
    ]);
    await world.settle(ada, ben, cyd);
    expect(await sorted(other)).toEqual(["all", "ben's"]);
    expect(await sorted(third)).toEqual(["all"]);
  });

  test("[TH-031] addresses are announced in control logs, by each author for itself", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    await space.announceAddress("wss://ada.example", 60);
    await world.settle(ada, ben);
    expect(other.addresses()).toMatchObject([{ author: ada.author, address: "wss://ada.example" }]);
    world.clock.advance(61);
    expect(other.addresses()).toEqual([]);
    expect(await codeOf(space.announceAddress("no address", 1))).toBe("SPACE_ADDRESS_INVALID");
  });
});

describe("what has no meaning without members", () => {
  test("[TH-195] is refused by a code, and questions have plain answers", async () => {
    const world = await createWorld();
    const { ben, space } = await pair(world);
    const bundle = await ben.spaces.bundle();
    const entries = { logId: "00".repeat(32) as never, seq: 0 };
    const refused: readonly (() => Promise<unknown>)[] = [
      () => space.add(bundle, "write"),
      () => space.set(ben.author, "read"),
      () => space.remove(ben.author),
      () => space.leave(),
      () => space.invite({ level: "write" }),
      () => space.revokeInvite("hawser:join/"),
      () => space.accept(entries),
      () => space.reject(entries),
      async () => space.offer(bundle),
    ];
    for (const call of refused) expect(await codeOf(call())).toBe("SPACE_RAW");
    expect(space.members()).toEqual([]);
    expect(space.timeline()).toEqual([]);
    expect(await space.quarantine()).toEqual([]);
    expect(space.access(ben.author)).toEqual({ level: "write", mayDelete: false });
    const mayWrite = space.why(ben.author, "write");
    const mayManage = space.why(ben.author, "manage");
    expect([mayWrite?.allowed, mayManage?.allowed]).toEqual([true, false]);
    expect(explainWhy(mayWrite!, () => "Ben")).toEqual([
      "Ben may write.",
      "It is a raw space: whoever knows its id reads and writes.",
    ]);
    expect(explainWhy(mayManage!, () => "Ben")[0]).toBe("Ben may not change who is a member.");
  });
});

describe("a relay of a raw space", () => {
  async function hosted(world: World) {
    const { ada, ben, space, other } = await pair(world);
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    const host = await relay.spaces.follow(space.hosting(bundle, ["wss://ada.example"]));
    return { ada, ben, space, other, relay, host: host as RawSpace, bundle };
  }

  test("[TH-058] keeps and serves, and holds neither id nor read key", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, relay, host } = await hosted(world);
    await space.announceAddress("wss://ada.example", 60);
    await write(space, "by way of the relay");
    await world.copy(ada, relay);
    await world.copy(relay, ben);
    expect(await sorted(other)).toEqual(["by way of the relay"]);
    expect(host.status().state).toBe("following");
    expect(host.id).toBeUndefined();
    expect(host.addresses()).toHaveLength(1);
    expect(await eventsOf(host)).toEqual([]);
    const [event] = await eventsOf(other);
    const ref = { logId: event!.logId, seq: event!.seq };
    expect(await codeOf(host.read(ref))).toBe("SPACE_NO_KEY");
    expect(await codeOf(host.append([{ type: "note", body: utf8("x") }]))).toBe("SPACE_NO_ACCESS");
    expect(() => host.link()).toThrow(expect.objectContaining({ code: "SPACE_NO_ACCESS" }));
    const keys = await host.keysOf(ref.logId);
    expect([keys.publicKey, keys.readKey]).toEqual([ada.author, undefined]);
    expect(keys.followKey).toEqual((await other.keysOf(ref.logId)).followKey);
    const again = await world.restart(relay);
    expect(again.spaces.openTopic(space.topic).status().state).toBe("following");
    expect(await codeOf(again.spaces.openRaw(space.link()))).toBe("SPACE_EXISTS");
  });

  test("the outer envelope opens for it and for nobody outside", async () => {
    const world = await createWorld();
    const { ada, space, host } = await hosted(world);
    await write(space, "x");
    const outer = space.sealOuter({ kind: "range", range: await rangeOf(ada, space) });
    expect(host.openOuter(outer)?.kind).toBe("range");
    const stranger = await (await world.device("stranger")).spaces.createRaw();
    expect(stranger.openOuter(outer)).toBeUndefined();
  });

  test("a request for another device, of another kind or twice is turned away", async () => {
    const world = await createWorld();
    const { ada, space, relay, bundle } = await hosted(world);
    const same = await relay.spaces.follow(space.hosting(bundle));
    expect(same.topic).toBe(space.topic);
    expect(await codeOf(ada.spaces.follow(space.hosting(bundle)))).toBe("SPACE_OFFER_INVALID");
    expect(await codeOf(relay.spaces.accept(space.hosting(bundle)))).toBe("SPACE_OFFER_INVALID");
    const full = await world.device("full", { admitSpace: () => "no room" });
    const asked = space.hosting(await full.spaces.bundle());
    expect(await codeOf(full.spaces.follow(asked))).toBe("SPACE_REFUSED");
  });

  test("[TH-110] over sync, the follow key of the id is what gives the topic", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, relay } = await hosted(world);
    const stranger = await world.device("stranger");
    // Knows the topic, not the id: follows by a key of its own making.
    const fake = await stranger.spaces.createRaw();
    const topics = stranger.spaces.topics().map((own) => ({ ...own, topic: space.topic }));
    expect(fake.topic).not.toBe(space.topic);
    const peerOf = (
      device: TestDevice,
      given = device.spaces.topics.bind(device.spaces),
    ): SyncPeer =>
      createSyncPeer({
        store: device.store,
        crypto: world.crypto,
        timers: world.timers,
        random: seededRandom(device.name.charCodeAt(0)),
        ingest: (range) => device.spaces.ingest(range),
        identities: () => device.spaces.identities(),
        topics: given,
      });
    const hub = peerOf(relay);
    const outsider = peerOf(stranger, () => topics);
    const peers = [peerOf(ada), peerOf(ben), outsider];
    for (const peer of peers) {
      const { a, b } = createMemoryPair();
      hub.attach(a);
      peer.attach(b);
    }
    await write(space, "through the relay");
    await world.pass(5_000);
    expect(await sorted(other)).toEqual(["through the relay"]);
    expect(await stranger.store.heads(space.topic)).toEqual([]);
    for (const peer of [hub, ...peers]) await peer[Symbol.asyncDispose]();
  });
});

describe("hostile authors", () => {
  test("a forked log counts up to the fork, the same on every device; nobody can rule on it", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const eve = villain(world.crypto, "eve");
    const base = { crypto: world.crypto, topic: space.topic, who: eve, domain: dataDomain };
    const say = (text: string, from: number) =>
      forge({ ...base, now: world.clock.nowMicros(), base: ada.store, from }, () => [
        { data: plain(text) },
      ]);
    await ada.spaces.ingest(await say("common", 0));
    const left = await say("left", 1);
    const right = await say("right", 1);
    await ada.spaces.ingest(left);
    await world.settle(ada, ben);
    await write(space, "honest");
    expect(await sorted(space)).toEqual(["common", "honest", "left"]);
    expect((await ada.spaces.ingest(right)).status).toBe("forked");
    // The proof travels; here the other branch itself does.
    expect((await ben.spaces.ingest(right)).status).toBe("forked");
    await world.settle(ada, ben);
    const quarantine = await space.quarantine();
    expect(quarantine).toMatchObject([{ author: eve.author, cause: "FORKED", ruling: undefined }]);
    expect(await codeOf(space.accept(quarantine[0]!))).toBe("SPACE_RAW");
    for (const each of [space, other]) {
      const judged = (await eventsOf(each))
        .filter(({ author }) => author === eve.author)
        .map(({ seq, judgement }) => [seq, judgement]);
      expect(judged).toEqual([
        [0, "accept"],
        [1, "quarantine"],
      ]);
    }
    const ref = { logId: quarantine[0]!.logId, seq: 1 };
    expect(await space.explain(ref)).toMatchObject({ code: "FORKED", judgement: "quarantine" });
    const again = await world.restart(ada);
    expect(await again.spaces.openTopic(space.topic).quarantine()).toEqual(quarantine);
    expect((await sorted(other)).includes("honest")).toBe(true);
  });

  test("tampered, foreign and unknown ranges leave nothing behind, and say why", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    await write(space, "good");
    const range = await rangeOf(ada, space);
    const bytes = range.bytes.slice();
    bytes[bytes.length - 70] = (bytes[bytes.length - 70] ?? 0) ^ 1;
    expect((await ben.spaces.ingest({ ...range, bytes })).status).toBe("bad");
    const { logId } = (await ada.store.heads(space.topic))[0]!;
    expect((await other.explain({ logId, seq: 0 })).code).not.toBe("NOT_ANNOUNCED");
    const domain = "hawser.other";
    const eve = villain(world.crypto, "eve");
    const odd = await forge(
      { crypto: world.crypto, topic: space.topic, who: eve, domain, now: world.clock.nowMicros() },
      () => [{ data: plain("x") }],
    );
    expect(await ben.spaces.ingest(odd)).toEqual({ status: "refused", reason: "NOT_ADMITTED" });
    const moved = { ...range, context: { ...range.context, author: eve.author } };
    expect((await ben.spaces.ingest(moved)).status).toBe("bad");
    expect(await ben.store.heads(space.topic)).toEqual([]);
    expect((await ben.spaces.ingest(range)).status).toBe("stored");
  });

  test("garbage in data and control logs is kept for its chain and has no effect", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    const eve = villain(world.crypto, "eve");
    const now = world.clock.nowMicros();
    const base = { crypto: world.crypto, topic: space.topic, who: eve, now };
    const data = await forge({ ...base, domain: dataDomain }, () => [
      { data: utf8("\u0007 garbage") },
      { data: plain("fine") },
    ]);
    const metadataKey = metadataKeyOf(world.crypto, space.id ?? ("" as never));
    const control = await forgeControl({ ...base, metadataKey }, [
      encodeCbor([0, utf8("an operation"), new Uint8Array(64)]),
      encodeCbor([77]),
      addressContent("wss://eve.example", 60),
    ]);
    for (const range of [data, control]) await ada.spaces.ingest(range);
    expect(await textsOf(space)).toEqual(["fine"]);
    const heads = await ada.store.heads(space.topic);
    const logOf = (domain: string) =>
      heads.find(({ context }) => context.domain === domain)?.logId ?? ("" as never);
    const reasons = [
      await space.explain({ logId: logOf(dataDomain), seq: 0 }),
      await space.explain({ logId: logOf(control.context.domain), seq: 0 }),
      await space.explain({ logId: logOf(control.context.domain), seq: 1 }),
      await space.explain({ logId: logOf(control.context.domain), seq: 2 }),
    ].map(({ reason }) => reason);
    expect(reasons).toEqual(["UNREADABLE", "RAW_SPACE", "UNREADABLE", undefined]);
    expect(space.addresses().map(({ address }) => address)).toEqual(["wss://eve.example"]);
  });

  test("a stamp from the future is held, and drags nobody along", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    const eve = villain(world.crypto, "eve");
    const now = world.clock.nowMicros() + 3_600e6;
    const base = { crypto: world.crypto, topic: space.topic, who: eve, now };
    const range = await forge({ ...base, domain: dataDomain }, () => [{ data: plain("soon") }]);
    await ada.spaces.ingest(range);
    await write(space, "now");
    expect(await textsOf(space)).toEqual(["now"]);
    const [event] = await eventsOf(space);
    expect(event!.stamp).toBeLessThan(now - 1_000e6);
    world.clock.advance(3_600);
    await world.pass(3_700_000);
    expect(await sorted(space)).toEqual(["now", "soon"]);
  });

  test("a dep that never comes is not waited for without end", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    const eve = villain(world.crypto, "eve");
    const base = { crypto: world.crypto, topic: space.topic, who: eve };
    const deps = [{ seq: 3, hash: new Uint8Array(32).fill(7) }];
    const range = await forge({ ...base, now: world.clock.nowMicros(), domain: dataDomain }, () => [
      { data: plain("late"), deps },
    ]);
    await ada.spaces.ingest(range);
    expect(await textsOf(space)).toEqual([]);
    const { logId } = (await ada.store.heads(space.topic))[0]!;
    expect((await space.explain({ logId, seq: 0 })).code).toBe("MISSING_DEP");
    await world.pass(31_000);
    expect(await textsOf(space)).toEqual(["late"]);
  });
});

describe("floods", () => {
  const flood = async (world: World, space: RawSpace, name: string, byteCount: number) => {
    const body = { data: Uint8Array.of(2, ...new Uint8Array(byteCount)) };
    const who = villain(world.crypto, name);
    const base = { crypto: world.crypto, topic: space.topic, who };
    return forge({ ...base, domain: dataDomain, now: world.clock.nowMicros() }, () => [body]);
  };

  test("a quota by author and a number of authors bound what strangers leave", async () => {
    const world = await createWorld();
    const admit = rawQuota({ authorBytesMax: 10_000, authorsMax: 3 });
    const ada = await world.device("ada", { admit });
    const space = await ada.spaces.createRaw();
    await write(space, "mine");
    const statuses: string[] = [];
    for (const [name, byteCount] of [
      ["one", 9_000],
      ["two", 11_000],
      ["two", 9_000],
      ["three", 100],
      ["four", 100],
    ] as const) {
      statuses.push((await ada.spaces.ingest(await flood(world, space, name, byteCount))).status);
    }
    expect(statuses).toEqual(["stored", "refused", "stored", "stored", "refused"]);
    const refused = await flood(world, space, "four", 100);
    const logId = logIdOf(world.crypto, refused.context);
    expect(await space.explain({ logId, seq: 0 })).toMatchObject({ code: "OVER_BUDGET" });
    // Counted from the store again after a restart.
    const again = await world.restart(ada, { admit });
    const more = await forge(
      {
        crypto: world.crypto,
        topic: space.topic,
        who: villain(world.crypto, "one"),
        domain: dataDomain,
        now: world.clock.nowMicros(),
        base: again.store,
      },
      () => [{ data: new Uint8Array(2_000) }],
    );
    const outcome = await again.spaces.ingest(more);
    expect(outcome).toEqual({ status: "refused", reason: "OVER_BUDGET" });
  });

  test("without options a store takes 1,024 authors and 64 MiB of each", () => {
    const quota = rawQuota();
    const ask = (authorBytes: number, authorCount: number, byteCount: number) =>
      quota({ raw: { authorBytes, authorCount }, byteCount } as never);
    const mib = 1024 * 1024;
    expect(ask(0, 1_023, 1)).toBeUndefined();
    expect(ask(0, 1_024, 1)).toBe("OVER_BUDGET");
    expect(ask(1, 1_024, 1)).toBeUndefined();
    expect(ask(64 * mib - 1, 1, 1)).toBeUndefined();
    expect(ask(64 * mib, 1, 1)).toBe("OVER_BUDGET");
    expect(quota({ byteCount: 1e12 } as never)).toBeUndefined();
  });
});

describe("a damaged record", () => {
  test("stops no other space and is not written over", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    const key = `raw-spaces/${space.topic}`;
    await ada.store.commit({ writes: [{ key, value: Uint8Array.of(1, 2, 3) }] });
    const again = await world.restart(ada);
    expect(again.spaces.damaged().map(({ topic, error }) => [topic, error.code])).toEqual([
      [space.topic, "SPACE_STATE_CORRUPT"],
    ]);
    expect(await codeOf(again.spaces.openRaw(space.id ?? ""))).toBe("SPACE_STATE_CORRUPT");
    expect(() => again.spaces.open(space.id ?? "")).toThrow(
      expect.objectContaining({ code: "SPACE_STATE_CORRUPT" }),
    );
  });
});
