/** Groups as members of spaces (docs/spec/6-space.md §15). */
import { describe, expect, test } from "vitest";
import { createWorld, spaceOn, textsOf, twoMembers, write, type TestDevice } from "./world.ts";

/** Ben's group of Ben and Cyd, and Ada's space, at rest. */
async function scene() {
  const world = await createWorld();
  const [ada, ben, cyd] = await Promise.all(
    ["ada", "ben", "cyd"].map((name) => world.device(name)),
  );
  if (ada === undefined || ben === undefined || cyd === undefined) throw new Error("no device");
  const group = await ben.spaces.create();
  const inGroup = await cyd.spaces.join(await group.invite({ level: "write" }));
  await world.settle(ben, cyd);
  const space = await ada.spaces.create();
  return { world, ada, ben, cyd, group, inGroup, space };
}

/** Opens the space on a device that is in it by a group. */
async function enter(at: Awaited<ReturnType<typeof scene>>, device: TestDevice) {
  return device.spaces.accept(at.space.offer(await device.spaces.bundle()));
}

describe("a group in a space", () => {
  test("its members read and write, and whoever is removed from it is locked out", async () => {
    const at = await scene();
    const { world, ada, ben, cyd, group, space } = at;
    await write(space, "before");
    await space.addGroup(group, "write");
    const bens = await enter(at, ben);
    const cyds = await enter(at, cyd);
    await world.settle(ada, ben, cyd);
    expect(
      space
        .members()
        .map(({ author }) => author)
        .sort(),
    ).toEqual([ada.author, ben.author, cyd.author].sort());
    await write(bens, "from ben");
    await write(cyds, "from cyd");
    await world.settle(ada, ben, cyd);
    expect([...(await textsOf(space))].sort()).toEqual(["before", "from ben", "from cyd"]);
    expect([...(await textsOf(cyds))].sort()).toEqual(["before", "from ben", "from cyd"]);
    await group.remove(cyd.author);
    await world.settle(ada, ben, cyd);
    expect(
      space
        .members()
        .map(({ author }) => author)
        .sort(),
    ).toEqual([ada.author, ben.author].sort());
    await write(space, "not for cyd");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(bens)).toContain("not for cyd");
    expect(await textsOf(cyds)).not.toContain("not for cyd");
    await expect(write(cyds, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
  });
});
