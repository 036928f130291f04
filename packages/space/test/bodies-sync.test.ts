/** Detached bodies over the real sync (docs/spec/6-space.md §15.6): fetched, kept, served, bounded. */
import { writeBlob, createMemoryPoints } from "@hawser/blob";
import { toHex, utf8 } from "@hawser/codec";
import type { BodyQuota, EntryRef, Space, SpaceErrorCode } from "@hawser/space";
import { forge } from "@hawser/space/testing";
import { createSyncPeer, type BodySource, type SyncPeer } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { seededRandom } from "./help.ts";
import { createWorld, spaceOn, type DeviceOptions, type TestDevice, type World } from "./world.ts";

interface Node extends TestDevice {
  readonly peer: SyncPeer;
  /** Points that peers asked for. */
  asked(): number;
}

async function node(world: World, name: string, options: DeviceOptions = {}): Promise<Node> {
  return withPeer(world, await world.device(name, { bodies: {}, ...options }));
}

function withPeer(world: World, device: TestDevice): Node {
  const { crypto, timers } = world;
  const { bodies } = device;
  let asked = 0;
  const counting: BodySource | undefined = bodies && {
    ...bodies.source,
    read: (place) => {
      asked += 1;
      return bodies.source.read(place);
    },
  };
  const peer = createSyncPeer({
    store: device.store,
    crypto,
    timers,
    random: seededRandom(device.name.charCodeAt(0)),
    ingest: (range) => device.spaces.ingest(range),
    ...(counting && { bodies: counting }),
    identities: () => device.spaces.identities(),
    topics: () => device.spaces.topics(),
  });
  bodies?.fetchFrom(peer);
  device.spaces.onTopicsChanged(() => peer.topicsChanged());
  return { ...device, peer, asked: () => asked };
}

/** Connects two nodes; the result cuts the line, which may break by itself after so many bytes of a's. */
async function connect(
  world: World,
  a: Node,
  b: Node,
  cutAfterBytes = Infinity,
): Promise<() => void> {
  const pair = createMemoryPair();
  let sentBytes = 0;
  const send = (frame: Uint8Array): Promise<void> => {
    sentBytes += frame.length;
    if (sentBytes > cutAfterBytes) pair.cut();
    return pair.a.send(frame);
  };
  a.peer.attach({ ...pair.a, send });
  b.peer.attach(pair.b);
  await world.pass(2_000);
  return pair.cut;
}

/** Lets time pass until the work is done. */
async function during<Result>(world: World, work: Promise<Result>): Promise<Result> {
  let isOver = false;
  const watched = work.finally(() => {
    isOver = true;
  });
  watched.catch(() => {});
  for (let round = 0; round < 600 && !isOver; round++) await world.pass(50);
  if (!isOver) throw new Error("it never ends");
  return watched;
}

function film(byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, index) => (index * 7 + (index >> 9)) & 0xff);
}

async function attach(space: Space, byteCount: number): Promise<EntryRef> {
  const [ref] = await space.append([{ type: "film", body: film(byteCount), detached: true }]);
  if (ref === undefined) throw new Error("nothing appended");
  return ref;
}

async function isFilm(world: World, space: Space, ref: EntryRef, size: number): Promise<boolean> {
  const reading = space.openBody(ref).then((body) => body.bytes(1e9));
  return Buffer.from(await during(world, reading)).equals(Buffer.from(film(size)));
}

async function codeOf(work: Promise<unknown>): Promise<SpaceErrorCode | "none" | "unknown"> {
  return work.then(
    () => "none",
    (error: { readonly code?: SpaceErrorCode }) => error.code ?? "unknown",
  );
}

const keepsAll = { bodies: { fetch: { upToBytes: 1e9 } } } as const;

/** Ada founds a space that a relay follows and Ben may write in. Ben is offline. */
async function scene(world: World, relayOptions: DeviceOptions = keepsAll) {
  const [ada, ben, relay] = [
    await node(world, "ada"),
    await node(world, "ben"),
    await node(world, "relay", relayOptions),
  ];
  const space = await ada.spaces.create();
  const bundle = await relay.spaces.bundle();
  await space.add(bundle, "pull");
  const hosted = await relay.spaces.follow(space.hosting(bundle));
  const other = await ben.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, relay);
  return { ada, ben, relay, space, other, hosted };
}

