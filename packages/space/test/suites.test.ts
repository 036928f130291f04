/** Cipher suites in spaces (docs/spec/6-space.md §14, chapter 5 §4.1): a space moves to X-Wing. */
import { readdirSync, readFileSync } from "node:fs";
import { proveJoin } from "@hawser/auth";
import { utf8 } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import { createKeyRing, parseKeyOp } from "@hawser/keys";
import { metadataKeyOf, parseInviteLink, type Space, type SpaceErrorCode } from "@hawser/space";
import {
  authContent,
  bundleContent,
  bundleOf,
  forgeControl,
  keysContent,
  opBytes,
  readKeyOps,
  readOps,
  joinBinding,
  villain,
} from "@hawser/space/testing";
import { describe, expect, test } from "vitest";
import { createWorld, spaceOn, textsOf, write, type TestDevice, type World } from "./world.ts";

const plain = await createCrypto();
const hybrid = withHybrid(plain);

async function codeOf(work: Promise<unknown>): Promise<SpaceErrorCode | "none"> {
  return work.then(
    () => "none",
    (error: { readonly code: SpaceErrorCode }) => error.code,
  );
}

/** Suites of the rekeys of a space, in the order of their entries in one log after another. */
async function rekeySuites(world: World, device: TestDevice, space: Space) {
  const key = metadataKeyOf(world.crypto, space.id ?? ("" as never));
  const ops = await readKeyOps(world.crypto, device.store, space.topic, key);
  return ops.flatMap(({ op }) => {
    const parsed = parseKeyOp(op);
    return parsed.ok && parsed.op.kind === "rekey" ? [parsed.op.suite] : [];
  });
}

async function joined(world: World, from: TestDevice, space: Space, device: TestDevice) {
  const other = await device.spaces.join(await space.invite({ level: "write" }));
  await world.settle(from, device);
  return other;
}

describe("a space of suite 2 from the start", () => {
  test("every key of it is sent by X-Wing, and it works like any other", async () => {
    const world = await createWorld(hybrid);
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const space = await ada.spaces.create({ suite: 2 });
    const other = await joined(world, ada, space, ben);
    await write(space, "hello");
    await write(other, "hi");
    await world.settle(ada, ben);
    expect([...(await textsOf(other))].sort()).toEqual(["hello", "hi"]);
    await space.remove(ben.author);
    await write(space, "alone");
    await world.settle(ada, ben);
    expect((await textsOf(other)).includes("alone")).toBe(false);
    expect(new Set(await rekeySuites(world, ada, space))).toEqual(new Set([2]));
    expect(space.status().suite).toEqual({ least: 2, holdingUp: [] });
    const again = await world.restart(ada);
    expect(spaceOn(again, space).status().suite.least).toBe(2);
    await write(spaceOn(again, space), "still");
  });

  test("it takes a crypto that has the suite", async () => {
    const world = await createWorld(plain);
    const ada = await world.device("ada");
    expect(await codeOf(ada.spaces.create({ suite: 2 }))).toBe("SPACE_SUITE_UNAVAILABLE");
    const space = await ada.spaces.create();
    expect(space.status().suite).toEqual({ least: 1, holdingUp: [ada.author] });
    expect(await codeOf(space.raiseSuite(2))).toBe("SPACE_SUITE_UNAVAILABLE");
    expect(await ada.spaces.bundles()).toHaveLength(1);
  });

  test("a newcomer without the suite is told so, and has published nothing", async () => {
    const world = await createWorld(hybrid);
    const ada = await world.device("ada");
    const old = await world.device("old", { crypto: plain });
    const space = await ada.spaces.create({ suite: 2 });
    const other = await joined(world, ada, space, old);
    expect(other.status()).toMatchObject({ state: "refused", problem: "SPACE_SUITE_UNAVAILABLE" });
    expect(await codeOf(other.ready())).toBe("SPACE_SUITE_UNAVAILABLE");
    expect(space.members()).toHaveLength(1);
    // The same device with the suite in its crypto goes in by the same link.
    const link = await space.invite({ level: "write" });
    const again = await world.restart(old, { crypto: hybrid });
    const retried = await again.spaces.join(link);
    await world.settle(ada, again);
    expect(retried.status().state).toBe("active");
    expect(space.members()).toHaveLength(2);
  });

  test("a known device is added with both of its bundles, and not with one", async () => {
    const world = await createWorld(hybrid);
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const space = await ada.spaces.create({ suite: 2 });
    const [first, second] = await ben.spaces.bundles();
    expect(await codeOf(space.add(first!, "write"))).toBe("SPACE_SUITE");
    expect(await codeOf(space.add([second!], "write"))).toBe("SPACE_BUNDLE_INVALID");
    expect(await codeOf(space.add([], "write"))).toBe("SPACE_BUNDLE_INVALID");
    const cyd = await world.device("cyd");
    const mixed = [first!, (await cyd.spaces.bundles())[1]!];
    expect(await codeOf(space.add(mixed, "write"))).toBe("SPACE_BUNDLE_INVALID");
    expect(space.members()).toHaveLength(1);
    await space.add([second!, first!], "write");
    await write(space, "for both");
    const other = await ben.spaces.accept(space.offer(first!));
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["for both"]);
    expect(await codeOf(Promise.resolve().then(() => space.offer(second!)))).toBe(
      "SPACE_BUNDLE_INVALID",
    );
  });
});

