/** The two halves of an event: what the read key opens, and what a key of its own opens (TH-201). */
import { toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import type { LogId, Topic } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { contentKeyAt, openEvent, parseEnvelope, sealEvent } from "../src/layers.ts";
import { seededRandom } from "./help.ts";
import { createWorld, eventsOf, textsOf, twoMembers, write } from "./world.ts";

describe("events", () => {
  test("[TH-201] the read key opens the header, and the body only where no key of its own closes it", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const cyd = await world.device("cyd");
    const third = await cyd.spaces.join(await space.invite({ level: "read" }));
    await world.settle(ada, ben, cyd);
    const only = [await ben.spaces.bundle()];
    const [open, closed] = await space.append([
      { type: "note", sequence: "s", body: utf8("for all") },
      { type: "note", sequence: "s", body: utf8("for ben"), audience: { only } },
    ]);
    await world.settle(ada, ben, cyd);
    const header = { type: "note", sequence: "s", author: ada.author, judgement: "accept" };
    // Round trip: what was put in comes out, for whoever has the keys.
    expect(await other.read(open!)).toMatchObject({ ...header, body: utf8("for all") });
    expect(await other.read(closed!)).toMatchObject({ ...header, body: utf8("for ben") });
    // The read key alone gives the header of both, and the body of one.
    expect(await third.read(open!)).toMatchObject({ ...header, body: utf8("for all") });
    expect(await third.read(closed!)).toMatchObject({ ...header, body: undefined });
    expect(await textsOf(third)).toEqual(["for all"]);
  });

  test("[TH-202] an event has the time it was made, and a key that opens it and no other", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const before = world.clock.nowMicros();
    const first = await write(space, "one");
    world.clock.advance(3_600);
    const second = await write(space, "two");
    const after = world.clock.nowMicros();
    await world.settle(ada, ben);
    const [one, two] = await eventsOf(other);
    expect(one!.stamp).toBeGreaterThan(before);
    expect(two!.stamp).toBeGreaterThan(one!.stamp + 3_599e6);
    expect(two!.stamp).toBeLessThanOrEqual(after);
    const keys = [await other.contentKeyOf(first), await other.contentKeyOf(second)];
    expect(toHex(keys[0]!)).not.toBe(toHex(keys[1]!));
    // The key is optional: a plain entry has none.
    const [plain] = await space.append([{ type: "x", body: utf8("open"), audience: "anybody" }]);
    await expect(space.contentKeyOf(plain!)).rejects.toMatchObject({ code: "SPACE_NO_KEY" });
    expect((await space.read(plain!)).stamp).toBeGreaterThan(two!.stamp);
  });

  test("[TH-202] the key of a header opens one body once: under no other place, nonce or epoch", () => {
    const crypto = createNobleCrypto();
    const random = seededRandom(12);
    // Safe: ids of 32 bytes in hex.
    const place = {
      topic: "0a".repeat(32) as Topic,
      logId: "0b".repeat(32) as LogId,
      author: "0c".repeat(32) as AuthorId,
      seq: 0,
    };
    const epoch = { id: new Uint8Array(32).fill(1), readKey: new Uint8Array(32).fill(2) };
    const content = { type: "note", sequence: undefined, body: utf8("once") };
    const sealed = [0, 1, 2].map((seq) => ({
      at: { ...place, seq },
      data: sealEvent({ crypto, random }, epoch, { ...place, seq }, content),
    }));
    const opened = sealed.map(({ at, data }) =>
      sealed.map((other) => {
        const envelope = parseEnvelope(data);
        const keyOf = parseEnvelope(other.data);
        if (envelope?.mode !== "sealed" || keyOf?.mode !== "sealed") throw new Error("not sealed");
        const key = contentKeyAt(crypto, epoch.readKey, other.at, keyOf.nonce);
        return openEvent(crypto, key, at, { epochId: epoch.id, envelope }) !== undefined;
      }),
    );
    expect(opened).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
    const [first] = sealed;
    const envelope = parseEnvelope(first!.data)!;
    const nonce = envelope.mode === "sealed" ? envelope.nonce : new Uint8Array(24);
    const key = contentKeyAt(crypto, epoch.readKey, place, nonce);
    const elsewhere = { epochId: new Uint8Array(32).fill(3), envelope };
    expect(openEvent(crypto, key, place, elsewhere)).toBeUndefined();
  });
});
