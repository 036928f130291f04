/** The eight kinds, the merge table and the lifetimes, case by case (docs/spec/record.md §1–§6). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "@hawser/codec";
import {
  bool,
  bytes,
  decodeNode,
  depthMax,
  dict,
  documentBytesMax,
  encodeNode,
  equalNodes,
  float,
  int,
  keyBytesMax,
  list,
  liveKeysMax,
  predicate,
  printNode,
  text,
  toNode,
  ttlMsMax,
  type NodeInput,
  type RecordNode,
} from "@hawser/record";
import { fakeEvent } from "@hawser/view/testing";
import { author, openWorld, opEvent, printed, second, settled, update } from "./support.ts";

/** Goes through bytes and comes back equal. */
function roundTrip(node: RecordNode): RecordNode {
  const verdict = decodeNode(encodeNode(node));
  if (!verdict.ok) throw new Error(verdict.reason);
  expect(equalNodes(verdict.node, node)).toBe(true);
  expect(encodeNode(verdict.node)).toEqual(encodeNode(node));
  return verdict.node;
}

const code = (expected: string) => expect.objectContaining({ code: expected });
const hex = (bytes_: Uint8Array): string => Buffer.from(bytes_).toString("hex");

describe("kinds", () => {
  test("[SR-kind-bool] booleans round-trip, and differ from each other and from ints", () => {
    expect(roundTrip(bool(true))).toEqual(bool(true));
    expect(roundTrip(bool(false))).toEqual(bool(false));
    expect(equalNodes(bool(true), bool(false))).toBe(false);
    expect(equalNodes(bool(true), int(1))).toBe(false);
    expect(hex(encodeNode(bool(true)))).toBe("01");
  });

  test("[SR-kind-string] text round-trips by bytes; lone surrogates are no text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        if (value.isWellFormed()) expect(roundTrip(text(value))).toEqual(text(value));
        else expect(() => text(value)).toThrowError(code("RECORD_BAD_NODE"));
      }),
    );
    expect(equalNodes(text("é"), text("e\u0301"))).toBe(false);
    expect(decodeNode(Uint8Array.of(2, 1, 0xff))).toEqual({ ok: false, reason: "RECORD_BAD_NODE" });
  });

  test("[SR-kind-int] integers of any size round-trip and never equal a float", () => {
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        expect(roundTrip(int(value))).toEqual({ kind: "int", value });
      }),
    );
    const huge = 2n ** 4_000n + 1n;
    expect(roundTrip(int(-huge))).toEqual({ kind: "int", value: -huge });
    expect(equalNodes(int(1), float(1))).toBe(false);
    expect(() => int(2 ** 53)).toThrowError(code("RECORD_BAD_NODE"));
    // A leading zero would be a second form of one.
    expect(decodeNode(Uint8Array.of(3, 2, 0, 1)).ok).toBe(false);
    expect(hex(encodeNode(int(-1)))).toBe("0400");
  });

  test("[SR-kind-float] floats round-trip, are never NaN, and zero has no sign", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        expect(roundTrip(float(value))).toEqual({ kind: "float", value: value === 0 ? 0 : value });
      }),
    );
    expect(() => float(Number.NaN)).toThrowError(code("RECORD_BAD_NODE"));
    expect(() => toNode(Number.NaN)).toThrowError(code("RECORD_BAD_NODE"));
    expect(equalNodes(float(-0), float(0))).toBe(true);
    for (const bad of ["7ff8000000000000", "fff0000000000001", "8000000000000000"]) {
      expect(decodeNode(Buffer.from(`05${bad}`, "hex")).ok).toBe(false);
    }
  });

  test("[SR-kind-bytes] byte strings round-trip and are no text", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        expect(roundTrip(bytes(value))).toEqual({ kind: "bytes", value: Uint8Array.from(value) });
      }),
    );
    expect(equalNodes(bytes(utf8("a")), text("a"))).toBe(false);
    expect(decodeNode(Uint8Array.of(6, 2, 1)).ok).toBe(false);
  });

  test("[SR-kind-dict] keys are of any kind, and the order of pairs says nothing", () => {
    const keys: NodeInput[] = [
      true,
      1,
      float(1),
      "1",
      bytes(utf8("1")),
      ["k"],
      predicate("p"),
      dict([]),
    ];
    const node = dict(keys.map((key, index) => [key, index]));
    expect(roundTrip(node)).toEqual(node);
    const shuffled = dict(keys.map((key, index) => [key, index] as const).toReversed());
    expect(equalNodes(node, shuffled)).toBe(true);
    expect(encodeNode(shuffled)).toEqual(encodeNode(node));
    expect(equalNodes(node, dict(keys.map((key) => [key, 0])))).toBe(false);
    // {"b"=1, "a"=1}, in the wrong order, is refused.
    expect(decodeNode(Buffer.from("0702020162030101020161030101", "hex")).ok).toBe(false);
  });

  test("[SR-kind-list] elements are distinct; equality ignores their order, reading does not", () => {
    const node = list(["b", "a", ["x"]]);
    expect(roundTrip(node)).toEqual(node);
    expect(equalNodes(node, list([["x"], "a", "b"]))).toBe(true);
    expect(equalNodes(list([["b", "a"]]), list([["a", "b"]]))).toBe(true);
    expect(equalNodes(list(["a"]), list(["a", "b"]))).toBe(false);
    expect(() => list(["a", "b", "a"])).toThrowError(code("RECORD_BAD_NODE"));
    expect(() =>
      list([
        ["a", "b"],
        ["b", "a"],
      ]),
    ).toThrowError(code("RECORD_BAD_NODE"));
    expect(decodeNode(Buffer.from("080201" + "01", "hex")).ok).toBe(false);
  });

  test("[SR-kind-predicate] positional arguments have an order, named ones have none", () => {
    const node = predicate("f", [1, 2], { a: 1, b: 2 });
    expect(roundTrip(node)).toEqual(node);
    expect(equalNodes(node, predicate("f", [1, 2], { b: 2, a: 1 }))).toBe(true);
    expect(equalNodes(node, predicate("f", [2, 1], { a: 1, b: 2 }))).toBe(false);
    expect(equalNodes(predicate("f"), predicate("g"))).toBe(false);
    expect(printNode(node)).toBe('f(1, 2; "a"=1, "b"=2)');
    expect(() => predicate("x".repeat(129))).toThrowError(code("RECORD_BAD_NODE"));
  });

  test("[SR-limits] every truncation and every flipped bit of a value is refused or another value", () => {
    const node = toNode({ a: [1, 2n ** 70n, "x"], p: predicate("t", [true], { n: 1.5 }) });
    const whole = encodeNode(node);
    for (let end = 0; end < whole.length; end++) {
      expect(decodeNode(whole.subarray(0, end)).ok).toBe(false);
    }
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdict = decodeNode(flipped);
      // Lists keep their order in bytes, so equal bytes are the only way to be this value.
      if (verdict.ok) expect(encodeNode(verdict.node)).toEqual(flipped);
    }
  });
});

