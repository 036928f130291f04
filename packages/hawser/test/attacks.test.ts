/** Members, and people who were members, against the others of a space. */
import { decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";
import type { Random } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { createKeyRing, type EpochId } from "@hawser/keys";
import type { EncodedRange } from "@hawser/log";
import { controlDomain, dataDomain, metadataKeyOf, type EntryRef, type Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import {
  addressContent,
  announcedEpochs,
  authContent,
  bundleContent,
  bundleOf,
  entriesOf,
  forge,
  forgeControl,
  keysContent,
  logsOf,
  opBytes,
  readControl,
  readOps,
  villain,
} from "./support/forge.ts";
import {
  at,
  createWorld,
  eventsOf,
  feed,
  spaceWith,
  textsOf,
  write,
  type Device,
  type World,
} from "./support/world.ts";

/** The key that opens control entries: members and followers have it. */
function metadataOf(world: World, space: Space): Uint8Array {
  if (space.id === undefined) throw new Error("followers have no id");
  return metadataKeyOf(world.crypto, space.id);
}

/** Ada founded it, Ben and Cyd write. Ben is the one who turns. */
async function three(world: World): Promise<{
  readonly ada: Device;
  readonly ben: Device;
  readonly cyd: Device;
  readonly adas: Space;
  readonly bens: Space;
  readonly cyds: Space;
  readonly key: Uint8Array;
}> {
  const { devices, spaces } = await spaceWith(world, "ben", "cyd");
  const adas = at(spaces, 0);
  return {
    ada: at(devices, 0),
    ben: at(devices, 1),
    cyd: at(devices, 2),
    adas,
    bens: at(spaces, 1),
    cyds: at(spaces, 2),
    key: metadataOf(world, adas),
  };
}

/** A plain event, readable by whoever has the entry: it needs no key, only the right to write. */
function plainNote(text: string): Uint8Array {
  const type = utf8("note");
  const body = utf8(text);
  return Uint8Array.of(2, 0, type.length, ...type, 0, body.length, ...body);
}

/** Deps on the newest signed entry of every log of the topic that a device holds. */
async function allHeads(
  device: Device,
  space: Space,
): Promise<readonly { seq: number; hash: Uint8Array }[]> {
  const deps: { seq: number; hash: Uint8Array }[] = [];
  for (const head of await device.store.heads(space.topic)) {
    if (head.context.author === device.author && head.context.domain === dataDomain) continue;
    if (head.signedHash === undefined) continue;
    deps.push({ seq: head.signedHeight - 1, hash: head.signedHash });
  }
  return deps.sort((a, b) => (Buffer.compare(a.hash, b.hash) < 0 ? -1 : 1));
}

describe("a writer who lies about the time", () => {
  test("[P2-M8] [P2-M11] a control entry from the year 2255 does not stop anybody from writing", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    const late = { crypto, topic: adas.topic, who: ben, now: 2 ** 53 - 100_000, base: ben.store };
    const poison = { ...late, metadataKey: key };
    await feed(ada, [await forgeControl(poison, [addressContent("wss://x.example", 60)])]);
    await world.settle(ada, ben, cyd);
    await write(adas, "after it");
    await world.settle(ada, ben, cyd);
    expect(await textsOf(cyds)).toEqual(["after it"]);
  });

  test("[P2-M11] a data entry from the future waits alone: nobody builds on it, others go on", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds } = await three(world);
    const { crypto } = world;
    const deps = await allHeads(ben, adas);
    const future = { crypto, topic: adas.topic, who: ben, now: world.now() + 10 * 365 * 86_400e6 };
    const range = await forge({ ...future, domain: dataDomain }, () => [
      { data: plainNote("from the future"), deps },
    ]);
    await feed(ada, [range]);
    await world.settle(ada, cyd);
    await write(adas, "now");
    await write(cyds, "now too");
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["now", "now too"]);
    expect(await textsOf(cyds)).toEqual(["now", "now too"]);
    const { data } = logsOf(crypto, adas.topic, ben.author);
    expect(await adas.explain({ logId: data, seq: 0 })).toMatchObject({ code: "HELD_FOR_CLOCK" });
  });
});

