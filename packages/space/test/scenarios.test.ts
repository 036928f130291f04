/** Scenarios of spaces that need no groups of groups, and what a space layer must withstand beside. */
import { toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { createBundle, encodeBundle, isValidAt, verifyBundle } from "@hawser/keys";
import { describe, expect, test } from "vitest";
import { forgeControl } from "./forge.ts";
import { seededRandom } from "./help.ts";
import { createWorld, eventsOf, textsOf, twoMembers, write, type TestDevice } from "./world.ts";

const day = 86_400;

/** Ada's space, and Ben whose bundle she has. */
async function adaAndBen() {
  const world = await createWorld();
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const space = await ada.spaces.create();
  const bundle = await ben.spaces.bundle();
  return { world, ada, ben, space, bundle };
}

/** Every range of a store in receive order. */
async function allRanges(device: TestDevice) {
  const ranges = [];
  for (const topic of await device.store.topics()) {
    for await (const range of device.store.received(topic, 0)) ranges.push(range);
  }
  return ranges;
}

describe("joining by being added", () => {
  test("[P2-S5] whoever was added before the first word gets exactly that one event", async () => {
    const { ada, ben, space, bundle } = await adaAndBen();
    await space.add(bundle, "read");
    await write(space, "Hello, Ben!");
    const other = await ben.spaces.accept(space.offer(bundle));
    const seen: number[] = [];
    for (const range of await allRanges(ada)) {
      expect(await ben.spaces.ingest(range)).toMatchObject({ status: "stored" });
      seen.push((await eventsOf(other)).length);
    }
    expect(seen.at(-1)).toBe(1);
    expect(seen.slice(0, -1).every((count) => count === 0)).toBe(true);
    expect((await eventsOf(other))[0]).toMatchObject({ author: ada.author, judgement: "accept" });
  });

  test("[P2-S6] a member who only pulls is given no key to read, and makes no new epoch", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    await write(space, "not for followers");
    const { epochs } = space.status();
    await space.add(bundle, "pull");
    const levels = new Map(space.members().map(({ author, level }) => [author, level]));
    expect(levels).toEqual(
      new Map([
        [ada.author, "manage"],
        [ben.author, "pull"],
      ]),
    );
    expect(space.status().epochs).toBe(epochs);
    const hosted = await ben.spaces.follow(space.hosting(bundle));
    await world.settle(ada, ben);
    const ref = await write(space, "nor this");
    await world.settle(ada, ben);
    expect(await textsOf(hosted)).toEqual([]);
    expect((await hosted.keysOf(ref.logId)).readKey).toBeUndefined();
    await expect(hosted.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
  });

  test("[P2-S7] control and content that come before the welcome count once it is there", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    const { logId } = await write(space, "before you came");
    const early = await allRanges(ada);
    const other = await ben.spaces.accept(space.offer(bundle));
    for (const range of early) {
      expect(await ben.spaces.ingest(range)).toMatchObject({ status: "stored" });
    }
    expect(other.members()).toEqual([{ author: ada.author, level: "manage", mayDelete: true }]);
    expect(other.status().state).toBe("waiting");
    await expect(write(other, "no")).rejects.toMatchObject({ code: "SPACE_NOT_WELCOMED" });
    expect(await eventsOf(other)).toEqual([]);
    expect(await other.explain({ logId, seq: 0 })).toMatchObject({ code: "MISSING_EPOCH" });
    await space.add(bundle, "read");
    await world.copy(ada, ben);
    expect(other.members()).toEqual(space.members());
    expect(other.status().state).toBe("active");
    expect(await textsOf(other)).toEqual(["before you came"]);
  });
});

