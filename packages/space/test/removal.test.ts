/** Going out: removal, leaving, rotation, and what counts afterwards (docs/spec/6-space.md §7). */
import { describe, expect, test } from "vitest";
import { createWorld, eventsOf, spaceOn, textsOf, twoMembers, write, type World } from "./world.ts";

/** Ada manages, Ben manages, Cyd and Dan write. */
async function fourMembers(world: World, policy?: "remove-all") {
  const { ada, ben, space, other } = await twoMembers(world, policy);
  await space.set(ben.author, "manage");
  const cyd = await world.device("cyd");
  const dan = await world.device("dan");
  const third = await cyd.spaces.join(await space.invite({ level: "write" }));
  const fourth = await dan.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, cyd, dan);
  return { ada, ben, cyd, dan, space, other, third, fourth };
}

describe("removal", () => {
  test("[P2-S8] [TH-210] the removed device keeps its copy and reads nothing new", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "old");
    await world.settle(ada, ben);
    await space.remove(ben.author);
    const ref = await write(space, "new");
    await world.settle(ada, ben);
    expect(other.status().state).toBe("removed");
    expect(await textsOf(other)).toEqual(["old"]);
    await expect(other.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    expect((await other.explain(ref)).code).toBe("MISSING_EPOCH");
    await expect(write(other, "x")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    expect(await textsOf(space)).toEqual(["old", "new"]);
  });

  test("operation and new epoch are one batch", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const before = (await ada.store.stats()).ranges;
    const { epochs } = space.status();
    await space.remove(ben.author);
    expect((await ada.store.stats()).ranges).toBe(before + 1);
    expect(space.status()).toMatchObject({ rotationOwed: false, epochs: epochs + 1 });
  });

  test("[P2-S9] the removed device loses its proofs: follow key and identity", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const [topic] = ada.spaces.topics();
    const [bens] = ben.spaces.topics();
    expect(topic!.accessOf(ben.author)).toBe("control");
    expect(topic!.followKeys()).toEqual(bens!.followKeys());
    const old = bens!.followKeys();
    await space.remove(ben.author);
    expect(topic!.accessOf(ben.author)).toBe("none");
    for (const key of topic!.followKeys()) expect(old).not.toContainEqual(key);
    await world.settle(ada, ben);
    for (const key of topic!.followKeys()) expect(bens!.followKeys()).not.toContainEqual(key);
    expect(other.status().state).toBe("removed");
  });

  test("[ATK-3box595] honest history of a removed member stands", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    await write(third, "honest 1");
    await write(third, "honest 2");
    await world.settle(ada, ben, cyd, dan);
    await space.remove(cyd.author);
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      const events = await eventsOf(spaceOn(device, space));
      expect(events.map((event) => event.judgement)).toEqual(["accept", "accept"]);
    }
  });

  test("[ATK-hypergraph69] what a removed member writes afterwards does not count, however dated", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    await write(third, "seen");
    await world.settle(ada, ben, cyd, dan);
    await space.remove(cyd.author);
    await world.settle(ada, ben, dan);
    // Cyd never takes the removal in, and writes on in the old epoch.
    const late = await write(third, "injected");
    await world.copy(cyd, ada);
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      const here = spaceOn(device, space);
      const events = await eventsOf(here);
      expect(
        events.map((event) => [new TextDecoder().decode(event.body), event.judgement]),
      ).toEqual([
        ["seen", "accept"],
        ["injected", "quarantine"],
      ]);
      expect(await here.explain(late)).toMatchObject({ judgement: "quarantine" });
    }
  });

  test("a removal that comes late takes back what was handed out", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    await space.remove(cyd.author);
    await write(third, "did not know");
    await world.settle(cyd, dan);
    const onDan = spaceOn(dan, space);
    const seen: string[] = [];
    let resets = 0;
    const abort = new AbortController();
    const watching = (async () => {
      for await (const batch of onDan.batches({ signal: abort.signal })) {
        if (batch.reset === true) resets += 1;
        for (const event of batch.events) seen.push(event.judgement);
      }
    })();
    await world.pass(10);
    expect(seen).toEqual(["accept"]);
    await world.settle(ada, ben, cyd, dan);
    abort.abort();
    await watching;
    expect(seen).toEqual(["accept", "quarantine"]);
    expect(resets).toBe(1);
  });

  test("[P2-M1] Ada removes Cyd ∥ Ben removes Dan: neither reads the next entry, both managers do", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, other, third, fourth } = await fourMembers(world);
    await space.remove(cyd.author);
    await other.remove(dan.author);
    await world.settle(ada, ben, cyd, dan);
    expect(
      space
        .members()
        .map((member) => member.author)
        .sort(),
    ).toEqual([ada.author, ben.author].sort());
    const ref = await write(space, "for two");
    await world.settle(ada, ben, cyd, dan);
    expect(await textsOf(other)).toEqual(["for two"]);
    for (const outsider of [third, fourth]) {
      await expect(outsider.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    }
  });

  test("[P2-M2] Ada adds Eli ∥ Ben removes Cyd: Eli reads the next entry, Cyd does not", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, other, third } = await fourMembers(world);
    const eli = await world.device("eli");
    const bundle = await eli.spaces.bundle();
    await space.add(bundle, "write");
    const fifth = await eli.spaces.accept(space.offer(bundle));
    await other.remove(cyd.author);
    await world.settle(ada, ben, cyd, dan, eli);
    const ref = await write(other, "after both");
    await world.settle(ada, ben, cyd, dan, eli);
    expect(await textsOf(fifth)).toEqual(["after both"]);
    await expect(third.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
  });

  test("[P2-W1] by default whoever came first stays when managers remove each other", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, other } = await fourMembers(world);
    await space.remove(ben.author);
    await other.remove(ada.author);
    await world.settle(ada, ben, cyd, dan);
    expect(space.access()?.level).toBe("manage");
    expect(other.status().state).toBe("removed");
    expect(space.status().orphaned).toBe(false);
  });

  test("[P2-M3] mutual removal leaves no key with either", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, other, third } = await fourMembers(world, "remove-all");
    await space.set(cyd.author, "manage");
    await world.settle(ada, ben, cyd, dan);
    await space.remove(ben.author);
    await other.remove(ada.author);
    await world.settle(ada, ben, cyd, dan);
    expect(
      third
        .members()
        .map((member) => member.author)
        .sort(),
    ).toEqual([cyd.author, dan.author].sort());
    const ref = await write(third, "without them");
    await world.settle(ada, ben, cyd, dan);
    for (const gone of [space, other]) {
      expect(gone.status().state).toBe("removed");
      await expect(gone.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    }
    expect(await textsOf(spaceOn(dan, space))).toEqual(["without them"]);
  });

  test("[P2-M3] demotion from read to pull rotates as well", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await space.set(ben.author, "pull");
    const ref = await write(space, "secret");
    await world.settle(ada, ben);
    await expect(other.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    // It still proves membership: a follower has the follow key of the new epoch.
    expect(ben.spaces.topics()[0]!.followKeys()).toEqual(ada.spaces.topics()[0]!.followKeys());
  });

  test("[P2-M9] several removals before anybody writes leave one epoch that seals", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third, fourth } = await fourMembers(world);
    await space.remove(cyd.author);
    await space.remove(dan.author);
    const ref = await write(space, "two left");
    await world.settle(ada, ben, cyd, dan);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["two left"]);
    for (const gone of [third, fourth]) {
      await expect(gone.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    }
  });

  test("[ATK-calimero3457] a rotation nobody paid is paid by any member", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    // Leaving cannot rotate: who leaves must not make the next key.
    await third.leave();
    await world.copy(cyd, ben);
    expect(spaceOn(ben, space).status().rotationOwed).toBe(true);
    await world.pass(5_000);
    expect(spaceOn(ben, space).status().rotationOwed).toBe(false);
    await world.settle(ada, ben, cyd, dan);
    const ref = await write(space, "without cyd");
    await world.settle(ada, ben, cyd, dan);
    await expect(third.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    expect(await textsOf(spaceOn(dan, space))).toEqual(["without cyd"]);
  });
});

