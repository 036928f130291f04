/** Followers and relays (docs/spec/6-space.md §6.4): verify, keep, serve; never read. */
import { toHex, utf8 } from "@hawser/codec";
import { createBundle, createKeyRing } from "@hawser/keys";
import { createOp } from "@hawser/auth";
import type { EncodedRange, LogId } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { spaceIdBytes } from "@hawser/space";
import { forge, forgeControl, readOps } from "./forge.ts";
import { decodeAbout } from "../src/about.ts";
import { createVault } from "../src/vault.ts";
import {
  createWorld,
  spaceOn,
  textsOf,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

async function withRelay(world: World) {
  const { ada, ben, space, other } = await twoMembers(world);
  const relay = await world.device("relay");
  const bundle = await relay.spaces.bundle();
  await space.add(bundle, "pull");
  const hosted = await relay.spaces.follow(space.hosting(bundle, ["wss://ada.example"]));
  await world.settle(ada, relay);
  return { ada, ben, space, other, relay, hosted };
}

describe("who sees what", () => {
  /** One row per holder: outer envelope, links and author, type, body. */
  test("[TH-058] [TH-025] a holder of nothing, of the follow key, of follow and read key", async () => {
    const world = await createWorld();
    const { ada, space, other, ben, relay, hosted } = await withRelay(world);
    const stranger = await (await world.device("stranger")).spaces.create();
    const ref = await write(space, "body");
    await world.settle(ada, ben, relay);
    const [range] = await rangesOf(ada, ref.logId);
    const outer = space.sealOuter({ kind: "range", range: range! });
    const row = async (holder: typeof space): Promise<readonly boolean[]> => {
      const opened = holder.openOuter(outer);
      const links = opened?.kind === "range" ? opened.range.context.author === ada.author : false;
      const read = await holder.read(ref).catch(() => undefined);
      return [opened !== undefined, links, read?.type === "note", read?.body !== undefined];
    };
    expect({
      none: await row(stranger),
      follow: await row(hosted),
      read: await row(other),
    }).toEqual({
      none: [false, false, false, false],
      follow: [true, true, false, false],
      read: [true, true, true, true],
    });
  });

  test("[TH-059] keys by log; what is absent gives nothing", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, relay, hosted } = await withRelay(world);
    const { logId } = await write(space, "x");
    await world.settle(ada, ben, relay);
    const own = await space.keysOf(logId);
    expect(own).toMatchObject({ publicKey: ada.author, privateKey: ada.secret });
    const theirs = await other.keysOf(logId);
    expect(theirs).toEqual({ ...own, privateKey: undefined });
    expect(theirs.readKey).toHaveLength(32);
    expect(await hosted.keysOf(logId)).toEqual({ ...theirs, readKey: undefined });
    expect(await space.keysOf("00".repeat(32) as LogId)).toEqual({
      publicKey: undefined,
      privateKey: undefined,
      readKey: undefined,
      followKey: undefined,
    });
  });
});

