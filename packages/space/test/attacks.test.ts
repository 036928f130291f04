/** Breaks of other systems, tried here (docs/spec/6-space.md §7, §11). */
import { toHex, utf8 } from "@hawser/codec";
import { createOp, inviteOfSecret, proveJoin } from "@hawser/auth";
import { createBundle, createKeyRing, encodeBundle, verifyBundle } from "@hawser/keys";
import { logIdOf, type Entry, type LogId } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { joinBinding } from "../src/join.ts";
import { parseEnvelope, plainEvent } from "../src/layers.ts";
import { parseInviteLink } from "../src/link.ts";
import { attacker, forge, forgeControl, readOps, type ForgedContent } from "./forge.ts";
import {
  createWorld,
  eventsOf,
  spaceOn,
  textsOf,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

const dataOf = (topic: string, author: string) =>
  ({ topic, author, domain: "hawser.data" }) as never;

async function entriesOf(device: TestDevice, logId: LogId): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of device.store.entries(logId)) entries.push(entry);
  return entries;
}

describe("forged and moved content", () => {
  test("[ATK-quiet3444] [P2-M7] content cannot be re-published under another name or place", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const ref = await write(space, "ada's words");
    await world.settle(ada, ben);
    const [stolen] = await entriesOf(ben, ref.logId);
    await write(other, "ben's own");
    await world.settle(ada, ben);
    // Ben signs an entry of his own that holds Ada's ciphertext.
    const range = await forge({
      crypto: world.crypto,
      context: dataOf(space.topic, ben.author),
      secret: ben.secret,
      now: world.clock.nowMicros(),
      base: ben.store,
      make: () => [{ data: stolen!.data }],
    });
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "stored" });
    await world.settle(ada);
    expect([...(await textsOf(space))].sort()).toEqual(["ada's words", "ben's own"]);
    const logId = logIdOf(world.crypto, dataOf(space.topic, ben.author));
    expect(await space.explain({ logId, seq: 1 })).toMatchObject({ reason: "UNREADABLE" });
  });

  test("[TH-021] [TH-024] [TH-051] an entry signed by another key is refused by every reader", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(other, "real");
    await world.settle(ada, ben);
    const eve = attacker(world.crypto, "eve");
    const range = await forge({
      crypto: world.crypto,
      context: dataOf(space.topic, eve.author),
      secret: eve.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: utf8("x") }],
    });
    const before = await ada.store.stats();
    // As her own: nobody knows her. As Ben's: the signature does not hold.
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "refused" });
    const fake = { ...range, context: dataOf(space.topic, ben.author) };
    expect((await ada.spaces.ingest(fake)).status).toBe("bad");
    expect(await ada.store.stats()).toEqual(before);
  });

  test("[TH-027] [TH-028] one flipped bit anywhere in a range and it is refused", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const { logId } = await write(space, "intact");
    for await (const range of ada.store.ranges(logId)) {
      for (let index = 0; index < range.bytes.length; index += 3) {
        const bytes = range.bytes.slice();
        bytes[index] = (bytes[index] ?? 0) ^ 4;
        const outcome = await ben.spaces.ingest({ ...range, bytes });
        expect([index, outcome.status]).toEqual([index, "bad"]);
      }
      expect(await ben.store.head(logId)).toBeUndefined();
      expect((await ben.spaces.ingest(range)).status).toBe("stored");
    }
  });

  test("[TH-025] a writer outside the position is rejected for ever, its log goes on", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await world.settle(ada, ben);
    // No deps at all: the entry's author had acknowledged nothing, so it was no writer there.
    const range = await forge({
      crypto: world.crypto,
      context: dataOf(space.topic, ben.author),
      secret: ben.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: plainEvent({ type: "note", sequence: undefined, body: utf8("x") }) }],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    await ben.spaces.ingest(range);
    await write(other, "in order");
    await world.settle(ada, ben);
    expect(await textsOf(space)).toEqual(["in order"]);
    const logId = logIdOf(world.crypto, dataOf(space.topic, ben.author));
    expect(await space.explain({ logId, seq: 0 })).toMatchObject({
      code: "NO_ACCESS",
      judgement: "reject",
    });
  });
});