describe("raising a space that is there", () => {
  test("old content stays readable, new keys are of suite 2, a later newcomer reads all", async () => {
    const world = await createWorld(hybrid);
    const [ada, ben, cyd] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("cyd"),
    ];
    const space = await ada.spaces.create();
    const other = await joined(world, ada, space, ben);
    await write(space, "before");
    await world.settle(ada, ben);
    expect(new Set(await rekeySuites(world, ada, space))).toEqual(new Set([1]));
    expect(other.status().suite).toEqual({ least: 1, holdingUp: [] });
    expect(await codeOf(other.raiseSuite(2))).toBe("SPACE_NO_ACCESS");
    await space.raiseSuite(2);
    await space.raiseSuite(2);
    await write(space, "after");
    await world.settle(ada, ben);
    expect([...(await textsOf(other))].sort()).toEqual(["after", "before"]);
    expect(other.status().suite.least).toBe(2);
    expect((await rekeySuites(world, ada, space)).at(-1)).toBe(2);
    const third = await joined(world, ada, space, cyd);
    await world.settle(ada, ben, cyd);
    expect([...(await textsOf(third))].sort()).toEqual(["after", "before"]);
    expect(space.timeline().filter(({ change }) => change === "raise")).toHaveLength(1);
  });

  test("a member without suite 2 is named, holds the raise up, and is dropped by nobody", async () => {
    const world = await createWorld(hybrid);
    const ada = await world.device("ada");
    const old = await world.device("old", { crypto: plain });
    const space = await ada.spaces.create();
    const other = await joined(world, ada, space, old);
    expect(space.status().suite).toEqual({ least: 1, holdingUp: [old.author] });
    const refused = await space.raiseSuite(2).catch((error: Error) => error);
    expect(refused).toMatchObject({ code: "SPACE_SUITE" });
    expect(String(refused)).toContain(old.author.slice(0, 8));
    expect(space.members()).toHaveLength(2);
    await write(space, "all as before");
    await world.settle(ada, old);
    expect(await textsOf(other)).toEqual(["all as before"]);
    // It gets the suite, publishes a bundle of it by itself, and nothing stands in the way.
    const renewed = await world.restart(old, { crypto: hybrid });
    await world.settle(ada, renewed);
    expect(space.status().suite.holdingUp).toEqual([]);
    await space.raiseSuite(2);
    await write(space, "stronger");
    await world.settle(ada, renewed);
    expect([...(await textsOf(spaceOn(renewed, space)))].sort()).toEqual([
      "all as before",
      "stronger",
    ]);
  });

  test("a follower needs it too: its key travels in the same rekey", async () => {
    const world = await createWorld(hybrid);
    const ada = await world.device("ada");
    const relay = await world.device("relay", { crypto: plain });
    const space = await ada.spaces.create();
    await space.add(await relay.spaces.bundle(), "pull");
    expect(space.status().suite.holdingUp).toEqual([relay.author]);
    expect(await codeOf(space.raiseSuite(2))).toBe("SPACE_SUITE");
    const stronger = await world.restart(relay, { crypto: hybrid });
    await stronger.spaces.follow(space.hosting(await stronger.spaces.bundle()));
    await world.settle(ada, stronger);
    await space.raiseSuite(2);
    await world.settle(ada, stronger);
    const own = stronger.spaces.topics().find(({ topic }) => topic === space.topic);
    const adas = ada.spaces.topics().find(({ topic }) => topic === space.topic);
    expect(own?.followKeys()).toEqual(adas?.followKeys());
  });
});

