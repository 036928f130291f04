/**
 * Stores that fail, come back, or are copied: what broke other systems at home, tried on the space
 * layer. Nobody here forges anything; the attacker is the disk.
 */
import { utf8 } from "@hawser/codec";
import { createMemoryStore, ingestRange, type KvWrite, type LogStore } from "@hawser/log";
import { withFaults, type CommitFaults } from "@hawser/log/testing";
import type { Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { createVault } from "../src/vault.ts";
import {
  createWorld,
  eventsOf,
  spaceOn,
  textsOf,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

/** The whole of a store as it is now, in another one: what a backup is. */
async function copyOfStore(world: World, device: TestDevice): Promise<LogStore> {
  const { crypto } = world;
  const store = createMemoryStore({ crypto });
  for (const topic of await device.store.topics()) {
    for (const { logId } of await device.store.heads(topic)) {
      for await (const range of device.store.ranges(logId)) {
        await ingestRange({ store, crypto }, range);
      }
    }
  }
  await store.commit({ writes: await device.store.list("") });
  return store;
}

/** The device on another store, while the first instance lives on. */
function restartOn(world: World, device: TestDevice, store: LogStore): Promise<TestDevice> {
  const spaces = { ...device.spaces, close: () => Promise.resolve() };
  return world.restart({ ...device, store, spaces });
}

/** Everything of a store that can be compared. */
async function contentsOf(store: LogStore): Promise<unknown> {
  return { values: await store.list(""), stats: await store.stats() };
}

async function overwrite(store: LogStore, key: string, value: Uint8Array): Promise<void> {
  const writes: readonly KvWrite[] = [{ key, value }];
  await store.commit({ writes });
}

describe("restored backups", () => {
  test("[ATK-dep43] a restored device that syncs before it writes goes on where its log ended", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "one");
    const backup = await copyOfStore(world, ada);
    await write(space, "two");
    const { logId } = await write(space, "three");
    await world.settle(ada, ben);
    const restored = await restartOn(world, ada, backup);
    const again = spaceOn(restored, space);
    expect(await textsOf(again)).toEqual(["one"]);
    await world.settle(restored, ben);
    expect(await write(again, "four")).toMatchObject({ logId, seq: 3 });
    await world.settle(restored, ben);
    expect(await textsOf(other)).toEqual(["one", "two", "three", "four"]);
    expect(await ben.store.forkProofs(logId)).toEqual([]);
  });

  test("[ATK-dep43] one whose writer was open already when its own entries came back goes on behind them", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const backup = await copyOfStore(world, ada);
    const restored = await restartOn(world, ada, backup);
    const again = spaceOn(restored, space);
    const { logId } = await write(again, "by the restored device");
    // The same device again, from the same backup plus what the first one wrote.
    const twin = await restartOn(world, ada, await copyOfStore(world, restored));
    await write(spaceOn(twin, space), "by its twin");
    await world.settle(twin, restored);
    expect(await write(again, "after the twin")).toMatchObject({ logId, seq: 2 });
    await world.settle(restored, twin, ben);
    expect(await textsOf(other)).toEqual([
      "by the restored device",
      "by its twin",
      "after the twin",
    ]);
    expect(await ben.store.forkProofs(logId)).toEqual([]);
  });

  test("[ATK-dep43] one that wrote before it synced is told LOG_FORKED and writes no more on it", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    await write(space, "one");
    const backup = await copyOfStore(world, ada);
    await write(space, "two");
    await world.settle(ada, ben);
    const restored = await restartOn(world, ada, backup);
    const again = spaceOn(restored, space);
    const { logId, seq } = await write(again, "another two");
    expect(seq).toBe(1);
    await world.copy(ben, restored);
    for await (const range of ben.store.ranges(logId)) await restored.spaces.ingest(range);
    expect((await restored.store.head(logId))?.forkedAt).toBe(1);
    const before = await restored.store.stats();
    await expect(write(again, "three")).rejects.toMatchObject({ code: "LOG_FORKED" });
    expect(await restored.store.stats()).toEqual(before);
  });

  test("[ATK-submersion1340] what a restored device writes anew is undone by nothing from before", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "kept in the backup");
    await world.settle(ada, ben);
    const backup = await copyOfStore(world, ada);
    // A peer takes the writer down and says that it is gone for good; then the backup comes back.
    await other.leave();
    await write(space, "lost with the disk");
    await world.settle(ada, ben);
    const restored = await restartOn(world, ada, backup);
    await world.settle(restored, ben);
    const again = spaceOn(restored, space);
    await write(again, "written after the restore");
    await world.pass(10_000);
    const texts = ["kept in the backup", "lost with the disk", "written after the restore"];
    expect(await textsOf(again)).toEqual(texts);
    // The removal that happened after the backup holds there as well: nothing is resurrected.
    expect(again.members().map(({ author }) => author)).toEqual([ada.author]);
  });
});