describe("through a relay", () => {
  test("a body reaches somebody who is never online together with its writer", async () => {
    const world = await createWorld();
    const { ada, ben, relay, space, other, hosted } = await scene(world);
    const up = await connect(world, ada, relay);
    const ref = await attach(space, 700_000);
    await world.pass(5_000);
    expect(await hosted.bodyState(ref)).toBe("here");
    expect(await codeOf(hosted.openBody(ref))).toBe("SPACE_NO_KEY");
    up();
    await world.pass(1_000);
    await connect(world, relay, ben);
    expect(await other.bodyState(ref)).toBe("missing");
    expect(await isFilm(world, other, ref, 700_000)).toBe(true);
    expect(await other.bodyState(ref)).toBe("here");
  });

  test("the writer goes in the middle, and the relay takes the rest from somebody else or later", async () => {
    const world = await createWorld();
    const { ada, ben, relay, space, other, hosted } = await scene(world);
    await connect(world, ada, relay, 600_000);
    const ref = await attach(space, 3_000_000);
    const points = async (): Promise<number> =>
      (await relay.store.list(`body/${space.topic}/point/`)).length;
    await world.pass(1_000);
    const count = await points();
    expect(count).toBeGreaterThan(0);
    expect(await hosted.bodyState(ref)).toBe("missing");
    // Ben comes to the relay and waits: it is on its way.
    await connect(world, relay, ben);
    const reading = other.openBody(ref).then((body) => body.bytes(1e9));
    await world.pass(10_000);
    expect(await points()).toBe(count);
    await connect(world, ada, relay);
    const bytes = await during(world, reading);
    expect(Buffer.from(bytes).equals(Buffer.from(film(3_000_000)))).toBe(true);
    expect(await hosted.bodyState(ref)).toBe("here");
  });

  test("what is due is remembered over a restart, and what is kept is counted again", async () => {
    const world = await createWorld();
    const counted = new Map<string, number>();
    const quota: BodyQuota = {
      admit: ({ topic, byteCount }) => {
        counted.set(topic, (counted.get(topic) ?? 0) + byteCount);
        return undefined;
      },
      restore: (topic, bytes) => void counted.set(topic, (counted.get(topic) ?? 0) + bytes),
      release: (topic, bytes) => void counted.set(topic, (counted.get(topic) ?? 0) - bytes),
    };
    const options = { bodies: { fetch: { upToBytes: 1e9 }, quota } };
    const { ada, relay, space } = await scene(world, options);
    const up = await connect(world, ada, relay);
    const first = await attach(space, 100_000);
    await world.pass(2_000);
    up();
    const second = await attach(space, 200_000);
    await world.settle(ada, relay);
    await relay.peer[Symbol.asyncDispose]();
    const before = counted.get(space.topic) ?? 0;
    expect(before).toBeGreaterThanOrEqual(100_000);
    expect(before).toBeLessThan(200_000);
    counted.clear();
    const again = withPeer(world, await world.restart(relay, options));
    expect(counted.get(space.topic)).toBe(before);
    const hosted = again.spaces.openTopic(space.topic);
    expect(await hosted.bodyState(second)).toBe("missing");
    await connect(world, ada, again);
    await world.pass(2_000);
    expect([await hosted.bodyState(first), await hosted.bodyState(second)]).toEqual([
      "here",
      "here",
    ]);
    const full = counted.get(space.topic) ?? 0;
    expect(full).toBeGreaterThanOrEqual(300_000);
    // Shredding gives back, pruning too; the topic takes the rest with it.
    await space.shred(first);
    await world.pass(2_000);
    expect(counted.get(space.topic)).toBe(full - before);
    await again.bodies?.dropBefore(space.topic, second.logId, second.seq);
    expect(await hosted.bodyState(second)).toBe("here");
    await again.bodies?.dropBefore(space.topic, second.logId, second.seq + 1);
    expect(counted.get(space.topic)).toBe(0);
    expect(await again.store.list(`body/${space.topic}/point/`)).toEqual([]);
  });

  test("a quota refuses what is too much, and naming what nobody has takes up none of it", async () => {
    const world = await createWorld();
    let free = 150_000;
    const quota: BodyQuota = {
      admit: ({ byteCount }) => {
        if (byteCount > free) return "OVER_BUDGET";
        free -= byteCount;
        return undefined;
      },
      restore: () => {},
      release: (_topic, byteCount) => {
        free += byteCount;
      },
    };
    const bodies = { fetch: { upToBytes: 180_000 }, quota };
    const { ada, relay, space, hosted } = await scene(world, { bodies });
    // Ada's chunks are gone before anybody asked: nobody has this one.
    const lost = await attach(space, 140_000);
    await ada.bodies?.drop(space.topic);
    const again = withPeer(world, await world.restart(ada, { bodies: {} }));
    const mine = spaceOn(again, space);
    await connect(world, again, relay);
    await world.pass(2_000);
    expect(await hosted.bodyState(lost)).toBe("missing");
    expect(free).toBe(150_000);
    const [fits, no, large] = [
      await attach(mine, 100_000),
      await attach(mine, 100_000),
      await attach(mine, 200_000),
    ];
    await world.pass(3_000);
    const states = await Promise.all([fits, no, large].map((ref) => hosted.bodyState(ref)));
    expect(states).toEqual(["here", "missing", "missing"]);
    // Whoever asks the relay for what it refused is told that it is not there.
    const place = { topic: space.topic, depth: 0, index: 0 };
    const entry = await entryAt(again, no);
    const read = await relay.bodies?.source.read({ ...place, name: entry.body?.hash ?? utf8("") });
    expect(read).toEqual({ status: "none" });
  });
});