describe("joins", () => {
  test("[ATK-quiet3456] a stolen join proof admits nobody else", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const ben = await world.device("ben");
    const space = await ada.spaces.create();
    await ben.spaces.join(await space.invite({ level: "write" }));
    await world.copy(ada, ben);
    await world.pass(1_000);
    // A relay or thief sees Ben's join before anybody else does.
    const { ops, heads } = await readOps(world.crypto, ben.store, space.id!);
    const join = ops.find((op) => op.action.type === "join")!;
    const eve = attacker(world.crypto, "eve");
    const contents = await contentsOf(world, eve, { action: join.action, heads, join });
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic: space.topic,
      ...eve,
      now: world.clock.nowMicros(),
      contents,
    });
    const before = await ada.store.stats();
    const outcome = await ada.spaces.ingest(range);
    expect(outcome.status).toBe("refused");
    expect(await ada.store.stats()).toEqual(before);
    await world.settle(ada, ben);
    expect(space.access(ben.author)?.level).toBe("write");
    expect(space.access(eve.author)).toBeUndefined();
  });

  test("[ATK-quiet3436] what a join signs is good for nothing else", async () => {
    const world = await createWorld();
    const { crypto } = world;
    const ben = attacker(crypto, "ben");
    const secret = crypto.deriveKey("hawser test invite v1", utf8("one-time"));
    const claim = {
      group: "ab".repeat(32) as never,
      author: ben.author,
      binding: new Uint8Array(32),
      time: 5,
    };
    const join = proveJoin(crypto, claim, secret);
    const key = crypto.publicKey(secret);
    const message = utf8("hello");
    expect(crypto.verifyTagged("join", message, join.proof, key)).toBe(false);
    for (const label of ["key bundle", "sync identity", "checkpoint"]) {
      const signature = crypto.signTagged("join", message, secret);
      expect(crypto.verifyTagged(label, message, signature, key)).toBe(false);
      expect(crypto.verifyPoint(message, signature, key)).toBe(false);
    }
    // A bundle made by one author is not taken as another's.
    const { bundle } = createBundle(
      crypto,
      {
        identity: {
          id: ben.author,
          sign: (label, bytes) => crypto.signTagged(label, bytes, ben.secret),
        },
        lifetime: { notBefore: 0, notAfter: 10_000 },
      },
      () => new Uint8Array(32).fill(1),
    );
    const eve = attacker(crypto, "eve");
    expect(verifyBundle(crypto, bundle, eve.author)).toMatchObject({ ok: false });
    expect(verifyBundle(crypto, { ...bundle, author: eve.author }, eve.author)).toMatchObject({
      ok: false,
    });
  });

  test("a join without its bundle is stored by nobody", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    const link = parseInviteLink(world.crypto, await space.invite({ level: "write" }));
    const eve = attacker(world.crypto, "eve");
    const { group, heads } = await readOps(world.crypto, ada.store, space.id!);
    const own = bundleOf(world, eve);
    const action = proveJoin(
      world.crypto,
      {
        group,
        author: eve.author,
        binding: joinBinding(world.crypto, own),
        time: Math.floor(world.clock.nowMicros() / 1e6),
      },
      link.secret,
    );
    const { bytes } = createOp(world.crypto, { author: eve.author, group, deps: heads, action });
    const join: ForgedContent = { kind: "auth", op: bytes };
    const bundle: ForgedContent = { kind: "bundle", bundle: encodeBundle(own) };
    const before = await ada.store.stats();
    const attempts: readonly (readonly ForgedContent[])[] = [
      [join],
      [join, bundle],
      [bundle],
      [{ kind: "bundle", bundle: encodeBundle(bundleOf(world, eve, 77)) }, join],
    ];
    for (const contents of attempts) {
      const range = await forgeControl({
        crypto: world.crypto,
        id: space.id!,
        topic: space.topic,
        ...eve,
        now: world.clock.nowMicros(),
        contents,
      });
      expect((await ada.spaces.ingest(range)).status).toBe("refused");
    }
    expect(await ada.store.stats()).toEqual(before);
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic: space.topic,
      ...eve,
      now: world.clock.nowMicros(),
      contents: [bundle, join],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    expect(inviteOfSecret(world.crypto, link.secret)).toHaveLength(64);
  });
});

describe("keys", () => {
  test("[P2-M8] a secret injected by a follower or by somebody removed never seals anything", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await space.set(ben.author, "pull");
    await world.settle(ada, ben);
    const { crypto } = world;
    const { heads } = await readOps(crypto, ada.store, space.id!);
    const ring = createKeyRing({ crypto }, { topic: space.topic, self: ben.author });
    const adaBundle = await ada.spaces.bundle();
    const { opBytes } = ring.rekey(
      ring.empty,
      { readers: [adaBundle], followers: [], authHeads: heads, reason: "membership" },
      (count) => new Uint8Array(count).fill(9),
    );
    const range = await forgeControl({
      crypto,
      id: space.id!,
      topic: space.topic,
      author: ben.author,
      secret: ben.secret,
      now: world.clock.nowMicros(),
      base: ben.store,
      contents: [{ kind: "keys", op: opBytes }],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    const seq = range.from + range.count - 1;
    const logId = logIdOf(crypto, { ...range.context });
    expect(await space.explain({ logId, seq })).toMatchObject({ reason: "AUTHOR_NOT_ENTITLED" });
    const before = parseEnvelope(
      (await entriesOf(ada, (await write(space, "a")).logId)).at(-1)!.data,
    );
    expect(before?.mode).toBe("sealed");
    const ref = await write(space, "still safe");
    await world.settle(ada, ben);
    await expect(other.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
  });

  test("[ATK-lfa128] [P2-M5] a newcomer reads the first, the middle and the last epoch", async () => {
    const world = await createWorld();
    const { ada, ben, space } = await twoMembers(world);
    const texts: string[] = [];
    for (let round = 0; round < 3; round++) {
      const guest = await world.device(`guest ${round}`);
      const bundle = await guest.spaces.bundle();
      await space.add(bundle, "read");
      texts.push(`before rotation ${round}`);
      await write(space, `before rotation ${round}`);
      await space.remove(guest.author);
    }
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, cyd);
    await write(space, "last");
    await world.settle(ada, ben, cyd);
    expect(third.status()).toMatchObject({ missingEpochs: 0 });
    expect(await textsOf(third)).toEqual([...texts, "last"]);
  });

  test("[ATK-lfa135] [P2-M19] a device that was off during rotations proves itself and catches up", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const cyd = await world.device("cyd");
    await cyd.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben, cyd);
    // Ben is off; Cyd is removed; the keys rotate.
    await space.remove(cyd.author);
    await write(space, "meanwhile");
    const [adas] = ada.spaces.topics();
    const [bens] = ben.spaces.topics();
    const stale = bens!.followKeys();
    expect(adas!.followKeys()).not.toContainEqual(stale[0]);
    // No follow key in common, yet each serves the other's device key the control logs.
    expect(adas!.accessOf(ben.author)).toBe("control");
    expect(adas!.accessOf(cyd.author)).toBe("none");
    await world.settle(ada, ben);
    expect(bens!.followKeys()).toEqual(adas!.followKeys());
    expect(await textsOf(other)).toEqual(["meanwhile"]);
  });
});

