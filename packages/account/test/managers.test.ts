/** Who manages the spaces of an account, and who must not be made to. Real spaces, memory stores. */
import { afterEach, describe, expect, it } from "vitest";
import type { Space, Spaces } from "@hawser/space";
import { createWorld, type Device, type World } from "@hawser/space/testing";
import { createVirtualTimers, type VirtualTimers } from "@hawser/sync/testing";
import { keepManagers } from "../src/managers.ts";

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});

function spaceOn(device: Device, space: Space): Space {
  return device.spaces.openTopic(space.topic);
}

async function letIn(space: Space, device: Device, level: "manage" | "read" = "manage") {
  const bundle = await device.spaces.bundle();
  await space.add(bundle, level, { mayDelete: level === "manage" });
  return device.spaces.accept(space.offer(bundle));
}

function keeps(device: Device, account: Space, spaces: Spaces = device.spaces): VirtualTimers {
  const timers = createVirtualTimers();
  const keeper = keepManagers(spaceOn(device, account), spaces, timers);
  stopping.push(() => keeper.stop());
  return timers;
}

/** A laptop and a phone with an account, and Carol, who manages a space with the laptop. */
async function scene() {
  const world = await createWorld();
  const laptop = await world.device("laptop");
  const phone = await world.device("phone");
  const carol = await world.device("carol");
  const account = await laptop.spaces.create();
  await letIn(account, phone);
  const space = await laptop.spaces.create();
  await letIn(space, carol);
  await world.settle(laptop, phone, carol);
  await space.addGroup(account, "write");
  return { world, laptop, phone, carol, account, space };
}

/** Lets everybody hear everything and every keeper act, ten times over. */
async function rest(world: World, timers: readonly VirtualTimers[], ...devices: Device[]) {
  for (let round = 0; round < 10; round++) {
    await world.settle(...devices);
    for (const each of timers) await each.advance(600);
  }
}

function managersOf(space: Space): readonly string[] {
  return space
    .members()
    .filter(({ level, via }) => level === "manage" && via === undefined)
    .map(({ author }) => author);
}

describe("managers of an account's spaces", () => {
  it("a manager of the space who takes a device out is not fought", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const timers = [keeps(laptop, account), keeps(phone, account)];
    await rest(world, timers, laptop, phone, carol);
    expect(managersOf(space)).toContain(phone.author);
    await spaceOn(carol, space).remove(phone.author);
    await rest(world, timers, laptop, phone, carol);
    expect(managersOf(space)).not.toContain(phone.author);
    const before = space.timeline().length;
    await rest(world, timers, laptop, phone, carol);
    expect(space.timeline()).toHaveLength(before);
    // Let into the account once more, it is everywhere once more.
    await account.remove(phone.author);
    await account.add(await phone.spaces.bundle(), "manage", { mayDelete: true });
    await rest(world, timers, laptop, phone, carol);
    expect(managersOf(space)).toContain(phone.author);
  });

  it("a device that has not heard of a revocation does not take it back", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const tablet = await world.device("tablet");
    await letIn(account, tablet);
    const timers = keeps(laptop, account);
    await rest(world, [timers], laptop, phone, tablet, carol);
    expect(managersOf(space)).toEqual(expect.arrayContaining([phone.author, tablet.author]));
    // The tablet revokes the phone; the laptop hears of what follows in the space alone.
    await spaceOn(tablet, account).remove(phone.author);
    await spaceOn(tablet, space).remove(phone.author);
    const inAccount = new Set((await tablet.store.heads(account.topic)).map(({ logId }) => logId));
    await world.carry(tablet, laptop, (logId) => !inAccount.has(logId));
    expect(managersOf(space)).not.toContain(phone.author);
    expect(account.access(phone.author)).toBeDefined();
    for (let round = 0; round < 5; round++) await timers.advance(600);
    expect(managersOf(space)).not.toContain(phone.author);
  });

  it("what a revoked device did to the others is put right", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const tablet = await world.device("tablet");
    await letIn(account, tablet);
    const timers = [keeps(laptop, account)];
    await rest(world, timers, laptop, phone, tablet, carol);
    await spaceOn(phone, space).remove(tablet.author);
    await rest(world, timers, laptop, phone, tablet, carol);
    expect(managersOf(space)).not.toContain(tablet.author);
    await account.remove(phone.author);
    await rest(world, timers, laptop, phone, tablet, carol);
    expect(managersOf(space)).toContain(tablet.author);
    expect(managersOf(space)).not.toContain(phone.author);
  });

  it("a former device that somebody else lets in since stays", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const timers = [keeps(laptop, account)];
    await rest(world, timers, laptop, phone, carol);
    await account.remove(phone.author);
    await rest(world, timers, laptop, phone, carol);
    expect(space.access(phone.author)).toBeUndefined();
    await spaceOn(carol, space).add(await phone.spaces.bundle(), "write");
    await rest(world, timers, laptop, phone, carol);
    expect(space.access(phone.author)).toMatchObject({ level: "write" });
  });

  it("whoever may only read the account manages nothing by it", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const friend = await world.device("friend");
    await letIn(account, friend, "read");
    await rest(world, [keeps(laptop, account)], laptop, phone, friend, carol);
    expect(managersOf(space)).toContain(phone.author);
    expect(managersOf(space)).not.toContain(friend.author);
  });

  it("a space in which nothing works does not keep a lost device in the others", async () => {
    const { world, laptop, phone, carol, account, space } = await scene();
    const stuck = await laptop.spaces.create();
    await stuck.addGroup(account, "write");
    await letIn(stuck, phone);
    await letIn(space, phone);
    await world.settle(laptop, phone, carol);
    let attempts = 0;
    const fails = (): Promise<never> => {
      attempts += 1;
      return Promise.reject(new Error("refused"));
    };
    const spaces: Spaces = {
      ...laptop.spaces,
      list: () => {
        const others = laptop.spaces.list().filter(({ topic }) => topic !== stuck.topic);
        return [{ ...spaceOn(laptop, stuck), remove: fails, add: fails }, ...others];
      },
    };
    await account.remove(phone.author);
    const timers = [keeps(laptop, account, spaces)];
    await rest(world, timers, laptop, phone, carol);
    expect(space.access(phone.author)).toBeUndefined();
    // And it is not tried for ever.
    for (let round = 0; round < 10; round++) {
      await space.append([{ type: "note", body: new Uint8Array([round]) }]);
      await spaceOn(carol, space).announceAddress(`wss://${round}.example`, 60);
      await rest(world, timers, laptop, carol);
    }
    expect(attempts).toBeGreaterThan(0);
    expect(attempts).toBeLessThanOrEqual(3);
  });
});