describe("the merge table", () => {
  test("[SR-merge-scalar] [SR-D2] another value of the same kind replaces value and end, also by an earlier one", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { status: "here" }, { ttlMs: 100_000 });
    await records.update("k", { status: "typing" }, { ttlMs: 5_000 });
    const document = records.get("k").get(author(0));
    expect(document?.at(["status"])).toEqual({
      node: text("typing"),
      expiresAt: 1_002 + 5 * second,
    });
    clock.now += 6 * second;
    expect(records.get("k").size).toBe(0);
  });

  test("[SR-merge-equal-scalar] an equal value keeps the later end, whichever came first", async () => {
    const { records } = await openWorld();
    await records.update("k", { a: 1, b: 1 }, { ttlMs: 100_000 });
    await records.update("k", { a: 1 }, { ttlMs: 5_000 });
    await records.update("k", { b: 1 }, { ttlMs: 200_000 });
    const document = records.get("k").get(author(0));
    expect(document?.at(["a"])?.expiresAt).toBe(1_001 + 100 * second);
    expect(document?.at(["b"])?.expiresAt).toBe(1_003 + 200 * second);
  });

  test("[SR-merge-other-kind] another kind is refused with its path, and set replaces it", async () => {
    const { records, source } = await openWorld();
    const values: NodeInput[] = [
      true,
      "s",
      1,
      1.5,
      bytes(utf8("y")),
      { d: 1 },
      ["l"],
      predicate("p"),
    ];
    for (const [index, value] of values.entries()) {
      await records.set("k", ["d"], { [index]: value });
      for (const other of values) {
        if (other === value) continue;
        const before = source.events.length;
        await expect(records.update("k", { d: { [index]: other } })).rejects.toMatchObject({
          code: "RECORD_KIND_MISMATCH",
          message: expect.stringContaining(`"k" / "d" / "${index}"`),
        });
        expect(source.events).toHaveLength(before);
      }
    }
    await records.set("k", ["d"], "now text");
    expect(printed(records)).toBe('{"d"="now text"}');
    await expect(records.update("k", [1])).rejects.toMatchObject({ code: "RECORD_KIND_MISMATCH" });
    await expect(records.set("k", [], [1])).rejects.toMatchObject({ code: "RECORD_KIND_MISMATCH" });
  });

  test("[SR-merge-dict] dictionaries merge key by key, each with an end of its own", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { d: { a: 1, b: 1 } }, { ttlMs: 5_000 });
    await records.update("k", { d: { b: 1, c: 1 } }, { ttlMs: 100_000 });
    expect(printed(records)).toBe('{"d"={"a"=1, "b"=1, "c"=1}}');
    clock.now += 6 * second;
    expect(printed(records)).toBe('{"d"={"b"=1, "c"=1}}');
  });

  test("[SR-merge-list] [SR-D4] an element announced again lives longer and is not lost early", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { l: ["one", "two"] }, { ttlMs: 5_000 });
    await records.update("k", { l: ["one", "three"] }, { ttlMs: 100_000 });
    await records.update("k", { l: ["three"] }, { ttlMs: 1_000 });
    expect(printed(records)).toBe('{"l"=["one", "two", "three"]}');
    clock.now += 6 * second;
    expect(printed(records)).toBe('{"l"=["one", "three"]}');
  });

  test("[SR-merge-predicate] arguments are replaced, named ones merge; equal arguments live longer", async () => {
    const { records } = await openWorld();
    await records.update("k", { p: predicate("f", ["a"], { x: 1 }) }, { ttlMs: 100_000 });
    await records.update("k", { p: predicate("f", ["b"], { y: 1 }) }, { ttlMs: 5_000 });
    expect(printed(records)).toBe('{"p"=f("b"; "x"=1, "y"=1)}');
    expect(records.get("k").get(author(0))?.at(["p", 0])?.expiresAt).toBe(1_002 + 5 * second);
    await records.update("k", { p: predicate("f", ["b"]) }, { ttlMs: 50_000 });
    expect(records.get("k").get(author(0))?.at(["p", 0])?.expiresAt).toBe(1_003 + 50 * second);
    expect(records.get("k").get(author(0))?.at(["p", "x"])?.expiresAt).toBe(1_001 + 100 * second);
  });

  test("[SR-merge-predicate] the entry says which tags unite, so a reader needs no registry", async () => {
    const { records, source } = await openWorld();
    const p = (...args: string[]): NodeInput => predicate("bag", args);
    source.deliver([
      opEvent(1, 0, update([["p", p("a", "a")]], 60_000, ["bag"])),
      opEvent(1, 1, update([["p", p("b")]], 60_000, ["bag"])),
      opEvent(2, 0, update([["p", p("a")]])),
      opEvent(2, 1, update([["p", p("b")]])),
    ]);
    await settled();
    expect(printed(records, 1)).toBe('{"p"=bag("a", "a", "b")}');
    expect(printed(records, 2)).toBe('{"p"=bag("b")}');
  });

  test("[SR-merge-other-tag] another tag is refused with its path, and set replaces it", async () => {
    const { records } = await openWorld();
    await records.update("k", { p: predicate("peer", ["A"]) });
    await expect(records.update("k", { p: predicate("link", ["B"]) })).rejects.toMatchObject({
      code: "RECORD_TAG_MISMATCH",
      message: expect.stringContaining('"k" / "p"'),
    });
    expect(printed(records)).toBe('{"p"=peer("A")}');
    await records.set("k", ["p"], predicate("link", ["B"]));
    expect(printed(records)).toBe('{"p"=link("B")}');
  });

  test("[SR-merge-container-expiry] a container ends with its last part; an empty one is absent unless written so", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { d: { a: 1 }, empty: {}, none: [], call: predicate("f") });
    await records.update("k", { d: { b: 1 } }, { ttlMs: 7_200_000 });
    expect(records.get("k").get(author(0))?.at(["d"])?.expiresAt).toBe(1_002 + 7_200 * second);
    await records.remove("k", ["d", "a"]);
    await records.remove("k", ["d", "b"]);
    expect(printed(records)).toBe('{"call"=f(), "none"=[], "empty"={}}');
    await records.update("k", { empty: { x: 1 } }, { ttlMs: 1_000 });
    clock.now += 2 * second;
    expect(printed(records)).toBe('{"call"=f(), "none"=[], "empty"={}}');
    clock.now += 3_600 * second;
    expect(printed(records)).toBeUndefined();
  });

  test("[SR-merge-duplicate-keys] a key that is there twice is refused at writing and at reading", async () => {
    const pairs: [NodeInput, NodeInput][] = [
      ["a", 1],
      ["a", 2],
    ];
    expect(() => dict(pairs)).toThrowError(code("RECORD_DUPLICATE_KEY"));
    expect(() => predicate("p", [], pairs)).toThrowError(code("RECORD_DUPLICATE_KEY"));
    const [one, two] = [encodeNode(text("a")), encodeNode(int(1))];
    const twice = Uint8Array.of(7, 2, ...one, ...two, ...one, ...two);
    expect(decodeNode(twice)).toEqual({ ok: false, reason: "RECORD_DUPLICATE_KEY" });
    const { records, source } = await openWorld();
    const body = opEvent(1, 0, update([["x", 1]])).body;
    const node = encodeNode(dict([["x", 1]]));
    const at = Buffer.from(body).indexOf(Buffer.from(node));
    const bad = Buffer.concat([
      body.subarray(0, at - 1),
      Buffer.of(0x40 + twice.length),
      twice,
      body.subarray(at + node.length),
    ]);
    source.deliver([fakeEvent(1, 0, { type: "record", body: Uint8Array.from(bad) })]);
    await settled();
    expect(records.refusals()).toMatchObject([{ code: "RECORD_DUPLICATE_KEY", key: "k", seq: 0 }]);
  });
});