describe("leaving", () => {
  test("[P2-M13] the last manager cannot leave without a successor", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await expect(space.leave()).rejects.toMatchObject({ code: "SPACE_MEMBERSHIP" });
    await space.leave({ successor: ben.author });
    await world.settle(ada, ben);
    expect(other.access()?.level).toBe("manage");
    expect(space.status().state).toBe("removed");
    expect(other.status().orphaned).toBe(false);
    await other.remove(ada.author).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "SPACE_MEMBERSHIP" });
    });
  });

  test("what somebody wrote before leaving counts, what comes afterwards does not", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(other, "before");
    await world.settle(ada, ben);
    const twin = { ...ben, store: ben.store };
    await other.leave();
    await world.settle(ada, twin);
    expect((await eventsOf(space)).map((event) => event.judgement)).toEqual(["accept"]);
    await expect(write(other, "after")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
  });
});

describe("coming back", () => {
  test("[ATK-jazz2250] [P2-M6] a removed member that is invited again has the new role, not the old", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await space.set(ben.author, "manage");
    await write(space, "one");
    await world.settle(ada, ben);
    await space.remove(ben.author);
    await write(space, "two");
    await world.settle(ada, ben);
    const again = await ben.spaces.join(await space.invite({ level: "read" }));
    expect(again).toBe(other);
    await world.settle(ada, ben);
    expect(other.access()).toEqual({ level: "read", mayDelete: false });
    expect(other.status().state).toBe("active");
    // History policy "all": the gap is opened too.
    await write(space, "three");
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["one", "two", "three"]);
    await expect(other.invite({ level: "read" })).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
  });

  test("[P2-M6] under the policy fromJoin the gap and everything before stay closed", async () => {
    const world = await createWorld();
    const options = { history: "fromJoin" } as const;
    const ada = await world.device("ada", options);
    const ben = await world.device("ben", options);
    const space = await ada.spaces.create();
    await write(space, "before");
    const other = await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);
    await write(space, "after");
    await world.settle(ada, ben);
    expect(await textsOf(other)).toEqual(["after"]);
    expect(await textsOf(space)).toEqual(["before", "after"]);
  });
});