describe("an author who signs two histories", () => {
  test("[P2-M12] [TD-9] a member who forks its own control log hides nobody's content", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds, key } = await three(world);
    const { crypto } = world;
    await bens.announceAddress("wss://one.example", 60);
    await world.settle(ada, ben, cyd);
    await write(adas, "ada's");
    await write(cyds, "cyd's");
    await world.settle(ada, ben, cyd);
    const { control } = logsOf(crypto, adas.topic, ben.author);
    const from = ((await ben.store.head(control))?.height ?? 0) - 1;
    const base = { crypto, topic: adas.topic, who: ben, base: ben.store, from };
    const other = { ...base, now: world.now(), metadataKey: key };
    const range = await forgeControl(other, [addressContent("wss://two.example", 60)]);
    expect(await feed(ada, [range])).toEqual(["forked"]);
    expect(await feed(cyd, [range])).toEqual(["forked"]);
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["ada's", "cyd's"]);
    await write(adas, "goes on");
    await world.settle(ada, cyd);
    expect(await textsOf(cyds)).toEqual(["ada's", "cyd's", "goes on"]);
  });

  test("[P2-W3] [P2-M12] a removed founder who forks its log at the start does not erase the space", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds, key } = await three(world);
    const { crypto } = world;
    await adas.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    await bens.remove(ada.author);
    await write(bens, "ours now");
    await world.settle(ben, cyd);
    const other = { crypto, topic: adas.topic, who: ada, now: world.now(), metadataKey: key };
    const range = await forgeControl(other, [addressContent("wss://two.example", 60)]);
    await feed(ben, [range]);
    await feed(cyd, [range]);
    await world.settle(ben, cyd);
    expect(bens.members().map(({ author }) => author)).toEqual([ben.author, cyd.author].sort());
    expect(await textsOf(cyds)).toEqual(["ours now"]);
  });

  test("[P2-M12] both branches of a data log are quarantined, on every device alike", async () => {
    const world = await createWorld();
    const { adas, cyds, ref } = await withSplitBen(world);
    expect(await textsOf(adas)).toEqual(["shown to all"]);
    expect(await textsOf(cyds)).toEqual(["shown to all"]);
    for (const space of [adas, cyds]) {
      expect(await space.explain(ref)).toMatchObject({ code: "FORKED", judgement: "quarantine" });
    }
  });

  test("[P2-M12] two people who were shown different branches go on to hear each other", async () => {
    const world = await createWorld();
    const { ada, cyd, adas, cyds } = await withSplitBen(world);
    await write(adas, "from ada");
    await world.settle(ada, cyd);
    await write(cyds, "from cyd");
    await world.settle(ada, cyd);
    expect(await textsOf(cyds)).toEqual(["from ada", "from cyd", "shown to all"]);
    expect(await textsOf(adas)).toEqual(["from ada", "from cyd", "shown to all"]);
  });

  test("[P2-M12] what was written before the fork was known is not lost either", async () => {
    const world = await createWorld();
    const { ada, cyd, adas, cyds } = await withSplitBen(world, async (adas, cyds) => {
      await write(adas, "from ada");
      await write(cyds, "from cyd");
    });
    // A dep on a branch that nobody here has is waited for, but not for ever.
    await world.pass(60_000);
    await world.settle(ada, cyd);
    expect(await textsOf(cyds)).toEqual(["from ada", "from cyd", "shown to all"]);
    expect(await textsOf(adas)).toEqual(["from ada", "from cyd", "shown to all"]);
  });
});

describe("a manager who signs two histories", () => {
  test("[P2-M12] [ATK-automerge870] two people who were shown different memberships come to one, and to new ones", async () => {
    const { world, ada, cyd, adas, cyds, ben, left, right } = await withSplitMembership();
    await feed(ada, [right]);
    await feed(cyd, [left]);
    await world.settle(ada, cyd);
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    expect(cyds.members()).toEqual(adas.members());
    await write(adas, "ada's");
    await world.settle(ada, cyd);
    expect(await textsOf(cyds)).toEqual(["ada's"]);
  });

  test("[P2-M12] [ATK-automerge870] who built on a branch shows it to those who never get it from its author", async () => {
    const { world, ada, cyd, adas, cyds, ben, right } = await withSplitMembership();
    // Only Ada hears of both; Cyd has neither the other branch nor a proof.
    await feed(ada, [right]);
    await world.settle(ada, cyd);
    expect(cyds.members()).toEqual(adas.members());
    await adas.remove(ben.author);
    await write(adas, "ada's");
    await world.settle(ada, cyd);
    expect(cyds.members()).toEqual(adas.members());
    expect(await textsOf(cyds)).toEqual(["ada's"]);
    const again = await world.restart(cyd);
    const reopened = again.spaces.open(cyds.id ?? "");
    expect(reopened.members()).toEqual(adas.members());
    expect(await textsOf(reopened)).toEqual(["ada's"]);
  });

  test("[P2-M12] two who built on different branches show both, and come to the same members", async () => {
    const { world, ada, cyd, adas, cyds, right } = await withSplitMembership();
    const eve = await world.device("eve");
    await cyds.add(await eve.spaces.bundle(), "read");
    await feed(ada, [right]);
    await world.settle(ada, cyd);
    expect(cyds.members()).toEqual(adas.members());
    const authors = adas.members().map(({ author }) => author);
    expect(authors).toContain(eve.author);
    // Both puppets too: what others built on stands. They can be removed like anybody.
    expect(authors).toHaveLength(7);
  });

  test("[P2-M12] [ATK-quiet3454] a newcomer whom a relay gave the founder's false branch first is mended by honest peers", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, key } = await three(world);
    const { crypto } = world;
    await adas.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    await bens.remove(ada.author);
    await write(bens, "ours now");
    await world.settle(ben, cyd);
    const { control } = logsOf(crypto, adas.topic, ada.author);
    // The founding batch is true; from there on Ada tells another story.
    const base = { crypto, topic: adas.topic, who: ada, base: ada.store, metadataKey: key };
    const other = [addressContent("wss://false.example", 60)];
    const tail = await forgeControl({ ...base, now: world.now(), from: 3 }, other);
    const dan = await world.device("dan");
    const dans = await dan.spaces.join(await bens.invite({ level: "write" }));
    for await (const range of ada.store.ranges(control, { from: 0, to: 3 })) {
      await dan.spaces.ingest(range);
    }
    expect(await feed(dan, [tail])).toEqual(["stored"]);
    await world.settle(ben, cyd, dan);
    for await (const range of ben.store.ranges(control)) await dan.spaces.ingest(range);
    await world.settle(ben, cyd, dan);
    expect(await textsOf(dans)).toEqual(["ours now"]);
  });
});

