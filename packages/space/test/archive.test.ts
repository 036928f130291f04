/** Archives: what comes out is what went in, and neither forks nor resurrects (docs/spec/archive.md). */
import { toHex, utf8 } from "@hawser/codec";
import { createMemoryStore, ingestRange, logIdOf, verifyForkProof, type LogId } from "@hawser/log";
import { withFaults, type CommitFaults } from "@hawser/log/testing";
import type { Space } from "@hawser/space";
import { exportAndRetire, exportArchive } from "@hawser/space/archive";
import { describe, expect, test } from "vitest";
import {
  archiveKey,
  archiveOf,
  collect,
  logsOf,
  meet,
  restore,
  startOn,
  takeIn,
} from "./archive-help.ts";
import { seededRandom } from "./help.ts";
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

/** What people see of a space. */
async function seenOf(space: Space): Promise<unknown> {
  const events = await eventsOf(space);
  return {
    events: events.map(({ author, seq, stamp, hash, type, body, judgement }) => {
      return { author, seq, stamp, hash: toHex(hash), type, body: toHex(body), judgement };
    }),
    members: space.members(),
    timeline: space.timeline(),
    addresses: space.addresses(),
  };
}

/** Ben has each entry as a range of its own: only whole ones can be pruned. Resolves to Ada's log. */
async function writeApart(
  world: World,
  { ada, ben, space }: Pick<Awaited<ReturnType<typeof twoMembers>>, "ada" | "ben" | "space">,
  texts: readonly string[],
): Promise<LogId> {
  for (const text of texts) {
    await write(space, text);
    await world.settle(ada, ben);
  }
  const { topic } = space;
  return logIdOf(world.crypto, { topic, author: ada.author, domain: "hawser.data" });
}

/** A relay that follows a space of Ada's. */
async function relayFor(world: World, ada: TestDevice, space: Space): Promise<TestDevice> {
  const relay = await world.device("relay");
  const bundle = await relay.spaces.bundle();
  await space.add(bundle, "pull");
  await relay.spaces.follow(space.hosting(bundle));
  await world.settle(ada, relay);
  return relay;
}