describe("bundles and their life", () => {
  test("[P2-S17] a bundle that grew old is replaced by the next that is asked for", async () => {
    const { world, ben, bundle } = await adaAndBen();
    const now = (): number => Math.floor(world.clock.nowMicros() / 1e6);
    expect(isValidAt(bundle, now())).toBe(true);
    expect(await ben.spaces.bundle()).toEqual(bundle);
    world.clock.advance(100 * day);
    expect(isValidAt(bundle, now())).toBe(false);
    const next = await ben.spaces.bundle();
    expect(isValidAt(next, now())).toBe(true);
    expect(next.prekey).not.toEqual(bundle.prekey);
    expect(await ben.spaces.bundle()).toEqual(next);
  });

  test("[P2-S18] nobody is added by an expired bundle, and nothing is stored of the attempt", async () => {
    const { world, ada, space, bundle } = await adaAndBen();
    world.clock.advance(100 * day);
    const before = await ada.store.stats();
    await expect(space.add(bundle, "read")).rejects.toMatchObject({ code: "SPACE_BUNDLE_INVALID" });
    expect(() => space.offer(bundle)).toThrow(
      expect.objectContaining({ code: "SPACE_BUNDLE_INVALID" }),
    );
    expect(await ada.store.stats()).toEqual(before);
    expect(space.members()).toHaveLength(1);
  });

  test("[P2-S19] expiry is judged when a bundle is used (5-keys §2): who is welcomed in time reads late, within the grace", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    await space.add(bundle, "read");
    await write(space, "in time");
    const other = await ben.spaces.accept(space.offer(bundle));
    world.clock.advance(75 * day);
    expect(isValidAt(bundle, Math.floor(world.clock.nowMicros() / 1e6))).toBe(false);
    await ben.spaces.bundle();
    await world.copy(ada, ben);
    expect(other.members()).toEqual(space.members());
    expect(await textsOf(other)).toEqual(["in time"]);
  });

  test("[P2-S19] and one whose prekey is gone is a member without keys, asks, and is answered", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    await space.add(bundle, "read");
    await write(space, "too late");
    const offer = space.offer(bundle);
    const other = await ben.spaces.accept(offer);
    world.clock.advance(200 * day);
    await ben.spaces.bundle();
    await world.copy(ada, ben);
    expect(other.members()).toEqual(space.members());
    expect(await textsOf(other)).toEqual([]);
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["too late"]);
  });

  test("[P2-S21] one's own bundle names and verifies as oneself; an old one stays good until it expires", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    expect(bundle.author).toBe(ben.author);
    expect(verifyBundle(world.crypto, bundle, ben.author).ok).toBe(true);
    expect(verifyBundle(world.crypto, bundle, ada.author).ok).toBe(false);
    world.clock.advance(20 * day);
    const rotated = await ben.spaces.bundle();
    expect(rotated.prekey).not.toEqual(bundle.prekey);
    // What is sealed to the older one still opens.
    await space.add(bundle, "read");
    const other = await ben.spaces.accept(space.offer(bundle));
    await write(space, "by the old prekey");
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["by the old prekey"]);
  });

  test("[P2-S21] a bundle published under another's name, or with another's prekey, registers for nobody", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const { crypto, clock } = world;
    const sign = (label: string, bytes: Uint8Array): Uint8Array =>
      crypto.signTagged(label, bytes, ben.secret);
    const seconds = Math.floor(clock.nowMicros() / 1e6);
    const { bundle } = createBundle(
      crypto,
      {
        identity: { id: ben.author, sign },
        lifetime: { notBefore: seconds - 60, notAfter: seconds + 300 * day },
      },
      seededRandom(6),
    );
    // Ben says in his own log that Ada's newest prekey is one he holds.
    const forged = { ...bundle, author: ada.author };
    expect(verifyBundle(crypto, forged, ada.author)).toMatchObject({ ok: false });
    const range = await forgeControl({
      crypto,
      id: space.id!,
      topic: space.topic,
      author: ben.author,
      secret: ben.secret,
      now: clock.nowMicros(),
      base: ben.store,
      contents: [{ kind: "bundle", bundle: encodeBundle(forged) }],
    });
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "stored" });
    const cyd = await world.device("cyd");
    await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, cyd);
    await space.remove(cyd.author);
    await write(space, "under the new epoch");
    await world.settle(ada, ben);
    // Ada still reads and the epoch was sealed to her true prekey, wherever it was made.
    expect(await textsOf(space)).toEqual(["under the new epoch"]);
    expect(await textsOf(other)).toEqual(["under the new epoch"]);
    const place = (await ben.store.heads(space.topic)).find(
      ({ context }) => context.author === ben.author && context.domain === "hawser.control",
    )!;
    const seq = (await ada.store.head(place.logId))!.height - 1;
    const explained = await space.explain({ logId: place.logId, seq });
    expect(explained.reason).toBeDefined();
  });
});