/** Manager Ben shows Ada that he adds somebody, on which she builds, and Cyd something else. */
async function withSplitMembership(): Promise<
  Awaited<ReturnType<typeof three>> & {
    readonly world: World;
    readonly left: EncodedRange;
    readonly right: EncodedRange;
  }
> {
  const world = await createWorld();
  const people = await three(world);
  const { ada, ben, cyd, adas, key } = people;
  const { crypto } = world;
  await adas.set(ben.author, "manage");
  await adas.set(cyd.author, "manage");
  await world.settle(ada, ben, cyd);
  const { group, heads } = await readOps(crypto, ben.store, adas.topic, key);
  const puppet = villain(crypto, "puppet");
  const member = { kind: "individual", id: puppet.author } as const;
  const access = { level: "write", mayDelete: false } as const;
  const add = opBytes(crypto, ben, group, heads, { type: "add", grant: { member, access } });
  const base = { crypto, topic: adas.topic, who: ben, base: ben.store, metadataKey: key };
  const bundle = bundleContent(bundleOf(crypto, puppet, world.now()));
  const left = await forgeControl({ ...base, now: world.now() }, [bundle, authContent(add)]);
  const other = villain(crypto, "other puppet");
  const grant = { member: { kind: "individual", id: other.author } as const, access };
  const addOther = opBytes(crypto, ben, group, heads, { type: "add", grant });
  const otherBundle = bundleContent(bundleOf(crypto, other, world.now()));
  const told = [otherBundle, authContent(addOther)];
  const right = await forgeControl({ ...base, now: world.now() }, told);
  expect(await feed(ada, [left])).toEqual(["stored"]);
  expect(await feed(cyd, [right])).toEqual(["stored"]);
  const dan = await world.device("dan");
  await adas.add(await dan.spaces.bundle(), "read");
  return { ...people, world, left, right };
}

/** Ben shows Ada one entry and Cyd another; then both hear of both. */
async function withSplitBen(
  world: World,
  meanwhile: (adas: Space, cyds: Space) => Promise<void> = async () => {},
): Promise<{
  readonly ada: Device;
  readonly cyd: Device;
  readonly adas: Space;
  readonly cyds: Space;
  readonly ref: EntryRef;
}> {
  const { ada, ben, cyd, adas, bens, cyds } = await three(world);
  const { crypto } = world;
  await write(bens, "shown to all");
  await world.settle(ada, ben, cyd);
  const deps = await allHeads(ben, adas);
  const base = { crypto, topic: adas.topic, who: ben, domain: dataDomain, base: ben.store };
  const make = (text: string): Promise<EncodedRange> =>
    forge({ ...base, now: world.now() }, () => [{ data: plainNote(text), deps }]);
  const [left, right] = [await make("left"), await make("right")];
  expect(await feed(ada, [left])).toEqual(["stored"]);
  expect(await feed(cyd, [right])).toEqual(["stored"]);
  await world.pass(1);
  await meanwhile(adas, cyds);
  expect(await feed(ada, [right])).toEqual(["forked"]);
  expect(await feed(cyd, [left])).toEqual(["forked"]);
  await world.settle(ada, cyd);
  const { data } = logsOf(crypto, adas.topic, ben.author);
  return { ada, cyd, adas, cyds, ref: { logId: data, seq: 1 } };
}

