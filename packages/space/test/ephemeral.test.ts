/** Messages that nobody keeps: for readers of now, of who they say, once, and not too many. */
import { utf8 } from "@hawser/codec";
import {
  createBroadcastPipe,
  createEphemeralHub,
  ephemeralBytesMax,
  ephemeralSealedBytesMax,
  type EphemeralPipe,
} from "@hawser/space";
import { at, createWorld, spaceWith, type World } from "@hawser/space/testing";
import { describe, expect, test } from "vitest";

async function scene(...names: readonly string[]) {
  const world = await createWorld();
  const made = await spaceWith(world, ...names);
  return { world, ...made, hub: createEphemeralHub() };
}

/** A pipe that shows what is sent over it, and takes what a test makes up. */
function tap() {
  const sent: Uint8Array[] = [];
  const listeners = new Set<(sealed: Uint8Array) => void>();
  const pipe: EphemeralPipe = {
    send: (sealed) => void sent.push(sealed),
    onMessage: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const deliver = (sealed: Uint8Array): void => {
    for (const listener of listeners) listener(sealed);
  };
  return { pipe, sent, deliver };
}

/** What comes out at a space's end. */
function heardBy(space: Awaited<ReturnType<typeof scene>>["spaces"][number], pipe: EphemeralPipe) {
  const heard: [string, string][] = [];
  space.ephemeral(pipe).onMessage((from, bytes) => {
    heard.push([from, new TextDecoder().decode(bytes)]);
  });
  return heard;
}

describe("ephemeral messages", () => {
  test("reach the others, with their author", async () => {
    const { spaces, devices, hub } = await scene("ben", "cyd");
    const ada = at(spaces, 0).ephemeral(hub.pipe());
    const ben = heardBy(at(spaces, 1), hub.pipe());
    const cyd = heardBy(at(spaces, 2), hub.pipe());
    ada.send(utf8("here"));
    ada.send(new Uint8Array(ephemeralBytesMax + 1));
    expect(ben).toEqual([[at(devices, 0).author, "here"]]);
    expect(cyd).toEqual(ben);
  });

  test("reach all who listen at one end, until they stop", async () => {
    const { spaces, hub } = await scene("ben");
    const ada = at(spaces, 0).ephemeral(hub.pipe());
    const ben = at(spaces, 1).ephemeral(hub.pipe());
    const counts = [0, 0];
    const stops = counts.map((_, index) =>
      ben.onMessage(() => void (counts[index] = at(counts, index) + 1)),
    );
    ada.send(utf8("one"));
    expect(counts).toEqual([1, 1]);
    at(stops, 0)();
    at(stops, 0)();
    ada.send(utf8("two"));
    expect(counts).toEqual([1, 2]);
    at(stops, 1)();
    ada.send(utf8("three"));
    ben.onMessage(() => void (counts[0] = at(counts, 0) + 1));
    ada.send(utf8("four"));
    expect(counts).toEqual([2, 2]);
  });

  test("are nothing to who is not in, and show no author", async () => {
    const { world, spaces, devices } = await scene("ben");
    const other = await spaceWith(world);
    const { pipe, sent } = tap();
    at(spaces, 0).ephemeral(pipe).send(utf8("secret"));
    const outside = tap();
    const heard = heardBy(at(other.spaces, 0), outside.pipe);
    for (const sealed of sent) outside.deliver(sealed);
    expect(heard).toEqual([]);
    const text = Buffer.from(at(sent, 0)).toString("hex");
    expect(text).not.toContain(at(devices, 0).author);
    expect(text).not.toContain(at(spaces, 0).topic);
  });

  test("are taken once, whole, and while they are fresh", async () => {
    const { world, spaces } = await scene("ben");
    const { pipe, sent } = tap();
    const ada = at(spaces, 0).ephemeral(pipe);
    ada.send(utf8("one"));
    ada.send(utf8("two"));
    const end = tap();
    const heard = heardBy(at(spaces, 1), end.pipe);
    const [one, two] = [at(sent, 0), at(sent, 1)];
    for (let index = 0; index < one.length; index += 7) {
      const changed = one.slice();
      changed[index] = (changed[index] ?? 0) ^ 1;
      end.deliver(changed);
      end.deliver(one.subarray(0, index));
    }
    end.deliver(new Uint8Array(ephemeralSealedBytesMax + 1).fill(1));
    expect(heard).toEqual([]);
    // Out of order the older is dropped; so is a repeated one.
    for (const sealed of [two, one, two]) end.deliver(sealed);
    expect(heard.map(([, text]) => text)).toEqual(["two"]);
    ada.send(utf8("late"));
    await world.pass(120_000);
    end.deliver(at(sent, 2));
    expect(heard).toHaveLength(1);
  });

  test("of a member who was removed are dropped, and it opens none of the new epoch", async () => {
    const { world, spaces, devices, hub } = await scene("ben");
    const bens = at(spaces, 1).ephemeral(hub.pipe());
    const heardBen = heardBy(at(spaces, 1), hub.pipe());
    const heardAda = heardBy(at(spaces, 0), hub.pipe());
    await at(spaces, 0).remove(at(devices, 1).author);
    bens.send(utf8("still here"));
    expect(heardAda).toEqual([]);
    at(spaces, 0).ephemeral(hub.pipe()).send(utf8("alone"));
    expect(heardBen).toEqual([]);
    await world.settle(...devices);
    bens.send(utf8("again"));
    expect(heardAda).toEqual([]);
  });

  test("of one author are not too many", async () => {
    const { world, spaces, hub } = await scene("ben");
    const ada = at(spaces, 0).ephemeral(hub.pipe());
    const heard = heardBy(at(spaces, 1), hub.pipe());
    for (let index = 0; index < 100; index++) ada.send(utf8(String(index)));
    expect(heard.length).toBeGreaterThanOrEqual(60);
    expect(heard.length).toBeLessThan(65);
    const before = heard.length;
    await world.pass(1_000);
    for (let index = 0; index < 100; index++) ada.send(utf8(String(index)));
    expect(heard.length - before).toBeLessThanOrEqual(32);
    expect(heard.length - before).toBeGreaterThanOrEqual(29);
  });

  test("work in a raw space, and between tabs", async () => {
    const world: World = await createWorld();
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const space = await ada.spaces.createRaw();
    const joined = await ben.spaces.openRaw(space.link());
    const channels = [0, 1].map(() => new EventTarget());
    const broadcast = (own: number) => ({
      postMessage: (data: unknown) => {
        for (const [index, channel] of channels.entries()) {
          if (index !== own) channel.dispatchEvent(new MessageEvent("message", { data }));
        }
      },
      addEventListener: (type: "message", listener: (event: { data: unknown }) => void) =>
        // Safe: only message events are dispatched.
        channels[own]?.addEventListener(type, listener as never),
      removeEventListener: (type: "message", listener: (event: { data: unknown }) => void) =>
        // Safe: as above.
        channels[own]?.removeEventListener(type, listener as never),
    });
    const heard = heardBy(joined, createBroadcastPipe(broadcast(1)));
    broadcast(0).postMessage("no bytes");
    space.ephemeral(createBroadcastPipe(broadcast(0))).send(utf8("to all tabs"));
    expect(heard).toEqual([[ada.author, "to all tabs"]]);
  });
});