describe("misuse of the interface", () => {
  test("adding oneself, removing a stranger, writing as a reader and after leaving have codes", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const cyd = await world.device("cyd");
    const stats = await ada.store.stats();
    await expect(space.add(await ada.spaces.bundle(), "read")).rejects.toMatchObject({
      code: expect.stringMatching(/^SPACE_/),
    });
    await expect(space.remove(cyd.author)).rejects.toMatchObject({
      code: expect.stringMatching(/^SPACE_/),
    });
    expect(await ada.store.stats()).toEqual(stats);
    await space.set(ben.author, "read");
    await world.settle(ada, ben);
    await expect(write(other, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    await other.leave();
    await expect(write(other, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
  });
});

describe("attacks", () => {
  test("[ATK-jazz2252] a manager who holds none of the older epochs removes one who holds them all", async () => {
    const world = await createWorld();
    const ada = await world.device("ada", { history: "fromJoin" });
    const cyd = await world.device("cyd", { history: "fromJoin" });
    const ben = await world.device("ben");
    const space = await ada.spaces.create();
    const thirds = await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, cyd);
    await write(space, "before ben");
    const bens = await ben.spaces.join(await space.invite({ level: "manage" }));
    await world.settle(ada, cyd, ben);
    expect(await textsOf(bens)).toEqual([]);
    await bens.remove(cyd.author);
    await write(bens, "without cyd");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(space)).toEqual(["before ben", "without cyd"]);
    expect(await textsOf(thirds)).toEqual(["before ben"]);
    expect(thirds.status().state).toBe("removed");
  });

  test("[ATK-jazz2252] one who has no key at all yet still removes, and the debt is paid by whoever can", async () => {
    const { world, ada, ben, space, bundle } = await adaAndBen();
    const cyd = await world.device("cyd");
    const thirds = await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, cyd);
    await space.add(bundle, "manage");
    // The welcome was sealed to a prekey that Ben has lost since.
    const bens = await ben.spaces.accept(space.offer(bundle));
    world.clock.advance(200 * day);
    await ben.spaces.bundle();
    await world.copy(ada, ben);
    expect(bens.status()).toMatchObject({ state: "waiting" });
    await bens.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    await write(space, "without cyd");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(bens)).toEqual(["without cyd"]);
    expect(await textsOf(thirds)).toEqual([]);
  });

  test("[ATK-livestore1160] an entry has one encoding: cut otherwise, sent again or re-encoded, it is one event", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const drafts = Array.from({ length: 6 }, (_, at) => ({ type: "note", body: utf8(`${at}`) }));
    const [first] = await space.append(drafts);
    const { logId } = first!;
    for (const [from, to] of [
      [0, 1],
      [0, 6],
      [3, 6],
      [1, 6],
      [0, 6],
    ] as const) {
      for await (const range of ada.store.ranges(logId, { from, to }))
        await ben.spaces.ingest(range);
    }
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["0", "1", "2", "3", "4", "5"]);
    const hashes = (await eventsOf(other)).map(({ hash }) => toHex(hash));
    expect(new Set(hashes).size).toBe(6);
    // Any other bytes for the same entries are refused: there is no second way to write them down.
    const before = await ben.store.stats();
    for await (const range of ada.store.ranges(logId)) {
      for (let at = 0; at < range.bytes.length; at += 7) {
        const bytes = range.bytes.slice();
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        const { status } = await ben.spaces.ingest({ ...range, bytes });
        expect(status, `byte ${at}`).not.toBe("stored");
      }
    }
    expect(await ben.store.stats()).toEqual(before);
  });
});

describe("what nobody else has", () => {
  test("[NB-1] signed writes, encryption and rotation without WebAssembly", async () => {
    const real: unknown = Reflect.get(globalThis, "WebAssembly");
    Reflect.deleteProperty(globalThis, "WebAssembly");
    try {
      const { backEnds } = createNobleCrypto();
      expect(new Set(Object.values(backEnds))).toEqual(new Set(["noble"]));
      const world = await createWorld(createNobleCrypto());
      const { ada, ben, space, other } = await twoMembers(world);
      const { logId } = await write(space, "signed and sealed");
      await world.settle(ada, ben);
      expect(await textsOf(other)).toEqual(["signed and sealed"]);
      const { epochs } = space.status();
      await space.remove(ben.author);
      await write(space, "under a new key");
      await world.settle(ada, ben);
      expect(space.status().epochs).toBe(epochs + 1);
      expect(await textsOf(other)).toEqual(["signed and sealed"]);
      for await (const entry of ada.store.entries(logId)) {
        expect(entry.signature).toHaveLength(64);
        expect(new TextDecoder().decode(entry.data)).not.toMatch(/signed|under/);
      }
    } finally {
      Reflect.set(globalThis, "WebAssembly", real);
    }
  });
});
