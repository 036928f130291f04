/** Detached bodies (docs/spec/6-space.md §15): lazy, deletable, crypto-shredded. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryPoints } from "@hawser/blob";
import { equalBytes, toHex, utf8 } from "@hawser/codec";
import {
  dataDomain,
  metadataKeyOf,
  parseEnvelope,
  type BodyPeer,
  type BodyShelves,
  type BodyStore,
  type EntryRef,
  type Space,
  type SpaceDraft,
  type SpaceErrorCode,
} from "@hawser/space";
import { forge, forgeControl } from "@hawser/space/testing";
import { buildDatapoint, buildLinkpoint, readPacket } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import { encodeControl } from "../src/control.ts";
import { createWorld, eventsOf, spaceOn, textsOf, type TestDevice, type World } from "./world.ts";

async function codeOf(work: Promise<unknown>): Promise<SpaceErrorCode | "none"> {
  return work.then(
    () => "none",
    (error: { readonly code: SpaceErrorCode }) => error.code,
  );
}

/** Bytes that are not all alike. */
function film(byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, index) => (index * 7 + (index >> 9)) & 0xff);
}

async function attach(space: Space, body: SpaceDraft["body"], rest: Partial<SpaceDraft> = {}) {
  const [ref] = await space.append([{ type: "film", body, detached: true, ...rest }]);
  if (ref === undefined) throw new Error("nothing appended");
  return ref;
}

async function bytesOf(space: Space, ref: EntryRef): Promise<Uint8Array> {
  return (await space.openBody(ref)).bytes(1e9);
}

/** Compared as buffers: `toEqual` looks at each byte for itself. */
async function isFilm(space: Space, ref: EntryRef, byteCount: number): Promise<boolean> {
  return Buffer.from(await bytesOf(space, ref)).equals(Buffer.from(film(byteCount)));
}

/** One shelf for whatever topic: there is one in a test. */
function shelvesOf(points: BodyStore): { readonly shelves: BodyShelves } {
  return { shelves: { of: () => points, drop: () => Promise.resolve() } };
}

/** Asks another device as sync would: what does not hash right is not taken, and the ask ends. */
function peerOf(
  world: World,
  other: () => TestDevice | undefined,
  hooks: {
    readonly asked?: string[];
    readonly hook?: (bytes: Uint8Array) => Uint8Array | undefined;
  } = {},
): BodyPeer {
  return {
    onBodies: () => () => {},
    fetchPieces: async ({ topic, name, depth, first, hashes }, take) => {
      for (const [at, hash] of hashes.entries()) {
        hooks.asked?.push(toHex(hash));
        const place = { topic, name, depth, index: first + at };
        const read = await other()?.bodies?.source.read(place);
        const bytes = read?.status === "here" ? read.bytes : undefined;
        const given = bytes && hooks.hook !== undefined ? hooks.hook(bytes) : bytes;
        if (given === undefined || !equalBytes(world.crypto.hash(given), hash)) return "nobody";
        take(given);
      }
      return "whole";
    },
  };
}

/** The point that an entry names itself, as the device gives it to peers. */
async function namedPoint(
  device: TestDevice,
  space: Space,
  name: Uint8Array,
): Promise<Uint8Array | undefined> {
  const place = { topic: space.topic, name, depth: 0, index: 0 };
  const read = await device.bodies?.source.read(place);
  return read?.status === "here" ? read.bytes : undefined;
}

/** A founder and a writer, each with a store for bodies; Ben asks Ada for what he lacks. */
async function pair(world: World) {
  const stores = { ada: createMemoryPoints(), ben: createMemoryPoints() };
  const asked: string[] = [];
  const given = { hook: (bytes: Uint8Array): Uint8Array | undefined => bytes };
  const ada = await world.device("ada", { bodies: shelvesOf(stores.ada) });
  const hook = (bytes: Uint8Array): Uint8Array | undefined => given.hook(bytes);
  const ben = await world.device("ben", {
    bodies: shelvesOf(stores.ben),
    bodyPeer: peerOf(world, () => ada, { asked, hook }),
  });
  const space = await ada.spaces.create();
  const other = await ben.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben);
  return { ada, ben, space, other, stores, asked, given };
}