describe("a device that moves", () => {
  test("[NB-9] [TH-131] comes out of one file with its spaces, keys, logs and addresses", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const second = await ada.spaces.create();
    const raw = await ada.spaces.createRaw();
    await write(space, "one");
    await write(other, "two");
    await write(second, "elsewhere");
    await write(raw, "to everybody");
    await space.announceAddress("wss://relay.example", 3_600);
    await world.settle(ada, ben);
    const file = await archiveOf(world, ada);
    const store = createMemoryStore({ crypto: world.crypto });
    const report = await takeIn(world, store, file);
    expect(report).toMatchObject({ complete: true, skipped: [], damage: [] });
    expect(report.identity).toEqual({ author: ada.author, secret: ada.secret });
    const moved = await startOn(world, ada, store);
    const all = [space, second, raw];
    expect(moved.spaces.list().map(({ topic }) => topic)).toEqual(
      all.map(({ topic }) => topic).sort(),
    );
    expect(moved.spaces.damaged()).toEqual([]);
    for (const each of all) {
      expect(await seenOf(spaceOn(moved, each))).toEqual(await seenOf(each));
    }
    expect(await logsOf(store)).toEqual(await logsOf(ada.store));
    expect(await moved.spaces.bundle()).toEqual(await ada.spaces.bundle());
  });

  test("two archives of one moment hold the same, record by record", async () => {
    const world = await createWorld();
    const { ada } = await twoMembers(world);
    await world.pass(0);
    const stopped = { ...world, clock: { ...world.clock, nowMicros: () => 5 } };
    expect(await archiveOf(stopped, ada)).toEqual(await archiveOf(stopped, ada));
  });

  test("without the identity the file restores the device only where its secret is given", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    await write(space, "one");
    const file = await archiveOf(world, ada, { withIdentity: false });
    const store = createMemoryStore({ crypto: world.crypto });
    await expect(takeIn(world, store, file)).rejects.toMatchObject({
      code: "SPACE_ARCHIVE_IDENTITY",
    });
    expect(await store.list("")).toEqual([]);
    await takeIn(world, store, file, { identity: ada });
    expect(await textsOf(spaceOn(await startOn(world, ada, store), space))).toEqual(["one"]);
  });

  test("the store it left behind is retired: it reads, and writes no more", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    await write(space, "one");
    const { store, spaces, author, secret } = ada;
    const { crypto, clock } = world;
    const random = seededRandom(3);
    const deps = { store, crypto, clock, random, spaces, identity: { author, secret } };
    const made = exportAndRetire(deps, { key: archiveKey });
    const file = await collect(made.bytes);
    expect(made.report()).toMatchObject({ spaces: 1, skipped: [] });
    const before = await logsOf(store);
    await expect(write(space, "two")).rejects.toMatchObject({ code: "SPACE_RETIRED" });
    await expect(spaces.create()).rejects.toMatchObject({ code: "SPACE_RETIRED" });
    const again = await world.restart(ada);
    const here = spaceOn(again, space);
    expect(here.status().problem).toBe("SPACE_RETIRED");
    await expect(write(here, "two")).rejects.toMatchObject({ code: "SPACE_RETIRED" });
    expect(await textsOf(here)).toEqual(["one"]);
    expect(await logsOf(store)).toEqual(before);
    // The device it became is not retired.
    const moved = await restore(world, ada, file);
    await moved.spaces.assumeOnlyCopy(space.topic);
    await write(spaceOn(moved, space), "two");
  });

  test("a snapshot while writes go on holds the keys of every entry in it", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const { store, author, secret } = ada;
    const { crypto, clock } = world;
    const random = seededRandom(3);
    const made = exportArchive(
      { store, crypto, clock, random, identity: { author, secret } },
      { key: archiveKey },
    );
    const writing = (async () => {
      for (let round = 0; round < 12; round++) {
        await write(space, `round ${round}`);
        if (round === 4) await space.remove(ben.author);
      }
    })();
    const file = await collect(made.bytes);
    await writing;
    const restored = await restore(world, ada, file);
    const here = spaceOn(restored, space);
    const texts = await textsOf(here);
    expect(texts).toEqual((await textsOf(space)).slice(0, texts.length));
    expect(here.status().missingEpochs).toBe(0);
    const logId = (await store.heads(space.topic)).find(({ context }) => {
      return context.author === author && context.domain === "hawser.data";
    })?.logId;
    const height = logId && (await restored.store.head(logId))?.height;
    expect(texts).toHaveLength(height ?? 0);
  });
});

