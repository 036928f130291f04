/** docs/spec/3-sync.md §6.1: reconciliation of large topics, held against plain set difference. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  beliefs,
  closeCodesOf,
  compareSets,
  connectSets,
  createSetSide,
  differing,
  headOf,
  holdings,
  type Item,
  named,
  type SetSide,
  snapshotOf,
  topic,
  topicBytesOf,
} from "./sets.ts";
import { keyOf } from "./harness.ts";

function range(count: number, from = 0): readonly Item[] {
  return Array.from({ length: count }, (_, index) => ({ author: from + index, height: 3 }));
}

/** Each side knows of every log of the other how high it stands there, and nothing else. */
function expectTruth(a: SetSide, b: SetSide): void {
  expect(closeCodesOf(a, b)).toEqual([]);
  expect(new Map([...beliefs(a)].sort())).toEqual(new Map([...holdings(b)].sort()));
  expect(new Map([...beliefs(b)].sort())).toEqual(new Map([...holdings(a)].sort()));
  for (const [side, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const told = named(side);
    for (const logId of differing(side, other)) expect(told.has(logId)).toBe(true);
    expect(side.state.topics.get(topic)?.in.complete).toBe(true);
    expect(side.state.topics.get(topic)?.recon?.phase ?? "done").toBe("done");
  }
}

function sides(
  itemsA: readonly Item[],
  itemsB: readonly Item[],
  names: readonly [string, string] = ["a", "b"],
): readonly [SetSide, SetSide] {
  return [createSetSide(names[0], itemsA), createSetSide(names[1], itemsB)];
}

describe("random sets", () => {
  const arbitraryItem = fc.record({
    author: fc.nat({ max: 300 }),
    height: fc.integer({ min: 1, max: 3 }),
    branch: fc.nat({ max: 1 }),
    control: fc.constantFrom(true, false),
  });
  const arbitrarySets = fc.record({
    common: fc.array(arbitraryItem, { maxLength: 200 }),
    onlyA: fc.array(arbitraryItem, { maxLength: 60 }),
    onlyB: fc.array(arbitraryItem, { maxLength: 60 }),
    swapped: fc.boolean(),
    offset: fc.nat({ max: 5_000 }),
  });
  /** One item a log: the last one counts. */
  const unique = (items: readonly Item[], offset: number): readonly Item[] => [
    ...new Map(
      items.map((item) => [
        `${item.author} ${item.control}`,
        { ...item, author: item.author + offset },
      ]),
    ).values(),
  ];

  test("both sides end with the set difference, whatever the sets", () => {
    fc.assert(
      fc.property(arbitrarySets, ({ common, onlyA, onlyB, swapped, offset }) => {
        const [a, b] = sides(
          unique([...common, ...onlyA], offset),
          unique([...common, ...onlyB], offset),
          swapped ? ["b", "a"] : ["a", "b"],
        );
        compareSets(a, b);
        expectTruth(a, b);
      }),
      { numRuns: 60, seed: 5 },
    );
  });
});

describe("shapes", () => {
  const shapes: readonly (readonly [string, readonly Item[], readonly Item[]])[] = [
    ["equal", range(500), range(500)],
    ["disjoint", range(300), range(300, 1_000)],
    ["one-sided: the peer lacks some", range(400), range(350)],
    ["one-sided: the peer has more", range(350), range(400)],
    ["one log in many", range(700), range(699)],
    ["huge against one log", range(3_000), range(1)],
    ["huge against nothing", range(3_000), []],
    ["both empty", [], []],
    ["same logs at other heights", range(300), range(300).map((item) => ({ ...item, height: 4 }))],
    [
      "same heights of other branches",
      range(300),
      range(300).map((item) => ({ ...item, branch: 1 })),
    ],
    ["just a list on one side", range(16), range(17)],
    ["just a list on both", range(16), range(16, 8)],
    ["first split", range(17), range(17, 1)],
  ];
  for (const names of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    test.each(shapes)(`%s, ${names[0]} first`, (_name, itemsA, itemsB) => {
      const [a, b] = sides(itemsA, itemsB, names);
      compareSets(a, b);
      expectTruth(a, b);
    });
  }

  test("equal sets: one flight each way, under 300 bytes, and no log is named", () => {
    const [a, b] = sides(range(1_000), range(1_000));
    compareSets(a, b);
    expectTruth(a, b);
    expect(named(a).size + named(b).size).toBe(0);
    expect(topicBytesOf(a) + topicBytesOf(b)).toBeLessThanOrEqual(300);
    for (const side of [a, b]) {
      const about = side.sent.filter(({ message }) => "topicNumber" in message);
      expect(about.map(({ message }) => message.type)).toEqual(["proof", "summary"]);
    }
  });

  test("ten differences in a thousand logs: few are named, in six flights from the summary", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const common = range(995, seed * 10_000);
      const [a, b] = sides(
        [...common, ...range(5, seed * 10_000 + 5_000)],
        [...common, ...range(5, seed * 10_000 + 7_000)],
      );
      compareSets(a, b);
      expectTruth(a, b);
      expect(topicBytesOf(a) + topicBytesOf(b)).toBeLessThanOrEqual(10_000);
      const flights = [a, b].flatMap(({ sent }) =>
        sent.filter(({ message }) => "topicNumber" in message).map(({ flight }) => flight),
      );
      expect(Math.max(...flights) - 4).toBeLessThanOrEqual(5);
    }
  });

  test("a set of 9,000 logs that all differ takes several frames a turn, and comes through", () => {
    const height = (items: readonly Item[]): readonly Item[] =>
      items.map((item) => ({ ...item, height: 9 }));
    const [a, b] = sides(range(9_000), height(range(9_000)));
    compareSets(a, b);
    expectTruth(a, b);
    const turns = [a, b].flatMap(({ sent }) => sent.map(({ message }) => message));
    expect(turns.some((message) => message.type === "reconcile" && message.state === "on")).toBe(
      true,
    );
  });
});