describe("a relay that forges", () => {
  test("[ATK-evolu656] nobody but a member's own key says that it left, or announces for it", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await other.announceAddress("wss://good.example", 3_600);
    await world.settle(ada, ben);
    const { crypto } = world;
    const { group, heads } = await readOps(crypto, ada.store, space.id!);
    const eve = attacker(crypto, "relay");
    const leave = createOp(crypto, {
      author: ben.author,
      group,
      deps: heads,
      action: { type: "leave", successor: undefined },
    });
    const address: ForgedContent = {
      kind: "address",
      address: "wss://evil.example",
      ttlSeconds: 3_600,
    };
    // In a log of its own, and as a continuation of Ben's log under a false signature.
    for (const author of [eve.author, ben.author]) {
      const range = await forgeControl({
        crypto,
        id: space.id!,
        topic: space.topic,
        author: eve.author,
        secret: eve.secret,
        now: world.clock.nowMicros(),
        contents: [{ kind: "auth", op: leave.bytes }, address],
      });
      const sent = { ...range, context: { ...range.context, author } };
      expect((await ada.spaces.ingest(sent)).status).not.toBe("stored");
    }
    expect(space.access(ben.author)?.level).toBe("write");
    expect(space.addresses().map((entry) => entry.address)).toEqual(["wss://good.example"]);
  });

  test("[TH-087] a relay that serves another group under the same topic is not believed", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    const link = await space.invite({ level: "write" });
    const eve = await world.device("eve");
    const evil = await eve.spaces.create();
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(link);
    // The evil relay re-labels its own control log with the topic of the link.
    for (const head of await eve.store.heads(evil.topic)) {
      for await (const range of eve.store.ranges(head.logId)) {
        const sent = { ...range, context: { ...range.context, topic: space.topic } };
        expect((await cyd.spaces.ingest(sent)).status).not.toBe("stored");
      }
    }
    await world.pass(5_000);
    expect(third.status().state).toBe("waiting");
    await world.settle(ada, cyd);
    expect(third.status().state).toBe("active");
  });

  test("replayed and reordered ranges change nothing", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(space, "once");
    await world.settle(ada, ben);
    const before = await ben.store.stats();
    for (const head of await ada.store.heads(space.topic)) {
      for await (const range of ada.store.ranges(head.logId)) {
        expect((await ben.spaces.ingest(range)).status).toBe("known");
      }
    }
    expect(await ben.store.stats()).toEqual(before);
    expect(await eventsOf(other)).toHaveLength(1);
    expect(spaceOn(ben, space).members()).toEqual(space.members());
  });
});

function bundleOf(world: World, who: ReturnType<typeof attacker>, fill = 5) {
  const seconds = Math.floor(world.clock.nowMicros() / 1e6);
  return createBundle(
    world.crypto,
    {
      identity: {
        id: who.author,
        sign: (label, bytes) => world.crypto.signTagged(label, bytes, who.secret),
      },
      lifetime: { notBefore: seconds - 100, notAfter: seconds + 10_000 },
    },
    () => new Uint8Array(32).fill(fill),
  ).bundle;
}

/** The thief's own bundle, and the stolen proof in an operation of the thief. */
async function contentsOf(
  world: World,
  who: ReturnType<typeof attacker>,
  stolen: {
    readonly action: Parameters<typeof createOp>[1]["action"];
    readonly heads: Parameters<typeof createOp>[1]["deps"];
    readonly join: { readonly group: string };
  },
): Promise<readonly ForgedContent[]> {
  const { bytes } = createOp(world.crypto, {
    author: who.author,
    group: stolen.join.group as never,
    deps: stolen.heads,
    action: stolen.action,
  });
  const bundle = encodeBundle(bundleOf(world, who));
  expect(toHex(bundle)).toContain(who.author);
  return [
    { kind: "bundle", bundle },
    { kind: "auth", op: bytes },
  ];
}