describe("neither forks", () => {
  /** Ada wrote, was archived, and wrote on; Ben or a relay has all of it. */
  async function classic(name: "ben" | "relay") {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const peer = name === "ben" ? ben : await relayFor(world, ada, space);
    await write(space, "one");
    await world.settle(ada, ben, peer);
    const file = await archiveOf(world, ada);
    await write(space, "two");
    const { logId } = await write(space, "three");
    await world.settle(ada, ben, peer);
    return { world, ada, ben, peer, space, other, file, logId };
  }

  test.each(["ben", "relay"] as const)(
    "[ATK-dep43] [TH-131] backup, write, sync, restore, write: over %s it forks nothing any more",
    async (name) => {
      const { world, ada, ben, peer, space, other, file, logId } = await classic(name);
      const restored = await restore(world, ada, file);
      const again = spaceOn(restored, space);
      expect(restored.spaces.restored()).toEqual([space.topic]);
      expect(again.status().problem).toBe("SPACE_RESTORED");
      const before = await logsOf(restored.store);
      const refused = { code: "SPACE_RESTORED" };
      await expect(write(again, "too early")).rejects.toMatchObject(refused);
      await expect(again.invite({ level: "read" })).rejects.toMatchObject(refused);
      await world.pass(20_000);
      expect(await logsOf(restored.store)).toEqual(before);
      // A restart does not make it forget.
      const later = await world.restart(restored);
      await expect(write(spaceOn(later, space), "early")).rejects.toMatchObject(refused);
      await meet(world, later, peer);
      expect(later.spaces.restored()).toEqual([]);
      expect(spaceOn(later, space).status().problem).toBeUndefined();
      expect(await write(spaceOn(later, space), "four")).toMatchObject({ logId, seq: 3 });
      await meet(world, later, peer);
      await world.settle(peer, ben);
      expect(await textsOf(other)).toEqual(["one", "two", "three", "four"]);
      expect(await ben.store.forkProofs(logId)).toEqual([]);
      const last = await world.restart(later);
      await write(spaceOn(last, space), "five");
    },
  );

  test("[ATK-dep43] a peer that slept since before the archive does not end the wait, however often it comes", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const cyd = await world.device("cyd");
    await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben, cyd);
    await write(space, "one");
    await world.settle(ada, ben);
    const file = await archiveOf(world, ada);
    await write(space, "two");
    await world.settle(ada, ben);
    const restored = await restore(world, ada, file);
    await meet(world, restored, cyd);
    // By now it has what the archive had, from this very device.
    await meet(world, restored, cyd);
    expect(await textsOf(spaceOn(cyd, space))).toEqual(["one"]);
    expect(restored.spaces.restored()).toEqual([space.topic]);
    await meet(world, restored, ben);
    expect(restored.spaces.restored()).toEqual([]);
    expect(await textsOf(spaceOn(restored, space))).toEqual(["one", "two"]);
  });

  test("a stranger's and a follower's silence end nothing", async () => {
    const { world, ada, space, file } = await classic("ben");
    const restored = await restore(world, ada, file);
    const stranger = await world.device("stranger");
    await meet(world, restored, stranger);
    expect(restored.spaces.restored()).toEqual([space.topic]);
  });

  test("[ATK-dep43] a relay that withholds our newest entries is found out by whoever points at them", async () => {
    const { world, ada, ben, space, other, file } = await classic("ben");
    // Ben answers to "three"; the relay serves his answer, and of Ada's log what it had long ago.
    await write(other, "an answer");
    const liar = await withheld(world, ben, space, ada);
    const restored = await restore(world, ada, file);
    await meet(world, restored, liar);
    const again = spaceOn(restored, space);
    expect(restored.spaces.restored()).toEqual([space.topic]);
    await expect(write(again, "two, again")).rejects.toMatchObject({ code: "SPACE_RESTORED" });
    await meet(world, restored, ben);
    expect(restored.spaces.restored()).toEqual([]);
  });

  test("[ATK-dep43] one that withholds them and all that points at them brings about a fork with a proof, and no silent one", async () => {
    const { world, ada, ben, space, file, logId } = await classic("ben");
    const liar = await withheld(world, ben, space, ada);
    const restored = await restore(world, ada, file);
    await meet(world, restored, liar);
    expect(restored.spaces.restored()).toEqual([]);
    const again = spaceOn(restored, space);
    await write(again, "two, again");
    await meet(world, restored, ben);
    const [proof] = await ben.store.forkProofs(logId);
    expect(proof && verifyForkProof({ crypto: world.crypto }, proof)).toMatchObject({ ok: true });
    expect(await restored.store.forkProofs(logId)).toHaveLength(1);
    await expect(write(again, "more")).rejects.toMatchObject({ code: "LOG_FORKED" });
  });

  test("whoever has no peer says so; not where own entries are missing", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    for (let round = 0; round < 80; round++) await write(space, `${"x".repeat(4_000)} ${round}`);
    const file = await archiveOf(world, ada);
    const restored = await restore(world, ada, file);
    await restored.spaces.assumeOnlyCopy(space.topic);
    await write(spaceOn(restored, space), "alone");
    const reopened = await world.restart(restored);
    await write(spaceOn(reopened, space), "and on");
    const store = createMemoryStore({ crypto: world.crypto });
    const report = await takeIn(world, store, file.slice(0, file.length - 100_000));
    expect(report.complete).toBe(false);
    const part = await startOn(world, ada, store);
    const refused = { code: "SPACE_RESTORED" };
    await expect(part.spaces.assumeOnlyCopy(space.topic)).rejects.toMatchObject(refused);
    await expect(write(spaceOn(part, space), "no")).rejects.toMatchObject(refused);
    await meet(world, part, ada);
  });

  test("an older archive taken into the live device changes nothing and stops nothing", async () => {
    const { world, ada, space, file } = await classic("ben");
    const before = { logs: await logsOf(ada.store), seen: await seenOf(space) };
    await ada.spaces.close();
    const report = await takeIn(world, ada.store, file);
    expect(report).toMatchObject({ complete: true, entries: 0 });
    const again = await startOn(world, ada, ada.store);
    expect(again.spaces.restored()).toEqual([]);
    expect(await logsOf(ada.store)).toEqual(before.logs);
    expect(await seenOf(spaceOn(again, space))).toEqual(before.seen);
    await write(spaceOn(again, space), "four");
  });

  /** A member's store as a liar serves it: of Ada's data log only the first entry. */
  async function withheld(
    world: World,
    ben: TestDevice,
    space: Space,
    ada: TestDevice,
  ): Promise<TestDevice> {
    const { crypto } = world;
    const store = createMemoryStore({ crypto });
    for (const { logId, context } of await ben.store.heads(space.topic)) {
      const isHidden = context.author === ada.author && context.domain === "hawser.data";
      for await (const range of ben.store.ranges(logId, isHidden ? { to: 1 } : {})) {
        await ingestRange({ store, crypto }, range);
      }
    }
    await store.commit({ writes: await ben.store.list("") });
    return startOn(world, ben, store);
  }
});