describe("attacks", () => {
  async function raised(world: World) {
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const space = await ada.spaces.create({ suite: 2 });
    const other = await joined(world, ada, space, ben);
    const metadataKey = metadataKeyOf(world.crypto, space.id ?? ("" as never));
    return { ada, ben, space, other, metadataKey };
  }

  test("no way down: not by the API, a manager's op, or a reader's rekey", async () => {
    const world = await createWorld(hybrid);
    const { ada, ben, space, other, metadataKey } = await raised(world);
    expect(await codeOf(space.raiseSuite(1))).toBe("SPACE_SUITE");
    const opened = await readOps(world.crypto, ada.store, space.topic, metadataKey);
    // The founder itself says "suite 1" past all checks.
    const low = opBytes(world.crypto, ada, opened.group, opened.heads, { type: "raise", suite: 1 });
    const base = { crypto: world.crypto, topic: space.topic, metadataKey };
    const now = world.clock.nowMicros();
    await ben.spaces.ingest(
      await forgeControl({ ...base, who: ada, now, base: ada.store }, [authContent(low)]),
    );
    expect(other.status().suite.least).toBe(2);
    // Ben, a reader, makes an epoch of suite 1 for exactly the readers.
    const ring = createKeyRing({ crypto: world.crypto }, { topic: space.topic, self: ben.author });
    const bundles = await Promise.all([ada.spaces.bundle(), ben.spaces.bundle()]);
    const input = { readers: bundles, followers: [], authHeads: opened.heads, reason: "rotation" };
    const weak = ring.rekey(ring.empty, input as never, (count) => new Uint8Array(count).fill(5));
    const forged = await forgeControl({ ...base, who: ben, now: now + 1e6, base: ben.store }, [
      keysContent(weak.opBytes),
    ]);
    const before = await rekeySuites(world, ada, space);
    expect((await ada.spaces.ingest(forged)).status).toBe("stored");
    const ref = await write(space, "a secret");
    const entry = await entryOf(ada, ref);
    expect(Buffer.from(entry.subarray(1, 5)).toString("hex")).not.toBe(weak.epochId.slice(0, 8));
    const after = await rekeySuites(world, ada, space);
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.filter((suite) => suite === 1)).toHaveLength(1);
  });

  test("who joins without the suite stops nobody unseen and gets no weak keys", async () => {
    const world = await createWorld(hybrid);
    const { ada, ben, space } = await raised(world);
    const link = await space.invite({ level: "read" });
    const eve = villain(world.crypto, "eve");
    const forged = await forgedJoin(world, ada, space, link, eve);
    expect((await ada.spaces.ingest(forged)).status).toBe("stored");
    await world.settle(ada, ben);
    expect(space.members()).toHaveLength(3);
    expect(space.status()).toMatchObject({
      rotationOwed: false,
      suite: { least: 2, holdingUp: [eve.author] },
    });
    expect(await codeOf(write(space, "not readable by all"))).toBe("SPACE_SUITE");
    expect(new Set(await rekeySuites(world, ada, space))).toEqual(new Set([2]));
    await space.remove(eve.author);
    await write(space, "again");
    await world.settle(ada, ben);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["again"]);
  });

  test("a raise by somebody who is removed at the same time does not count", async () => {
    const world = await createWorld(hybrid);
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const space = await ada.spaces.create();
    await space.add(await ben.spaces.bundles(), "manage");
    const other = await ben.spaces.accept(space.offer(await ben.spaces.bundle()));
    await world.settle(ada, ben);
    await other.raiseSuite(2);
    await space.remove(ben.author);
    await world.settle(ada, ben);
    expect(space.status().suite.least).toBe(1);
    await write(space, "on");
    expect(await textsOf(space)).toEqual(["on"]);
  });

  test("a suite nobody here has heard of stops writing and nothing else", async () => {
    const world = await createWorld(hybrid);
    const { ada, ben, space, other, metadataKey } = await raised(world);
    await write(space, "before");
    await world.settle(ada, ben);
    const opened = await readOps(world.crypto, ada.store, space.topic, metadataKey);
    const high = opBytes(world.crypto, ada, opened.group, opened.heads, {
      type: "raise",
      suite: 9,
    });
    const now = world.clock.nowMicros();
    const options = { crypto: world.crypto, topic: space.topic, metadataKey, who: ada, now };
    await ben.spaces.ingest(
      await forgeControl({ ...options, base: ada.store }, [authContent(high)]),
    );
    await world.pass(60_000);
    expect(await codeOf(write(other, "x"))).toBe("SPACE_SUITE_UNAVAILABLE");
    expect(await textsOf(other)).toEqual(["before"]);
    expect(other.status().suite.least).toBe(9);
    expect(other.failure).toBeUndefined();
  });
});