describe("followers", () => {
  test("[TH-130] [TH-037] a relay holds every entry, byte for byte, and opens none", async () => {
    const world = await createWorld();
    const { ada, space, relay, hosted } = await withRelay(world);
    const ref = await write(space, "the quick brown fox");
    await world.settle(ada, relay);
    for (const head of await ada.store.heads(space.topic)) {
      const copy: string[] = [];
      const original: string[] = [];
      for await (const range of ada.store.ranges(head.logId)) original.push(toHex(range.bytes));
      for await (const range of relay.store.ranges(head.logId)) copy.push(toHex(range.bytes));
      expect(copy.join("")).toBe(original.join(""));
    }
    expect(hosted.id).toBeUndefined();
    expect(hosted.status().state).toBe("following");
    await expect(hosted.read(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    await expect(hosted.contentKeyOf(ref)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    expect((await hosted.explain(ref)).code).toBe("MISSING_EPOCH");
    expect(await textsOf(hosted)).toEqual([]);
    // It checks membership, since it can read operations.
    expect(hosted.members()).toEqual(space.members());
  });

  test("[TH-058] [TH-056] no read key, id, nonce or plaintext is anywhere in its store", async () => {
    const world = await createWorld();
    const { ada, space, relay } = await withRelay(world);
    await write(space, "the quick brown fox");
    await world.settle(ada, relay);
    const kept: Uint8Array[] = [];
    for (const { value } of await openedValues(world, relay)) kept.push(value);
    for (const head of await relay.store.heads(space.topic)) {
      for await (const range of relay.store.ranges(head.logId)) kept.push(range.bytes);
    }
    const everything = kept.map(toHex).join(" ");
    // Ada's own key state and record, opened, show what to look for.
    const adas = await openedValues(world, ada);
    const keysOf = (name: string): Uint8Array => adas.find(({ key }) => key === name)!.value;
    const ring = createKeyRing({ crypto: world.crypto }, { topic: space.topic, self: ada.author });
    const state = ring.decode(keysOf(`space/${space.topic}/keys`))!;
    const [epochId] = [...state.secrets.keys()];
    const readKey = ring.readKey(state, epochId!)!;
    const { nonce } = decodeAbout(keysOf(`spaces/${space.topic}`));
    expect(everything).toContain(toHex(ring.followKey(state, epochId!)!));
    const secrets = [...state.secrets.values()].map((secret) => secret.reveal());
    expect(secrets.length).toBe(2);
    const hidden = [readKey, nonce!, spaceIdBytes(space.id!), utf8("brown fox"), ...secrets];
    for (const bytes of hidden) expect(everything).not.toContain(toHex(bytes));
  });

  test("[TH-041] readers catch up from the relay while the writer is away", async () => {
    const world = await createWorld();
    const { ada, ben, space, other, relay } = await withRelay(world);
    await write(space, "left at the relay");
    await world.settle(ada, relay);
    await world.settle(relay, ben);
    expect(await textsOf(other)).toEqual(["left at the relay"]);
    await write(other, "and back");
    await world.settle(relay, ben);
    await world.settle(ada, relay);
    expect(await textsOf(space)).toEqual(["left at the relay", "and back"]);
  });

  test("a device joins through the relay while no manager is online", async () => {
    const world = await createWorld();
    const { ada, ben, space, relay } = await withRelay(world);
    const link = await space.invite({ level: "write" });
    await write(space, "hello");
    await world.settle(ada, relay);
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(link);
    await world.settle(relay, cyd);
    expect(third.status().state).toBe("waiting");
    expect(spaceOn(relay, space).access(cyd.author)?.level).toBe("write");
    // Ben is no manager; any reader can welcome.
    await world.settle(relay, ben, cyd);
    expect(third.status().state).toBe("active");
    expect(await textsOf(third)).toEqual(["hello"]);
  });

  test("the relay gets each new follow key by membership, and loses them with it", async () => {
    const world = await createWorld();
    const { ada, ben, space, relay } = await withRelay(world);
    const keysOf = (device: typeof ada) => device.spaces.topics()[0]!.followKeys();
    await space.remove(ben.author);
    await world.settle(ada, relay);
    expect(keysOf(relay)).toEqual(keysOf(ada));
    await space.remove(relay.author);
    await world.settle(ada, relay);
    for (const key of keysOf(ada)) expect(keysOf(relay)).not.toContainEqual(key);
    expect(spaceOn(relay, space).status().state).toBe("removed");
  });

  test("[ATK-quiet3454] a relay cannot add itself, raise itself or invite", async () => {
    const world = await createWorld();
    const { ada, ben, space, relay, hosted } = await withRelay(world);
    await expect(hosted.add(await relay.spaces.bundle(), "write")).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
    await expect(hosted.set(relay.author, "read")).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
    await expect(hosted.invite({ level: "read" })).rejects.toMatchObject({
      code: "SPACE_NO_ACCESS",
    });
    await expect(write(hosted, "x")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    // And not by forging entries either: everybody judges the operation, not the relay's word.
    const before = space.members();
    const { crypto, clock } = world;
    const { group, heads } = await readOps(crypto, ada.store, space.id!);
    const grant = {
      member: { kind: "individual", id: relay.author },
      access: { level: "manage", mayDelete: true },
    } as const;
    const { bytes } = createOp(crypto, {
      author: relay.author,
      group,
      deps: heads,
      action: { type: "set", grant },
    });
    const range = await forgeControl({
      crypto,
      id: space.id!,
      topic: space.topic,
      author: relay.author,
      secret: relay.secret,
      now: clock.nowMicros(),
      base: relay.store,
      contents: [{ kind: "auth", op: bytes }],
    });
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "stored" });
    await world.settle(ada, ben);
    expect(space.members()).toEqual(before);
    const logId = (await ada.store.heads(space.topic)).find(
      (head) => head.context.author === relay.author && head.context.domain === "hawser.control",
    )!.logId;
    const seq = (await ada.store.head(logId))!.height - 1;
    expect(await space.explain({ logId, seq })).toMatchObject({ reason: "NOT_MANAGER" });
  });

  test("[TH-037] a follower owns no data log", async () => {
    const world = await createWorld();
    const { ada, space, relay } = await withRelay(world);
    const range = await forge({
      crypto: world.crypto,
      context: { topic: space.topic, author: relay.author, domain: "hawser.data" },
      secret: relay.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: utf8("spam") }],
    });
    const before = await ada.store.stats();
    expect(await ada.spaces.ingest(range)).toEqual({ status: "refused", reason: "NOT_ADMITTED" });
    expect(await ada.store.stats()).toEqual(before);
  });

  test("hosting requests for others, offers, and rubbish are refused", async () => {
    const world = await createWorld();
    const { ada, ben, space, relay } = await withRelay(world);
    const other = await world.device("other relay");
    const bundle = await other.spaces.bundle();
    const hosting = space.hosting(bundle);
    const wrong = [new Uint8Array(0), utf8("x"), space.offer(bundle), hosting.slice(0, -1)];
    for (const bytes of wrong) {
      await expect(other.spaces.follow(bytes)).rejects.toMatchObject({
        code: "SPACE_OFFER_INVALID",
      });
    }
    await expect(ben.spaces.follow(hosting)).rejects.toMatchObject({ code: "SPACE_OFFER_INVALID" });
    await expect(relay.spaces.accept(hosting)).rejects.toMatchObject({
      code: "SPACE_OFFER_INVALID",
    });
    await expect(ada.spaces.follow(space.hosting(await ada.spaces.bundle()))).rejects.toMatchObject(
      { code: "SPACE_EXISTS" },
    );
    const { bundle: expired } = createBundle(
      world.crypto,
      {
        identity: {
          id: other.author,
          sign: (label, bytes) => world.crypto.signTagged(label, bytes, other.secret),
        },
        lifetime: { notBefore: 1, notAfter: 2 },
      },
      () => new Uint8Array(32).fill(3),
    );
    expect(() => space.hosting(expired)).toThrow(
      expect.objectContaining({ code: "SPACE_BUNDLE_INVALID" }),
    );
  });

  test("the admission hook refuses with its own reason and nothing is stored", async () => {
    const world = await createWorld();
    const { ada, space } = await twoMembers(world);
    const seen: string[] = [];
    const relay = await world.device("relay", {
      admit: ({ domain, role, byteCount }) => {
        seen.push(`${role} ${domain}`);
        return domain === "hawser.data" && byteCount > 200 ? "OVER_QUOTA" : undefined;
      },
    });
    const bundle = await relay.spaces.bundle();
    await space.add(bundle, "pull");
    await relay.spaces.follow(space.hosting(bundle));
    await write(space, "x".repeat(1_000));
    const outcomes = await world.copy(ada, relay);
    expect(outcomes).toContainEqual({ status: "refused", reason: "OVER_QUOTA" });
    const heads = await relay.store.heads(space.topic);
    expect(heads.every((head) => head.context.domain === "hawser.control")).toBe(true);
    expect(seen).toContain("follower hawser.data");
  });
});

async function rangesOf(device: TestDevice, logId: LogId): Promise<readonly EncodedRange[]> {
  const ranges: EncodedRange[] = [];
  for await (const { context, from, count, bytes } of device.store.ranges(logId)) {
    ranges.push({ context, from, count, bytes });
  }
  return ranges;
}

/** The key-value pairs of a device, opened with its own identity. */
async function openedValues(
  world: World,
  device: TestDevice,
): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
  const { crypto } = world;
  const vault = createVault(
    { store: device.store, crypto, random: () => new Uint8Array(24) },
    device.secret,
  );
  const values: { key: string; value: Uint8Array }[] = [];
  for (const { key, value } of await device.store.list("space")) {
    const opened = key.includes("/seen/") ? value : ((await vault.read(key)) ?? value);
    values.push({ key, value: opened });
  }
  return values;
}
