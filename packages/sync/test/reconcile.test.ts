/** docs/spec/3-sync.md §6.1: reconciliation of large topics, held against plain set difference. */
import fc from "fast-check";
import { decodeMessage, encodeMessage, type Message } from "@hawser/sync";
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
import type { ReconcileMessage } from "../src/message.ts";
import { reportOf } from "../src/report.ts";
import { keyOf } from "./harness.ts";

function range(count: number, from = 0): readonly Item[] {
  return Array.from({ length: count }, (_, index) => ({ author: from + index, height: 3 }));
}

/** Each side knows of every log of the other how high it stands there, and nothing else. */
function expectTruth(a: SetSide, b: SetSide): void {
  expect(closeCodesOf(a, b)).toEqual([]);
  expect(beliefs(a)).toEqual(holdings(b));
  expect(beliefs(b)).toEqual(holdings(a));
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
      { numRuns: 40, seed: 5 },
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
    ["huge against one log", range(1_500), range(1)],
    ["huge against nothing", range(1_500), []],
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

  test("a set of 5,000 logs that all differ takes several frames a turn, and comes through", () => {
    const height = (items: readonly Item[]): readonly Item[] =>
      items.map((item) => ({ ...item, height: 9 }));
    const [a, b] = sides(range(5_000), height(range(5_000)));
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

test("a log that a session had no room to name keeps the report from being complete", () => {
  const [a, b] = sides(range(100), range(101));
  compareSets(a, b);
  const own = a.state.topics.get(topic);
  const before = reportOf(a.state).topics[0]?.skippedThere;
  expect(before).toBe(0);
  const untold = headOf({ author: 7_777, height: 1 });
  own?.heads.set(untold.logId, untold);
  expect(reportOf(a.state)).toMatchObject({ complete: false, topics: [{ skippedThere: 1 }] });
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

describe("a peer that does not play by the rules", () => {
  /** A session in which `a` has sent its summary and, being first, its split. */
  function opened(names: readonly [string, string] = ["a", "b"]): {
    readonly a: SetSide;
    readonly b: SetSide;
    say(message: Partial<Message> & { readonly type: Message["type"] }): void;
  } {
    const [a, b] = sides(range(300), range(301), names);
    const session = connectSets(a, b);
    for (let flight = 0; flight < 5; flight++) session.step();
    const topicNumber = b.state.topics.get(topic)?.ownNumber ?? -1;
    const generation = b.state.topics.get(topic)?.out.generation ?? -1;
    const peerGeneration = a.state.topics.get(topic)?.out.generation ?? -1;
    return {
      a,
      b,
      say: (message) => {
        const full = { topicNumber, generation, peerGeneration, ...message };
        // Safe: each test names all that its message needs beyond these.
        session.feed(a, { type: "frame", frame: encodeMessage(full as Message) });
      },
    };
  }

  /** The name that makes side `a` take the first turn, and the one that makes it wait. */
  const asker = isFirst(["a", "b"]) ? (["a", "b"] as const) : (["b", "a"] as const);
  const waiter = [asker[1], asker[0]] as const;

  function isFirst(names: readonly [string, string]): boolean {
    const [a, b] = sides(range(30), range(31), names);
    compareSets(a, b);
    return a.state.role === 0;
  }

  const equal = (count: number): readonly "equal"[] =>
    Array.from({ length: count }, () => "equal" as const);
  const fingerprints = (bits: number): Uint8Array => new Uint8Array(2 ** bits * 12);

  test("a turn out of turn, marks and splits that nobody asked for", () => {
    const turn = { type: "reconcile", state: "end", marks: [], splits: [] } as const;
    const askedChildren = opened(asker).a.state.topics.get(topic)?.recon?.asked[0]?.length ?? 0;
    expect(askedChildren).toBeGreaterThan(1);
    const cases: readonly (readonly [readonly [string, string], Partial<ReconcileMessage>])[] = [
      [asker, { ...turn }],
      [asker, { ...turn, marks: [equal(askedChildren), equal(2)] }],
      [asker, { ...turn, marks: [equal(askedChildren / 2)] }],
      [asker, { ...turn, splits: [{ bits: 1, fingerprints: fingerprints(1) }] }],
      [
        asker,
        {
          ...turn,
          marks: [equal(askedChildren)],
          splits: [{ bits: 1, fingerprints: fingerprints(1) }],
        },
      ],
      [waiter, { ...turn, marks: [equal(2)] }],
      [
        waiter,
        {
          ...turn,
          splits: [
            { bits: 1, fingerprints: fingerprints(1) },
            { bits: 1, fingerprints: fingerprints(1) },
          ],
        },
      ],
      [waiter, { ...turn, generation: 1_000 }],
      [waiter, { ...turn, peerGeneration: 1_000 }],
    ];
    for (const [names, message] of cases) {
      const { a, say } = opened(names);
      expect(closeCodesOf(a)).toEqual([]);
      say({ ...message, type: "reconcile" });
      expect(closeCodesOf(a)).toEqual(["SYNC_BAD_MESSAGE"]);
    }
  });

  test("a summary of an old generation, or of an answer to no proof, or one too many", () => {
    const summary = {
      type: "summary",
      answers: 1,
      access: "full",
      count: 3,
      fingerprint: keyOf("a set"),
    } as const;
    for (const change of [{ generation: 1 }, { generation: 900, answers: 77 }]) {
      const { a, say } = opened();
      say({ ...summary, ...change });
      expect(closeCodesOf(a)).toEqual(["SYNC_BAD_MESSAGE"]);
    }
    const { a, say } = opened();
    for (let generation = 2; closeCodesOf(a).length === 0; generation++) {
      say({ ...summary, generation });
      if (generation > 1_000) break;
    }
    expect(closeCodesOf(a)).toEqual(["SYNC_OVER_LIMIT"]);
    // Only the first is answered by a frontier of everything; that is not repeated for each.
    const told = a.sent.filter(({ message }) => message.type === "frontier").length;
    expect(told).toBeLessThanOrEqual(3);
  });

  test("without the feature in both hellos these messages end the session", () => {
    const [a, b] = sides(range(10), range(10));
    const old = createSetSide("b", range(10), { features: 0 });
    const session = connectSets(a, old);
    session.run();
    for (const side of [a, old]) expect(closeCodesOf(side)).toEqual([]);
    const { topicNumber, generation } = { topicNumber: numberOf(a), generation: 50 };
    session.feed(old, {
      type: "frame",
      frame: encodeMessage({
        type: "summary",
        topicNumber,
        generation,
        answers: 1,
        access: "full",
        count: 1,
        fingerprint: keyOf("x"),
      }),
    });
    expect(closeCodesOf(old)).toEqual(["SYNC_BAD_MESSAGE"]);
    expect(b.sent).toEqual([]);
  });

  test("whoever claims that all differs, again and again, ends in a bounded number of turns", () => {
    const liar = opened(asker);
    const { a, say } = liar;
    for (let turn = 0; turn < 100; turn++) {
      const recon = a.state.topics.get(topic)?.recon;
      if (recon === undefined || recon.phase !== "open" || recon.isOwnTurn) break;
      const marks = recon.asked.map((children) => children.map(() => "split" as const));
      const splits = marks.flat().map(() => ({ bits: 1, fingerprints: fingerprints(1) }));
      say({ type: "reconcile", state: "end", marks, splits });
      if (closeCodesOf(a).length > 0) break;
    }
    const turns = a.sent.filter(({ message }) => message.type === "reconcile");
    expect(turns.length).toBeLessThan(40);
    expect(a.state.topics.get(topic)?.recon?.phase).not.toBe("offered");
  });

  test("too many fingerprints in one turn", () => {
    const { a, say } = opened(asker);
    const recon = a.state.topics.get(topic)?.recon;
    const marks = (recon?.asked ?? []).map((children) => children.map(() => "split" as const));
    const large = { bits: 8, fingerprints: fingerprints(8) };
    say({ type: "reconcile", state: "on", marks, splits: [] });
    const splits = Array.from({ length: 64 }, () => large);
    say({ type: "reconcile", state: "on", marks: [], splits });
    expect(closeCodesOf(a)).toEqual([]);
    for (let part = 0; part < 20; part++)
      say({ type: "reconcile", state: "on", marks: [], splits });
    expect(closeCodesOf(a)).toHaveLength(1);
  });

  test("frames changed, doubled and dropped: no crash, and what is believed was said", () => {
    const changes = fc.array(
      fc.record({
        flight: fc.nat(9),
        frame: fc.nat(3),
        place: fc.nat(4_000),
        byte: fc.nat(255),
        kind: fc.constantFrom("change", "double", "drop"),
      }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(changes, (picks) => {
        const [a, b] = sides(range(120), range(120, 6));
        const session = connectSets(a, b, (frame, flight, index) => {
          const found = picks.filter((pick) => pick.flight === flight && pick.frame === index);
          return found.reduce<readonly Uint8Array[]>(
            (frames, { kind, place, byte }) => {
              if (kind === "drop") return [];
              if (kind === "double") return [...frames, ...frames];
              return frames.map((whole) => {
                const copy = whole.slice();
                copy[place % copy.length] = byte;
                return copy;
              });
            },
            [frame],
          );
        });
        session.run();
        for (const side of [a, b]) {
          const recon = side.state.topics.get(topic)?.recon;
          if (recon?.phase === "done") expect(recon.items.logIds).toEqual([]);
        }
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  function numberOf(side: SetSide): number {
    return side.state.topics.get(topic)?.ownNumber ?? -1;
  }
});

describe("frames", () => {
  const examples: readonly (readonly [string, Message])[] = [
    [
      "10 02 01 03 02 05 dd".replaceAll(" ", "") + "dd".repeat(31),
      {
        type: "summary",
        topicNumber: 2,
        generation: 1,
        answers: 3,
        access: "full",
        count: 5,
        fingerprint: new Uint8Array(32).fill(0xdd),
      },
    ],
    [
      "11020103010102240101" + "aa".repeat(12) + "bb".repeat(12),
      {
        type: "reconcile",
        topicNumber: 2,
        generation: 1,
        peerGeneration: 3,
        state: "end",
        marks: [["equal", "listed", "split", "equal"]],
        splits: [
          {
            bits: 1,
            fingerprints: new Uint8Array(24).fill(0xaa, 0, 12).fill(0xbb, 12),
          },
        ],
      },
    ],
    [
      "110201030200 00".replaceAll(" ", ""),
      {
        type: "reconcile",
        topicNumber: 2,
        generation: 1,
        peerGeneration: 3,
        state: "off",
        marks: [],
        splits: [],
      },
    ],
  ];

  test.each(examples)("%s", (text, message) => {
    const frame = fromText(text);
    expect(decodeMessage(frame)).toEqual(message);
    expect(encodeMessage(message)).toEqual(frame);
    for (let length = 0; length < frame.length; length++) {
      expect(decodeMessage(frame.subarray(0, length))).toBeUndefined();
    }
  });

  test.each([
    ["a summary without access", `1002010300 05${"dd".repeat(32)}`],
    ["a summary of more logs than there may be", `10020103 02 818040${"dd".repeat(32)}`],
    ["a turn of an unknown state", "1102010303 0000"],
    ["an end to comparing that says more", "11020103020101 00 00"],
    ["marks of no bits", "11020103 01 01 00 00 00"],
    ["marks of nine bits", `11020103 01 01 09 ${"00".repeat(128)} 00`],
    ["a mark of 3", "11020103 01 01 02 03 00"],
    ["filler that is not zero", "11020103 01 01 01 10 00"],
    ["a split of nine bits", `11020103 01 00 01 09 ${"00".repeat(6_144)}`],
    ["a split without its fingerprints", `11020103 01 00 01 01 ${"00".repeat(23)}`],
    ["more splits than bytes", "11020103 01 00 ff03"],
  ])("refused: %s", (_name, text) => {
    expect(decodeMessage(fromText(text.replaceAll(" ", "")))).toBeUndefined();
  });

  function fromText(text: string): Uint8Array {
    return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  }
});