async function entryAt(device: TestDevice, ref: EntryRef) {
  for await (const entry of device.store.entries(ref.logId, { from: ref.seq })) return entry;
  throw new Error("no entry");
}

describe("writing and reading", () => {
  test("a body of 3 MB is written in pieces, and read whole, in part and from another device", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, stores, asked } = await pair(world);
    const whole = film(3_000_000);
    async function* pieces() {
      for (let at = 0; at < whole.length; at += 100_001) yield whole.subarray(at, at + 100_001);
    }
    const ref = await attach(space, pieces(), { sequence: "album" });
    expect(await space.bodyState(ref)).toBe("here");
    expect(await isFilm(space, ref, 3_000_000)).toBe(true);
    await world.settle(ada, ben);
    const [event] = await eventsOf(other);
    expect(event).toMatchObject({ type: "film", sequence: "album", detached: { byteCount: 3e6 } });
    expect(event!.body).toHaveLength(0);
    expect(await other.read(ref)).toMatchObject({ body: undefined, detached: { byteCount: 3e6 } });
    expect(await other.bodyState(ref)).toBe("missing");
    // Nothing was fetched until somebody reads, and then only what the range takes.
    expect(asked).toEqual([]);
    const body = await other.openBody(ref);
    const part: Uint8Array[] = [];
    for await (const piece of body.read({ from: 1_999_999, to: 2_000_002 })) part.push(piece);
    expect(Buffer.concat(part)).toEqual(Buffer.from(whole.subarray(1_999_999, 2_000_002)));
    expect(asked.length).toBeLessThan(6);
    expect(await isFilm(other, ref, 3_000_000)).toBe(true);
    expect(await other.bodyState(ref)).toBe("here");
    expect(stores.ben.count).toBe(stores.ada.count);
    const before = asked.length;
    expect(await isFilm(other, ref, 3_000_000)).toBe(true);
    expect(asked).toHaveLength(before);
  });

  test("a body stands beside its entry where its draft says so, and nowhere else", async () => {
    const world = await createWorld();
    const { space } = await pair(world);
    const note = (body: Uint8Array) => codeOf(space.append([{ type: "note", body }]));
    // A view that reads events would find none of it: so nobody detaches a body unasked.
    expect([await note(film(57_345)), await note(film(57_344))]).toEqual([
      "SPACE_BODY_TOO_LARGE",
      "none",
    ]);
    const empty = await attach(space, new Uint8Array(0));
    expect(await bytesOf(space, empty)).toHaveLength(0);
  });

  test("without a store for bodies the limit stands, and one code says so", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const note = (body: SpaceDraft["body"], detached?: true) =>
      codeOf(space.append([{ type: "note", body, ...(detached && { detached }) }]));
    expect(await note(film(60_000))).toBe("SPACE_BODY_TOO_LARGE");
    expect(await note(film(10), true)).toBe("SPACE_NO_BODY_STORE");
    expect(await note([film(10)])).toBe("SPACE_DRAFT_INVALID");
    const type = "t".repeat(65);
    const { space: rich } = await pair(await createWorld());
    expect(await codeOf(rich.append([{ type, body: film(9), detached: true }]))).toBe(
      "SPACE_DRAFT_INVALID",
    );
  });

  test("ranges and sizes outside of the body are refused", async () => {
    const world = await createWorld();
    const { space } = await pair(world);
    for (const ref of [
      await attach(space, film(1_000)),
      (await space.append([{ type: "n", body: film(1_000) }]))[0]!,
    ]) {
      const body = await space.openBody(ref);
      for (const range of [{ from: -1 }, { to: 1_001 }, { from: 2, to: 1 }, { from: 0.5 }]) {
        const reading = (async () => {
          for await (const _ of body.read(range)) continue;
        })();
        expect(await codeOf(reading)).toBe("SPACE_BODY_RANGE");
      }
      expect(await codeOf(body.bytes(999))).toBe("SPACE_BODY_TOO_LARGE");
      expect(await body.bytes(1_000)).toEqual(film(1_000));
    }
  });

  test("it survives a restart in the store of the logs, and goes with its topic", async () => {
    const world = await createWorld();
    const bodies = {};
    const ada = await world.device("ada", { bodies });
    const space = await ada.spaces.create();
    const ref = await attach(space, film(200_000));
    const again = await world.restart(ada, { bodies });
    expect(await isFilm(spaceOn(again, space), ref, 200_000)).toBe(true);
    expect(await spaceOn(again, space).bodyState(ref)).toBe("here");
    expect((await again.store.list("body/")).length).toBe(5);
    await again.bodies?.drop(space.topic);
    expect(await again.store.list("body/")).toEqual([]);
  });

  test("100 MB go through a file with one chunk in flight, written and read", async () => {
    const world = await createWorld();
    const piece = film(1_000_000);
    using file = fileStore(world);
    const ada = await world.device("ada", { bodies: shelvesOf(file.bodies) });
    const space = await ada.spaces.create();
    // The source is asked for more only when what it gave has gone into the file.
    let drawn = 0;
    let aheadMax = 0;
    function* pieces() {
      for (; drawn < 100; drawn++) {
        aheadMax = Math.max(aheadMax, drawn * piece.length - file.byteCount());
        yield piece;
      }
    }
    const ref = await attach(space, pieces());
    expect(aheadMax).toBeLessThan(70_000);
    let byteCount = 0;
    let pieceMax = 0;
    const hash = world.crypto.createHash();
    for await (const read of (await space.openBody(ref)).read()) {
      byteCount += read.length;
      pieceMax = Math.max(pieceMax, read.length);
      hash.update(read);
    }
    expect([byteCount, pieceMax < 70_000]).toEqual([100_000_000, true]);
    const expected = world.crypto.createHash();
    for (let index = 0; index < 100; index++) expected.update(piece);
    expect(hash.digest()).toEqual(expected.digest());
  });
});

