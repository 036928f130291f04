/** Who is there: sealed, bound to its author, bounded. */
import { describe, expect, test } from "vitest";
import { encodeCbor } from "@hawser/codec";
import { createEphemeralHub } from "@hawser/space";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import { clientIdOf, presenceBytesMax } from "@hawser/yjs";
import { atSpace, createStage, crypto } from "./help.ts";

async function scene() {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const stage = createStage();
  const hub = createEphemeralHub();
  const channels = spaces.map((space) => space.ephemeral(hub.pipe()));
  const open = (index: number) =>
    stage.open(atSpace(spaces, index), {}, { channel: at(channels, index) });
  return { world, devices, spaces, stage, hub, channels, open };
}

describe("presence", () => {
  test("who comes is seen by who is there, and the other way round; who goes is gone", async () => {
    const { stage, open } = await scene();
    const ada = open(0);
    ada.awareness.setLocalStateField("user", { name: "Ada" });
    await stage.pass(100);
    const ben = open(1);
    ben.awareness.setLocalStateField("user", { name: "Ben" });
    await stage.pass(200);
    expect(ben.awareness.getStates().get(ada.doc.clientID)).toEqual({ user: { name: "Ada" } });
    expect(ada.awareness.getStates().get(ben.doc.clientID)).toEqual({ user: { name: "Ben" } });
    const { clientID } = ben.doc;
    await ben[Symbol.asyncDispose]();
    expect(ada.awareness.getStates().has(clientID)).toBe(false);
    await stage.close();
  });

  test("nobody speaks for another, and what is no state is left out", async () => {
    const { stage, open, channels, spaces } = await scene();
    const ada = open(0);
    ada.awareness.setLocalStateField("user", { name: "Ada" });
    const ben = at(channels, 1);
    const benAt = clientIdOf(crypto, atSpace(spaces, 1).author, 9);
    for (const [session, state] of [
      [9, "[1]"],
      [9, "5"],
      [9, "{"],
      [9, `{"long":"${"x".repeat(presenceBytesMax)}"}`],
    ] as const) {
      ben.send(encodeCbor([1, "doc", session, 1, state]));
    }
    ben.send(encodeCbor([1, "other", 9, 1, "{}"]));
    await stage.pass(100);
    expect(ada.awareness.getStates().has(benAt)).toBe(false);
    ben.send(encodeCbor([1, "doc", 9, 2, '{"user":{"name":"Ada"}}']));
    await stage.pass(100);
    // Under Ben's own client id, whatever it says.
    expect(new Set(ada.awareness.getStates().keys())).toEqual(new Set([ada.doc.clientID, benAt]));
    for (let session = 100; session < 200; session++) {
      ben.send(encodeCbor([1, "doc", session, 1, "{}"]));
    }
    await stage.pass(100);
    expect(ada.awareness.getStates().size).toBeLessThanOrEqual(17);
    await stage.close();
  });

  test("changes are gathered, and too large a state stays here", async () => {
    const { stage, hub, open } = await scene();
    let messages = 0;
    hub.pipe().onMessage(() => (messages += 1));
    const ada = open(0);
    await stage.pass(100);
    const before = messages;
    for (let cursor = 0; cursor < 50; cursor++) {
      ada.awareness.setLocalStateField("cursor", cursor);
      await stage.pass(1);
    }
    await stage.pass(60);
    expect(messages - before).toBeLessThanOrEqual(2);
    const sent = messages;
    ada.awareness.setLocalStateField("image", "x".repeat(presenceBytesMax));
    await stage.pass(100);
    expect(messages).toBe(sent);
    await stage.close();
  });
});
