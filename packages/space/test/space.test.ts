/** The linear life of a space: found, invite, join, write, read, remove (docs/spec/6-space.md). */
import { utf8 } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import { createWorld, eventsOf, spaceOn, textsOf, twoMembers, write } from "./world.ts";

describe("a space", () => {
  test("[TH-102] [TH-103] [P2-S1] its founder manages it and reads what it wrote", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    expect(space.status()).toMatchObject({ state: "active", epochs: 1, missingEpochs: 0 });
    expect(space.members()).toEqual([{ author: ada.author, level: "manage", mayDelete: true }]);
    await write(space, "hello");
    expect(await textsOf(space)).toEqual(["hello"]);
  });

  test("[TH-104] [TH-109] [P2-S2] an invited device joins, both read both", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    expect(other.status()).toMatchObject({ state: "active", problem: undefined });
    await write(space, "from ada");
    await write(other, "from ben");
    await world.settle(ada, ben);
    expect([...(await textsOf(space))].sort()).toEqual(["from ada", "from ben"]);
    expect([...(await textsOf(other))].sort()).toEqual(["from ada", "from ben"]);
    expect(other.members()).toEqual(space.members());
    const [event] = await eventsOf(other);
    expect(event).toMatchObject({ type: "note", judgement: "accept", sequence: undefined });
  });

  test("[P2-S3] [P2-S4] [TH-105] [TH-106] a known device is added with its keys in one batch", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    await write(space, "before");
    const cyd = await world.device("cyd");
    const bundle = await cyd.spaces.bundle();
    const before = (await ada.store.stats()).ranges;
    await space.add(bundle, "read");
    expect((await ada.store.stats()).ranges).toBe(before + 1);
    const third = await cyd.spaces.accept(space.offer(bundle));
    expect(third.status().state).toBe("waiting");
    await world.settle(ada, ben, cyd);
    expect(third.status().state).toBe("active");
    expect(await textsOf(third)).toEqual(["before"]);
    await expect(write(third, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
  });

  test("[TH-107] [TH-108] one join serves every member", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben, cyd);
    await write(third, "from cyd");
    await world.settle(ada, ben, cyd);
    for (const device of [ada, ben, cyd]) {
      expect(await textsOf(spaceOn(device, space))).toEqual(["from cyd"]);
    }
  });

  test("[TH-020] [TH-022] [TH-100] heads grow by one and never shrink; logs are ordered", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const seqs: number[] = [];
    for (let index = 0; index < 5; index++) {
      const { logId, seq } = await write(space, `note ${index}`);
      seqs.push(seq);
      expect((await ada.store.head(logId))?.height).toBe(seq + 1);
    }
    expect(seqs).toEqual([0, 1, 2, 3, 4]);
    await write(other, "in between");
    await world.settle(ada, ben);
    const stamps = (await eventsOf(other)).map((event) => event.stamp);
    expect(stamps.length).toBe(6);
    expect(new Set((await eventsOf(other)).map((event) => event.logId)).size).toBe(2);
  });

  test("[TH-026] [TH-186] a batch is one signature; refs read back with type and sequence", async () => {
    const world = await createWorld();
    const { space, ada } = await twoMembers(world);
    const drafts = Array.from({ length: 20 }, (_, index) => ({
      type: "doc",
      body: utf8(`op ${index}`),
      sequence: "doc-1",
    }));
    const refs = await space.append(drafts);
    expect(refs.map((ref) => ref.seq)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    let signatures = 0;
    for await (const entry of ada.store.entries(refs[0]!.logId)) {
      if (entry.signature !== undefined) signatures += 1;
    }
    // The genesis entry of a log is always signed.
    expect(signatures).toBe(2);
    const read = await space.read(refs[7]!);
    expect(read).toMatchObject({ type: "doc", sequence: "doc-1", judgement: "accept", seq: 7 });
    expect(read.body).toEqual(utf8("op 7"));
  });

  test("appends made together share one batch", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    await write(space, "first");
    const before = (await ada.store.stats()).ranges;
    const refs = await Promise.all(
      Array.from({ length: 50 }, (_, index) => write(space, `${index}`)),
    );
    expect(refs.map((ref) => ref.seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect((await ada.store.stats()).ranges - before).toBeLessThanOrEqual(2);
  });

  test("[TH-191] [TH-190] [TH-189] [TH-188] [P2-S22] levels: pull follows, read reads, write writes", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await expect(other.invite({ level: "read" })).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
    await space.set(ben.author, "read");
    await world.settle(ada, ben);
    await expect(write(other, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    await write(space, "for readers");
    await space.set(ben.author, "pull");
    await world.settle(ada, ben);
    await write(space, "not for ben");
    await world.settle(ada, ben);
    expect(other.status().state).toBe("following");
    expect(await textsOf(other)).toEqual(["for readers"]);
    await space.set(ben.author, "manage");
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["for readers", "not for ben"]);
    await other.set(ada.author, "read");
    await world.settle(ada, ben);
    expect(space.access()?.level).toBe("read");
    expect(space.why(ada.author, "write")?.allowed).toBe(false);
  });

  test("[TH-054] a body for one member is closed to the other readers", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, cyd);
    const only = [await ben.spaces.bundle()];
    const [ref] = await space.append([{ type: "note", body: utf8("for ben"), audience: { only } }]);
    await world.settle(ada, ben, cyd);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["for ben"]);
    expect(await textsOf(third)).toEqual([]);
    const seen = await third.read(ref!);
    expect(seen).toMatchObject({ type: "note", body: undefined, recipients: [ben.author] });
  });

  test("[TH-055] [TH-053] plain entries need no key; one content key opens one entry", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const [plain] = await space.append([{ type: "note", body: utf8("open"), audience: "anybody" }]);
    await write(space, "sealed");
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["open", "sealed"]);
    await expect(space.contentKeyOf(plain!)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    const key = await other.contentKeyOf({ logId: plain!.logId, seq: 1 });
    expect(key.length).toBe(32);
  });

  test("bad drafts change nothing", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const before = await ada.store.stats();
    const wrong = [
      [{ type: "x", body: new Uint8Array(60_000) }, "SPACE_BODY_TOO_LARGE"],
      [{ type: "", body: new Uint8Array(1) }, "SPACE_DRAFT_INVALID"],
      [{ type: "x", body: new Uint8Array(1), sequence: "" }, "SPACE_DRAFT_INVALID"],
      [{ type: "x", body: new Uint8Array(1), audience: { only: [] } }, "SPACE_DRAFT_INVALID"],
    ] as const;
    for (const [draft, code] of wrong) {
      await expect(space.append([draft])).rejects.toMatchObject({ code });
    }
    expect(await space.append([])).toEqual([]);
    expect(await ada.store.stats()).toEqual(before);
    await write(space, "still works");
    expect(await textsOf(space)).toEqual(["still works"]);
  });

  test("unknown spaces, ids and entries have codes", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const { logId } = await write(space, "x");
    expect(() => ada.spaces.open("bafkxd5bjgi6k4zivuoyxo4ua4mzyy")).toThrow(
      expect.objectContaining({ code: "SPACE_UNKNOWN" }),
    );
    expect(() => ada.spaces.open("nonsense")).toThrow(
      expect.objectContaining({ code: "SPACE_ID_BASE" }),
    );
    expect(ada.spaces.open(space.id!)).toBe(space);
    await expect(space.read({ logId, seq: 9 })).rejects.toMatchObject({
      code: "SPACE_ENTRY_UNKNOWN",
    });
    expect(await space.explain({ logId, seq: 9 })).toMatchObject({ code: "NOT_ANNOUNCED" });
    expect(await space.explain({ logId, seq: 0 })).toMatchObject({
      code: "PRESENT",
      judgement: "accept",
    });
  });

  test("[TH-033] [TH-040] [TH-035] members announce addresses of their own logs", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await space.announceAddress("wss://ada.example", 60);
    await space.announceAddress("wss://relay.example", 3_600);
    await other.announceAddress("wss://ben.example", 60);
    await world.settle(ada, ben);
    const listed = other.addresses().map(({ author, address }) => [author, address]);
    expect(new Set(listed.map(([author, address]) => `${author} ${address}`))).toEqual(
      new Set([
        `${ada.author} wss://ada.example`,
        `${ada.author} wss://relay.example`,
        `${ben.author} wss://ben.example`,
      ]),
    );
    world.clock.advance(120);
    expect(other.addresses().map((entry) => entry.address)).toEqual(["wss://relay.example"]);
    await space.announceAddress("wss://relay.example", 0);
    await world.settle(ada, ben);
    expect(other.addresses()).toEqual([]);
    await expect(space.announceAddress("nowhere", 1)).rejects.toMatchObject({
      code: "SPACE_ADDRESS_INVALID",
    });
  });

  test("[TH-057] what leaves the circle of followers is sealed whole", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const { logId } = await write(space, "export me");
    await world.settle(ada, ben);
    for await (const range of ada.store.ranges(logId)) {
      const { context, from, count, bytes } = range;
      const outer = space.sealOuter({ kind: "range", range: { context, from, count, bytes } });
      await space.remove(ben.author);
      expect(other.openOuter(outer)).toEqual({
        kind: "range",
        range: { context, from, count, bytes },
      });
      expect(space.openOuter(outer)?.kind).toBe("range");
    }
  });
});