/** Packets one after another in a file; in memory only where they lie. */
function fileStore(world: World): Disposable & {
  readonly bodies: BodyStore;
  byteCount(): number;
} {
  const folder = mkdtempSync(join(tmpdir(), "hawser-bodies-"));
  const file = openSync(join(folder, "points"), "w+");
  const places = new Map<string, { readonly at: number; readonly size: number }>();
  let end = 0;
  return {
    byteCount: () => end,
    bodies: {
      put: async ({ hash, bytes }) => {
        writeSync(file, bytes, 0, bytes.length, end);
        places.set(toHex(hash), { at: end, size: bytes.length });
        end += bytes.length;
      },
      get: async (hash) => {
        const place = places.get(toHex(hash));
        if (place === undefined) return undefined;
        const bytes = new Uint8Array(place.size);
        readSync(file, bytes, 0, place.size, place.at);
        const read = readPacket(world.crypto, bytes, { allowPrivate: true });
        return read.ok ? read.packet : undefined;
      },
      has: async (hash) => places.has(toHex(hash)),
    },
    [Symbol.dispose]: () => {
      closeSync(file);
      rmSync(folder, { recursive: true });
    },
  };
}

describe("the layers stay what they were", () => {
  test("[TH-052] [TH-053] [TH-054] [TH-055] three modes, and a key of its own for each body", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const cyd = await world.device("cyd", {
      bodies: {},
      bodyPeer: peerOf(world, () => ada),
    });
    const third = await cyd.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, cyd);
    const only = [await ben.spaces.bundle()];
    const all = await attach(space, film(1_000));
    const bens = await attach(space, film(2_000), { audience: { only } });
    const open = await attach(space, film(3_000), { audience: "anybody" });
    await world.settle(ada, ben, cyd);
    expect(await isFilm(other, all, 1_000)).toBe(true);
    expect(await isFilm(other, bens, 2_000)).toBe(true);
    expect(await isFilm(third, open, 3_000)).toBe(true);
    expect(await codeOf(third.openBody(bens))).toBe("SPACE_NO_KEY");
    // Who it is for shows to readers where a body stands in its entry; here it shows in the key packet.
    expect((await third.read(bens)).type).toBe("film");
    const again = await attach(space, film(1_000));
    const [one, two] = [await entryAt(ada, all), await entryAt(ada, again)];
    expect(toHex(one.body!.hash)).not.toBe(toHex(two.body!.hash));
    expect(one.body!.byteCount).toBe(two.body!.byteCount);
  });

  test("[TH-058] a follower keeps and serves all of it, and reads nothing", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, given } = await pair(world);
    const relayPoints = createMemoryPoints();
    const relay = await world.device("relay", {
      bodies: shelvesOf(relayPoints),
      bodyPeer: peerOf(world, () => ada),
    });
    const bundle = await relay.spaces.bundle();
    await space.add(bundle, "pull");
    const hosted = await relay.spaces.follow(space.hosting(bundle));
    const ref = await attach(space, film(150_000));
    await world.settle(ada, ben, relay);
    expect(await codeOf(hosted.keepBody(ref, { maxBytes: 100 }))).toBe("SPACE_BODY_TOO_LARGE");
    await hosted.keepBody(ref);
    expect(await hosted.bodyState(ref)).toBe("here");
    expect(await codeOf(hosted.openBody(ref))).toBe("SPACE_NO_KEY");
    for (const packet of relayPoints.packets()) {
      expect(Buffer.from(packet.bytes).includes(Buffer.from(film(64)))).toBe(false);
    }
    given.hook = () => undefined;
    expect(await codeOf(other.openBody(ref))).toBe("SPACE_BODY_MISSING");
    const asks = await world.restart(ben, {
      bodies: {},
      bodyPeer: peerOf(world, () => relay),
    });
    expect(await isFilm(spaceOn(asks, space), ref, 150_000)).toBe(true);
  });

  test("sizes are padded: the link tells no exact one", async () => {
    const world = await createWorld();
    const { ada, space } = await pair(world);
    const sizes = new Set<number>();
    for (const byteCount of [100_500, 101_000, 102_000]) {
      const { body } = await entryAt(ada, await attach(space, film(byteCount)));
      sizes.add(body!.byteCount);
    }
    expect(sizes.size).toBe(1);
  });

  test("in a raw space bodies are as in any", async () => {
    const world = await createWorld();
    const ada = await world.device("ada", { bodies: {} });
    const ben = await world.device("ben", {
      bodies: {},
      bodyPeer: peerOf(world, () => ada),
    });
    const space = await ada.spaces.createRaw();
    const other = await ben.spaces.openRaw(space.link());
    const ref = await attach(space, film(100_000));
    await world.settle(ada, ben);
    expect(await isFilm(other, ref, 100_000)).toBe(true);
    expect(await codeOf(other.shred(ref))).toBe("SPACE_NO_ACCESS");
    await space.shred(ref);
    await world.settle(ada, ben);
    expect(await other.bodyState(ref)).toBe("shredded");
    expect(await codeOf(other.openBody(ref))).toBe("SPACE_BODY_SHREDDED");
  });
});

