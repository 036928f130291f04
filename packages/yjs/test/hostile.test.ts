/** What hostile members send: kept out, visible, and the document goes on. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCbor, equalBytes } from "@hawser/codec";
import { fakeEvent } from "@hawser/view/testing";
import type { ViewEvent } from "@hawser/view";
import { clientIdOf } from "@hawser/yjs";
import { Doc, encodeStateAsUpdate, encodeStateVector, mergeUpdates } from "yjs";
import { encodeBodies, parseBody } from "../src/body.ts";
import { checkUpdate } from "../src/check.ts";
import { authorOf, createStage, crypto, draftOf, memorySource, textOf } from "./help.ts";

const session = 7;
const client = clientIdOf(crypto, authorOf(1), session);

/** A document that writes as writer 1. */
function writer(id = client): Doc {
  const doc = new Doc();
  doc.clientID = id;
  return doc;
}

/** The update of one edit. */
function edit(doc: Doc, change: (doc: Doc) => void): Uint8Array {
  const before = encodeStateVector(doc);
  change(doc);
  return encodeStateAsUpdate(doc, before);
}

function eventOf(seq: number, update: Uint8Array, log = 1, name = "doc"): ViewEvent {
  return fakeEvent(log, seq, draftOf(name, session, update));
}

const good = edit(writer(), (doc) => doc.getText("text").insert(0, "good"));

/** Bytes of varints, for updates that Yjs would not make. */
function varints(...values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let value of values) {
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}

describe("the check", () => {
  test("takes what Yjs makes, and says what it needs", () => {
    expect(checkUpdate(good, client)).toMatchObject({
      ok: true,
      update: { client, from: 0, to: 4, needs: new Map([[client, 0]]) },
    });
    const doc = writer();
    doc.getText("text").insert(0, "abc");
    const deletion = edit(doc, () => doc.getText("text").delete(1, 1));
    expect(checkUpdate(deletion, client)).toMatchObject({ ok: true, update: { from: 0, to: 0 } });
  });

  test("refuses writing under another's client id", () => {
    const other = edit(writer(client + 1), (doc) => doc.getText("text").insert(0, "x"));
    expect(checkUpdate(other, client)).toEqual({ ok: false, reason: "YJS_FOREIGN_CLIENT" });
    const both = mergeUpdates([good, other]);
    expect(checkUpdate(both, client)).toEqual({ ok: false, reason: "YJS_FOREIGN_CLIENT" });
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["a claim of 30 million structs", varints(1, 30_000_000, client, 0)],
    ["a claim of 2^50 clients", varints(2 ** 50)],
    ["a claim of 2^40 deletions", varints(0, 1, client, 2 ** 40)],
    // One struct of info 0 (collected), 2^53 − 1 long, at clock 5.
    ["a length beyond all numbers", varints(1, 1, client, 5, 0, 2 ** 53 - 1, 0)],
    ["an empty struct", varints(1, 1, client, 0, 0, 0, 0)],
    ["a gap inside", varints(1, 2, client, 0, 10, 5, 0, 1, 0)],
    // Info 132: text with an origin; its origin is its own clock.
    ["an origin in its own future", varints(1, 1, client, 0, 132, client, 3, 1, 97, 0)],
    ["deletions out of order", varints(0, 1, client, 2, 9, 1, 2, 1)],
    ["deletions that overlap", varints(0, 1, client, 2, 2, 5, 3, 5)],
    ["a deletion of nothing", varints(0, 1, client, 1, 2, 0)],
  ])("refuses %s", (_, bytes) => {
    expect(checkUpdate(bytes, client)).toEqual({ ok: false, reason: "YJS_MALFORMED" });
  });

  test("refuses values that could not be written again", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 150; level++) deep = [deep];
    const update = edit(writer(), (doc) => doc.getArray("list").push([deep]));
    expect(checkUpdate(update, client)).toEqual({ ok: false, reason: "YJS_TOO_DEEP" });
    let flat: unknown = 1;
    for (let level = 0; level < 50; level++) flat = { a: flat };
    const fine = edit(writer(), (doc) => doc.getMap("map").set("key", flat));
    expect(checkUpdate(fine, client)).toMatchObject({ ok: true });
  });

  test("never throws, and no flipped or missing byte makes it hang", () => {
    const doc = writer();
    const update = edit(doc, () => {
      doc.getText("text").insert(0, "some text");
      doc.getMap("map").set("key", { a: [1, "two", null] });
      doc.getText("text").delete(2, 3);
    });
    fc.assert(
      fc.property(fc.nat(update.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = update.slice();
        changed[at] = byte;
        checkUpdate(changed, client);
        checkUpdate(update.subarray(0, at), client);
      }),
      { seed: 438, numRuns: 2_000 },
    );
  });
});

