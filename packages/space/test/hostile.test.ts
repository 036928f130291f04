/** Members, former members and holders of links who turn against the others (docs/spec/6-space.md). */
import { toHex, utf8 } from "@hawser/codec";
import { createOp, proveJoin, type OpId } from "@hawser/auth";
import { createBundle, encodeBundle, type KeyBundle, type VerifiedBundle } from "@hawser/keys";
import { logIdOf } from "@hawser/log";
import { dataDomain, parseInviteLink, snapDomain, type Space } from "@hawser/space";
import { expect, describe, test } from "vitest";
import type { ControlContent } from "../src/control.ts";
import { joinBinding } from "../src/join.ts";
import { plainEvent } from "../src/layers.ts";
import { sealOffer } from "../src/offer.ts";
import { attacker, forge, forgeControl, readOps } from "./forge.ts";
import {
  createWorld,
  eventsOf,
  textsOf,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

const notice: ControlContent = { kind: "address", address: "wss://x.example", ttlSeconds: 60 };

/** Control entries that a member's own key signs past all checks of this package. */
async function forged(
  world: World,
  space: Space,
  who: TestDevice,
  parts: { readonly now?: number; readonly isFork?: true } = {},
) {
  return forgeControl({
    crypto: world.crypto,
    id: space.id!,
    topic: space.topic,
    author: who.author,
    secret: who.secret,
    now: parts.now ?? world.clock.nowMicros(),
    // Without what the log holds already it is another history from the first entry on.
    ...(parts.isFork === true ? {} : { base: who.store }),
    contents: [notice],
  });
}

/** Ada founded the space, Ben and Cyd write. */
async function three(world: World) {
  const { ada, ben, space, other } = await twoMembers(world);
  const cyd = await world.device("cyd");
  const third = await cyd.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, cyd);
  return { ada, ben, cyd, space, other, third };
}

describe("logs that nobody reads", () => {
  test("who may read alone fills no disk: neither data nor snapshots of him are taken", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    const eve = await world.device("eve");
    await eve.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, eve);
    const statuses = async (): Promise<unknown[]> => {
      const found = [];
      for (const domain of [dataDomain, snapDomain]) {
        const range = await forge({
          crypto: world.crypto,
          context: { topic: space.topic, domain, author: eve.author },
          secret: eve.secret,
          now: world.clock.nowMicros(),
          make: () => [{ data: new Uint8Array(9) }],
        });
        found.push(await ada.spaces.ingest(range));
      }
      return found;
    };
    const refused = { status: "refused", reason: "NOT_ADMITTED" };
    expect(await statuses()).toEqual([refused, refused]);
    await space.set(eve.author, "write");
    expect(await statuses()).toMatchObject([{ status: "stored" }, { status: "stored" }]);
  });
});

describe("stamps from the future", () => {
  test("[P2-M11] a control entry ahead of the clock is held, and nobody writes after it", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, third } = await three(world);
    const range = await forged(world, space, ben, { now: 2 ** 53 - 100_000 });
    expect(await ada.spaces.ingest(range)).toEqual({
      status: "refused",
      reason: "HELD_FOR_CLOCK",
    });
    await write(space, "goes on");
    await world.settle(ada, cyd);
    const [event] = await eventsOf(third);
    expect(event!.stamp).toBeLessThanOrEqual(world.clock.nowMicros());
    expect(await textsOf(third)).toEqual(["goes on"]);
  });

  test("[TH-036] an address lives no longer than its time from the moment it is heard of", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await three(world);
    const range = await forged(world, space, ben, { now: world.clock.nowMicros() + 250e6 });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    expect(space.addresses()).toHaveLength(1);
    await world.pass(61_000);
    expect(space.addresses()).toEqual([]);
  });
});