describe("shredding", () => {
  async function shreddable(world: World) {
    const parts = await pair(world);
    const { ada, ben, space, other } = parts;
    const ref = await attach(space, film(150_000));
    await world.settle(ada, ben);
    await bytesOf(other, ref);
    return { ...parts, ref };
  }

  test("key packet and chunks go on every device, and are taken by none again", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, stores, ref } = await shreddable(world);
    const keep = await attach(space, film(120_000));
    const lingering = await keysIn(ada);
    await space.shred(ref);
    expect(await space.bodyState(ref)).toBe("shredded");
    expect(await codeOf(space.openBody(ref))).toBe("SPACE_BODY_SHREDDED");
    await world.settle(ada, ben);
    expect(await other.bodyState(ref)).toBe("shredded");
    expect(await keysIn(ada)).toHaveLength(lingering.length - 1);
    expect(await keysIn(ben)).toHaveLength(0);
    expect(stores.ben.count).toBe(0);
    expect(await isFilm(space, keep, 120_000)).toBe(true);
    expect(await codeOf(other.keepBody(ref))).toBe("SPACE_BODY_SHREDDED");
    expect(await other.explain(ref)).toMatchObject({ code: "PRESENT", reason: "SHREDDED" });
    // The event itself stays, with its type, for whoever folds.
    expect((await eventsOf(other)).map(({ type }) => type)).toEqual(["film", "film"]);
    const again = await world.restart(ben, { bodies: shelvesOf(stores.ben) });
    expect(await spaceOn(again, space).bodyState(ref)).toBe("shredded");
  });

  test("a replay of the packets brings nothing back", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, stores, ref, given } = await shreddable(world);
    const backup = stores.ben.packets();
    const { data } = await entryAt(ada, ref);
    const keyHash = parseEnvelope(data)!.keyPacket!;
    const keyPacket = await namedPoint(ben, other, keyHash);
    await space.shred(ref);
    await world.settle(ada, ben);
    expect(await namedPoint(ben, other, keyHash)).toBeUndefined();
    for (const packet of backup) await stores.ben.put(packet);
    given.hook = () => keyPacket;
    expect(await codeOf(other.openBody(ref))).toBe("SPACE_BODY_SHREDDED");
    expect(await codeOf(other.keepBody(ref))).toBe("SPACE_BODY_SHREDDED");
    expect(await keysIn(ben)).toHaveLength(0);
  });

  test("[TH-192] whoever holds the right to delete may, a follower too; others may not", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, ref } = await shreddable(world);
    expect(await codeOf(other.shred(ref))).toBe("SPACE_NO_ACCESS");
    const relay = await world.device("relay", { bodies: {} });
    const bundle = await relay.spaces.bundle();
    await space.add(bundle, "pull", { mayDelete: true });
    const hosted = await relay.spaces.follow(space.hosting(bundle));
    await world.settle(ada, ben, relay);
    await hosted.shred(ref);
    await world.settle(ada, ben, relay);
    expect(await space.bodyState(ref)).toBe("shredded");
    expect(await other.bodyState(ref)).toBe("shredded");
    // A newcomer learns of it, and the deleter's removal takes nothing back.
    await space.remove(relay.author);
    const cyd = await world.device("cyd", { bodies: {} });
    const third = await cyd.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, cyd);
    expect(await third.bodyState(ref)).toBe("shredded");
  });

  test("[TH-192] a shred by somebody not entitled has no effect, and explain says why", async () => {
    const world = await createWorld();
    const { ada, ben, space, ref } = await shreddable(world);
    const forged = await forgedShred(world, { space, from: ben, target: ada, ref });
    expect((await ada.spaces.ingest(forged)).status).toBe("stored");
    await world.settle(ada, ben);
    expect(await space.bodyState(ref)).toBe("here");
    expect(await isFilm(space, ref, 150_000)).toBe(true);
    const head = (await ada.store.heads(space.topic)).find(
      ({ context }) => context.author === ben.author && context.domain === "hawser.control",
    );
    const at = { logId: head!.logId, seq: head!.height - 1 };
    expect(await space.explain(at)).toMatchObject({ code: "PRESENT", reason: "NOT_ENTITLED" });
  });

  test("a deleter that was removed cannot date a shred back", async () => {
    const world = await createWorld();
    const { ada, ben, space, ref } = await shreddable(world);
    await space.set(ben.author, "write", { mayDelete: true });
    await world.settle(ada, ben);
    const forged = await forgedShred(world, { space, from: ben, target: ada, ref });
    await space.remove(ben.author);
    await ada.spaces.ingest(forged);
    await world.settle(ada);
    expect(await space.bodyState(ref)).toBe("here");
  });

  test("naming another's packets in an entry of one's own and shredding that harms nobody", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, ref } = await shreddable(world);
    const victim = await entryAt(ada, ref);
    // Ben names Ada's chunks and her key packet.
    const copy = await forgeWithBody(world, {
      space,
      from: ben,
      data: victim.data,
      body: victim.body!,
    });
    for (const device of [ada, ben]) await device.spaces.ingest(copy);
    await world.settle(ada, ben);
    const mine = { logId: await dataLogOf(ada, space, ben), seq: copy.from };
    await other.shred(mine);
    await world.settle(ada, ben);
    expect(await space.bodyState(mine)).toBe("shredded");
    expect(await space.bodyState(ref)).toBe("here");
    expect(await isFilm(space, ref, 150_000)).toBe(true);
    // Nor does her key open it for his entry, where it stands.
    expect(["SPACE_NO_KEY", "SPACE_BODY_SHREDDED"]).toContain(await codeOf(space.openBody(mine)));
  });

  test("a body that stands in its entry cannot be shredded", async () => {
    const world = await createWorld();
    const { space } = await pair(world);
    const [ref] = await space.append([{ type: "note", body: utf8("x") }]);
    expect(await codeOf(space.shred(ref!))).toBe("SPACE_BODY_INLINE");
    expect(await codeOf(space.shred({ ...ref!, seq: 99 }))).toBe("SPACE_ENTRY_UNKNOWN");
  });

  test("a store that cannot delete keeps noise: the key is gone all the same", async () => {
    const world = await createWorld();
    const points = createMemoryPoints();
    const { delete: _, ...keeping } = points;
    const ada = await world.device("ada", { bodies: shelvesOf(keeping) });
    const space = await ada.spaces.create();
    const ref = await attach(space, film(100_000));
    const { body } = await entryAt(ada, ref);
    await space.shred(ref);
    expect(await points.get(body!.hash)).toBeDefined();
    expect(await keysIn(ada)).toHaveLength(0);
    expect(await codeOf(space.openBody(ref))).toBe("SPACE_BODY_SHREDDED");
  });

  test("a shred that comes before its entry counts when that comes", async () => {
    const world = await createWorld();
    const { ada, ben, space, ref } = await shreddable(world);
    const late = await world.device("late", {
      bodies: {},
      bodyPeer: peerOf(world, () => ben),
    });
    await space.shred(ref);
    const third = await late.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, late);
    expect(await codeOf(third.openBody(ref))).toBe("SPACE_BODY_SHREDDED");
    expect(await textsOf(third)).toEqual([""]);
  });
});

