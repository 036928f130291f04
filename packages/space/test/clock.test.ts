/** Clocks that are set back, or were ahead for a while (docs/spec/6-space.md §7 *order*). */
import { describe, expect, test } from "vitest";
import { createWorld, eventsOf, textsOf, twoMembers, write, type World } from "./world.ts";

const driftSeconds = 300;
const yearSeconds = 365 * 24 * 3_600;

async function judgementsOf(space: Parameters<typeof eventsOf>[0]): Promise<readonly string[]> {
  return (await eventsOf(space)).map(({ judgement }) => judgement);
}

/** What an entry may be stamped at most so that nobody holds it. */
function limitOf(world: World): number {
  return world.clock.nowMicros() + driftSeconds * 1e6;
}

describe("a clock that was set back", () => {
  test("what a device writes first counts, though its join is ahead of its clock", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    world.clock.advance(-900);
    await write(other, "kept");
    // Its own writer waits for no clock.
    expect(await textsOf(other)).toEqual(["kept"]);
    await world.settle(ada, ben);
    expect(await textsOf(space)).toEqual([]);
    world.clock.advance(900);
    await world.pass(1_000);
    expect(await textsOf(space)).toEqual(["kept"]);
    expect(await judgementsOf(space)).toEqual(["accept"]);
    expect(await judgementsOf(other)).toEqual(["accept"]);
  });

  test("so it does after a restart", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    world.clock.advance(-900);
    const again = await world.restart(ben);
    const other = again.spaces.openTopic(space.topic);
    await write(other, "kept");
    expect(await textsOf(other)).toEqual(["kept"]);
    await world.settle(ada, again);
    world.clock.advance(900);
    await world.pass(1_000);
    expect(await judgementsOf(space)).toEqual(["accept"]);
  });

  test("so it does where a role was taken and given back ahead of the clock", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    world.clock.advance(600);
    await space.set(ben.author, "read");
    await space.set(ben.author, "write");
    await world.settle(ada, ben);
    world.clock.advance(-600);
    await write(other, "kept");
    await world.settle(ada, ben);
    world.clock.advance(600);
    await world.pass(1_000);
    expect(await judgementsOf(space)).toEqual(["accept"]);
  });

  test("nobody but the writer shows an entry before its time", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    world.clock.advance(-900);
    await write(other, "early");
    await world.settle(ada, ben);
    await write(space, "in time");
    await world.settle(ada, ben);
    expect(await textsOf(space)).toEqual(["in time"]);
    const [event] = await eventsOf(space);
    // It does not point at what it holds, nor at what its own writer is ahead with.
    const [early] = await eventsOf(other);
    expect(event?.frontier.get(early!.logId)).toBeUndefined();
  });
});

describe("a clock that was ahead", () => {
  test("drags nothing along that counts without what it stamped", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    world.clock.advance(yearSeconds);
    await other.announceAddress("wss://ben.example", 60);
    world.clock.advance(-yearSeconds);
    await write(other, "today");
    const [event] = await eventsOf(other);
    expect(event?.stamp).toBeLessThanOrEqual(limitOf(world));
    await world.settle(ada, ben);
    expect(await judgementsOf(space)).toEqual(["accept"]);
  });

  test("nor do control entries follow data that it stamped", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    world.clock.advance(yearSeconds);
    await write(other, "some day");
    world.clock.advance(-yearSeconds);
    expect(await textsOf(other)).toEqual(["some day"]);
    await other.announceAddress("wss://ben.example", 60);
    await world.settle(ada, ben);
    expect(space.addresses().map(({ address }) => address)).toEqual(["wss://ben.example"]);
  });
});