describe("damaged state", () => {
  /** Ada manages two spaces; the state of one is damaged on disk. */
  async function damaged(key: (topic: string) => string) {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const second = await ada.spaces.create();
    await write(space, "first space");
    await write(second, "second space");
    await world.settle(ada, ben);
    const name = key(space.topic);
    const good = (await ada.store.get(name))!;
    const bad = good.slice();
    bad[40] = (bad[40] ?? 0) ^ 1;
    await overwrite(ada.store, name, bad);
    return { world, ada, ben, space, second, name, good };
  }

  test.each([
    ["keys", (topic: string) => `space/${topic}/keys`],
    ["record", (topic: string) => `spaces/${topic}`],
  ])(
    "[ATK-automerge1443] a space with a damaged %s is named, and stops no other space",
    async (_, key) => {
      const { world, ada, ben, space, second, name, good } = await damaged(key);
      const again = await world.restart(ada);
      const corrupt = { code: "SPACE_STATE_CORRUPT" };
      expect(again.spaces.damaged()).toMatchObject([{ topic: space.topic, error: corrupt }]);
      expect(again.spaces.list().map(({ topic }) => topic)).toEqual([second.topic]);
      const whole = spaceOn(again, second);
      await write(whole, "and goes on");
      expect(await textsOf(whole)).toEqual(["second space", "and goes on"]);
      const third = await again.spaces.create();
      await write(third, "a new one");
      expect(await textsOf(third)).toEqual(["a new one"]);
      // It is no unknown space, and nothing is written over it.
      expect(() => again.spaces.openTopic(space.topic)).toThrow(expect.objectContaining(corrupt));
      await world.copy(ben, again);
      await overwrite(again.store, name, good);
      const mended = await world.restart(again);
      expect(mended.spaces.damaged()).toEqual([]);
      expect(await textsOf(spaceOn(mended, space))).toEqual(["first space"]);
    },
  );

  test("[ATK-hocuspocus382] keys that open but do not parse are an error, and never saved as no keys", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    await write(space, "secret");
    await world.settle(ada, ben);
    const random = () => new Uint8Array(24).fill(5);
    const vault = createVault({ store: ada.store, crypto: world.crypto, random }, ada.secret);
    const name = `space/${space.topic}/keys`;
    const good = (await vault.read(name))!;
    await ada.store.commit({ writes: [vault.write(name, good.slice(0, -1))] });
    const again = await world.restart(ada);
    expect(again.spaces.list()).toEqual([]);
    expect(again.spaces.damaged()).toMatchObject([{ error: { code: "SPACE_STATE_CORRUPT" } }]);
    await world.copy(ben, again);
    await world.pass(10_000);
    expect(await vault.read(name)).toEqual(good.slice(0, -1));
    await ada.store.commit({ writes: [vault.write(name, good)] });
    const mended = await world.restart(again);
    expect(await textsOf(spaceOn(mended, space))).toEqual(["secret"]);
  });

  test.each(["get", "list", "heads", "head", "received", "entries"] as const)(
    "[ATK-hocuspocus382] [ATK-evolu705] a store whose %s fails opens as an error, not as an empty account",
    async (method) => {
      const world = await createWorld();
      const { ada, ben, space } = await twoMembers(world);
      await write(space, "still here");
      await world.settle(ada, ben);
      const before = await contentsOf(ada.store);
      await ada.spaces.close();
      const broken = new Error("the disk does not answer");
      const fails = (): never => {
        throw broken;
      };
      const store = { ...ada.store, [method]: fails };
      const outcome = await restartOn(world, ada, store).then(
        (device) => firstWord(device, space),
        (error: unknown) => error,
      );
      expect(outcome).not.toEqual([]);
      const causes = outcome instanceof Error ? [outcome, outcome.cause] : [];
      // What is never asked on the way to reading cannot fail.
      if (method !== "head") expect(causes).toContain(broken);
      expect(await contentsOf(ada.store)).toEqual(before);
      const whole = await restartOn(world, ada, ada.store);
      expect(await textsOf(spaceOn(whole, space))).toEqual(["still here"]);
    },
  );

  async function firstWord(device: TestDevice, space: Space): Promise<unknown> {
    const here = spaceOn(device, space);
    const read = await textsOf(here).catch((error: unknown) => error);
    return here.failure ?? read;
  }
});