describe("somebody who was removed and kept everything", () => {
  test("[P2-M3] [ATK-tsmls-rc10] every byte and every key of its own opens nothing that came after", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds } = await three(world);
    await write(adas, "before");
    await world.settle(ada, ben, cyd);
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    const refs = [await write(adas, "after 1"), await write(cyds, "after 2")];
    await world.settle(ada, cyd);
    // A colluding relay hands over all of it.
    await world.carry(ada, ben);
    await world.carry(cyd, ben);
    await world.pass(10_000);
    expect(bens.status().state).toBe("removed");
    expect(await textsOf(bens)).toEqual(["before"]);
    for (const ref of refs) {
      await expect(bens.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    }
    const keys = ada.spaces.topics()[0]?.followKeys() ?? [];
    expect(ben.spaces.topics()[0]?.followKeys()).not.toContainEqual(keys[0]);
  });

  test("[P2-M12] [ATK-hypergraph69] entries dated and positioned before the removal count for nobody", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds } = await three(world);
    const { crypto } = world;
    await write(bens, "honest");
    await world.settle(ada, ben, cyd);
    // Ben keeps a device that never hears of the removal: same position, same epoch, early stamps.
    const early = world.now();
    const deps = await allHeads(ben, adas);
    await world.pass(60_000);
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    await write(bens, "sealed in the old epoch");
    const base = { crypto, topic: adas.topic, who: ben, domain: dataDomain, base: ben.store };
    const range = await forge({ ...base, now: early }, () => [
      { data: plainNote("back-dated"), deps },
    ]);
    await world.carry(ben, ada);
    await feed(ada, [range]);
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["honest"]);
    expect(await textsOf(cyds)).toEqual(["honest"]);
    const events = await eventsOf(cyds);
    expect(events.filter(({ judgement }) => judgement === "quarantine").length).toBeGreaterThan(0);
    await write(cyds, "goes on");
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["goes on", "honest"]);
  });

  test("[P2-W1] a back-dated removal takes nobody down, and a back-dated add lets nobody in", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, key } = await three(world);
    const { crypto } = world;
    await adas.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    const { group, heads } = await readOps(crypto, ben.store, adas.topic, key);
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    const puppet = villain(crypto, "puppet");
    const member = { kind: "individual", id: puppet.author } as const;
    const target = { kind: "individual", id: cyd.author } as const;
    const access = { level: "manage", mayDelete: true } as const;
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const add = opBytes(crypto, ben, group, heads, { type: "add", grant: { member, access } });
    const bundle = bundleContent(bundleOf(crypto, puppet, world.now()));
    const range = await forgeControl({ ...forged, metadataKey: key }, [bundle, authContent(add)]);
    await feed(ada, [range]);
    await world.settle(ada, cyd);
    expect(adas.access(puppet.author)).toBeUndefined();
    const strike = opBytes(crypto, ben, group, heads, { type: "remove", member: target });
    const second = await forgeControl({ ...forged, metadataKey: key }, [authContent(strike)]);
    await feed(cyd, [second]);
    await world.settle(ada, cyd);
    expect(adas.access(ada.author)?.level).toBe("manage");
    await write(adas, "goes on");
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["goes on"]);
  });

  test("[P2-W1] [P2-M13] its back-dated removal of the founder leaves the founder where it is", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    await adas.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    const { group, heads } = await readOps(crypto, ben.store, adas.topic, key);
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    const target = { kind: "individual", id: ada.author } as const;
    const strike = opBytes(crypto, ben, group, heads, { type: "remove", member: target });
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const range = await forgeControl({ ...forged, metadataKey: key }, [authContent(strike)]);
    await feed(ada, [range]);
    await feed(cyd, [range]);
    await world.settle(ada, cyd);
    expect(cyds.access(ada.author)?.level).toBe("manage");
    expect(cyds.access(ben.author)).toBeUndefined();
    expect(cyds.status().orphaned).toBe(false);
  });

  test("[P2-M8] its back-dated rekeys seal nothing and stop nobody from writing", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds, key } = await three(world);
    const { crypto } = world;
    const { heads } = await readOps(crypto, ben.store, adas.topic, key);
    const readers = [await ada.spaces.bundle(), await cyd.spaces.bundle()];
    await adas.remove(ben.author);
    await world.settle(ada, cyd);
    const ring = createKeyRing({ crypto }, { topic: adas.topic, self: ben.author });
    const ops = Array.from({ length: 20 }, (_, index) => {
      const input = { readers, followers: [], authHeads: heads, reason: "membership" } as const;
      let draws = 0;
      const random = (byteCount: number): Uint8Array =>
        crypto.deriveKey("hawser attack random v1", Uint8Array.of(index, ++draws), byteCount);
      return keysContent(ring.rekey(ring.empty, input, random).opBytes);
    });
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    await feed(ada, [await forgeControl({ ...forged, metadataKey: key }, ops)]);
    await world.settle(ada, cyd);
    const ref = await write(adas, "still safe");
    await world.settle(ada, cyd);
    await world.carry(ada, ben);
    expect(await textsOf(cyds)).toEqual(["still safe"]);
    await expect(bens.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    // Requests for keys nobody has are bounded: one op a reader, not one an epoch.
    const entries = (await entriesOf(ada.store, logsOf(crypto, adas.topic, ada.author).control))
      .length;
    expect(entries).toBeLessThan(16);
  });
});