describe("nor resurrects", () => {
  test("[TH-131] [ATK-submersion1340] a space left since then stays left", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "one");
    await world.settle(ada, ben);
    const file = await archiveOf(world, ben);
    await other.leave();
    await world.settle(ada, ben);
    await ben.spaces.close();
    await takeIn(world, ben.store, file);
    const again = await startOn(world, ben, ben.store);
    expect(spaceOn(again, space).status().state).toBe("removed");
    const fresh = await restore(world, ben, file);
    await meet(world, fresh, ada);
    await world.settle(fresh, ada);
    expect(spaceOn(fresh, space).status().state).toBe("removed");
    expect(space.members().map(({ author }) => author)).toEqual([ada.author]);
  });

  test("[TH-131] entries that were pruned here do not come back", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const logId = await writeApart(world, { ada, ben, space }, ["one", "two", "three"]);
    const file = await archiveOf(world, ben);
    await ben.spaces.close();
    expect(await ben.store.prune(logId, 2)).toBe(2);
    const report = await takeIn(world, ben.store, file);
    expect(report.entries).toBe(0);
    expect(await ben.store.head(logId)).toMatchObject({ height: 3, prunedTo: 2 });
    const left: number[] = [];
    for await (const entry of ben.store.entries(logId, { from: 2 })) left.push(entry.seq);
    expect(left).toEqual([2]);
    // In an archive of what is left, the log cannot be verified from its start, and is named.
    const later = await archiveOf(world, ben, { pruned: "leave" });
    const store = createMemoryStore({ crypto: world.crypto });
    const second = await takeIn(world, store, later);
    expect(second.skipped).toEqual([{ topic: space.topic, reason: "PRUNED" }]);
    expect(second.complete).toBe(false);
  });

  test("a device that lacks the beginning of a log is told before the first byte, and not retired", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const logId = await writeApart(world, { ada, ben, space }, ["one", "two"]);
    await ben.store.prune(logId, 1);
    const refusal = { code: "SPACE_ARCHIVE_PRUNED" };
    const deps = { ...world, ...ben, random: seededRandom(5), identity: ben };
    const made = exportArchive(deps, { key: archiveKey });
    await expect(made.bytes[Symbol.asyncIterator]().next()).rejects.toMatchObject(refusal);
    expect(made.report()).toBeUndefined();
    await expect(collect(exportAndRetire(deps, { key: archiveKey }).bytes)).rejects.toMatchObject(
      refusal,
    );
    await write(spaceOn(ben, space), "not retired");
    // With leave it is named; the same log, pruned to its end, as well.
    const left = exportArchive(deps, { key: archiveKey, pruned: "leave" });
    await collect(left.bytes);
    expect(left.report()?.skipped).toEqual([{ topic: space.topic, reason: "PRUNED" }]);
    await ben.store.prune(logId, 2);
    const empty = exportArchive(deps, { key: archiveKey, pruned: "leave" });
    await collect(empty.bytes);
    expect(empty.report()?.skipped).toEqual([{ topic: space.topic, reason: "PRUNED" }]);
    expect(await ada.store.head(logId)).toMatchObject({ prunedTo: 0 });
  });

  test("a log that is compacted while the archive is made ends the making", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const logId = await writeApart(world, { ada, ben, space }, ["one", "two"]);
    const deps = { ...world, ...ben, random: seededRandom(5), identity: ben };
    const made = exportArchive(deps, { key: archiveKey });
    const pieces = made.bytes[Symbol.asyncIterator]();
    expect((await pieces.next()).done).toBe(false);
    await ben.store.prune(logId, 1);
    await expect(pieces.next()).rejects.toMatchObject({ code: "SPACE_ARCHIVE_PRUNED" });
  });
});