describe("restarts", () => {
  test("[P2-S20] a reopened device has the same members, keys and events, and goes on", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "one");
    await write(other, "two");
    await world.settle(ada, ben);
    const members = other.members();
    const again = await world.restart(ben);
    const reopened = again.spaces.open(space.id!);
    expect(reopened.members()).toEqual(members);
    expect([...(await textsOf(reopened))].sort()).toEqual(["one", "two"]);
    await write(reopened, "three");
    await world.settle(ada, again);
    expect([...(await textsOf(space))].sort()).toEqual(["one", "three", "two"]);
  });

  test("a joiner that restarts while it waits is let in all the same", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const ben = await world.device("ben");
    await ben.spaces.join(await space.invite({ level: "write" }));
    const again = await world.restart(ben);
    await world.copy(ada, again);
    const later = await world.restart(again);
    await world.settle(ada, later);
    expect(later.spaces.open(space.id!).status().state).toBe("active");
  });

  test("another identity's store and a newer store are refused with a code", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    await ada.spaces.create();
    const eve = await world.device("eve");
    const mixed = { ...eve, store: ada.store };
    await ada.spaces.close();
    await expect(world.restart(mixed)).rejects.toMatchObject({ code: "SPACE_STATE_CORRUPT" });
  });

  test("a closed space says so", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    await ada.spaces.close();
    await ada.spaces.close();
    await expect(write(space, "x")).rejects.toMatchObject({ code: "SPACE_CLOSED" });
    await expect(space.ready()).rejects.toMatchObject({ code: "SPACE_CLOSED" });
    await expect(ada.spaces.create()).rejects.toMatchObject({ code: "SPACE_CLOSED" });
  });
});