describe("members of a low level", () => {
  test("[TH-190] [TD-2] a reader who writes is heard by nobody, whoever it says it is", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds } = await three(world);
    const { crypto } = world;
    const dan = await world.device("dan");
    const dans = await dan.spaces.join(await adas.invite({ level: "read" }));
    await world.settle(ada, ben, cyd, dan);
    await expect(write(dans, "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    const deps = await allHeads(dan, adas);
    const base = { crypto, topic: adas.topic, who: dan, domain: dataDomain, now: world.now() };
    const range = await forge(base, () => [{ data: plainNote("forged"), deps }]);
    const before = await ada.store.stats();
    expect(await feed(ada, [range])).toEqual(["refused"]);
    const asBen = { ...range, context: { ...range.context, author: ben.author } };
    expect(await feed(ada, [asBen])).toEqual(["bad"]);
    expect(await ada.store.stats()).toEqual(before);
    await write(adas, "goes on");
    await world.settle(ada, ben, cyd, dan);
    expect(await textsOf(cyds)).toEqual(["goes on"]);
    expect(await textsOf(dans)).toEqual(["goes on"]);
  });

  test("[P2-W6] [TD-5] a writer changes no membership and announces for nobody but itself", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, key } = await three(world);
    const { crypto } = world;
    const { group, heads } = await readOps(crypto, ben.store, adas.topic, key);
    const up = {
      member: { kind: "individual", id: ben.author },
      access: { level: "manage", mayDelete: true },
    } as const;
    const out = { kind: "individual", id: cyd.author } as const;
    const actions = [
      { type: "set", grant: up },
      { type: "remove", member: out },
      { type: "revoke", invite: ben.author },
      { type: "invite", invite: ben.author, access: up.access, uses: 9, notAfter: undefined },
    ] as const;
    const contents = actions.map((action) =>
      authContent(opBytes(crypto, ben, group, heads, action)),
    );
    // An operation in Cyd's name, in Ben's log.
    contents.push(
      authContent(opBytes(crypto, cyd, group, heads, { type: "leave", successor: undefined })),
    );
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const members = adas.members();
    await feed(ada, [await forgeControl({ ...forged, metadataKey: key }, contents)]);
    await world.settle(ada, cyd);
    expect(adas.members()).toEqual(members);
    await write(adas, "goes on");
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["goes on"]);
  });

  test("[TH-037] [P2-M8] a follower who hands out keys and writes gets nothing and stops nothing", async () => {
    const world = await createWorld();
    const { ada, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    await adas.add(bundle, "pull");
    const follower = await relay.spaces.follow(adas.hosting(bundle));
    await world.settle(ada, cyd, relay);
    const { heads } = await readOps(crypto, relay.store, adas.topic, key);
    const ring = createKeyRing({ crypto }, { topic: adas.topic, self: relay.author });
    const readers = [await ada.spaces.bundle(), await cyd.spaces.bundle()];
    const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(9);
    const input = { readers, followers: [], authHeads: heads, reason: "membership" } as const;
    const rekey = keysContent(ring.rekey(ring.empty, input, random).opBytes);
    const base = { crypto, topic: adas.topic, who: relay, now: world.now(), base: relay.store };
    await feed(ada, [await forgeControl({ ...base, metadataKey: key }, [rekey])]);
    const deps = await allHeads(relay, adas);
    const data = await forge({ ...base, domain: dataDomain }, () => [
      { data: plainNote("x"), deps },
    ]);
    expect(await feed(ada, [data])).toEqual(["refused"]);
    await write(adas, "sealed well");
    await world.settle(ada, cyd, relay);
    expect(await textsOf(cyds)).toEqual(["sealed well"]);
    expect(await textsOf(follower)).toEqual([]);
  });
});