describe("another device takes it in", () => {
  test("[NB-9] reads what the archive's device could read, and is a member of nothing by that", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "one");
    await write(other, "two");
    await world.settle(ada, ben);
    const cyd = await world.device("cyd");
    const own = await cyd.spaces.create();
    await write(own, "mine");
    await cyd.spaces.close();
    const file = await archiveOf(world, ada);
    const report = await takeIn(world, cyd.store, file, { identity: cyd });
    expect(report).toMatchObject({ complete: true, author: ada.author });
    expect(report.identity.author).toBe(cyd.author);
    const again = await startOn(world, cyd, cyd.store);
    expect(again.spaces.restored()).toEqual([]);
    const here = spaceOn(again, space);
    expect(await textsOf(here)).toEqual(["one", "two"]);
    expect(here.access()).toBeUndefined();
    await expect(write(here, "three")).rejects.toMatchObject({ code: "SPACE_NOT_WELCOMED" });
    await write(spaceOn(again, own), "still mine");
    expect(await textsOf(spaceOn(again, own))).toEqual(["mine", "still mine"]);
    await world.pass(10_000);
    await meet(world, again, ben);
    expect(space.members()).toHaveLength(2);
    // Doing it again changes nothing.
    const before = await logsOf(cyd.store);
    await takeIn(world, cyd.store, file, { identity: cyd });
    expect(await logsOf(cyd.store)).toEqual(before);
  });

  test("a store of another device is refused, and left as it is", async () => {
    const world = await createWorld();
    const { ada, ben } = await twoMembers(world);
    const file = await archiveOf(world, ada);
    await ben.spaces.close();
    const before = await ben.store.list("");
    await expect(takeIn(world, ben.store, file)).rejects.toMatchObject({
      code: "SPACE_ARCHIVE_IDENTITY",
    });
    expect(await ben.store.list("")).toEqual(before);
  });

  test("forks come along: both devices judge the log alike", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    await write(space, "one");
    const twin = await restore(world, ada, await archiveOf(world, ada));
    await twin.spaces.assumeOnlyCopy(space.topic);
    const { logId } = await write(spaceOn(twin, space), "mine");
    await write(space, "no, mine");
    await world.settle(ada, ben);
    await world.copy(twin, ben);
    for await (const range of twin.store.ranges(logId)) await ben.spaces.ingest(range);
    expect(await ben.store.forkProofs(logId)).toHaveLength(1);
    const restored = await restore(world, ben, await archiveOf(world, ben));
    expect(await restored.store.forkProofs(logId)).toEqual(await ben.store.forkProofs(logId));
    expect((await restored.store.head(logId))?.forkedAt).toBe(1);
    expect(await seenOf(spaceOn(restored, space))).toEqual(await seenOf(spaceOn(ben, space)));
  });
});

