/** Invite links and joining (docs/spec/6-space.md §6). */
import { describe, expect, test } from "vitest";
import type { AuthorId } from "@hawser/crypto";
import { parseInviteLink, type Space } from "@hawser/space";
import { createWorld, spaceOn, textsOf, write, type TestDevice } from "./world.ts";

describe("invites", () => {
  test("[TH-104] an invite of each level gives exactly that level", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    await write(space, "text");
    for (const level of ["pull", "read", "write", "manage"] as const) {
      const device = await world.device(level);
      const other = await device.spaces.join(await space.invite({ level }));
      await world.settle(ada, device);
      expect(other.access()).toEqual({ level, mayDelete: false });
      expect(await textsOf(other)).toEqual(level === "pull" ? [] : ["text"]);
      expect(other.status().state).toBe(level === "pull" ? "following" : "active");
    }
  });

  test("a used invite is refused with a code and leaves no trace", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const [ben, eve] = [await world.device("ben"), await world.device("eve")];
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    await ben.spaces.join(link);
    await world.settle(ada, ben);
    const late = await eve.spaces.join(link);
    const refused = expect(late.ready()).rejects.toMatchObject({ code: "SPACE_INVITE_USED" });
    await world.settle(ada, ben, eve);
    await refused;
    expect(late.status()).toMatchObject({ state: "refused", problem: "SPACE_INVITE_USED" });
    expect(space.members()).toHaveLength(2);
    const logs = await ada.store.heads(space.topic);
    expect(logs.some((head) => head.context.author === eve.author)).toBe(false);
    // A good link afterwards lets it in.
    await eve.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, eve);
    expect(late.status().state).toBe("active");
  });

  test("of concurrent joins by a single-use invite one counts, the other is told", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    const devices = [await world.device("ben"), await world.device("eve")];
    for (const device of devices) {
      await device.spaces.join(link);
      await world.copy(ada, device);
    }
    await world.settle(ada, ...devices);
    const states = devices.map((device) => spaceOn(device, space).status());
    expect(states.map((status) => status.state).sort()).toEqual(["active", "refused"]);
    const loser = states.find((status) => status.state === "refused");
    expect(loser?.problem).toBe("SPACE_INVITE_USED");
    expect(space.members()).toHaveLength(2);
    const ref = await write(space, "for the winner");
    await world.settle(ada, ...devices);
    const readers = await Promise.all(
      devices.map((device) =>
        spaceOn(device, space)
          .read(ref)
          .then(() => 1)
          .catch(() => 0),
      ),
    );
    expect(readers.reduce<number>((sum, one) => sum + one, 0)).toBe(1);
  });

  test("a join that claims not to have seen the one before comes too late once that was noticed", async () => {
    const world = await createWorld();
    for (let seed = 0; seed < 4; seed++) {
      const ada = await world.device(`ada ${seed}`);
      const [ben, eve] = [await world.device(`ben ${seed}`), await world.device(`eve ${seed}`)];
      const space = await ada.spaces.create();
      const link = await space.invite({ level: "write" });
      const late = await eve.spaces.join(link);
      // Eve has what there was before Ben came, and nothing since.
      await world.copy(ada, eve);
      await world.pass(1_000);
      await ben.spaces.join(link);
      await world.settle(ada, ben);
      await world.settle(ada, ben, eve);
      // Whichever operation id is smaller.
      expect(space.access(ben.author)?.level).toBe("write");
      expect(late.status().problem).toBe("SPACE_INVITE_USED");
    }
  });

  test("an invite with several uses admits that many", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "read", uses: 2 });
    const devices = [];
    for (const name of ["ben", "cyd", "dan"]) {
      const device = await world.device(name);
      devices.push(device);
      await device.spaces.join(link);
      await world.settle(ada, ...devices);
    }
    expect(space.members()).toHaveLength(3);
    expect(spaceOn(devices[2]!, space).status().problem).toBe("SPACE_INVITE_USED");
  });

  test("a revoked invite is refused, and its follow key proves nothing any more", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    const eve = await world.device("eve");
    const other = await eve.spaces.join(link);
    await space.revokeInvite(link);
    const [adas] = ada.spaces.topics();
    for (const key of eve.spaces.topics()[0]!.followKeys()) {
      expect(adas!.followKeys()).not.toContainEqual(key);
    }
    for (const { id } of eve.spaces.identities()) expect(adas!.accessOf(id)).toBe("none");
    await world.settle(ada, eve);
    expect(other.status()).toMatchObject({ state: "refused", problem: "SPACE_INVITE_REVOKED" });
  });

  test("an expired invite is refused", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write", notAfterSeconds: 60 });
    world.clock.advance(61);
    const eve = await world.device("eve");
    const other = await eve.spaces.join(link);
    expect(ada.spaces.topics()[0]!.accessOf(eve.spaces.identities()[1]!.id)).toBe("none");
    await world.settle(ada, eve);
    expect(other.status().problem).toBe("SPACE_INVITE_EXPIRED");
  });

  test("a manager's device ends an invite when its time is over, whoever lies about the time", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write", notAfterSeconds: 60 });
    const [topic] = ada.spaces.topics();
    const [old] = topic!.followKeys();
    await world.pass(70_000);
    expect(topic!.followKeys()).not.toContainEqual(old);
    const eve = await world.device("eve");
    world.clock.advance(-60);
    const other = await eve.spaces.join(link);
    await world.settle(ada, eve);
    expect(other.status()).toMatchObject({ state: "refused", problem: "SPACE_INVITE_REVOKED" });
  });

  test("who was one too many, or came by a link that was revoked, joins by the next one", async () => {
    const world = await createWorld();
    const [ada, ben, eve] = [
      await world.device("ada"),
      await world.device("ben"),
      await world.device("eve"),
    ];
    const space = await ada.spaces.create();
    const revoked = await space.invite({ level: "read" });
    const late = await eve.spaces.join(revoked);
    await world.copy(ada, eve);
    // Its join is published before it can know of the end of the link.
    await world.pass(500);
    await space.revokeInvite(revoked);
    expect(await world.copy(eve, ada)).toEqual([{ status: "refused", reason: "INVITE_CLOSED" }]);
    await world.copy(ada, eve);
    expect(late.status().problem).toBe("SPACE_INVITE_REVOKED");
    const single = await space.invite({ level: "write" });
    await Promise.all([ben.spaces.join(single), eve.spaces.join(single)]);
    for (const device of [ben, eve]) await world.copy(ada, device);
    await world.pass(500);
    await world.copy(ben, ada);
    // The end of a used-up invite says whose join it was.
    await world.pass(2_000);
    expect(await world.copy(eve, ada)).toEqual([{ status: "refused", reason: "INVITE_CLOSED" }]);
    // A log whose join lost here is taken once another shows that it won.
    for (let round = 0; round < 2; round++) await world.copy(ada, eve);
    expect(late.status().problem).toBe("SPACE_INVITE_USED");
    expect(await authorsAt(ada, space)).not.toContain(eve.author);
    await eve.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben, eve);
    expect(late.status().state).toBe("active");
    for (const { spaces } of [ada, ben]) {
      expect(spaces.list()[0]?.access(eve.author)?.level).toBe("write");
    }
    const ref = await write(late, "in at last");
    await world.copy(eve, ada);
    expect((await space.read(ref)).author).toBe(eve.author);
  });

  test("the last who holds the keys hands them to a newcomer before leaving", async () => {
    const world = await createWorld();
    const [ada, eve] = [await world.device("ada"), await world.device("eve")];
    const space = await ada.spaces.create();
    const ref = await write(space, "left behind");
    const other = await eve.spaces.join(await space.invite({ level: "manage" }));
    await world.copy(ada, eve);
    await world.pass(300);
    await world.copy(eve, ada);
    expect(other.status().state).toBe("waiting");
    await space.leave({ successor: eve.author });
    await world.settle(ada, eve);
    expect(other.status().state).toBe("active");
    expect((await other.read(ref)).author).toBe(ada.author);
  });

  test("a used link carries no follow key that still proves anything", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const ben = await world.device("ben");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    const { followKey } = parseInviteLink(world.crypto, link);
    const other = await ben.spaces.join(link);
    await world.settle(ada, ben);
    expect(other.status().state).toBe("active");
    for (const device of [ada, ben]) {
      expect(device.spaces.topics()[0]!.followKeys()).not.toContainEqual(followKey);
      expect(device.spaces.topics()[0]!.followKeys()).toHaveLength(1);
    }
    // Nobody rotates for a link whose key is out of date already.
    const stale = await space.invite({ level: "read" });
    await space.revokeInvite(await space.invite({ level: "read" }));
    const { epochs } = space.status();
    const cyd = await world.device("cyd");
    await cyd.spaces.join(stale);
    await world.settle(ada, ben, cyd);
    expect(space.status().epochs).toBe(epochs);
    expect(spaceOn(cyd, space).status().state).toBe("active");
  });

  test("a revoke ∥ a join: the join does not count, and nobody keeps a key for it", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    const eve = await world.device("eve");
    const other = await eve.spaces.join(link);
    await world.copy(ada, eve);
    await space.revokeInvite(link);
    await world.settle(ada, eve);
    expect(other.status()).toMatchObject({ state: "refused", problem: "SPACE_INVITE_REVOKED" });
    expect(space.members()).toHaveLength(1);
    const ref = await write(space, "alone");
    await world.settle(ada, eve);
    await expect(other.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
  });

  test("the one-time key of a usable invite gets the control logs, before and after a rotation", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "write" });
    const ben = await world.device("ben");
    await ben.spaces.join(link);
    const [device, oneTime] = ben.spaces.identities();
    expect(device?.id).toBe(ben.author);
    const [topic] = ada.spaces.topics();
    expect(topic!.accessOf(oneTime!.id)).toBe("control");
    expect(topic!.accessOf(ben.author)).toBe("none");
    await world.settle(ada, ben);
    expect(topic!.accessOf(ben.author)).toBe("control");
    // Used up: whoever kept the link gets nothing by it.
    expect(topic!.accessOf(oneTime!.id)).toBe("none");
    expect(ben.spaces.identities()).toHaveLength(1);
  });

  test("invites of followers and non-managers are refused; bad addresses publish nothing", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const before = await ada.store.stats();
    await expect(space.invite({ level: "read", addresses: ["x"] })).rejects.toMatchObject({
      code: "SPACE_ADDRESS_INVALID",
    });
    await expect(space.invite({ level: "read", uses: 0 })).rejects.toMatchObject({
      code: "AUTH_BAD_OP",
    });
    expect(await ada.store.stats()).toEqual(before);
  });

  test("usually one reader answers a join", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const devices = [ada];
    for (const name of ["ben", "cyd", "dan", "eli"]) {
      const device = await world.device(name);
      devices.push(device);
      await device.spaces.join(await space.invite({ level: "write" }));
      await world.settle(...devices);
    }
    const before = await controlEntries(devices, space.topic);
    const fay = await world.device("fay");
    devices.push(fay);
    await fay.spaces.join(await space.invite({ level: "write" }));
    await world.settle(...devices);
    expect(spaceOn(fay, space).status().state).toBe("active");
    const after = await controlEntries(devices, space.topic);
    // Invite, the newcomer's bundle and join, one welcome; the end of the used-up invite and a new
    // epoch, since the link carried the key of the old one.
    expect(after - before).toBe(6);
  });
});

/** Whose control logs a device keeps. */
async function authorsAt(device: TestDevice, { topic }: Space): Promise<readonly AuthorId[]> {
  return (await device.store.heads(topic)).map(({ context }) => context.author);
}

type Devices = readonly Awaited<ReturnType<Awaited<ReturnType<typeof createWorld>>["device"]>>[];

async function controlEntries(devices: Devices, topic: string): Promise<number> {
  let count = 0;
  for (const head of await devices[0]!.store.heads(topic as never)) {
    if (head.context.domain === "hawser.control") count += head.height;
  }
  return count;
}
