/** The published attackers against honest devices: one attack each, as a pattern for others. */
import type { EncodedRange } from "@hawser/log";
import { dataDomain, metadataKeyOf, type Space } from "@hawser/space";
import {
  at,
  authContent,
  bundleContent,
  bundleOf,
  createMaliciousRelay,
  createWorld,
  equivocate,
  feed,
  forge,
  forgeControl,
  opBytes,
  readOps,
  spaceWith,
  stealDevice,
  stealLink,
  textsOf,
  villain,
  write,
  type Device,
  type Villain,
  type World,
} from "@hawser/space/testing";
import { expect, test } from "vitest";

/** An event that needs no key. */
const note = Uint8Array.of(2, 0, 4, 0x6e, 0x6f, 0x74, 0x65, 0, 1, 0x78);

function idOf(space: Space): NonNullable<Space["id"]> {
  if (space.id === undefined) throw new Error("followers have no id");
  return space.id;
}

/** An operation that names `by` a manager, made by somebody who is none. */
async function coup(
  world: World,
  space: Space,
  from: Device,
  by: Villain,
  base?: Device["store"],
): Promise<EncodedRange> {
  const { crypto } = world;
  const metadataKey = metadataKeyOf(crypto, idOf(space));
  const { group, heads } = await readOps(crypto, from.store, space.topic, metadataKey);
  const member = { kind: "individual", id: by.author } as const;
  const access = { level: "manage", mayDelete: true } as const;
  const grant = { member, access };
  const op = opBytes(crypto, by, group, heads, { type: "add", grant });
  const options = { crypto, topic: space.topic, who: by, now: world.now(), metadataKey };
  // With a bundle, or the operation would fail for the lack of one.
  const contents = [bundleContent(bundleOf(crypto, by, world.now())), authContent(op)];
  return forgeControl(base === undefined ? options : { ...options, base }, contents);
}

test("[NB-2] a malicious relay: withholding, repeating and reordering only delays; tampering is refused", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const [ada, ben] = [at(devices, 0), at(devices, 1)];
  await write(at(spaces, 0), "one");
  await write(at(spaces, 0), "two");
  const relay = createMaliciousRelay();
  await relay.take(ada);
  const flipped = (range: EncodedRange): EncodedRange => {
    const bytes = range.bytes.slice();
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    return { ...range, bytes };
  };
  const outcomes = await relay.give(ben, { tamper: flipped });
  expect(outcomes).not.toContain("stored");
  await relay.give(ben, { withhold: ({ context }) => context.domain === dataDomain });
  expect(await textsOf(at(spaces, 1))).toEqual([]);
  await relay.give(ben, { reorder: (ranges) => [...ranges].reverse(), times: 2 });
  await relay.give(ben);
  await world.settle(ben);
  expect(await textsOf(at(spaces, 1))).toEqual(["one", "two"]);
});

test("[NB-2] a stranger who knows the space's id stores nothing and becomes nobody", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const [ada, space] = [at(devices, 0), at(spaces, 0)];
  const before = await ada.store.stats();
  const stranger = villain(world.crypto, "stranger");
  const { crypto } = world;
  const data = { crypto, topic: space.topic, who: stranger, domain: dataDomain, now: world.now() };
  const ranges = [
    await coup(world, space, ada, stranger),
    await forge(data, () => [{ data: note }]),
  ];
  expect(await feed(ada, ranges)).toEqual(["refused", "refused"]);
  expect((await ada.store.stats()).entries).toBe(before.entries);
  expect(space.members()).toHaveLength(2);
});

test("[NB-2] a reader who writes and who names himself a manager changes nothing", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const [ada, ben, space] = [at(devices, 0), at(devices, 1), at(spaces, 0)];
  await space.set(ben.author, "read");
  await world.settle(ada, ben);
  await feed(ada, [await coup(world, space, ben, ben, ben.store)]);
  await world.settle(ada);
  expect(space.access(ben.author)?.level).toBe("read");
  await expect(write(at(spaces, 1), "as a reader")).rejects.toMatchObject({
    code: "SPACE_NO_ACCESS",
  });
});

test("[NB-2] a removed member who goes on writing, without having seen the removal, is quarantined", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const [ada, ben] = [at(devices, 0), at(devices, 1)];
  await at(spaces, 0).remove(ben.author);
  await write(at(spaces, 1), "still here");
  await world.settle(ada, ben);
  expect(await textsOf(at(spaces, 0))).toEqual([]);
  await write(at(spaces, 0), "without ben");
  await world.settle(ada, ben);
  expect(await textsOf(at(spaces, 1))).not.toContain("without ben");
});

test("[NB-2] an equivocating author: both branches are quarantined, everybody else goes on", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben", "cyd");
  const [ada, ben, cyd] = [at(devices, 0), at(devices, 1), at(devices, 2)];
  const { one, other } = await equivocate(world, ben);
  await write(at(spaces, 1), "to ada");
  await write(other.spaces.openTopic(at(spaces, 1).topic), "to cyd");
  await world.carry(one, ada);
  await world.carry(other, cyd);
  const relay = createMaliciousRelay();
  await relay.take(one);
  await relay.take(other);
  for (const device of [ada, cyd]) await relay.give(device);
  await write(at(spaces, 0), "goes on");
  await world.settle(ada, cyd);
  expect(await textsOf(at(spaces, 0))).toEqual(["goes on"]);
  expect(await textsOf(at(spaces, 2))).toEqual(["goes on"]);
});

test("[NB-2] a thief of an invite comes too late: the link is spent", async () => {
  const world = await createWorld();
  const { devices, spaces, links } = await spaceWith(world, "ben");
  const [ada, ben] = [at(devices, 0), at(devices, 1)];
  const stolen = await stealLink(world, at(links, 0), ada);
  const thief = villain(world.crypto, "thief");
  const { range } = await stolen.join(thief);
  await feed(ada, [range]);
  await world.settle(ada, ben);
  expect(at(spaces, 0).access(thief.author)).toBeUndefined();
  await expect(stealLink(world, at(links, 0), await world.device("eve"))).rejects.toThrow(
    "not there",
  );
});

test("[NB-2] a thief of a device reads what it read, and nothing after the device was removed", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const [ada, ben, space] = [at(devices, 0), at(devices, 1), at(spaces, 0)];
  await write(space, "before");
  await world.settle(ada, ben);
  const thief = await stealDevice(world, ben);
  const theirs = thief.spaces.openTopic(space.topic);
  expect(await textsOf(theirs)).toEqual(["before"]);
  await space.remove(ben.author);
  await write(space, "after");
  await world.carry(ada, thief);
  await world.pass(1_000);
  expect(await textsOf(theirs)).toEqual(["before"]);
});