describe("an import that is killed", () => {
  test("[TH-131] goes on where it was, and a half-filled store writes nothing", async () => {
    const world = await createWorld();
    const { ada, space, ben } = await twoMembers(world);
    for (const text of ["one", "two", "three"]) await write(space, text);
    await world.settle(ada, ben);
    const file = await archiveOf(world, ada);
    const whole = await restore(world, ada, file);
    for (const when of ["before", "after"] as const) {
      for (let kill = 1; ; kill++) {
        const faults: CommitFaults = {};
        const memory = createMemoryStore({ crypto: world.crypto });
        let commits = 0;
        faults[when] = () => {
          commits += 1;
          return commits === kill ? Promise.reject(new Error("killed")) : Promise.resolve();
        };
        const killed = await takeIn(world, withFaults(memory, faults), file).then(
          () => false,
          () => true,
        );
        if (!killed) break;
        const half = await startOn(world, ada, memory);
        for (const each of half.spaces.list()) {
          // With too little here to know that it is a member it says so instead.
          await expect(write(each, "too early")).rejects.toMatchObject({
            code: expect.stringMatching(/^SPACE_(RESTORED|NOT_WELCOMED)$/),
          });
          expect(each.status().problem).toBe("SPACE_RESTORED");
        }
        await half.spaces.close();
        expect(await takeIn(world, memory, file)).toMatchObject({ complete: true });
        expect(await logsOf(memory)).toEqual(await logsOf(whole.store));
        const again = await startOn(world, ada, memory);
        expect(again.spaces.restored()).toEqual([space.topic]);
        expect(await textsOf(spaceOn(again, space))).toEqual(["one", "two", "three"]);
      }
    }
  });

  test("stops when told to, and can be taken up", async () => {
    const world = await createWorld();
    const { ada } = await twoMembers(world);
    const file = await archiveOf(world, ada);
    const store = createMemoryStore({ crypto: world.crypto });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(takeIn(world, store, file, { signal })).rejects.toThrow("enough");
    await expect(archiveOf(world, ada, { signal })).rejects.toThrow("enough");
    const seen: number[] = [];
    const onProgress = ({ bytes }: { readonly bytes: number }): void => void seen.push(bytes);
    await takeIn(world, store, file, { onProgress });
    expect(seen.at(-1)).toBe(file.length);
  });
});

test("a damaged space is named, and the others come along", async () => {
  const world = await createWorld();
  const { ada, space } = await twoMembers(world);
  const second = await ada.spaces.create();
  await write(second, "whole");
  const key = `space/${space.topic}/keys`;
  await ada.store.commit({ writes: [{ key, value: utf8("not a sealed value at all, but long") }] });
  const file = await archiveOf(world, ada);
  const store = createMemoryStore({ crypto: world.crypto });
  const report = await takeIn(world, store, file);
  expect(report.skipped).toEqual([{ topic: space.topic, reason: "SPACE_STATE_CORRUPT" }]);
  expect(report).toMatchObject({ complete: false, spaces: [second.topic] });
  const restored = await startOn(world, ada, store);
  expect(await textsOf(spaceOn(restored, second))).toEqual(["whole"]);
});

