/** Groups as members of spaces (docs/spec/6-space.md §16). */
import type { Level } from "@hawser/auth";
import type { Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { createWorld, spaceOn, textsOf, write, type TestDevice, type World } from "./world.ts";

/** Devices by name, in the order asked for. */
async function devices<Names extends readonly string[]>(world: World, ...names: Names) {
  const opened: TestDevice[] = [];
  for (const name of names) opened.push(await world.device(name));
  // Safe: one device for each name.
  return opened as { [index in keyof Names]: TestDevice };
}

/** Adds devices one by one, each with a level, and settles. */
async function addAll(
  world: World,
  space: Space,
  founder: TestDevice,
  others: readonly (readonly [TestDevice, Level])[],
): Promise<void> {
  for (const [device, level] of others) {
    const bundle = await device.spaces.bundle();
    await space.add(bundle, level);
    await device.spaces.accept(space.offer(bundle));
  }
  await world.settle(founder, ...others.map(([device]) => device));
}

function levelsOf(space: Space, ...named: readonly TestDevice[]): readonly string[] {
  const known = new Map(space.members().map(({ author, level }) => [author, level]));
  expect(known.size).toBe(named.filter(({ author }) => known.has(author)).length);
  return named.map(({ author }) => known.get(author) ?? "none");
}

/** Ben's group of Ben and Cyd, Ada's space, and nothing in common yet. */
async function scene() {
  const world = await createWorld();
  const [ada, ben, cyd] = await devices(world, "ada", "ben", "cyd");
  const group = await ben.spaces.create();
  await addAll(world, group, ben, [[cyd, "write"]]);
  const space = await ada.spaces.create();
  return { world, ada, ben, cyd, group, space };
}

/** Brings the first device of a group in by hand; the others hear of it from that one. */
async function tell(space: Space, device: TestDevice): Promise<Space> {
  return device.spaces.accept(space.offer(await device.spaces.bundle()));
}

describe("a group in a space", () => {
  test("[P2-S10] its members read and write, and whoever is removed from it is locked out", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    await write(space, "before");
    const id = await space.addGroup(group, "write");
    const bens = await tell(space, ben);
    await world.settle(ada, ben, cyd);
    const cyds = spaceOn(cyd, space);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "write", "write"]);
    expect(space.members().map(({ via }) => via)).toContainEqual([id]);
    expect(space.groups()).toEqual([
      { group: id, level: "write", mayDelete: false, topic: undefined },
    ]);
    expect(bens.groups()).toMatchObject([{ group: id, topic: group.topic }]);
    await write(bens, "from ben");
    await write(cyds, "from cyd");
    await world.settle(ada, ben, cyd);
    const all = ["before", "from ben", "from cyd"];
    for (const each of [space, bens, cyds]) expect([...(await textsOf(each))].sort()).toEqual(all);
    const epochs = space.status().epochs;
    await group.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "write", "none"]);
    expect(space.status().epochs).toBe(epochs + 1);
    await write(space, "not for cyd");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(bens)).toContain("not for cyd");
    expect(await textsOf(cyds)).not.toContain("not for cyd");
    await expect(write(cyds, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    expect([...(await textsOf(space))].sort()).toEqual([...all, "not for cyd"]);
  });

  test("[P2-S11] a group of its own grows, shrinks and tells its members so", async () => {
    const world = await createWorld();
    const [ada, ben, cyd] = await devices(world, "ada", "ben", "cyd");
    const group = await ada.spaces.create();
    await addAll(world, group, ada, [
      [ben, "manage"],
      [cyd, "read"],
    ]);
    for (const device of [ada, ben, cyd]) {
      const own = spaceOn(device, group);
      expect(levelsOf(own, ada, ben, cyd)).toEqual(["manage", "manage", "read"]);
    }
    await spaceOn(ben, group).remove(cyd.author);
    await world.settle(ada, ben, cyd);
    expect(levelsOf(group, ada, ben, cyd)).toEqual(["manage", "manage", "none"]);
  });

  test("[P2-S12] one group serves two spaces: one change of it reaches both", async () => {
    const world = await createWorld();
    const [ada, ben, cyd] = await devices(world, "ada", "ben", "cyd");
    const group = await ada.spaces.create();
    await addAll(world, group, ada, [[ben, "read"]]);
    const spaces = [await ada.spaces.create(), await ada.spaces.create()];
    for (const space of spaces) await space.addGroup(group, "read");
    await world.settle(ada, ben);
    await addAll(world, group, ada, [[cyd, "read"]]);
    await world.settle(ada, ben, cyd);
    for (const space of spaces) {
      for (const device of [ada, ben, cyd]) {
        // Ada is a member herself, so the group does not lower her.
        const own = spaceOn(device, space);
        expect(levelsOf(own, ada, ben, cyd)).toEqual(["manage", "read", "read"]);
      }
      const logs = space.timeline().filter(({ group: of }) => of !== space.timeline()[0]?.group);
      // Our rule differs: no pointer per space, but the group's own ops, each once.
      expect(logs.map(({ change }) => change)).toEqual(["create", "add", "add"]);
    }
  });

  test("[P2-S13] what a group does, and its end, stands in the space's history", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    const [dan] = await devices(world, "dan");
    const id = await space.addGroup(group, "read");
    await tell(space, ben);
    await world.settle(ada, ben, cyd);
    await addAll(world, group, ben, [[dan, "read"]]);
    await world.settle(ada, ben, cyd, dan);
    expect(levelsOf(space, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "read"]);
    await group.remove(dan.author);
    await world.settle(ada, ben, cyd, dan);
    expect(levelsOf(space, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "none"]);
    expect(spaceOn(dan, space).status().state).toBe("removed");
    await group.add(await dan.spaces.bundle(), "pull");
    await world.settle(ada, ben, cyd, dan);
    expect(levelsOf(space, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "pull"]);
    await space.removeGroup(id);
    await world.settle(ada, ben, cyd, dan);
    for (const device of [ada, ben, cyd]) {
      expect(levelsOf(spaceOn(device, space), ada, ben, cyd, dan)[0]).toBe("manage");
      expect(spaceOn(device, space).members()).toHaveLength(1);
      expect(spaceOn(device, space).timeline()).toEqual(space.timeline());
    }
    // Two messages each upstream, eleven events in all: here one operation, carried once.
    const own = space.timeline().find(({ place }) => place.seq === 1)?.group;
    expect(space.timeline().map((item) => [item.group === own, item.change])).toEqual([
      [true, "create"],
      [false, "create"],
      [false, "add"],
      [true, "add"],
      [false, "add"],
      [false, "remove"],
      [false, "add"],
      [true, "remove"],
    ]);
  });

  test("[P2-S15] [P2-S16] changes of the group are carried by whoever has both, twice if need be", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    const [dan] = await devices(world, "dan");
    await space.addGroup(group, "read");
    await tell(space, ben);
    await world.settle(ada, ben, cyd);
    await group.add(await dan.spaces.bundle(), "read");
    await world.copy(ben, cyd);
    // Both pay before they hear of each other.
    await world.pass(5_000);
    const before = (await cyd.store.stats()).entries;
    await world.settle(ada, ben, cyd, dan);
    expect((await cyd.store.stats()).entries).toBeGreaterThan(before);
    for (const device of [ada, ben, cyd]) {
      const own = spaceOn(device, space);
      expect(levelsOf(own, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "read"]);
      expect(own.failure).toBeUndefined();
    }
    await write(space, "for dan too");
    await addAll(world, group, ben, []);
    await dan.spaces.accept(group.offer(await dan.spaces.bundle()));
    await world.settle(ada, ben, cyd, dan);
    expect(await textsOf(spaceOn(dan, space))).toEqual(["for dan too"]);
  });

  test("[P2-S23] a person's devices keep their own level under that of the group", async () => {
    const world = await createWorld();
    const [ada, laptop, mobile, ben] = await devices(world, "ada", "laptop", "mobile", "ben");
    const person = await laptop.spaces.create();
    await addAll(world, person, laptop, [[mobile, "read"]]);
    const space = await ada.spaces.create();
    const id = await space.addGroup(person.groupCard(), "read");
    await tell(space, laptop);
    await world.settle(ada, laptop, mobile);
    expect(levelsOf(space, ada, laptop, mobile)).toEqual(["manage", "read", "read"]);
    await write(space, "hello");
    await world.settle(ada, laptop, mobile);
    for (const device of [laptop, mobile]) {
      expect(await textsOf(spaceOn(device, space))).toEqual(["hello"]);
      await expect(write(spaceOn(device, space), "no")).rejects.toMatchObject({
        code: "SPACE_NO_ACCESS",
      });
    }
    await space.setGroupAccess(id, "write");
    await world.settle(ada, laptop, mobile);
    expect(levelsOf(space, ada, laptop, mobile)).toEqual(["manage", "write", "read"]);
    await write(spaceOn(laptop, space), "I may");
    await space.setGroupAccess(id, "read");
    await world.settle(ada, laptop, mobile);
    expect(levelsOf(space, ada, laptop, mobile)).toEqual(["manage", "read", "read"]);
    const again = space.addGroup(person.groupCard(), "read");
    await expect(again).rejects.toMatchObject({ code: "SPACE_MEMBERSHIP" });
    await expect(space.addGroup(space, "read")).rejects.toMatchObject({ code: "SPACE_MEMBERSHIP" });
    const unknown = "ab".repeat(32) as typeof id;
    await expect(space.removeGroup(unknown)).rejects.toMatchObject({ code: "SPACE_MEMBERSHIP" });
    // A team of persons: three devices, two members.
    const team = await ben.spaces.create();
    await team.addGroup(person.groupCard(), "read");
    expect(team.members()).toHaveLength(3);
    expect(team.groups()).toHaveLength(1);
  });

  test("[TH-187] groups as well as individuals hold roles, and never manage", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    const dan = await world.device("dan");
    const id = await space.addGroup(group, "read", { mayDelete: true });
    await space.add(await dan.spaces.bundle(), "write");
    expect(levelsOf(space, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "write"]);
    expect(space.groups()).toMatchObject([{ level: "read", mayDelete: true }]);
    await expect(space.setGroupAccess(id, "manage" as "write")).rejects.toMatchObject({
      code: "SPACE_MEMBERSHIP",
    });
    await expect(space.addGroup(group, "manage" as "write")).rejects.toMatchObject({
      code: "SPACE_MEMBERSHIP",
    });
    expect(levelsOf(space, ada, ben, cyd, dan)).toEqual(["manage", "read", "read", "write"]);
  });
});