describe("what others hand over", () => {
  test("swapped, cut and damaged points are not taken, and the honest one is afterwards", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, stores, given } = await pair(world);
    const ref = await attach(space, film(150_000));
    const twin = await attach(space, film(150_000));
    await world.settle(ada, ben);
    const { data } = await entryAt(ada, twin);
    const twinKey = (await namedPoint(ada, space, parseEnvelope(data)!.keyPacket!))!;
    const lies: readonly ((bytes: Uint8Array) => Uint8Array | undefined)[] = [
      () => twinKey,
      (bytes) => bytes.subarray(0, bytes.length - 8),
      (bytes) => bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte)),
      (bytes) => Uint8Array.of(...bytes, 0),
      () => new Uint8Array(0),
      () => undefined,
    ];
    for (const lie of lies) {
      given.hook = lie;
      expect(await codeOf(other.openBody(ref))).toBe("SPACE_BODY_MISSING");
    }
    expect(stores.ben.count).toBe(0);
    expect(await keysIn(ben)).toHaveLength(0);
    given.hook = (bytes) => bytes;
    expect(await isFilm(other, ref, 150_000)).toBe(true);
  });

  test("a chunk that fails in the middle ends the reading there, after good bytes", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, given } = await pair(world);
    const ref = await attach(space, film(300_000));
    await world.settle(ada, ben);
    const body = await other.openBody(ref);
    let count = 0;
    given.hook = (bytes) => (++count > 2 ? bytes.subarray(1) : bytes);
    let read = 0;
    const reading = (async () => {
      for await (const piece of body.read()) read += piece.length;
    })();
    expect(await codeOf(reading)).toBe("SPACE_BODY_MISSING");
    expect(read).toBeGreaterThan(60_000);
    expect(read).toBeLessThan(300_000);
  });

  test("key packet and body of different entries of one author do not go together", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const one = await entryAt(ada, await attach(space, film(150_000)));
    const two = await entryAt(ada, await attach(space, film(150_000)));
    await world.settle(ada, ben);
    // Ada herself, with forged tools: the first entry's words with the second one's body.
    const mixed = await forgeWithBody(world, { space, from: ada, data: one.data, body: two.body! });
    await ben.spaces.ingest(mixed);
    await world.settle(ben);
    const ref = { logId: one.logId, seq: mixed.from };
    expect(await codeOf(other.openBody(ref))).toBe("SPACE_NO_KEY");
    expect(await other.explain(ref)).toMatchObject({ reason: "UNREADABLE" });
  });

  test("event, key packet and link are there together or the entry is none", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await pair(world);
    const body = { byteCount: 9, hash: new Uint8Array(32).fill(7) };
    const words = [0, 4, ...utf8("note"), 0];
    const key = new Uint8Array(32).fill(9);
    const cases: readonly { data: Uint8Array; body?: typeof body }[] = [
      // A link without a key packet, the reverse, a wrong size, a kind without either, cut short.
      { data: Uint8Array.of(2, ...words, 1, 65), body },
      { data: Uint8Array.of(3, ...key, 2, 2, ...words.slice(1), 1, 9) },
      { data: Uint8Array.of(3, ...key, 2, 2, ...words.slice(1), 2, 0x90, 0x4e), body },
      { data: Uint8Array.of(2, 2, ...words.slice(1), 1, 9) },
      { data: Uint8Array.of(3, ...key.subarray(8)), body },
    ];
    let from = 0;
    for (const { data, body: link } of cases) {
      const range = await forgeWithBody(world, { space, from: ada, data, body: link });
      await ada.spaces.ingest(range);
      await ben.spaces.ingest(range);
      await world.settle(ada, ben);
      const ref = { logId: await dataLogOf(ada, space, ada), seq: from++ };
      expect(await codeOf(other.openBody(ref))).toBe("SPACE_NO_KEY");
      expect((await other.explain(ref)).reason).toBe("UNREADABLE");
    }
    expect(await eventsOf(other)).toEqual([]);
  });

  test("a key packet that is no datapoint, or holds no key, opens nothing", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, given } = await pair(world);
    const good = await entryAt(ada, await attach(space, film(150_000)));
    await world.settle(ada, ben);
    const plainKey = Uint8Array.of(2, 0, 4, ...utf8("oops"), 0, 32, ...new Uint8Array(32));
    for (const packet of [
      buildLinkpoint(world.crypto, { group: new Uint8Array(32), domain: "x", stamp: 1 }),
      buildDatapoint(world.crypto, plainKey),
      buildDatapoint(world.crypto, utf8("no data of an entry")),
    ]) {
      const size = [...film(0), ...Uint8Array.of(0xf0, 0x93, 0x09)];
      const data = Uint8Array.of(3, ...packet.hash, 2, 2, 4, ...utf8("note"), 0, 3, ...size);
      const range = await forgeWithBody(world, { space, from: ada, data, body: good.body! });
      await ada.spaces.ingest(range);
      await ben.spaces.ingest(range);
      await world.settle(ada, ben);
      given.hook = () => packet.point;
      const ref = { logId: good.logId, seq: range.from };
      const code = await codeOf(other.openBody(ref));
      expect(["SPACE_BODY_MISSING", "SPACE_BODY_INVALID"]).toContain(code);
    }
  });
});