describe("lifetimes", () => {
  test("[SR-ttl-read] what has expired is gone at that very microsecond, at every depth", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { a: 1, d: { l: ["x"] }, p: predicate("f", [1]) }, { ttlMs: 1_000 });
    await records.update("k", { z: 1 }, { ttlMs: 1_001 });
    clock.now = 1_000 + second;
    expect(printed(records)).toContain('"a"=1');
    clock.now = 1_001 + second;
    expect(printed(records)).toBe('{"z"=1}');
    expect(
      records
        .get("k", { nowMicros: 1_000 + second })
        .get(author(0))
        ?.at(["a"]),
    ).toBeDefined();
    expect(records.query({ tag: "f" })).toEqual([]);
    clock.now += second;
    expect([records.get("k").size, records.keys()]).toEqual([0, []]);
  });

  test("[SR-ttl-fold] an entry meets only what lives at its stamp, whatever a reader's clock says", async () => {
    const { records, source } = await openWorld();
    source.deliver([
      opEvent(
        1,
        0,
        update(
          [
            ["a", 1],
            ["b", 1],
          ],
          1,
        ),
        1_000,
      ),
      // "a" has expired by then, so another kind is no mismatch, and there is nothing to touch.
      opEvent(1, 1, update([["a", "text"]]), 2_000),
      opEvent(1, 2, { op: "touch", key: "k", path: [text("b")], ttlMs: 60_000 }, 2_001),
    ]);
    await settled();
    expect(printed(records, 1)).toBe('{"a"="text"}');
    expect(records.refusals()).toMatchObject([{ seq: 2, code: "RECORD_NOT_FOUND" }]);
  });

  test("[SR-ttl-clamp] overlong lifetimes are shown 30 days and fold as written", async () => {
    const { records, source, clock } = await openWorld();
    source.deliver([opEvent(1, 0, update([["a", 1]], ttlMsMax * 10), 1_000)]);
    await settled();
    expect(records.get("k").get(author(1))?.expiresAt).toBe(1_000 + ttlMsMax * 1_000);
    clock.now = 1_000 + ttlMsMax * 1_000;
    expect(records.get("k").size).toBe(0);
    // In the fold it lives on: an update that came after it is merged with it.
    const late = clock.now + second;
    source.deliver([opEvent(1, 1, update([["a", "another kind"]]), late)]);
    await settled();
    expect(records.refusals(author(1))).toMatchObject([{ code: "RECORD_KIND_MISMATCH" }]);
  });

  test("[SR-ttl-clamp] what is dated in the future is shown 30 days from when it was first seen", async () => {
    const { records, source, clock } = await openWorld();
    const year = 365 * 24 * 3_600 * second;
    source.deliver([opEvent(1, 0, update([["a", 1]], 1_000), year)]);
    await settled();
    expect(printed(records, 1)).toBe('{"a"=1}');
    clock.now = 1_000 + ttlMsMax * 1_000 - 1;
    expect(printed(records, 1)).toBe('{"a"=1}');
    clock.now += 1;
    expect(printed(records, 1)).toBeUndefined();
    clock.now = year;
    expect(printed(records, 1)).toBeUndefined();
  });

  test("[SR-ttl-touch] touching prolongs a part, or all, never shortens, and needs something there", async () => {
    const { records } = await openWorld();
    await records.update("k", { a: 1, d: { b: 1, l: ["x"] } }, { ttlMs: 10_000 });
    await records.touch("k", ["d"], { ttlMs: 20_000 });
    const document = () => records.get("k").get(author(0));
    expect(document()?.at(["a"])?.expiresAt).toBe(1_001 + 10 * second);
    expect(document()?.at(["d", "l", 0])?.expiresAt).toBe(1_002 + 20 * second);
    await records.touch("k", [], { ttlMs: 15_000 });
    expect(document()?.at(["a"])?.expiresAt).toBe(1_003 + 15 * second);
    expect(document()?.at(["d", "b"])?.expiresAt).toBe(1_002 + 20 * second);
    await expect(records.touch("k", ["no"])).rejects.toMatchObject({ code: "RECORD_NOT_FOUND" });
    await expect(records.touch("other")).rejects.toMatchObject({ code: "RECORD_NOT_FOUND" });
  });
});

