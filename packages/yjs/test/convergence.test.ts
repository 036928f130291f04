/** The laws of views, and random peers that write, part and meet. */
import { describe, expect, test } from "vitest";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import { checkViewLaws } from "@hawser/view/testing";
import { seededRandom } from "@hawser/crypto/testing";
import { clientIdOf, createYjsView, type YjsProvider } from "@hawser/yjs";
import { applyUpdate, Doc, encodeStateAsUpdate, encodeStateVector } from "yjs";
import { encodeBodies } from "../src/body.ts";
import { authorOf, atSpace, createStage, crypto, settle, textOf } from "./help.ts";

/** A number below `count` from two random bytes. */
function chooser(seed: string): (count: number) => number {
  const random = seededRandom(seed);
  return (count) => {
    const [high = 0, low = 0] = random(2);
    return (high * 256 + low) % count;
  };
}

/** One edit, drawn by `choose`: text, a map, a list, an XML tree. */
function editRandomly(doc: Doc, choose: (count: number) => number): void {
  const text = doc.getText("text");
  const what = choose(8);
  if (what < 3) text.insert(choose(text.length + 1), "abcdefgh".slice(0, 1 + choose(8)));
  else if (what < 5 && text.length > 0) {
    const from = choose(text.length);
    text.delete(from, 1 + choose(Math.min(4, text.length - from)));
  } else if (what === 5) doc.getMap("map").set(`key${choose(4)}`, [choose(100), "value"]);
  else if (what === 6) doc.getArray("list").insert(0, [{ number: choose(100) }]);
  else if (text.length > 0) text.format(choose(text.length), 1, { bold: choose(2) === 0 });
}

/** Everything in a document that the edits above touch. */
function contentOf({ doc }: YjsProvider): readonly unknown[] {
  const types = [doc.getMap("map"), doc.getArray("list")];
  return [doc.getText("text").toDelta(), ...types.map((type): unknown => type.toJSON())];
}

describe("convergence", () => {
  test("obeys the laws of views: equal bytes on every replica, in every causal order", async () => {
    // What each writer does stands under a session of its own for each event.
    const sessions = new Map<string, number>();
    await checkViewLaws(createYjsView({ crypto }), {
      type: "yjs",
      seed: 2_026,
      numRuns: 60,
      body: (state, choice) => {
        const doc = new Doc();
        const known = state.get("doc")?.doc;
        if (known !== undefined) applyUpdate(doc, encodeStateAsUpdate(known));
        const before = encodeStateVector(doc);
        const session = sessions.size;
        sessions.set(String(session), session);
        // The laws do not say which writer asks, so all three could have written it: only one
        // does, and what stands under a foreign client id is left out alike everywhere.
        doc.clientID = clientIdOf(crypto, authorOf(choice % 3), session);
        editRandomly(doc, chooser(String(choice)));
        const [body = new Uint8Array(0)] = encodeBodies(
          "doc",
          session,
          encodeStateAsUpdate(doc, before),
        );
        return body;
      },
    });
  });

  test.each([1, 3, 6, 11, 12])(
    "peers at random that part, meet, come late and restart: seed %i",
    async (seed) => {
      const choose = chooser(`peers ${seed}`);
      const world = await createWorld();
      const { devices, spaces } = await spaceWith(world, "ben", "cyd");
      const stage = createStage(`peers ${seed}`);
      const providers: YjsProvider[] = spaces.map((space) => stage.open(space));
      // Whose each provider is.
      const owners = spaces.map((_, index) => index);
      await Promise.all(providers.map(({ ready }) => ready));
      for (let step = 0; step < 60; step++) {
        const index = choose(providers.length);
        editRandomly(at(providers, index).doc, choose);
        const event = choose(10);
        if (event < 3) await stage.pass(40);
        if (event === 3) {
          // Some meet, others stay away.
          const other = choose(devices.length);
          await stage.pass(40);
          await world.carry(at(devices, at(owners, index)), at(devices, other));
          await stage.pass(40);
        }
        if (event === 4 && providers.length < 6) {
          providers.push(stage.open(at(spaces, at(owners, index))));
          owners.push(at(owners, index));
        }
        if (event === 5) {
          await at(providers, index)[Symbol.asyncDispose]();
          providers[index] = stage.open(at(spaces, at(owners, index)));
          await at(providers, index).ready;
        }
      }
      // Yjs tidies formatting up where it arrives, which are edits that travel as well.
      for (let round = 0; round < 3; round++) await settle(world, stage, ...devices);
      const [first] = providers;
      if (first === undefined) throw new Error("no provider");
      for (const provider of providers) {
        expect(textOf(provider)).toBe(textOf(first));
        expect(contentOf(provider)).toEqual(contentOf(first));
        expect(provider.snapshot()).toEqual(first.snapshot());
        expect(provider.withheld()).toEqual([]);
        expect(provider.status()).toMatchObject({ state: "ready", unsavedBytes: 0 });
      }
      expect(textOf(first).length).toBeGreaterThan(0);
      expect(atSpace(spaces, 0).failure).toBeUndefined();
      await stage.close();
    },
  );
});