describe("two histories of one control log", () => {
  test("[P2-M12] [TD-9] nobody else's content hangs on them", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other, third } = await three(world);
    await other.announceAddress("wss://ben.example", 3_600);
    await world.settle(ada, ben, cyd);
    await write(space, "before");
    await world.settle(ada, ben, cyd);
    const range = await forged(world, space, ben, { isFork: true });
    for (const device of [ada, cyd]) {
      expect((await device.spaces.ingest(range)).status).toBe("forked");
    }
    await write(space, "after");
    await world.settle(ada, cyd);
    expect(await textsOf(third)).toEqual(["before", "after"]);
    const again = await world.restart(cyd);
    expect(await textsOf(again.spaces.openTopic(space.topic))).toEqual(["before", "after"]);
  });

  test("[P2-W3] a founder who forks its log from the start takes nothing from the others", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other, third } = await three(world);
    await space.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    await other.remove(ada.author);
    await world.settle(ben, cyd);
    const range = await forged(world, space, ada, { isFork: true });
    for (const device of [ben, cyd]) {
      expect((await device.spaces.ingest(range)).status).toBe("forked");
    }
    await write(other, "ours");
    await world.settle(ben, cyd);
    expect(other.members().map(({ author }) => author)).toEqual([ben.author, cyd.author].sort());
    expect(third.members()).toEqual(other.members());
    expect(await textsOf(third)).toEqual(["ours"]);
  });

  test("[TD-9] an entry that waits for one held for the clock keeps no device busy", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space } = await three(world);
    expect(
      (await ada.spaces.ingest(await forged(world, space, ben, { isFork: true }))).status,
    ).toBe("forked");
    const dataOf = (who: TestDevice) =>
      ({ topic: space.topic, author: who.author, domain: "hawser.data" }) as const;
    const note = plainEvent({ type: "x", sequence: undefined, body: utf8("x") });
    const base = { crypto: world.crypto, base: ada.store };
    const late = await forge({
      ...base,
      context: dataOf(cyd),
      secret: cyd.secret,
      now: 2 ** 53 - 100_000,
      make: () => [{ data: note }],
    });
    expect((await ada.spaces.ingest(late)).status).toBe("stored");
    const logId = logIdOf(world.crypto, dataOf(cyd));
    const { signedHash: hash } = (await ada.store.head(logId))!;
    const waiting = await forge({
      ...base,
      context: dataOf(ben),
      secret: ben.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: note, deps: [{ seq: 0, hash: hash! }] }],
    });
    expect((await ada.spaces.ingest(waiting)).status).toBe("stored");
    await write(space, "goes on");
    await world.pass(31_000);
    let lookedAt = 0;
    const received = ada.store.received.bind(ada.store);
    Object.assign(ada.store, {
      received: (...request: Parameters<typeof received>) => {
        lookedAt += 1;
        return received(...request);
      },
    });
    await world.pass(1_000);
    expect(lookedAt).toBeLessThan(5);
    expect(await textsOf(space)).toEqual(["goes on"]);
  });

  test("a range that is refused, however often, makes no reader start over", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await three(world);
    const late = await forged(world, space, ben, { now: world.clock.nowMicros() + 86_400e6 });
    const fork = await forged(world, space, ben, { isFork: true });
    await ada.spaces.ingest(fork);
    let resets = 0;
    const abort = new AbortController();
    const watching = (async () => {
      for await (const batch of space.batches({ signal: abort.signal })) {
        if (batch.reset === true) resets += 1;
      }
    })();
    await world.pass(100);
    for (let round = 0; round < 3; round++) {
      expect((await ada.spaces.ingest(late)).status).toBe("refused");
      expect((await ada.spaces.ingest(fork)).status).toBe("forked");
      await world.pass(100);
    }
    abort.abort();
    await watching;
    expect(resets).toBe(0);
  });
});

