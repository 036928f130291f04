/** The bytes that docs/spec/doc.md prints. */
import { toHex } from "@hawser/codec";
import { decodeItems, encodeItems, type DocItem } from "@hawser/doc";
import { expect, test } from "vitest";
import { compareValues } from "../src/order.ts";
import type { Json } from "../src/json.ts";

const item: DocItem = {
  collection: "task",
  id: "a",
  life: "first",
  existence: "put",
  ops: [{ op: "set", path: ["title"], value: "hi" }],
};

test("the example of docs/spec/doc.md §2", () => {
  const bytes = encodeItems([item])!;
  expect(toHex(bytes)).toBe("820185647461736b6161f601830081657469746c65626869");
  expect(decodeItems(bytes)).toEqual([item]);
});

test("[TQ-bool-order] the order of docs/spec/doc.md §5.1", () => {
  const sorted: readonly (Json | undefined)[] = [
    undefined,
    null,
    false,
    true,
    -1e300,
    -1,
    0,
    2,
    10,
    "",
    "10",
    "2",
    "\uffff",
    [],
    {},
  ];
  const shuffled = sorted.toReversed();
  // `undefined` goes last in any Array sort: boxes keep it in place.
  const boxes = shuffled
    .map((value) => ({ value }))
    .sort((a, b) => compareValues(a.value, b.value));
  expect(boxes.map(({ value }) => value)).toEqual(sorted);
  expect(compareValues([1], [2])).toBe(0);
  expect(compareValues({ a: 1 }, { b: 2 })).toBe(0);
});

test("one event is no larger than an entry holds", () => {
  const value = "x".repeat(58_000);
  expect(encodeItems([{ ...item, ops: [{ op: "set", path: ["a"], value }] }])).toBeUndefined();
});