describe("between devices", () => {
  test("fetch options: small ones at once, none at all, and what is read as it is read", async () => {
    const world = await createWorld();
    const ada = await node(world, "ada");
    const eager = await node(world, "ben", { bodies: { fetch: { upToBytes: 120_000 } } });
    const never = await node(world, "cyd", { bodies: { fetch: "never" } });
    const space = await ada.spaces.create();
    for (const device of [eager, never]) {
      await device.spaces.join(await space.invite({ level: "read" }));
      await world.settle(ada, device);
    }
    const [small, large] = [await attach(space, 100_000), await attach(space, 300_000)];
    for (const device of [eager, never]) await connect(world, ada, device);
    await world.pass(2_000);
    const [one, two] = [spaceOn(eager, space), spaceOn(never, space)];
    expect([await one.bodyState(small), await one.bodyState(large)]).toEqual(["here", "missing"]);
    expect(await isFilm(world, one, large, 300_000)).toBe(true);
    expect(await codeOf(during(world, two.openBody(small)))).toBe("SPACE_BODY_MISSING");
  });

  test("a part fetches what it touches, tells progress, and several peers help", async () => {
    const world = await createWorld();
    const { ada, ben, relay, space, other } = await scene(world);
    await connect(world, ada, relay);
    const ref = await attach(space, 5_000_000);
    await world.pass(5_000);
    await connect(world, ben, relay);
    await connect(world, ben, ada);
    const progress: number[] = [];
    const opening = other.openBody(ref, {
      onProgress: ({ fetchedBytes, totalBytes }) => {
        expect(totalBytes).toBeGreaterThanOrEqual(5_000_000);
        progress.push(fetchedBytes);
      },
    });
    const body = await during(world, opening);
    const read = async (): Promise<number> => {
      let count = 0;
      for await (const piece of body.read({ from: 2_000_000, to: 2_100_000 }))
        count += piece.length;
      return count;
    };
    expect(await during(world, read())).toBe(100_000);
    expect(await other.bodyState(ref)).toBe("missing");
    expect(progress.reduce((sum, bytes) => Math.max(sum, bytes), 0)).toBeLessThan(300_000);
    expect(await isFilm(world, other, ref, 5_000_000)).toBe(true);
  });

  test("waiting ends with the signal, and with a code when nobody who is there has it", async () => {
    const world = await createWorld();
    const { ada, ben, relay, space, other } = await scene(world, { bodies: {} });
    const ref = await attach(space, 100_000);
    await world.settle(ada, ben, relay);
    const stop = new AbortController();
    const alone = other.openBody(ref, { signal: stop.signal });
    alone.catch(() => {});
    await world.pass(60_000);
    stop.abort(new Error("enough"));
    await expect(alone).rejects.toThrow("enough");
    await connect(world, relay, ben);
    expect(await codeOf(during(world, other.openBody(ref)))).toBe("SPACE_BODY_MISSING");
    // Whoever waits when its writer comes is served.
    await connect(world, ada, ben);
    expect(await isFilm(world, other, ref, 100_000)).toBe(true);
  });
});