describe("writes that fail", () => {
  async function faulty() {
    const world = await createWorld();
    const faults: CommitFaults = {};
    const seed = await world.device("ada");
    await seed.spaces.close();
    const store = withFaults(createMemoryStore({ crypto: world.crypto }), faults);
    const ada = await restartOn(world, seed, store);
    const space = await ada.spaces.create();
    await write(space, "before");
    return { world, ada, space, faults };
  }
  const fullDisk = new Error("no space left on device");
  const once = (faults: CommitFaults, when: "before" | "after"): void => {
    faults[when] = () => {
      delete faults[when];
      return Promise.reject(fullDisk);
    };
  };

  const jobs: readonly (readonly [string, (space: Space) => Promise<unknown>])[] = [
    ["an append", (space) => write(space, "lost")],
    ["an invite", (space) => space.invite({ level: "write" })],
    ["an address", (space) => space.announceAddress("wss://ada.example", 60)],
    ["a batch", (space) => Promise.all([write(space, "lost"), write(space, "too")])],
  ];

  test.each(jobs)(
    "[ATK-amrepo672] after %s that failed once, everything works as before",
    async (_, job) => {
      const { world, ada, space, faults } = await faulty();
      const before = await contentsOf(ada.store);
      once(faults, "before");
      await expect(job(space)).rejects.toBeDefined();
      expect(await contentsOf(ada.store)).toEqual(before);
      await job(space);
      await write(space, "after");
      const link = await space.invite({ level: "write" });
      const ben = await world.device("ben");
      const other = await ben.spaces.join(link);
      await world.settle(ada, ben);
      const texts = (await textsOf(other)).filter((text) => text !== "lost" && text !== "too");
      expect(texts).toEqual(["before", "after"]);
      const again = await world.restart(ada);
      expect(await textsOf(spaceOn(again, space))).toEqual(await textsOf(other));
    },
  );

  test("[ATK-evolu-failover] an entry whose acknowledgement was lost keeps its stamp, hash and place", async () => {
    const { world, ada, space, faults } = await faulty();
    const ben = await world.device("ben");
    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);
    once(faults, "after");
    await expect(write(space, "stored, and nobody was told")).rejects.toBeDefined();
    const [, first] = await eventsOf(space);
    expect(first).toMatchObject({ seq: 1 });
    await world.settle(ada, ben);
    // The new leader replays all it has, several times and to everybody.
    const { logId } = first!;
    for (let round = 0; round < 3; round++) {
      for await (const range of ada.store.ranges(logId)) {
        expect((await ben.spaces.ingest(range)).status).toBe("known");
        expect((await ada.spaces.ingest(range)).status).toBe("known");
      }
    }
    await write(space, "next");
    await world.settle(ada, ben);
    const events = await eventsOf(other);
    expect(events.map(({ body }) => new TextDecoder().decode(body))).toEqual([
      "before",
      "stored, and nobody was told",
      "next",
    ]);
    expect(events[1]).toMatchObject({ seq: 1, stamp: first!.stamp, hash: first!.hash });
  });

  test("[ATK-bimootb1555] a write that is too large says so, and drops nothing that was there", async () => {
    const { ada, space, world } = await faulty();
    const before = await contentsOf(ada.store);
    const huge = { type: "note", body: new Uint8Array(2 ** 27) };
    await expect(space.append([huge])).rejects.toMatchObject({ code: "SPACE_BODY_TOO_LARGE" });
    const batch = [{ type: "note", body: utf8("small") }, huge];
    await expect(space.append(batch)).rejects.toMatchObject({ code: "SPACE_BODY_TOO_LARGE" });
    expect(await contentsOf(ada.store)).toEqual(before);
    await write(space, "after");
    const again = await world.restart(ada);
    expect(await textsOf(spaceOn(again, space))).toEqual(["before", "after"]);
  });
});