describe("ops", () => {
  test("set, remove and snapshot do what they say", async () => {
    const { records, source } = await openWorld();
    await records.update("k", { a: { b: [1, 2] } }, { ttlMs: 5_000 });
    await records.set("k", ["a", "c"], "new", { ttlMs: 9_000 });
    await records.remove("k", ["a", "b"], { item: 1 });
    expect(printed(records)).toBe('{"a"={"b"=[2], "c"="new"}}');
    const before = records.get("k").get(author(0));
    await records.snapshot("k");
    const after = records.get("k").get(author(0));
    expect(after?.node).toEqual(before?.node);
    expect(after?.at(["a", "b", 0])).toEqual(before?.at(["a", "b", 0]));
    expect(source.events).toHaveLength(4);
    await records.remove("k");
    expect(records.get("k").size).toBe(0);
    await expect(records.snapshot("k")).rejects.toMatchObject({ code: "RECORD_NOT_FOUND" });
  });

  test("[SR-D3] a refused update changes nothing, not even the half before the fault", async () => {
    const { records, source } = await openWorld();
    source.deliver([
      opEvent(
        1,
        0,
        update([
          ["a", 1],
          ["z", 1],
        ]),
      ),
      opEvent(
        1,
        1,
        update([
          ["a", 2],
          ["b", 2],
          ["z", "text"],
        ]),
      ),
    ]);
    await settled();
    expect(printed(records, 1)).toBe('{"a"=1, "z"=1}');
    expect(records.refusals()).toMatchObject([
      { author: author(1), key: "k", seq: 1, code: "RECORD_KIND_MISMATCH", path: [text("z")] },
    ]);
    await records.update("k", { a: 1, z: 1 });
    const count = source.events.length;
    await expect(records.update("k", { a: 2, z: "text" })).rejects.toMatchObject({
      code: "RECORD_KIND_MISMATCH",
    });
    expect([printed(records), source.events.length]).toEqual(['{"a"=1, "z"=1}', count]);
  });

  test("[SR-D1] unknown tags come back as they were written, tag included", async () => {
    const { records } = await openWorld();
    const node = predicate("tel", ["+47"], { nested: predicate("x-unknown", [predicate("", [])]) });
    await records.update("k", { who: node });
    expect(records.get("k").get(author(0))?.at(["who"])?.node).toEqual(node);
  });
});