describe("what others try", () => {
  test("another space's chunks are not told of: neither by their hash nor through a forged tree", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await scene(world);
    const secret = await ada.spaces.create();
    const ref = await attach(secret, 100_000);
    const { body } = await entryAt(ada, ref);
    const name = body?.hash ?? utf8("");
    const ask = (topic: typeof space.topic, what: Uint8Array, depth = 0, index = 0) =>
      ada.bodies?.source.read({ topic, name: what, depth, index });
    expect((await ask(secret.topic, name))?.status).toBe("here");
    expect((await ask(secret.topic, name, 1))?.status).toBe("here");
    expect((await ask(secret.topic, name, 1, 1_023))?.status).toBe("none");
    expect((await ask(secret.topic, name, 4, 0))?.status).toBe("none");
    expect(await ask(space.topic, name)).toEqual({ status: "none" });
    // Ben, who may write in the common space, writes an entry whose body is the secret one's root.
    const chunk = await ask(secret.topic, name, 1);
    const hash = world.crypto.hash(chunk?.status === "here" ? chunk.bytes : utf8(""));
    const own = await attach(spaceOn(ben, space), 1_000);
    await world.settle(ada, ben);
    const forged = await forgedEntry(world, { space, from: ben, like: own, root: name });
    expect((await ada.spaces.ingest(forged)).status).toBe("stored");
    for (const [depth, what] of [
      [0, name],
      [1, name],
      [0, hash],
    ] as const) {
      expect(await ask(space.topic, what, depth)).toEqual({ status: "none" });
    }
  });

  test("a relay drops a body that is no tree of its size, and keeps the honest ones", async () => {
    const world = await createWorld();
    const { ada, relay, space, hosted } = await scene(world);
    const good = await attach(space, 100_000);
    // A root of a larger blob under an entry that says 100,000 bytes.
    const points = createMemoryPoints();
    const key = world.crypto.hash(utf8("key"));
    const { crypto } = world;
    const random = seededRandom(7);
    const large = await writeBlob({ crypto, random }, film(400_000), points, { seal: { key } });
    const shelf = ada.bodies?.shelf(space.topic);
    for (const packet of points.packets()) await shelf?.put(packet);
    const forged = await forgedEntry(world, { space, from: ada, like: good, root: large.hash });
    await ada.spaces.ingest(forged);
    await connect(world, ada, relay);
    await world.pass(5_000);
    expect(await hosted.bodyState(good)).toBe("here");
    const kept = (await relay.store.list(`body/${space.topic}/`)).map(({ key: own }) => own);
    expect(kept.filter((own) => own.includes("/due/"))).toEqual([]);
    expect(kept.filter((own) => own.includes("/kept/"))).toHaveLength(1);
    expect(kept.filter((own) => own.endsWith(`point/${toHex(large.hash)}`))).toEqual([]);
  });

  test("what nobody has is looked for ever more rarely, and at once when its writer comes", async () => {
    const world = await createWorld();
    const { ada, ben, relay, space, other, hosted } = await scene(world);
    const lost = await attach(space, 100_000);
    await world.settle(ada, relay, ben);
    await connect(world, ben, relay);
    for (let count = 0; count < 40; count++) {
      await other.append([{ type: "note", body: utf8("x") }]);
      await world.pass(500);
    }
    expect(ben.asked()).toBeGreaterThan(2);
    expect(ben.asked()).toBeLessThan(9);
    await connect(world, ada, relay);
    await world.pass(2_000);
    expect(await hosted.bodyState(lost)).toBe("here");
  });

  test("of one log 256 bodies are due at once, and no more", async () => {
    const world = await createWorld();
    const { ada, relay, space } = await scene(world);
    await space.append(
      Array.from({ length: 300 }, () => ({ type: "f", body: film(10), detached: true as const })),
    );
    await world.settle(ada, relay);
    await world.pass(1_000);
    expect(await relay.store.list(`body/${space.topic}/due/`)).toHaveLength(256);
  });
});

async function entryAt(device: TestDevice, ref: EntryRef) {
  for await (const entry of device.store.entries(ref.logId, { from: ref.seq })) return entry;
  throw new Error("no entry");
}

/** An entry like another one of the same author, but with another body behind its link. */
async function forgedEntry(
  world: World,
  what: {
    readonly space: Space;
    readonly from: TestDevice;
    readonly like: EntryRef;
    readonly root: Uint8Array;
  },
) {
  const { space, from, like, root } = what;
  const { data, body } = await entryAt(from, like);
  const heads = await from.store.heads(space.topic);
  const own = heads.find(
    ({ context }) => context.author === from.author && context.domain === "hawser.control",
  );
  if (own === undefined || body === undefined) throw new Error("no control log, or no body");
  let dep: { seq: number; hash: Uint8Array } | undefined;
  for await (const entry of from.store.entries(own.logId)) {
    if (entry.signature !== undefined) dep = { seq: entry.seq, hash: entry.hash };
  }
  const base = { crypto: world.crypto, topic: space.topic, domain: "hawser.data" };
  const options = { ...base, who: from, now: world.clock.nowMicros(), base: from.store };
  const link = { byteCount: body.byteCount, hash: root };
  return forge(options, () => [{ data, body: link, deps: dep ? [dep] : [] }]);
}