async function keysIn(device: TestDevice): Promise<readonly string[]> {
  const rows = await device.store.list("space/");
  return rows.map(({ key }) => key).filter((key) => key.includes("/body-key/"));
}

async function dataLogOf(on: TestDevice, space: Space, of: TestDevice) {
  const heads = await on.store.heads(space.topic);
  const head = heads.find(
    ({ context }) => context.author === of.author && context.domain === dataDomain,
  );
  return head?.logId ?? ("" as never);
}

async function forgedShred(
  world: World,
  about: { space: Space; from: TestDevice; target: TestDevice; ref: EntryRef },
) {
  const { space, from, target, ref } = about;
  const { hash, seq } = await entryAt(target, ref);
  const heads = space.timeline().map(({ op }) => op);
  const last = heads.at(-1);
  const shred = { author: target.author, seq, hash, authHeads: last === undefined ? [] : [last] };
  const options = {
    crypto: world.crypto,
    topic: space.topic,
    who: from,
    now: world.clock.nowMicros(),
    base: from.store,
    metadataKey: metadataKeyOf(world.crypto, space.id ?? ("" as never)),
  };
  return forgeControl(options, encodeControl({ kind: "shred", shred }));
}

async function forgeWithBody(
  world: World,
  what: {
    space: Space;
    from: TestDevice;
    data: Uint8Array;
    body: { byteCount: number; hash: Uint8Array } | undefined;
  },
) {
  const { space, from, data, body } = what;
  const base = { crypto: world.crypto, topic: space.topic, domain: dataDomain };
  // Points at its author's own control log, so that it stands where he may write.
  const heads = await from.store.heads(space.topic);
  const own = heads.find(
    ({ context }) => context.author === from.author && context.domain === "hawser.control",
  );
  let dep: { seq: number; hash: Uint8Array } | undefined;
  for await (const entry of from.store.entries(own!.logId)) {
    if (entry.signature !== undefined) dep = { seq: entry.seq, hash: entry.hash };
  }
  const options = { ...base, who: from, now: world.clock.nowMicros(), base: from.store };
  return forge(options, () => [{ data, ...(body && { body }), deps: dep ? [dep] : [] }]);
}
