/** The reducer of documents: its laws, and what hostile bodies do. */
import { checkViewLaws, fakeEvent, oracleFold } from "@hawser/view/testing";
import { encodeCbor, toHex, utf8, type CborValue } from "@hawser/codec";
import { docView, encodeItems, type DocItem, type DocOp } from "@hawser/doc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { marksOf, type Mark } from "../src/marks.ts";
import { readDoc, type StoredDoc } from "../src/document.ts";

const marks = marksOf({ stamp: 77, hash: new Uint8Array(32).fill(9) });

/** An op that a number stands for. */
function opOf(choice: number, known: StoredDoc | undefined): DocOp {
  const path = [["a"], ["a", "b"], ["a", "b", "c"], ["d"], ["constructor"]][choice % 5] ?? ["a"];
  const field = ["d", "n", "t"][choice % 3] ?? "d";
  const value = [null, true, choice % 7, "x", [1, [2]], 0.5][choice % 6] ?? null;
  const items = [...(known?.lives.values() ?? [])].flatMap((life) =>
    [...life.sequences.values()].flatMap((sequence) => [...sequence.items.keys()]),
  );
  const after =
    choice % 4 === 0 ? undefined : (items[choice % (items.length + 1)] ?? marks(choice));
  const letters = [...(known?.lives.values() ?? [])].flatMap((life) =>
    [...life.texts.values()].flatMap(({ characters }) => [...characters.items.keys()]),
  );
  const letter = letters[choice % (letters.length + 1)] ?? marks(choice);
  switch ((choice >>> 4) % 10) {
    case 0:
    case 1:
      return { op: "set", path, value };
    case 2:
      return { op: "object", path };
    case 3:
      return { op: "unset", path };
    case 4:
      return { op: "add", field, amount: (choice % 9) - 4 };
    case 5:
      return { op: choice % 2 === 0 ? "include" : "exclude", field, value };
    case 6:
      return { op: "insert", field, after, values: [value, choice % 3] };
    case 7:
      return {
        op: "type",
        field,
        after: choice % 4 === 0 ? undefined : letter,
        text: `é${choice}😀`,
      };
    case 8:
      return { op: "erase", field, runs: [{ from: letter, count: 1 + (choice % 4) }] };
    default:
      return { op: "remove", field, items: [after ?? marks(1)] };
  }
}

function itemOf(state: ReturnType<typeof docView.init>, choice: number): DocItem {
  const collection = choice % 2 === 0 ? "task" : "person";
  const id = ["__proto__", "k"][(choice >>> 3) % 2] ?? "k";
  const known = state.get(collection)?.get(id);
  const lives = [...(known?.lives.keys() ?? [])].filter((mark): mark is Mark => mark !== "");
  const life = (["first", "first", "new", lives[0] ?? marks(choice % 5)] as const)[
    (choice >>> 5) % 4
  ];
  const existence = (["unsaid", "put", "put", "deleted"] as const)[(choice >>> 7) % 4];
  const ops = [opOf(choice, known), opOf(choice >>> 2, known), opOf(choice >>> 5, known)];
  return { collection, id, life: life ?? "first", existence: existence ?? "put", ops };
}