describe("a space that is forgotten", () => {
  test("[TH-131] goes with its keys, once it was left; sync and archives do not bring it back", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "one");
    await world.settle(ada, ben);
    const file = await archiveOf(world, ben);
    const { topic } = space;
    await expect(ben.spaces.forget(topic)).rejects.toMatchObject({ code: "SPACE_MEMBERSHIP" });
    await other.leave();
    await world.settle(ada, ben);
    await ben.spaces.forget(topic);
    await ben.spaces.forget(topic);
    expect(ben.spaces.list()).toEqual([]);
    const keys = (await ben.store.list("")).map(({ key }) => key);
    expect(keys.filter((key) => key.includes(topic))).toEqual([`archive/forgotten/${topic}`]);
    await meet(world, ada, ben);
    expect(ben.spaces.list()).toEqual([]);
    await ben.spaces.close();
    const report = await takeIn(world, ben.store, file);
    expect(report).toMatchObject({ spaces: [], skipped: [{ topic, reason: "FORGOTTEN" }] });
    const again = await startOn(world, ben, ben.store);
    expect(again.spaces.list()).toEqual([]);
    expect(() => again.spaces.openTopic(topic)).toThrow(
      expect.objectContaining({ code: "SPACE_UNKNOWN" }),
    );
    // Joining does: its old logs are here, so it goes on behind them.
    const back = await again.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, again);
    await write(back, "two");
    await world.settle(ada, again);
    expect(await textsOf(space)).toEqual(["one", "two"]);
    expect(await textsOf(back)).toEqual(["one", "two"]);
  });

  test("a raw one and an unknown one", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const raw = await ada.spaces.createRaw();
    const { topic } = raw;
    await write(raw, "one");
    await ada.spaces.forget(topic);
    expect(ada.spaces.list()).toEqual([]);
    expect(ada.spaces.topics()).toEqual([]);
    const again = await world.restart(ada);
    expect(again.spaces.list()).toEqual([]);
    const back = await again.spaces.openRaw(String(raw.id));
    expect(await textsOf(back)).toEqual(["one"]);
    const unknown = "0".repeat(64) as typeof topic;
    await expect(again.spaces.forget(unknown)).rejects.toMatchObject({ code: "SPACE_UNKNOWN" });
  });
});

describe("raw spaces and long bodies", () => {
  test("[ATK-dep43] a raw space waits as well, until somebody who knows it has spoken", async () => {
    const world = await createWorld();
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const raw = await ada.spaces.createRaw();
    const other = await ben.spaces.openRaw(String(raw.id));
    await write(raw, "one");
    const file = await archiveOf(world, ada);
    const { logId } = await write(raw, "two");
    await world.settle(ada, ben);
    const restored = await restore(world, ada, file);
    const again = spaceOn(restored, raw);
    await expect(write(again, "too early")).rejects.toMatchObject({ code: "SPACE_RESTORED" });
    expect(again.status().problem).toBe("SPACE_RESTORED");
    await meet(world, restored, ben);
    expect(restored.spaces.restored()).toEqual([]);
    await write(again, "three");
    await meet(world, restored, ben);
    expect(await textsOf(other)).toEqual(["one", "two", "three"]);
    expect(await ben.store.forkProofs(logId)).toEqual([]);
  });

  test("[TH-131] a body that was shredded does not come back with an older archive", async () => {
    const world = await createWorld();
    const bodies = {};
    const ada = await world.device("ada", { bodies });
    const space = await ada.spaces.create();
    const body = new Uint8Array(100_000).fill(7);
    const [ref] = await space.append([{ type: "film", body, detached: true }]);
    if (ref === undefined) throw new Error("nothing appended");
    const file = await archiveOf(world, ada);
    const keysIn = async () => (await ada.store.list(`space/${space.topic}/body-key/`)).length;
    await space.shred(ref);
    expect(await keysIn()).toBe(0);
    await ada.spaces.close();
    await takeIn(world, ada.store, file);
    const spaces = { ...ada.spaces, close: () => Promise.resolve() };
    const again = await world.restart({ ...ada, spaces }, { bodies });
    await world.pass(1_000);
    expect(await spaceOn(again, space).bodyState(ref)).toBe("shredded");
    expect(await keysIn()).toBe(0);
    await expect(spaceOn(again, space).openBody(ref)).rejects.toMatchObject({
      code: "SPACE_BODY_SHREDDED",
    });
  });
});