describe("bodies", () => {
  test("round-trip, whole and in pieces", () => {
    const [body = new Uint8Array(0), ...rest] = encodeBodies("essay", 5, good);
    expect(rest).toEqual([]);
    const whole = { name: "essay", session: 5, bytes: good, index: 0, count: 1 };
    expect(parseBody(body)).toEqual(whole);
    const pieces = encodeBodies("essay", 5, new Uint8Array(100_000).fill(3)).map(parseBody);
    expect(pieces.map((piece) => [piece?.index, piece?.count])).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
  });

  test.each([
    ["no CBOR", Uint8Array.of(0xff)],
    ["another version", encodeCbor([2, "doc", 1, good])],
    ["a long name", encodeCbor([1, "x".repeat(129), 1, good])],
    ["no session", encodeCbor([1, "doc", -1, good])],
    ["a large session", encodeCbor([1, "doc", 2 ** 32, good])],
    ["no bytes", encodeCbor([1, "doc", 1, "text"])],
    ["too many bytes", encodeCbor([1, "doc", 1, new Uint8Array(50_000)])],
    ["one piece of one", encodeCbor([1, "doc", 1, good, 0, 1])],
    ["a piece behind the last", encodeCbor([1, "doc", 1, good, 2, 2])],
    ["too many pieces", encodeCbor([1, "doc", 1, good, 0, 257])],
    ["five fields", encodeCbor([1, "doc", 1, good, 0])],
  ])("refuses %s", (_, bytes) => {
    expect(parseBody(bytes)).toBeUndefined();
  });
});

describe("documents", () => {
  test("bad updates are left out and told of, good ones go on", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    await provider.ready;
    source.deliver([
      eventOf(0, varints(1, 30_000_000, client, 0)),
      eventOf(
        1,
        edit(writer(3), (doc) => doc.getText("text").insert(0, "forged")),
      ),
      eventOf(2, good),
      fakeEvent(1, 3, { type: "yjs", body: Uint8Array.of(1, 2, 3) }),
    ]);
    await stage.pass(10);
    expect(textOf(provider)).toBe("good");
    expect(provider.withheld()).toMatchObject([
      { author: authorOf(1), seq: 0, reason: "YJS_MALFORMED" },
      { author: authorOf(1), seq: 1, reason: "YJS_FOREIGN_CLIENT" },
    ]);
    expect(provider.status()).toMatchObject({ state: "ready", problem: undefined });
    await stage.close();
  });

  test("what lacks something waits outside Yjs, and those behind it too", async () => {
    const doc = writer();
    const [one, two, three] = ["one ", "two ", "three "].map((word) =>
      edit(doc, () => doc.getText("text").insert(doc.getText("text").length, word)),
    );
    if (one === undefined || two === undefined || three === undefined) throw new Error("no edits");
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    await provider.ready;
    source.deliver([eventOf(0, two), eventOf(1, three)]);
    await stage.pass(10);
    expect(textOf(provider)).toBe("");
    expect(provider.doc.store.pendingStructs).toBeNull();
    expect(provider.withheld().map(({ reason }) => reason)).toEqual(["YJS_WAITS", "YJS_WAITS"]);
    await stage.close();
  });

  test("the same events twice, and twice applied, change nothing", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    await provider.ready;
    source.deliver([eventOf(0, good), eventOf(1, good)]);
    await stage.pass(10);
    expect(textOf(provider)).toBe("good");
    expect(provider.withheld()).toEqual([]);
    await stage.close();
  });

  test("nobody rewrites what was written under one clock: the log's order decides", async () => {
    const other = edit(writer(), (doc) => doc.getText("text").insert(0, "evil"));
    const texts: string[] = [];
    for (let run = 0; run < 2; run++) {
      const source = memorySource();
      const stage = createStage();
      const provider = stage.open(source);
      await provider.ready;
      source.deliver([eventOf(0, good), eventOf(1, other)]);
      await stage.pass(10);
      texts.push(textOf(provider));
      await stage.close();
    }
    expect(texts).toEqual(["good", "good"]);
  });

  test("client ids differ by author and session, and fit what Yjs can carry", () => {
    const ids = [0, 1, 2].flatMap((log) =>
      [0, 1, 0xffff_ffff].map((number) => clientIdOf(crypto, authorOf(log), number)),
    );
    expect(new Set(ids).size).toBe(9);
    for (const id of ids) expect(Number.isSafeInteger(id) && id >= 0).toBe(true);
  });

  test("pieces that are no whole are nobody's update", async () => {
    const long = edit(writer(), (doc) => doc.getText("text").insert(0, "x".repeat(120_000)));
    const pieces = encodeBodies("doc", session, long).map((body) => ({ type: "yjs", body }));
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    await provider.ready;
    const [first, second, third] = pieces;
    if (first === undefined || second === undefined || third === undefined) throw new Error("few");
    const order = [first, third, second, first, second, first, second, third];
    source.deliver(order.map((draft, seq) => fakeEvent(1, seq, draft)));
    await stage.pass(10);
    expect(textOf(provider)).toHaveLength(120_000);
    expect(equalBytes(provider.snapshot(), long)).toBe(true);
    await stage.close();
  });
});