async function entryOf(
  device: TestDevice,
  ref: { logId: never; seq: number },
): Promise<Uint8Array> {
  for await (const entry of device.store.entries(ref.logId, { from: ref.seq })) return entry.data;
  throw new Error("no entry");
}

/** A join with a bundle of suite 1 alone, as a device of old or a villain would publish it. */
async function forgedJoin(
  world: World,
  from: TestDevice,
  space: Space,
  link: string,
  who: ReturnType<typeof villain>,
) {
  const { crypto } = world;
  const metadataKey = metadataKeyOf(crypto, space.id ?? ("" as never));
  const { secret } = parseInviteLink(crypto, link);
  const opened = await readOps(crypto, from.store, space.topic, metadataKey);
  const now = world.clock.nowMicros();
  const bundle = bundleOf(crypto, who, now);
  const claim = {
    group: opened.group,
    author: who.author,
    binding: joinBinding(crypto, bundle),
    time: Math.floor(now / 1e6),
  };
  const op = opBytes(crypto, who, opened.group, opened.heads, proveJoin(crypto, claim, secret));
  return forgeControl({ crypto, topic: space.topic, who, now, metadataKey }, [
    bundleContent(bundle),
    authContent(op),
  ]);
}

test("no source of the space layer imports the hybrid: it is in a bundle only if injected", () => {
  const folder = new URL("../src/", import.meta.url);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const sources = names.filter((name) => name.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(40);
  for (const name of sources) {
    expect(readFileSync(new URL(name, folder), "utf8")).not.toMatch(/from "@hawser\/crypto\//);
  }
});

test("bodies for chosen devices name a bundle of suite 1", async () => {
  const world = await createWorld(hybrid);
  const [ada, ben] = [await world.device("ada"), await world.device("ben")];
  const space = await ada.spaces.create();
  const [, second] = await ben.spaces.bundles();
  const draft = { type: "note", body: utf8("x"), audience: { only: [second!] } };
  expect(await codeOf(space.append([draft]))).toBe("SPACE_BUNDLE_INVALID");
});