describe("rights that are void", () => {
  test("[TD-9] what waits for a dep goes on after a while also when the void right shows later", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, space, other } = await three(world);
    await space.set(ben.author, "manage");
    await world.settle(ada, ben, cyd);
    const author = ada.author;
    const control = logIdOf(world.crypto, {
      topic: space.topic,
      author,
      domain: "hawser.control",
    });
    const { signedHash: hash, signedHeight } = (await ada.store.head(control))!;
    const deps = [
      { seq: signedHeight - 1, hash: hash! },
      { seq: 0, hash: new Uint8Array(32).fill(0xff) },
    ];
    const body = utf8("waits");
    const range = await forge({
      crypto: world.crypto,
      context: { topic: space.topic, author: cyd.author, domain: "hawser.data" },
      secret: cyd.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: plainEvent({ type: "x", sequence: undefined, body }), deps }],
    });
    // Concurrently: Ada removes Ben, and Ben lets somebody in.
    await space.remove(ben.author);
    await other.add(await (await world.device("dan")).spaces.bundle(), "write");
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    await world.pass(60_000);
    expect(await textsOf(space)).toEqual([]);
    await world.copy(ben, ada);
    await world.pass(1_000);
    expect(await textsOf(space)).toEqual([]);
    await world.pass(60_000);
    expect(await textsOf(space)).toEqual(["waits"]);
  });
});

describe("holders of links", () => {
  test("[P2-W6] [P2-M17] with a used link nobody stores a log of its own, whatever keys it makes", async () => {
    const world = await createWorld();
    const { ada, ben, space, link } = await twoMembers(world);
    const before = await ada.store.stats();
    for (let index = 0; index < 4; index++) {
      const eve = attacker(world.crypto, `eve ${index}`);
      const range = await joiningLog(world, { space, ada, eve, link });
      expect((await ada.spaces.ingest(range)).status).toBe("refused");
      const data = await forge({
        crypto: world.crypto,
        context: { topic: space.topic, author: eve.author, domain: "hawser.data" },
        secret: eve.secret,
        now: world.clock.nowMicros(),
        make: () => [{ data: plainEvent({ type: "x", sequence: undefined, body: utf8("x") }) }],
      });
      expect((await ada.spaces.ingest(data)).status).toBe("refused");
    }
    expect(await ada.store.stats()).toEqual(before);
    await write(space, "goes on");
    await world.settle(ada, ben);
    expect(space.members()).toHaveLength(2);
  });

  test.each(["removed", "lowered"] as const)(
    "[TD-6] [P2-M3] somebody %s does not come back by the link for many it came by",
    async (how) => {
      const world = await createWorld();
      const ada = await world.device("ada");
      const ben = await world.device("ben");
      const cyd = await world.device("cyd");
      const space = await ada.spaces.create();
      const link = await space.invite({ level: "write", uses: 5 });
      const other = await space.invite({ level: "read", uses: 5 });
      await ben.spaces.join(link);
      await world.settle(ada, ben);
      if (how === "removed") await space.remove(ben.author);
      else await space.set(ben.author, "pull");
      const text = await write(space, "without ben");
      const again = await world.device("ben's other key");
      const stolen = await again.spaces.join(link);
      // Links by which nobody of them came still work.
      const third = await cyd.spaces.join(other);
      await world.settle(ada, ben, cyd, again);
      expect(stolen.status()).toMatchObject({ problem: "SPACE_INVITE_REVOKED" });
      expect(space.access(again.author)).toBeUndefined();
      await expect(stolen.read(text)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
      expect(await textsOf(third)).toEqual(["without ben"]);
    },
  );

  test("raising somebody leaves the link it came by open", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const ben = await world.device("ben");
    const cyd = await world.device("cyd");
    const space = await ada.spaces.create();
    const link = await space.invite({ level: "read", uses: 5 });
    await ben.spaces.join(link);
    await world.settle(ada, ben);
    await space.set(ben.author, "write");
    const third = await cyd.spaces.join(link);
    await world.settle(ada, ben, cyd);
    expect(third.status().state).toBe("active");
  });

  test("[TD-4] a follow key of a link or request proves nothing once the device holds its own", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, link } = await twoMembers(world);
    const { followKey } = parseInviteLink(world.crypto, link);
    // Somebody leaves and nobody has paid the rotation yet: there is no key in use at all.
    await other.leave();
    await world.copy(ben, ada);
    expect(space.access(ben.author)).toBeUndefined();
    for (const device of [ada, ben]) {
      const keys = device.spaces.topics()[0]!.followKeys().map(toHex);
      expect(keys).not.toContain(toHex(followKey));
    }
  });
});

