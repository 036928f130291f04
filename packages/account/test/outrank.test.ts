/** A thief takes the paper key out of the account; the paper key puts that right. */
import { expect, it } from "vitest";
import { seededRandom } from "@hawser/crypto/testing";
import { createMemoryStore } from "@hawser/log";
import { createSpaces, paperNonce } from "@hawser/space";
import { createWorld, type Device } from "@hawser/space/testing";
import { createVirtualTimers } from "@hawser/sync/testing";
import { outrankRemovers } from "../src/outrank.ts";
import { createAccount, recoveryKeysOf, type AccountDeps } from "../src/index.ts";

it.each(["remove", "lower"])("[NB-8] a device that %ss the paper key loses to it", async (way) => {
  const world = await createWorld();
  const laptop = await world.device("laptop");
  const phone = await world.device("phone");
  const depsOf = (device: Device): AccountDeps => ({
    store: device.store,
    spaces: device.spaces,
    crypto: world.crypto,
    clock: { nowMicros: () => world.now() },
    random: seededRandom(`account ${device.name}`),
    timers: createVirtualTimers(),
  });
  const { account, recoverySecret } = await createAccount(depsOf(laptop), { name: "laptop" });
  const bundle = await phone.spaces.bundle();
  await account.space.add(bundle, "manage", { mayDelete: true });
  const stolen = await phone.spaces.accept(account.space.offer(bundle));
  await world.settle(laptop, phone);
  const keys = recoveryKeysOf(world.crypto, recoverySecret);
  // The thief is thorough: the paper key, the laptop, a new key of the thief's own, a fresh epoch.
  if (way === "remove") await stolen.remove(keys.author);
  else await stolen.set(keys.author, "read");
  await stolen.remove(laptop.author);
  const puppet = await world.device("puppet");
  await stolen.add(await puppet.spaces.bundle(), "manage", { mayDelete: true });
  await stolen.append([{ type: "note", body: new Uint8Array([1]) }]);
  await world.settle(laptop, phone);
  expect(account.space.status().state).toBe("removed");

  const tablet = await world.device("tablet");
  const store = createMemoryStore({ crypto: world.crypto });
  const deps = depsOf(tablet);
  const identity = { author: keys.author, secret: keys.authorSecret };
  const { prekeySecret } = keys;
  const spaces = await createSpaces({ ...deps, store, identity, prekeySecret });
  await spaces.bundle();
  const space = await spaces.reopen({ create: keys.createNonce, genesis: keys.genesisNonce });
  const paperDevice: Device = {
    name: "paper",
    author: keys.author,
    secret: keys.authorSecret,
    store,
    spaces,
  };
  await world.settle(phone, paperDevice);
  expect(space.access()?.level).toBe(way === "remove" ? undefined : "read");
  const paper = {
    store,
    spaces,
    space,
    heard: () => Promise.resolve(),
    synced: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => spaces.close(),
  };
  await outrankRemovers(deps, paper, keys);
  expect(space.access()).toEqual({ level: "manage", mayDelete: true });
  expect(space.access(phone.author)).toBeUndefined();
  expect(space.access(puppet.author)).toBeUndefined();
  await world.settle(phone, paperDevice, laptop);
  expect(stolen.status().state).toBe("removed");
  expect(account.space.access(keys.author)).toBeDefined();
  // What the thief did after it counts for nothing.
  expect(account.space.status().state).toBe("active");
  expect(account.space.members().map(({ author }) => author)).toEqual(
    [keys.author, laptop.author].sort(),
  );
  const before = space.timeline().length;
  await outrankRemovers(deps, paper, keys);
  expect(space.timeline()).toHaveLength(before);
  await spaces.close();
  await account[Symbol.asyncDispose]();
});

it("of removed founders those on paper alone go on being told of control logs", async () => {
  const world = await createWorld();
  const ada = await world.device("ada");
  const ben = await world.device("ben");
  const random = seededRandom("nonces");
  const accessAfterRemoval = async (create: Uint8Array): Promise<string | undefined> => {
    const space = await ada.spaces.create({ nonces: { create, genesis: random(32) } });
    const bundle = await ben.spaces.bundle();
    await space.add(bundle, "manage");
    const bens = await ben.spaces.accept(space.offer(bundle));
    await world.settle(ada, ben);
    await bens.remove(ada.author);
    const topic = ben.spaces.topics().find((one) => one.topic === space.topic);
    return topic?.accessOf(ada.author);
  };
  expect(await accessAfterRemoval(random(16))).toBe("none");
  expect(await accessAfterRemoval(paperNonce(world.crypto, ben.author))).toBe("none");
  expect(await accessAfterRemoval(paperNonce(world.crypto, ada.author))).toBe("control");
});