describe("the document view", () => {
  test("[TH-143] [TH-152] [TD-3] obeys the laws of views", async () => {
    await checkViewLaws(docView, {
      type: "doc",
      body: (state, choice) =>
        encodeItems([itemOf(state, choice & ~1), itemOf(state, (choice >>> 1) | 1)]) ??
        new Uint8Array(0),
      seed: 152,
      numRuns: 150,
    });
  });

  test("[TH-009] any order at all gives the same state, causal or not", () => {
    const choices = fc.array(fc.nat(1_000_000), { maxLength: 12 });
    fc.assert(
      fc.property(choices, fc.infiniteStream(fc.double({ min: 0, max: 1 })), (list, order) => {
        const events = list.map((choice, seq) => {
          const body = encodeItems([itemOf(docView.init(), choice)]) ?? new Uint8Array(0);
          return fakeEvent(seq % 3, seq, { type: "doc", body });
        });
        const shuffled = events
          .map((event) => ({ event, key: order.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key);
        let state = docView.init();
        for (const { event } of shuffled) state = docView.apply(state, event);
        expect(toHex(docView.encode(state))).toBe(
          toHex(docView.encode(oracleFold(docView, events))),
        );
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  test("what is superseded can be left out, now and whatever comes later, in any order", () => {
    const choices = fc.array(fc.nat(1_000_000), { minLength: 4, maxLength: 30, size: "max" });
    let droppedCount = 0;
    fc.assert(
      fc.property(choices, fc.nat(30), (list, cut) => {
        let known = docView.init();
        const events = list.map((choice, seq) => {
          const items = [itemOf(known, choice & ~1), itemOf(known, (choice >>> 1) | 1)];
          const event = fakeEvent(seq % 3, seq, { type: "doc", body: encodeItems(items)! });
          known = docView.apply(known, event);
          return event;
        });
        const past = events.slice(0, cut);
        const state = oracleFold(docView, past);
        const kept = past.filter((event) => docView.superseded?.(state, event) !== true);
        droppedCount += past.length - kept.length;
        let other = docView.init();
        for (const event of kept.toReversed()) other = docView.apply(other, event);
        expect(toHex(docView.encode(other))).toBe(toHex(docView.encode(state)));
        for (const event of events.slice(cut)) other = docView.apply(other, event);
        expect(toHex(docView.encode(other))).toBe(
          toHex(docView.encode(oracleFold(docView, events))),
        );
      }),
      { numRuns: 300, seed: 6 },
    );
    expect(droppedCount).toBeGreaterThan(100);
  });

  test("documents read without recursion into trouble, whatever the ops were", () => {
    const choices = fc.array(fc.nat(1_000_000), { maxLength: 20 });
    fc.assert(
      fc.property(choices, (list) => {
        let state = docView.init();
        list.forEach((choice, seq) => {
          const body = encodeItems([itemOf(state, choice)]) ?? new Uint8Array(0);
          state = docView.apply(state, fakeEvent(0, seq, { type: "doc", body }));
        });
        for (const docs of state.values()) {
          for (const doc of docs.values()) expect(readDoc(doc).state).not.toBe("too large");
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  const item = (...fields: readonly CborValue[]) => encodeCbor([1, fields]);
  let nested: CborValue = 1;
  for (let depth = 0; depth < 8; depth++) nested = [0, nested];
  test.each<readonly [string, Uint8Array]>([
    ["no CBOR", utf8("not cbor")],
    ["another version", encodeCbor([2, ["task", "k", null, 1]])],
    ["a bad name", item("-a", "k", null, 1)],
    ["no id", item("task", "", null, 1)],
    ["a number for an id", item("task", 7, null, 1)],
    ["an id that is too long", item("task", "k".repeat(257), null, 1)],
    ["an unknown life", item("task", "k", false, 1)],
    ["a mark of another length", item("task", "k", new Uint8Array(42), 1)],
    ["an unknown existence", item("task", "k", null, 3)],
    ["an unknown op", item("task", "k", null, 1, [10, "a", 1])],
    ["typing nothing", item("task", "k", null, 1, [8, "a", null, ""])],
    ["typing a number", item("task", "k", null, 1, [8, "a", null, 7])],
    ["typing behind nowhere", item("task", "k", null, 1, [8, "a", 7, "x"])],
    ["typing twice", item("task", "k", null, 1, [8, "a", null, "x", "y"])],
    ["erasing nothing", item("task", "k", null, 1, [9, "a"])],
    ["erasing none", item("task", "k", null, 1, [9, "a", new Uint8Array(43), 0])],
    ["erasing a mark alone", item("task", "k", null, 1, [9, "a", new Uint8Array(43)])],
    [
      "erasing beyond the last mark",
      item("task", "k", null, 1, [9, "a", new Uint8Array(43).fill(255), 2]),
    ],
    ["a negative op", item("task", "k", null, 1, [-1, ["a"]])],
    ["an empty path", item("task", "k", null, 1, [0, [], 1])],
    ["a path that is too deep", item("task", "k", null, 1, [0, "abcdefghi".split(""), 1])],
    ["__proto__ in a path", item("task", "k", null, 1, [0, ["__proto__"], 1])],
    ["_id as a field", item("task", "k", null, 1, [0, ["_id"], 1])],
    ["an object in one piece", item("task", "k", null, 1, [0, ["a"], [1, "b", 2]])],
    ["__proto__ in a list", item("task", "k", null, 1, [0, ["a"], [0, [1, "__proto__", 2]]])],
    ["fields out of order", item("task", "k", null, 1, [0, ["a"], [0, [1, "b", 1, "a", 1]]])],
    ["a list that is too deep", item("task", "k", null, 1, [0, ["a"], nested])],
    ["a whole number as a float", item("task", "k", null, 1, [0, ["a"], new Uint8Array(8)])],
    ["no number", item("task", "k", null, 1, [0, ["a"], new Uint8Array(8).fill(255)])],
    ["an amount that is text", item("task", "k", null, 1, [3, "n", "1"])],
    ["an insert of nothing", item("task", "k", null, 1, [6, "l", null])],
    ["a removal of nothing", item("task", "k", null, 1, [7, "l"])],
    [
      "one document twice",
      encodeCbor([1, ["task", "k", null, 1], ["task", "j", null, 1], ["task", "k", null, 2]]),
    ],
    ["something behind an op", item("task", "k", null, 1, [2, ["a"], 1])],
  ])("a body with %s says nothing", (_name, body) => {
    const state = docView.apply(docView.init(), fakeEvent(0, 0, { type: "doc", body }));
    expect(state.size).toBe(0);
  });

  test("a truncated or altered state is none", () => {
    const body = encodeItems([itemOf(docView.init(), 97)]) ?? new Uint8Array(0);
    const state = docView.apply(docView.init(), fakeEvent(0, 0, { type: "doc", body }));
    const bytes = docView.encode(state);
    expect(docView.decode(bytes)).toBeDefined();
    for (let length = 0; length < bytes.length; length++) {
      expect(docView.decode(bytes.slice(0, length))).toBeUndefined();
    }
    expect(docView.decode(encodeCbor([2]))).toBeUndefined();
  });
});
