/** Groups that join by a link (docs/spec/6-space.md §16.5). */
import type { GroupId } from "@hawser/auth";
import { describe, expect, test } from "vitest";
import { createWorld, spaceOn, textsOf, write, type TestDevice, type World } from "./world.ts";

/** A person with two devices, and Ada's space. */
async function scene() {
  const world = await createWorld();
  const ada = await world.device("ada");
  const laptop = await world.device("laptop");
  const mobile = await world.device("mobile");
  const person = await laptop.spaces.create();
  await pair(world, { laptop, person }, mobile);
  const space = await ada.spaces.create();
  return { world, ada, laptop, mobile, person, space };
}

async function pair(
  world: World,
  {
    laptop,
    person,
  }: { laptop: TestDevice; person: Awaited<ReturnType<TestDevice["spaces"]["create"]>> },
  device: TestDevice,
): Promise<void> {
  const bundle = await device.spaces.bundle();
  await person.add(bundle, "manage");
  await device.spaces.accept(person.offer(bundle));
  await world.settle(laptop, device);
}

describe("a person joins by one link", () => {
  test("with all its devices, present and future, and goes with all of them", async () => {
    const { world, ada, laptop, mobile, person, space } = await scene();
    await write(space, "before");
    const link = await space.invite({ level: "manage" });
    const joined = await laptop.spaces.join(link, { as: person });
    await world.settle(ada, laptop, mobile);
    expect(joined.status()).toMatchObject({ state: "active", problem: undefined });
    // Groups never manage, so an invite to manage lets them write.
    expect(space.groups()).toMatchObject([{ level: "write" }]);
    expect(space.members()).toHaveLength(3);
    expect(await textsOf(spaceOn(mobile, space))).toEqual(["before"]);
    await write(spaceOn(mobile, space), "from the other device");
    const tablet = await world.device("tablet");
    await pair(world, { laptop, person }, tablet);
    await world.settle(ada, laptop, mobile, tablet);
    expect([...(await textsOf(spaceOn(tablet, space)))].sort()).toEqual([
      "before",
      "from the other device",
    ]);
    const [group] = space.groups();
    await space.removeGroup(group?.group ?? ("" as GroupId));
    await world.settle(ada, laptop, mobile, tablet);
    expect(space.members()).toHaveLength(1);
    for (const device of [laptop, mobile, tablet]) {
      expect(spaceOn(device, space).status().state).toBe("removed");
    }
    expect((await textsOf(space)).length).toBe(2);
  });

  test("one join of a group uses an invite once; the next is told so", async () => {
    const { world, ada, laptop, mobile, person, space } = await scene();
    const dan = await world.device("dan");
    const link = await space.invite({ level: "write" });
    await laptop.spaces.join(link, { as: person });
    await world.settle(ada, laptop, mobile);
    const late = await dan.spaces.join(link);
    await world.settle(ada, laptop, mobile, dan);
    expect(late.status()).toMatchObject({ state: "refused", problem: "SPACE_INVITE_USED" });
    expect(space.members()).toHaveLength(3);
  });

  test("only a manager of the group lets it join", async () => {
    const { world, laptop, mobile, person, space } = await scene();
    const bob = await world.device("bob");
    await person.add(await bob.spaces.bundle(), "write");
    await bob.spaces.accept(person.offer(await bob.spaces.bundle()));
    await world.settle(laptop, mobile, bob);
    const link = await space.invite({ level: "write" });
    await expect(bob.spaces.join(link, { as: spaceOn(bob, person) })).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
    await expect(laptop.spaces.join(link, { as: space })).rejects.toMatchObject({
      code: "SPACE_UNKNOWN",
    });
    expect(space.members()).toHaveLength(1);
  });
});