describe("what is left behind", () => {
  test("a level log that grows is announced with its entries, from where both stood", () => {
    const [a, b] = sides(range(200), range(200));
    const session = compareSets(a, b);
    const grown = headOf({ author: 7, height: 5 });
    session.feed(a, { type: "committed", topic, heads: [grown] });
    const last = a.sent.at(-1)?.message;
    expect(last).toMatchObject({ type: "frontier", eager: true, logs: [{ height: 5 }] });
    expect(a.effects.at(-1)).toMatchObject({ type: "progress" });
    const read = a.effects.find((effect) => effect.type === "readRange");
    expect(read).toMatchObject({ logId: grown.logId, from: 3, to: 5 });
    session.run();
    expect(beliefs(b).get(grown.logId)).toBe(5);
    expect(b.sent.filter(({ message }) => message.type === "wants")).toEqual([]);
    expect(closeCodesOf(a, b)).toEqual([]);
  });

  test("both sides push what grew while they compared", () => {
    const [a, b] = sides(range(200), range(201));
    const session = connectSets(a, b);
    for (let flight = 0; flight < 6; flight++) {
      session.step();
      if (flight === 4) {
        session.feed(a, { type: "committed", topic, heads: [headOf({ author: 3, height: 6 })] });
        session.feed(b, { type: "committed", topic, heads: [headOf({ author: 4, height: 7 })] });
      }
    }
    session.run();
    expect(beliefs(b).get(headOf({ author: 3, height: 6 }).logId)).toBe(6);
    expect(beliefs(a).get(headOf({ author: 4, height: 7 }).logId)).toBe(7);
  });

  test("a peer without the feature gets frontiers, and so does one with a small set", () => {
    const old = createSetSide("b", range(100), { features: 0 });
    const a = createSetSide("a", range(101));
    compareSets(a, old);
    expectTruth(a, old);
    const small = createSetSide("b", range(10), { reconcileLogs: 64 });
    const large = createSetSide("a", range(101), { reconcileLogs: 64 });
    compareSets(large, small);
    expectTruth(large, small);
    const types = (side: SetSide): ReadonlySet<string> =>
      new Set(side.sent.map(({ message }) => message.type));
    expect(types(a)).not.toContain("summary");
    expect(types(old)).not.toContain("summary");
    expect(types(large)).toContain("summary");
    expect(types(small)).not.toContain("summary");
  });
});

describe("access", () => {
  const items = [...range(120), ...range(40, 500).map((item) => ({ ...item, control: true }))];
  const newKey = keyOf("a later key");

  for (const names of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    test(`a fall at any moment of a comparison, ${names[0]} first`, () => {
      for (let moment = 3; moment < 14; moment++) {
        const [a, b] = sides(items, [...items, ...range(5, 900)], names);
        const session = connectSets(a, b);
        for (let flight = 0; flight < moment; flight++) session.step();
        session.feed(a, { type: "topics", topics: [snapshotOf("control", [newKey])] });
        session.step();
        session.feed(b, { type: "topics", topics: [snapshotOf("none", [newKey])] });
        session.run();
        expectTruth(a, b);
      }
    });

    test(`one side gives less than the other, then as much, ${names[0]} first`, () => {
      for (let moment = 4; moment < 12; moment++) {
        const [a, b] = sides(items, [...items, ...range(5, 900)], names);
        const session = connectSets(a, b);
        session.step();
        session.step();
        session.feed(a, { type: "topics", topics: [snapshotOf("control", [newKey])] });
        for (let flight = 2; flight < moment; flight++) session.step();
        session.feed(a, { type: "topics", topics: [snapshotOf("full", [newKey])] });
        session.feed(b, { type: "topics", topics: [snapshotOf("full", [])] });
        session.run();
        expectTruth(a, b);
      }
    });

    test(`a side leaves the topic and comes back at any moment, ${names[0]} first`, () => {
      for (let moment = 3; moment < 12; moment++) {
        const [a, b] = sides(items, [...items, ...range(5, 900)], names);
        const session = connectSets(a, b);
        for (let flight = 0; flight < moment; flight++) session.step();
        session.feed(a, { type: "topics", topics: [] });
        session.feed(a, { type: "topics", topics: [snapshotOf("none")] });
        session.run();
        expectTruth(a, b);
      }
    });
  }
});