describe("hosting requests of strangers", () => {
  const lie = (world: World, space: Space, bundle: VerifiedBundle, fill: number): Uint8Array => {
    const fake = new Uint8Array(32).fill(fill);
    const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(fill);
    return sealOffer({ crypto: world.crypto, random }, bundle, {
      kind: "follow",
      topic: space.topic,
      metadataKey: fake,
      createOp: toHex(fake) as OpId,
      followKey: fake,
      addresses: [],
    });
  };

  test.each(["before", "after"] as const)(
    "[P2-W4] false ones that come %s the true one keep no relay from hosting, and name no key",
    async (when) => {
      const world = await createWorld();
      const { ada, ben, space } = await twoMembers(world);
      const relay = await world.device("relay");
      const bundle = await relay.spaces.bundle();
      await space.add(bundle, "pull");
      const lies = [3, 4].map((fill) => lie(world, space, bundle, fill));
      if (when === "after") await relay.spaces.follow(space.hosting(bundle));
      for (const request of lies) await relay.spaces.follow(request);
      if (when === "before") await relay.spaces.follow(space.hosting(bundle));
      else {
        const keys = relay.spaces.topics()[0]!.followKeys().map(toHex);
        expect(keys).not.toContain("03".repeat(32));
      }
      await write(space, "to be kept");
      await world.settle(ada, ben, relay);
      expect((await relay.store.stats()).entries).toBe((await ada.store.stats()).entries);
      // From now on membership speaks for itself.
      const late = relay.spaces.follow(lie(world, space, bundle, 5));
      await expect(late).rejects.toMatchObject({ code: "SPACE_EXISTS" });
      expect(relay.spaces.topics()[0]!.followKeys()).toEqual(ada.spaces.topics()[0]!.followKeys());
    },
  );
});

/** A joining log by a stolen link, in the name of a key of the thief. */
async function joiningLog(
  world: World,
  theft: {
    readonly space: Space;
    readonly ada: TestDevice;
    readonly eve: ReturnType<typeof attacker>;
    readonly link: string;
  },
) {
  const { crypto } = world;
  const { space, ada, eve } = theft;
  const { group, ops } = await readOps(crypto, ada.store, space.id!);
  const { secret } = parseInviteLink(crypto, theft.link);
  const invite = ops.find(({ action }) => action.type === "invite")!;
  const bundle = bundleFor(world, eve);
  const time = Math.floor(world.clock.nowMicros() / 1e6);
  const claim = { group, author: eve.author, binding: joinBinding(crypto, bundle), time };
  const action = proveJoin(crypto, claim, secret);
  const { bytes } = createOp(crypto, { author: eve.author, group, deps: [invite.id], action });
  return forgeControl({
    crypto,
    id: space.id!,
    topic: space.topic,
    ...eve,
    now: world.clock.nowMicros(),
    contents: [
      { kind: "bundle", bundle: encodeBundle(bundle) },
      { kind: "auth", op: bytes },
    ],
  });
}

function bundleFor(world: World, who: ReturnType<typeof attacker>): KeyBundle {
  const { crypto } = world;
  const seconds = Math.floor(world.clock.nowMicros() / 1e6);
  const sign = (label: string, bytes: Uint8Array): Uint8Array =>
    crypto.signTagged(label, bytes, who.secret);
  const lifetime = { notBefore: seconds - 100, notAfter: seconds + 10_000 };
  const identity = { id: who.author, sign };
  return createBundle(crypto, { identity, lifetime }, (count) => new Uint8Array(count).fill(5))
    .bundle;
}