describe("several spaces, several ways", () => {
  test("[P2-M10] nobody writes in any space of a group before its keys follow a removal", async () => {
    const world = await createWorld();
    const [ada, ben, cyd] = await devices(world, "ada", "ben", "cyd");
    const group = await ada.spaces.create();
    await addAll(world, group, ada, [
      [ben, "write"],
      [cyd, "write"],
    ]);
    const spaces: Space[] = [];
    for (let index = 0; index < 3; index++) {
      const space = await ada.spaces.create();
      await space.addGroup(group, "write");
      spaces.push(space);
    }
    await world.settle(ada, ben, cyd);
    await group.remove(cyd.author);
    // Ben hears of it in the group alone, and writes at once in the other three.
    await world.copy(ada, ben);
    for (const space of spaces) await write(spaceOn(ben, space), "after");
    for (const space of spaces) await write(space, "of ada");
    await world.settle(ada, ben, cyd);
    for (const space of spaces) {
      expect(await textsOf(spaceOn(cyd, space))).toEqual([]);
      expect([...(await textsOf(space))].sort()).toEqual(["after", "of ada"]);
      expect(spaceOn(ben, space).members()).toHaveLength(2);
    }
  });

  test("[P2-M10] [P2-M9] a space that was offline follows later, with one epoch for all who left", async () => {
    const world = await createWorld();
    const [ada, ben, cyd, dan, eve] = await devices(world, "ada", "ben", "cyd", "dan", "eve");
    const group = await ben.spaces.create();
    await addAll(world, group, ben, [
      [cyd, "write"],
      [dan, "write"],
      [eve, "write"],
    ]);
    const space = await ada.spaces.create();
    const id = await space.addGroup(group, "write");
    await tell(space, cyd);
    await world.settle(ada, ben, cyd, dan, eve);
    const { epochs } = space.status();
    // Ben is away from the space; the group goes on without it.
    await group.remove(dan.author);
    await group.remove(eve.author);
    await world.copy(ben, cyd);
    await write(spaceOn(cyd, space), "of three");
    await world.settle(ada, ben, cyd, dan, eve);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "write", "write"]);
    expect(space.status().epochs).toBe(epochs + 1);
    for (const gone of [dan, eve]) expect(await textsOf(spaceOn(gone, space))).toEqual([]);
    expect(await textsOf(space)).toEqual(["of three"]);
    await space.removeGroup(id);
    expect(space.status().epochs).toBe(epochs + 2);
    await write(space, "alone");
    await world.settle(ada, ben, cyd, dan, eve);
    expect(await textsOf(spaceOn(cyd, space))).toEqual(["of three"]);
    expect(spaceOn(cyd, space).status().state).toBe("removed");
  });

  test("three groups deep: the innermost is removed from, and every space around follows", async () => {
    const world = await createWorld();
    const [ada, ben, cyd, dan, eve] = await devices(world, "ada", "ben", "cyd", "dan", "eve");
    const inner = await dan.spaces.create();
    await addAll(world, inner, dan, [[eve, "write"]]);
    const middle = await cyd.spaces.create();
    await middle.addGroup(inner, "write");
    const outer = await ben.spaces.create();
    await outer.addGroup(middle, "write");
    const space = await ada.spaces.create();
    await space.addGroup(outer, "write");
    await tell(space, ben);
    await tell(outer, cyd);
    await tell(middle, dan);
    const all = [ada, ben, cyd, dan, eve];
    await world.settle(...all);
    expect(levelsOf(space, ...all)).toEqual(["manage", "write", "write", "write", "write"]);
    expect(space.members().find(({ author }) => author === eve.author)?.via).toHaveLength(3);
    await write(spaceOn(eve, space), "from far inside");
    await world.settle(...all);
    expect(await textsOf(space)).toEqual(["from far inside"]);
    await inner.remove(eve.author);
    await world.settle(...all);
    expect(levelsOf(space, ...all)).toEqual(["manage", "write", "write", "write", "none"]);
    await write(space, "without eve");
    await world.settle(...all);
    expect(await textsOf(spaceOn(eve, space))).toEqual(["from far inside"]);
    expect(await textsOf(spaceOn(dan, space))).toContain("without eve");
  });

  test("[P2-S23] groups that contain each other are harmless", async () => {
    const world = await createWorld();
    const [ada, ben] = await devices(world, "ada", "ben");
    const first = await ada.spaces.create();
    const second = await ben.spaces.create();
    await first.addGroup(second, "write");
    await tell(first, ben);
    await world.settle(ada, ben);
    await second.addGroup(spaceOn(ben, first), "write");
    await tell(second, ada);
    await world.settle(ada, ben);
    for (const device of [ada, ben]) {
      expect(spaceOn(device, first).members()).toHaveLength(2);
      expect(spaceOn(device, second).members()).toHaveLength(2);
    }
    await write(spaceOn(ada, second), "round");
    await write(spaceOn(ben, first), "and round");
    await world.settle(ada, ben);
    expect(await textsOf(second)).toEqual(["round"]);
    expect(await textsOf(first)).toEqual(["and round"]);
  });

  test("by two ways somebody has the higher level, and keeps the other when one is cut", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    const crew = await ben.spaces.create();
    await addAll(world, crew, ben, [[cyd, "write"]]);
    const first = await space.addGroup(group, "read");
    const second = await space.addGroup(crew, "write");
    await tell(space, ben);
    await world.settle(ada, ben, cyd);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "write", "write"]);
    const { epochs } = space.status();
    await crew.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "write", "read"]);
    expect(space.status().epochs).toBe(epochs);
    await space.removeGroup(second);
    await world.settle(ada, ben, cyd);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "read", "read"]);
    await space.removeGroup(first);
    expect(levelsOf(space, ada, ben, cyd)).toEqual(["manage", "none", "none"]);
  });

  test("what a member writes while its group is removed is quarantined", async () => {
    const { world, ada, ben, cyd, group, space } = await scene();
    const id = await space.addGroup(group, "write");
    await tell(space, ben);
    await world.settle(ada, ben, cyd);
    await write(spaceOn(cyd, space), "seen");
    await world.settle(ada, ben, cyd);
    await space.removeGroup(id);
    await write(spaceOn(cyd, space), "too late");
    await world.settle(ada, ben, cyd);
    const [range] = await space.quarantine();
    expect(range).toMatchObject({ author: cyd.author, from: 1, to: 2, cause: "ENDED" });
    expect(await textsOf(space)).toContain("seen");
    await space.accept(range ?? { logId: space.topic as never, from: 0, to: 1 });
    expect(await space.quarantine()).toMatchObject([{ ruling: { verdict: "accept" } }]);
  });

  test.each([
    ["all", ["old", "new"]],
    ["fromJoin", ["new"]],
  ] as const)("history %s holds for who comes in by a group", async (history, expected) => {
    const world = await createWorld();
    const ada = await world.device("ada", { history });
    const ben = await world.device("ben", { history });
    const group = await ben.spaces.create();
    const space = await ada.spaces.create();
    await write(space, "old");
    await space.addGroup(group, "read");
    await tell(space, ben);
    await world.settle(ada, ben);
    await write(space, "new");
    await world.settle(ada, ben);
    expect(await textsOf(spaceOn(ben, space))).toEqual(expected);
  });

  test("restarts in the middle change nothing", async () => {
    const at = await scene();
    const { world, group, space } = at;
    let { ada, ben, cyd } = at;
    await space.addGroup(group, "write");
    await tell(space, ben);
    ada = await world.restart(ada);
    ben = await world.restart(ben);
    await world.settle(ada, ben, cyd);
    cyd = await world.restart(cyd);
    await world.settle(ada, ben, cyd);
    await spaceOn(ben, group).remove(cyd.author);
    ben = await world.restart(ben);
    await world.settle(ada, ben, cyd);
    ada = await world.restart(ada);
    expect(levelsOf(spaceOn(ada, space), ada, ben, cyd)).toEqual(["manage", "write", "none"]);
    await write(spaceOn(ada, space), "after all");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["after all"]);
    expect(await textsOf(spaceOn(cyd, space))).toEqual([]);
  });

  test("what was taken off a device stays off, whoever tells its group of it", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const ben = await world.device("ben", { acceptGroupOffers: false });
    const group = await ada.spaces.create();
    await addAll(world, group, ada, [[ben, "write"]]);
    const space = await ada.spaces.create();
    await space.add(await ben.spaces.bundle(), "read");
    const own = await tell(space, ben);
    await world.settle(ada, ben);
    await own.leave();
    await world.settle(ada, ben);
    await ben.spaces.forget(space.topic);
    await space.addGroup(group, "write");
    await world.settle(ada, ben);
    const again = await world.restart(ben, { acceptGroupOffers: true });
    await world.settle(ada, again);
    expect(again.spaces.list().map(({ topic }) => topic)).toEqual([group.topic]);
  });

  test("offers open a space once, and never one that this device has left or declined", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const ben = await world.device("ben", { acceptGroupOffers: false });
    const group = await ada.spaces.create();
    await addAll(world, group, ada, [[ben, "write"]]);
    const space = await ada.spaces.create();
    await space.add(await ben.spaces.bundle(), "read");
    await space.addGroup(group, "write");
    await world.settle(ada, ben);
    expect(ben.spaces.list()).toHaveLength(1);
    const own = await tell(space, ben);
    await world.settle(ada, ben);
    await own.leave();
    await world.settle(ada, ben);
    const again = await world.restart(ben, { acceptGroupOffers: true });
    await world.settle(ada, again);
    expect(again.spaces.list()).toHaveLength(2);
    expect(spaceOn(again, space).access()).toMatchObject({ level: "write" });
  });
});