describe("a member who gives wrong keys", () => {
  test("[P2-M8] a welcome full of rubbish does not lock a newcomer out", async () => {
    const world = await createWorld();
    const { ada, ben, adas, key } = await three(world);
    const { crypto } = world;
    await write(adas, "hello");
    const dan = await world.device("dan");
    const dans = await dan.spaces.join(await adas.invite({ level: "write" }));
    await world.settle(ada, ben);
    await world.carry(ada, dan);
    await world.pass(300);
    await world.carry(dan, ben);
    const { heads } = await readOps(crypto, ben.store, adas.topic, key);
    const epochs = await announcedEpochs(crypto, ben.store, adas.topic, key);
    const ids = [...epochs.epochs.keys()];
    const ring = createKeyRing({ crypto }, { topic: adas.topic, self: ben.author });
    const ops = ring.welcome(
      { ...epochs, secrets: new Map(ids.map((id: EpochId) => [id, rubbish])) },
      {
        recipient: await dan.spaces.bundle(),
        level: "read",
        epochIds: ids,
        authHeads: heads,
        attachment: new Uint8Array(32).fill(1),
      },
      (byteCount) => new Uint8Array(byteCount).fill(3),
    );
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const range = await forgeControl({ ...forged, metadataKey: key }, ops.map(keysContent));
    await feed(ada, [range]);
    await feed(dan, [range]);
    await world.settle(ada, dan);
    expect(await textsOf(dans)).toEqual(["hello"]);
  });

  test("[ATK-lfa3431] [P2-M8] a rekey whose boxes hold rubbish stops no writer", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    const { heads } = await readOps(crypto, ben.store, adas.topic, key);
    const adaBundle = await ada.spaces.bundle();
    const cydBundle = await cyd.spaces.bundle();
    // Sealed to each other's prekeys: nobody opens anything, yet the announcement is perfect.
    const readers = [
      { ...adaBundle, prekey: cydBundle.prekey },
      { ...cydBundle, prekey: adaBundle.prekey },
    ] as unknown as readonly (typeof adaBundle)[];
    const epochs = await announcedEpochs(crypto, ben.store, adas.topic, key);
    const ring = createKeyRing({ crypto }, { topic: adas.topic, self: ben.author });
    const input = { readers, followers: [], authHeads: heads, reason: "rotation" } as const;
    const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(4);
    const { opBytes: op } = ring.rekey(epochs, input, random);
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const range = await forgeControl({ ...forged, metadataKey: key }, [keysContent(op)]);
    expect(await feed(ada, [range])).toEqual(["stored"]);
    await world.settle(ada, cyd);
    await write(adas, "one");
    await write(cyds, "two");
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["one", "two"]);
    expect(await textsOf(cyds)).toEqual(["one", "two"]);
  });

  test("[P2-M4] a member who says it gave a key to an outsider costs one rotation, and the outsider reads nothing", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    const eve = await world.device("eve");
    const epochs = await announcedEpochs(crypto, ben.store, adas.topic, key);
    const ids = [...epochs.epochs.keys()];
    const { heads } = await readOps(crypto, ben.store, adas.topic, key);
    const ring = createKeyRing({ crypto }, { topic: adas.topic, self: ben.author });
    const before = ada.spaces.topics()[0]?.followKeys()[0];
    const ops = ring.forward(
      { ...epochs, secrets: new Map(ids.map((id: EpochId) => [id, rubbish])) },
      { recipient: await eve.spaces.bundle(), level: "read", epochIds: ids, authHeads: heads },
      (byteCount) => new Uint8Array(byteCount).fill(3),
    );
    const forged = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    await feed(ada, [await forgeControl({ ...forged, metadataKey: key }, ops.map(keysContent))]);
    await write(adas, "in a new epoch");
    await world.settle(ada, cyd);
    expect(ada.spaces.topics()[0]?.followKeys()[0]).not.toEqual(before);
    expect(await textsOf(cyds)).toEqual(["in a new epoch"]);
  });
});

/** 0 ≤ n < limit. */
function numberIn(random: Random, limit: number): number {
  const [high = 0, low = 0] = random(2);
  return (high * 256 + low) % limit;
}

/** The value with one part of it, at any depth, exchanged, doubled, cut or left out. */
function mutate(value: CborValue, random: Random): CborValue {
  if (Array.isArray(value) && value.length > 0 && numberIn(random, 6) > 0) {
    const items = [...(value as readonly CborValue[])];
    const index = numberIn(random, items.length);
    const item = at(items, index);
    const chance = numberIn(random, 8);
    if (chance === 0) items.splice(index, 1);
    else if (chance === 1) items.splice(index, 0, item);
    else items[index] = mutate(item, random);
    return items;
  }
  if (value instanceof Uint8Array && value.length > 0 && numberIn(random, 2) === 0) {
    const bytes = value.slice();
    const index = numberIn(random, bytes.length);
    bytes[index] = (bytes[index] ?? 0) ^ (1 << numberIn(random, 8));
    return bytes;
  }
  const odd: readonly CborValue[] = [
    0,
    -1,
    2 ** 53 - 1,
    -(2 ** 53) + 1,
    null,
    true,
    "",
    "x".repeat(300),
    new Uint8Array(0),
    new Uint8Array(32),
    new Uint8Array(32).fill(0xff),
    [],
    [[[]]],
  ];
  return at(odd, numberIn(random, odd.length));
}