describe("limits", () => {
  test("[SR-limits] misuse has codes, and appends nothing", async () => {
    const { records, source } = await openWorld();
    const rejects = (promise: Promise<unknown>, expected: string) =>
      expect(promise).rejects.toMatchObject({ code: expected });
    for (const key of ["", "x".repeat(keyBytesMax + 1), "é".repeat(129), "\ud800"]) {
      await rejects(records.update(key, {}), "RECORD_KEY_INVALID");
    }
    for (const ttlMs of [0, -1, 0.5, Number.NaN, ttlMsMax + 1]) {
      await rejects(records.update("k", {}, { ttlMs }), "RECORD_TTL_INVALID");
    }
    await rejects(records.update("k", { a: "x".repeat(documentBytesMax) }), "RECORD_TOO_LARGE");
    const many = Object.fromEntries(Array.from({ length: 2_050 }, (_, i) => [i, true]));
    await rejects(records.update("k", many), "RECORD_TOO_LARGE");
    await rejects(records.update("k", { a: nested(depthMax) }), "RECORD_TOO_DEEP");
    expect(() => toNode(nested(depthMax + 1))).toThrowError(code("RECORD_TOO_DEEP"));
    await rejects(records.remove("k", ["x"]), "RECORD_NOT_FOUND");
    expect(source.events).toEqual([]);
    await records.update("k", { a: nested(depthMax - 1) });
    await rejects(records.set("k", ["a", "n", "n"], nested(depthMax - 2)), "RECORD_TOO_DEEP");
  });

  test("[SR-limits] documents that grow too large are refused while folding, as a whole", async () => {
    const { records, source } = await openWorld();
    source.deliver([
      opEvent(1, 0, update([["a", "x".repeat(30_000)]])),
      opEvent(1, 1, update([["b", "x".repeat(30_000)]])),
    ]);
    await settled();
    expect(printed(records, 1)).not.toContain('"b"');
    expect(records.refusals()).toMatchObject([{ code: "RECORD_TOO_LARGE" }]);
  });

  test("[SR-limits] an author keeps at most so many documents, and writes no more often than said", async () => {
    const { records, clock } = await openWorld({ writeIntervalMsMin: 1_000, ttlMsDefault: 60_000 });
    await records.update("k0", { a: 1 });
    await expect(records.update("k0", { a: 2 })).rejects.toMatchObject({ code: "RECORD_TOO_SOON" });
    clock.now += 2 * second;
    await records.update("k0", { a: 2 });
    for (let count = 1; count < liveKeysMax; count++) await records.update(`k${count}`, { a: 1 });
    await expect(records.update("more", {})).rejects.toMatchObject({
      code: "RECORD_TOO_MANY_KEYS",
    });
    clock.now += 120 * second;
    await records.update("more", { a: 1 }, { ttlMs: ttlMsMax });
    expect(records.keys()).toEqual(["more"]);
  });

  test("[SR-limits] hostile bytes change nothing, whatever they are, and deep ones do not recurse", async () => {
    const deep = new Uint8Array(40_000).fill(8).map((byte, index) => (index % 2 === 0 ? byte : 1));
    expect(decodeNode(deep)).toEqual({ ok: false, reason: "RECORD_TOO_DEEP" });
    expect(decodeNode(Uint8Array.of(7, 0xff, 0xff, 0x7f))).toEqual({
      ok: false,
      reason: "RECORD_BAD_NODE",
    });
    const { records, source } = await openWorld();
    const good = opEvent(1, 0, update([["a", 1]])).body;
    const bodies = fc.sample(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(good.length - 1).map((end) => good.slice(0, end)),
      ),
      { numRuns: 300, seed: 3 },
    );
    source.deliver(bodies.map((body, seq) => fakeEvent(1, seq, { type: "record", body })));
    await settled();
    expect(records.keys()).toEqual([]);
    expect(records.refusals(author(1))).toHaveLength(16);
  });
});

/** Dictionaries in dictionaries, `depth` levels in all. */
function nested(depth: number): NodeInput {
  let node: NodeInput = {};
  for (let level = 1; level < depth; level++) node = { n: node };
  return node;
}