/** A secret that belongs to no epoch. */
const rubbish = { reveal: () => new Uint8Array(32).fill(7) } as never;

describe("rubbish in one's own logs", () => {
  test("[TD-9] [P2-M17] garbage of every kind stops neither its log's good part nor any other", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds, key } = await three(world);
    const { crypto } = world;
    const nested = Uint8Array.from({ length: 4_000 }, () => 0x81);
    const contents = [
      new Uint8Array(0),
      Uint8Array.of(0xff),
      nested,
      Uint8Array.of(0x82, 0x00, 0x40),
      Uint8Array.of(0x82, 0x01, 0x40),
      Uint8Array.of(0x82, 0x02, 0x40),
      Uint8Array.of(0x83, 0x03, 0x61, 0x78, 0x01),
      Uint8Array.of(0x83, 0x04, 0xf5, 0x41, 0x00),
      Uint8Array.of(0x82, 0x18, 0x63, 0x40),
      new Uint8Array(48 * 1024).fill(0x9f),
      ...Array.from({ length: 40 }, () => Uint8Array.of(0x83, 0x04, 0xf5, 0x41, 0x00)),
      addressContent("wss://good.example", 3_600),
    ];
    const base = { crypto, topic: adas.topic, who: ben, now: world.now(), base: ben.store };
    const range = await forgeControl({ ...base, metadataKey: key }, contents);
    expect(await feed(ada, [range])).toEqual(["stored"]);
    const deps = await allHeads(ben, adas);
    const missing = { seq: 7, hash: new Uint8Array(32).fill(0xee) };
    const payloads = [
      { data: plainNote("good"), deps },
      { data: new Uint8Array(0) },
      { data: Uint8Array.of(1) },
      { data: Uint8Array.of(1, ...new Uint8Array(60)) },
      { data: Uint8Array.of(2, 0, 0, 0, 0) },
      { data: Uint8Array.of(2, 1, 4, 110, 111, 116, 101, 0, 1, 200) },
      { data: Uint8Array.of(2, 0, 4, 110, 111, 116, 101, 0, 0, 1) },
      { data: Uint8Array.of(9, 9, 9) },
      { data: plainNote("good too") },
      { data: plainNote("never"), deps: [missing] },
    ];
    const data = await forge({ ...base, domain: dataDomain }, () => payloads);
    expect(await feed(ada, [data])).toEqual(["stored"]);
    await world.settle(ada, cyd);
    await write(adas, "goes on");
    await world.settle(ada, cyd);
    for (const space of [adas, cyds]) {
      expect(await textsOf(space)).toEqual(["goes on", "good", "good too"]);
      expect(space.addresses().map(({ address }) => address)).toEqual(["wss://good.example"]);
      expect(space.failure).toBeUndefined();
    }
    const again = await world.restart(cyd);
    expect(await textsOf(again.spaces.openTopic(adas.topic))).toEqual([
      "goes on",
      "good",
      "good too",
    ]);
  });

  test("[P2-M17] [TD-9] a thousand true control entries, each with something changed in it, break no device", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, bens, cyds, key } = await three(world);
    const { crypto } = world;
    await adas.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    const guest = await world.device("guest");
    await bens.add(await guest.spaces.bundle(), "read");
    await bens.invite({ level: "read", uses: 2, notAfterSeconds: 600 });
    await bens.set(guest.author, "write");
    await bens.remove(guest.author);
    await bens.announceAddress("wss://relay.example", 600);
    await world.settle(ada, ben, cyd);
    const originals = await readControl(crypto, ben.store, adas.topic, key);
    const random = seededRandom("mutations");
    const base = { crypto, topic: adas.topic, who: ben, metadataKey: key };
    let height =
      (await ben.store.head(logsOf(crypto, adas.topic, ben.author).control))?.height ?? 0;
    for (let round = 0; round < 10; round++) {
      const contents = Array.from({ length: 100 }, () => {
        const { value } = at(originals, numberIn(random, originals.length));
        const [kind, inner] = value;
        // Inside the op as often as around it.
        const opened = inner instanceof Uint8Array ? decodeCbor(inner) : undefined;
        const isInside = Array.isArray(opened) && numberIn(random, 4) > 0;
        const changed = isInside
          ? [kind ?? 0, encodeCbor(mutate(opened, random))]
          : mutate(value, random);
        return encodeCbor(changed);
      });
      const range = await forgeControl({ ...base, now: world.now(), base: ben.store }, contents);
      expect(await feed(ben, [range])).toEqual(["stored"]);
      expect(await feed(ada, [range])).toEqual(["stored"]);
      height += contents.length;
    }
    await world.settle(ada, cyd);
    expect((await ada.store.head(logsOf(crypto, adas.topic, ben.author).control))?.height).toBe(
      height,
    );
    await write(adas, "goes on");
    await world.settle(ada, cyd);
    expect(await textsOf(cyds)).toEqual(["goes on"]);
    expect(cyds.members()).toEqual(adas.members());
    const again = await world.restart(cyd);
    const reopened = again.spaces.openTopic(adas.topic);
    expect(reopened.members()).toEqual(adas.members());
    expect(await textsOf(reopened)).toEqual(["goes on"]);
  });

  test("[TD-9] [P2-M17] a range that is refused makes no view start over", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, key } = await three(world);
    const { crypto } = world;
    await write(adas, "one");
    await world.settle(ada, ben, cyd);
    let resets = 0;
    const texts: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { events, reset } of adas.batches({ signal: stop.signal })) {
        if (reset === true) resets += 1;
        texts.push(...events.map(({ body }) => new TextDecoder().decode(body)));
      }
    })();
    await world.pass(100);
    const base = { crypto, topic: adas.topic, who: ben, base: ben.store, metadataKey: key };
    const address = addressContent("wss://x.example", 60);
    const late = await forgeControl({ ...base, now: world.now() + 86_400e6 }, [address]);
    const good = await forgeControl({ ...base, now: world.now() }, [address]);
    const broken = {
      ...good,
      bytes: good.bytes.map((byte, index) => byte ^ (index === 9 ? 1 : 0)),
    };
    for (let round = 0; round < 5; round++) {
      expect(await feed(ada, [broken])).toEqual(["bad"]);
      await feed(ada, [late]);
      await world.pass(100);
    }
    await write(adas, "two");
    await world.pass(100);
    stop.abort();
    await watching;
    expect(texts).toEqual(["one", "two"]);
    expect(resets).toBe(0);
  });

  test("[P2-M7] [TH-200] an entry moved to another seq, log or space is refused or unreadable", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, adas, cyds } = await three(world);
    const { crypto } = world;
    const second = await ada.spaces.create();
    await second.add(await ben.spaces.bundle(), "write");
    const ref = await write(adas, "said once");
    await world.settle(ada, ben, cyd);
    const [stolen] = await entriesOf(ben.store, ref.logId);
    if (stolen === undefined) throw new Error("nothing stolen");
    const deps = await allHeads(ben, adas);
    const base = { crypto, topic: adas.topic, who: ben, domain: dataDomain, now: world.now() };
    const moved = await forge(base, () => [{ data: stolen.data, deps }, { data: stolen.data }]);
    await feed(ada, [moved]);
    // The whole signed log under another topic, and under another domain.
    for await (const range of ada.store.ranges(ref.logId)) {
      const there = { ...range.context, topic: second.topic };
      expect(await feed(ada, [{ ...range, context: there }])).toEqual(["bad"]);
      const inControl = { ...range.context, domain: controlDomain };
      expect(["bad", "forked"]).toContain(
        at(await feed(cyd, [{ ...range, context: inControl }]), 0),
      );
    }
    await world.settle(ada, cyd);
    expect(await textsOf(adas)).toEqual(["said once"]);
    expect(await textsOf(cyds)).toEqual(["said once"]);
    expect(await textsOf(second)).toEqual([]);
  });

  test("[P2-M3] [TH-056] when every epoch has the same reference, the right key is still found, also when it comes late", async () => {
    const world = await createWorld({ collide: true });
    const { devices, spaces } = await spaceWith(world, "ben", "cyd");
    const [ada, ben, cyd] = [at(devices, 0), at(devices, 1), at(devices, 2)];
    const [adas, cyds] = [at(spaces, 0), at(spaces, 2)];
    await adas.set(cyd.author, "manage");
    await write(adas, "first epoch");
    await world.settle(ada, ben, cyd);
    // Concurrently: Ada adds Dan, Cyd removes Ben and writes. Dan gets Cyd's epoch later.
    const dan = await world.device("dan");
    await adas.add(await dan.spaces.bundle(), "write");
    await cyds.remove(ben.author);
    await write(cyds, "second epoch");
    const dans = await dan.spaces.accept(adas.offer(await dan.spaces.bundle()));
    await world.carry(ada, dan);
    await world.carry(cyd, dan);
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const batch of dans.batches({ signal: stop.signal })) {
        if (batch.reset === true) seen.length = 0;
        for (const { body } of batch.events) seen.push(new TextDecoder().decode(body));
      }
    })();
    await world.pass(10);
    await world.settle(ada, cyd, dan);
    await world.pass(1_000);
    stop.abort();
    await watching;
    expect([...seen].sort()).toEqual(["first epoch", "second epoch"]);
  });
});
