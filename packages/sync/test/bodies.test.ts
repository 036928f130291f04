/** docs/spec/3-sync.md §7.2: points of bodies, from honest peers and others. */
import { toHex } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type {
  BodySource,
  PieceOptions,
  PieceRead,
  PieceRequest,
  PiecesOutcome,
} from "@hawser/sync";
import { encodeMessage } from "../src/encode.ts";
import { featureBits, featuresKnown } from "../src/codes.ts";
import { asksOpenMax, asksTakenMax, bodiesDueMax, pieceBytesMax } from "../src/limits.ts";
import type { AskMessage } from "../src/message.ts";
import {
  createWorld,
  crypto,
  followKey,
  keyOf,
  laterFollowKey,
  synced,
  type NodeOptions,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, type RawPeer } from "./raw-peer.ts";

const topic = topicOf("films");
const name = keyOf("film");

/** Points at depth 1 under `name`, as a body has them. */
function pointsOf(count: number, byteCount = 1_000): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    new Uint8Array(byteCount).fill(index % 251).fill(index >> 8, 0, 1),
  );
}

const points = pointsOf(40);
const hashes = points.map((point) => crypto.hash(point));

/** What a node has of the body, and what it was asked for. */
interface Shelf {
  readonly source: BodySource;
  readonly held: Set<number>;
  readonly asked: string[];
  /** Said instead of `none` while something is missing. */
  absent: PieceRead;
  come(): void;
}

function shelf(held: Iterable<number>, where: Topic = topic): Shelf {
  const listeners = new Set<(topic: Topic, name: Uint8Array) => void>();
  const own: Shelf = {
    held: new Set(held),
    asked: [],
    absent: { status: "none" },
    come: () => {
      for (const listener of listeners) listener(where, name);
    },
    source: {
      read: async (place) => {
        own.asked.push(`${place.depth}/${place.index}`);
        const isIt = place.topic === where && toHex(place.name) === toHex(name);
        const bytes = points[place.index];
        if (!isIt || place.depth !== 1 || bytes === undefined) return { status: "none" };
        return own.held.has(place.index) ? { status: "here", bytes } : own.absent;
      },
      onHere: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
  };
  return own;
}

const all = points.keys();
const everything: readonly number[] = [...all];

function member(world: World, label: string, options: NodeOptions = {}): TestNode {
  return world.node(label, [testTopic(topic, [followKey])], options);
}

function holder(world: World, label: string, held: Iterable<number> = everything) {
  const own = shelf(held);
  return { ...member(world, label, { bodies: own.source }), shelf: own };
}

function request(first = 0, count = 16): PieceRequest {
  return { topic, name, depth: 1, first, hashes: hashes.slice(first, first + count) };
}

/** Fetches, and checks that what came is what it should be. */
function fetched(
  node: TestNode,
  what: PieceRequest = request(),
  signal?: AbortSignal,
): { readonly got: Uint8Array[]; readonly outcome: Promise<PiecesOutcome> } {
  const got: Uint8Array[] = [];
  const take = (bytes: Uint8Array): void => {
    expect(toHex(crypto.hash(bytes))).toBe(toHex(what.hashes[got.length] ?? name));
    got.push(bytes);
  };
  const outcome = node.peer.fetchPieces(what, take, signal ? { signal } : {});
  outcome.catch(() => {});
  return { got, outcome };
}

/** A peer by hand with full access and the feature. */
async function insider(
  world: World,
  node: TestNode,
  options: { readonly features?: number; readonly key?: Uint8Array } = {},
): Promise<RawPeer> {
  const { features = featuresKnown & ~featureBits.reconcile, key = followKey } = options;
  const raw = connectRaw(world, node, { hello: { features } });
  await raw.shakeHands();
  await raw.announce(topic);
  await raw.prove(0, topic, key);
  // Full access, nothing announced.
  raw.send({
    type: "frontier",
    topicNumber: 0,
    generation: 1,
    answers: 1,
    access: key === followKey ? "full" : "none",
    first: true,
    last: true,
    eager: false,
    logs: [],
  });
  await world.timers.advance(5);
  return raw;
}

const nothing = new Uint8Array(0);

describe("fetching", () => {
  test("a body comes from whoever has it, in order and checked; asks grow as they go well", async () => {
    const world = createWorld(1);
    const [ada, ben] = [holder(world, "ada"), member(world, "ben")];
    await synced(world, world.connect(ada, ben));
    const { got, outcome } = fetched(ben);
    expect(await world.run(outcome)).toBe("whole");
    expect(got).toHaveLength(16);
    expect(ada.shelf.asked).toEqual(everything.slice(0, 16).map((index) => `1/${index}`));
  });

  test("nobody there: it waits, and goes on when somebody comes", async () => {
    const world = createWorld(2);
    const [ada, ben] = [holder(world, "ada"), member(world, "ben")];
    const { outcome } = fetched(ben);
    await world.timers.advance(60_000);
    world.connect(ada, ben);
    expect(await world.run(outcome)).toBe("whole");
  });

  test("nobody who is there has it: that is said once all were asked", async () => {
    const world = createWorld(3);
    const ben = member(world, "ben");
    const others = [holder(world, "ada", []), member(world, "eve"), holder(world, "cyd", [0, 1])];
    for (const other of others) await synced(world, world.connect(other, ben));
    const { got, outcome } = fetched(ben);
    expect(await world.run(outcome)).toBe("nobody");
    expect(got).toHaveLength(2);
  });

  test("two peers serve different points, of one request and of several at once", async () => {
    const world = createWorld(4);
    const ben = member(world, "ben");
    const low = holder(world, "low", everything.slice(0, 20));
    const high = holder(world, "high", everything.slice(20));
    for (const other of [low, high]) await synced(world, world.connect(other, ben));
    const parts = [request(0), request(12), request(24)].map((part) => fetched(ben, part));
    for (const { outcome } of parts) expect(await world.run(outcome)).toBe("whole");
    const both = [holder(world, "one"), holder(world, "two")];
    const cyd = member(world, "cyd");
    for (const other of both) await synced(world, world.connect(other, cyd));
    const more = [request(0), request(16), request(32, 8)].map((part) => fetched(cyd, part));
    for (const { outcome } of more) expect(await world.run(outcome)).toBe("whole");
    for (const other of both) expect(other.shelf.asked.length).toBeGreaterThan(0);
  });

  test("a cut in the middle: what came stays, the rest comes later, nothing twice", async () => {
    const world = createWorld(5);
    const [ada, ben] = [holder(world, "ada"), member(world, "ben")];
    const link = world.connect(ada, ben);
    await synced(world, link);
    const { got, outcome } = fetched(ben);
    await world.until(() => got.length >= 3);
    link.pair.cut();
    await world.timers.advance(1_000);
    const count = got.length;
    expect(count).toBeLessThan(16);
    ada.shelf.asked.length = 0;
    world.connect(ada, ben);
    expect(await world.run(outcome)).toBe("whole");
    expect(ada.shelf.asked[0]).toBe(`1/${count}`);
  });

  test("on its way: it waits, and hears when it has come; so does whoever was told no", async () => {
    const world = createWorld(6);
    const [hub, ben, eve] = [holder(world, "hub", []), member(world, "ben"), member(world, "eve")];
    for (const node of [ben, eve]) await synced(world, world.connect(node, hub));
    const no = fetched(eve);
    expect(await world.run(no.outcome)).toBe("nobody");
    const told: Topic[] = [];
    eve.peer.onBodies((where) => told.push(where));
    hub.shelf.absent = { status: "later" };
    const { got, outcome } = fetched(ben);
    await world.timers.advance(30_000);
    expect(got).toHaveLength(0);
    for (const index of everything) hub.shelf.held.add(index);
    hub.shelf.come();
    expect(await world.run(outcome)).toBe("whole");
    expect(told).toEqual([topic]);
  });

  test("somebody who cannot wait asks the writer first, and no more peers than it likes", async () => {
    const world = createWorld(14);
    const ben = member(world, "ben");
    const others = ["a", "b", "c", "d"].map((label) => holder(world, label, []));
    const writer = holder(world, "writer");
    const none = { patience: "none" } as const;
    const ask = (options: PieceOptions): Promise<PiecesOutcome> =>
      world.run(ben.peer.fetchPieces(request(0, 1), () => {}, options));
    expect(await ask(none)).toBe("nobody");
    for (const node of [...others, writer]) await synced(world, world.connect(node, ben));
    expect(await ask({ ...none, peersMax: 2 })).toBe("nobody");
    expect(others.flatMap((node) => node.shelf.asked)).toHaveLength(2);
    expect(await ask({ ...none, peersMax: 1, prefer: writer.id })).toBe("whole");
    expect(others.flatMap((node) => node.shelf.asked)).toHaveLength(2);
    for (const node of others) node.shelf.absent = { status: "later" };
    expect(await ask({ ...none, peersMax: 4 })).toBe("nobody");
  });

  test("random delays, cuts and helpers: it ends whole whenever the points are somewhere", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(fc.subarray([...everything], { minLength: 10 }), { minLength: 1, maxLength: 3 }),
        async (seed, parts) => {
          const world = createWorld(seed, { delayMsMax: 20, cutChance: 0.05 });
          const ben = member(world, "ben");
          const helpers = parts.map((held, index) => holder(world, `helper ${index}`, held));
          const got: Uint8Array[] = [];
          // As an owner does it: what is left is asked for again, whoever comes.
          const attempt = async (ms: number): Promise<void> => {
            for (const helper of helpers) world.connect(helper, ben);
            const left = request(got.length, 16 - got.length);
            const stop = new AbortController();
            const one = fetched(ben, left, stop.signal);
            await world.timers.advance(ms);
            stop.abort();
            await one.outcome.catch(() => {});
            got.push(...one.got);
          };
          for (let round = 0; round < 3 && got.length < 16; round++) await attempt(300);
          world.network.heal();
          // Twice: who comes first may lack what the next one has.
          for (let round = 0; round < 2 && got.length < 16; round++) await attempt(500);
          const first = everything.slice(0, 16).findIndex((index) => {
            return !parts.some((held) => held.includes(index));
          });
          expect(got).toHaveLength(first < 0 ? 16 : first);
          await ben.peer[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 8 },
    );
  }, 60_000);

  test("aborting and closing end the wait with a code, and bad requests are refused", async () => {
    const world = createWorld(8);
    const ben = member(world, "ben");
    const stop = new AbortController();
    const waits = fetched(ben, request(), stop.signal);
    stop.abort();
    await expect(waits.outcome).rejects.toMatchObject({ code: "SYNC_ABORTED" });
    await expect(fetched(ben, request(), stop.signal).outcome).rejects.toMatchObject({
      code: "SYNC_ABORTED",
    });
    const other = fetched(ben);
    await ben.peer[Symbol.asyncDispose]();
    await expect(other.outcome).rejects.toMatchObject({ code: "SYNC_CLOSED" });
    await expect(fetched(ben).outcome).rejects.toMatchObject({ code: "SYNC_CLOSED" });
    const bad: readonly Partial<PieceRequest>[] = [
      { hashes: [] },
      { hashes: hashes.slice(0, 17) },
      { depth: 0 },
      { depth: 5, hashes: hashes.slice(0, 1) },
      { first: 1_020 },
      { name: new Uint8Array(31) },
    ];
    for (const change of bad) {
      expect(() => fetched(ben, { ...request(), ...change })).toThrow(/request for points/);
    }
  });

  test("more than 1,024 requests at once are refused, not kept", async () => {
    const world = createWorld(9);
    const ben = member(world, "ben");
    const waiting = Array.from({ length: 1_024 }, () => fetched(ben, request(0, 1)));
    await expect(fetched(ben).outcome).rejects.toMatchObject({ code: "SYNC_TOO_MANY_REQUESTS" });
    const ada = holder(world, "ada");
    world.connect(ada, ben);
    for (const { outcome } of waiting) expect(await world.run(outcome)).toBe("whole");
  });
});

describe("who is asked, and who is served", () => {
  test("without the feature, the follow key or the topic nobody is asked and nothing is given", async () => {
    const world = createWorld(10);
    const ada = holder(world, "ada");
    const ask = { type: "ask", topicNumber: 0, name, depth: 1, first: 0, count: 4 } as const;
    const stranger = await insider(world, ada, { key: laterFollowKey });
    const waits = fetched(ada, request(20));
    stranger.send(ask);
    await world.timers.advance(5);
    // The same answer as for a body that nobody ever made, and the shelf was not even looked at.
    expect(stranger.ofType("piece")).toEqual([
      { type: "piece", askNumber: 0, state: "none", bytes: nothing },
    ]);
    expect(stranger.ofType("ask")).toEqual([]);
    expect(ada.shelf.asked).toEqual([]);
    const old = await insider(world, ada, { features: 0 });
    expect(old.ofType("ask")).toEqual([]);
    old.send(ask);
    await world.timers.advance(5);
    expect(old.ofType("bye")).toMatchObject([{ code: "SYNC_BAD_MESSAGE" }]);
    const full = await insider(world, ada);
    expect(full.ofType("ask")).toHaveLength(1);
    full.send({ ...ask, name: keyOf("another film") });
    full.send(ask);
    await world.timers.advance(20);
    expect(full.ofType("piece").map(({ askNumber, state }) => [askNumber, state])).toEqual([
      [0, "none"],
      ...Array.from({ length: 4 }, () => [1, "point"]),
    ]);
    await ada.peer[Symbol.asyncDispose]();
    await expect(waits.outcome).rejects.toMatchObject({ code: "SYNC_CLOSED" });
  });

  test("access that falls in the middle of an ask ends it there", async () => {
    const world = createWorld(11);
    const own = shelf(everything);
    const topics = [testTopic(topic, [followKey])];
    const gate = Promise.withResolvers<void>();
    const bodies: BodySource = {
      ...own.source,
      read: async (place) => {
        if (place.index === 2) await gate.promise;
        return own.source.read(place);
      },
    };
    const ada = world.node("ada", topics, { bodies });
    const raw = await insider(world, ada);
    raw.send({ type: "ask", topicNumber: 0, name, depth: 1, first: 0, count: 8 });
    await world.timers.advance(5);
    if (topics[0] !== undefined) topics[0].keys = [laterFollowKey];
    ada.topics.splice(0, 1, testTopic(topic, [laterFollowKey]));
    ada.peer.topicsChanged();
    await world.timers.advance(5);
    gate.resolve();
    await world.timers.advance(5);
    expect(raw.ofType("piece").map(({ state }) => state)).toEqual(["point", "point", "none"]);
  });

  test("a session's allowance of bytes ends", async () => {
    const world = createWorld(12);
    const own = shelf(everything);
    const ada = member(world, "ada", { bodies: own.source, bodyBytes: 2_500 });
    const raw = await insider(world, ada);
    raw.send({ type: "ask", topicNumber: 0, name, depth: 1, first: 0, count: 8 });
    await world.timers.advance(5);
    expect(raw.ofType("piece").map(({ state }) => state)).toEqual([
      "point",
      "point",
      "point",
      "none",
    ]);
  });

  test("a source that gives too much, or nothing as a point, counts as one that has none", async () => {
    const world = createWorld(13);
    const sizes = [pieceBytesMax + 1, 0, pieceBytesMax];
    const bodies: BodySource = {
      read: async () => ({ status: "here", bytes: new Uint8Array(sizes.shift() ?? 1) }),
      onHere: () => () => {},
    };
    const raw = await insider(world, member(world, "ada", { bodies }));
    for (let count = 0; count < 3; count++) {
      raw.send({ type: "ask", topicNumber: 0, name, depth: 0, first: 0, count: 1 });
    }
    await world.timers.advance(5);
    const answers = raw.ofType("piece").map(({ bytes }) => bytes.length);
    expect(answers).toEqual([0, 0, pieceBytesMax]);
  });
});

describe("hostile peers", () => {
  test("a lie costs one point; the liar is not asked again for that body, also when it comes back", async () => {
    const world = createWorld(20);
    const ben = member(world, "ben");
    const { got, outcome } = fetched(ben);
    const liar = await insider(world, ben);
    const [asked] = liar.ofType("ask");
    // The first ask to a peer is for a single point.
    expect(asked).toMatchObject({ depth: 1, first: 0, count: 1 });
    liar.send({ type: "piece", askNumber: 0, state: "point", bytes: keyOf("a lie") });
    await world.timers.advance(5);
    expect(got).toHaveLength(0);
    expect(await world.run(outcome)).toBe("nobody");
    const again = fetched(ben);
    expect(await world.run(again.outcome)).toBe("nobody");
    expect(liar.ofType("ask")).toHaveLength(1);
    expect(liar.ofType("bye")).toEqual([]);
    const ada = holder(world, "ada");
    await synced(world, world.connect(ada, ben));
    const back = await insider(world, ben);
    expect(await world.run(fetched(ben).outcome)).toBe("whole");
    expect(back.ofType("ask")).toEqual([]);
    // Of another body it may tell the truth.
    const other = { ...request(0, 1), name: keyOf("another") };
    const third = fetched(ben, other);
    await world.timers.advance(50);
    expect([...liar.ofType("ask"), ...back.ofType("ask")]).toHaveLength(2);
    expect(third.got).toHaveLength(0);
  });

  test("after honest points a lie costs the rest of one ask, unread", async () => {
    const world = createWorld(21);
    const ben = member(world, "ben");
    const { got, outcome } = fetched(ben);
    const liar = await insider(world, ben);
    let answered = 0;
    const answer = async (make: (index: number) => Uint8Array): Promise<void> => {
      const ask = liar.ofType("ask")[answered];
      for (let at = 0; at < (ask?.count ?? 0); at++) {
        const bytes = make((ask?.first ?? 0) + at);
        liar.send({ type: "piece", askNumber: answered, state: "point", bytes });
      }
      answered += 1;
      await world.timers.advance(5);
    };
    for (let round = 0; round < 3; round++) await answer((index) => points[index] ?? nothing);
    expect(liar.ofType("ask").map(({ count }) => count)).toEqual([1, 2, 4, 8]);
    expect(got).toHaveLength(7);
    await answer((index) => (index === 7 ? keyOf("lie") : (points[index] ?? nothing)));
    expect(got).toHaveLength(7);
    expect(await world.run(outcome)).toBe("nobody");
  });

  test("points that nobody asked for, or more of them than asked, end the session", async () => {
    const world = createWorld(22);
    const ben = member(world, "ben");
    const unasked = await insider(world, ben);
    unasked.send({ type: "piece", askNumber: 0, state: "point", bytes: points[0] ?? nothing });
    await world.timers.advance(5);
    expect(unasked.ofType("bye")).toMatchObject([{ code: "SYNC_BAD_MESSAGE" }]);
    const { outcome } = fetched(ben, request(0, 1));
    const twice = await insider(world, ben);
    const [point = nothing] = points;
    twice.send({ type: "piece", askNumber: 0, state: "point", bytes: point });
    await world.timers.advance(5);
    expect(await outcome).toBe("whole");
    twice.send({ type: "piece", askNumber: 0, state: "point", bytes: point });
    await world.timers.advance(5);
    expect(twice.ofType("bye")).toMatchObject([{ code: "SYNC_BAD_MESSAGE" }]);
  });

  test("who neither sends nor refuses is given up after two heartbeats; at most four asks are out", async () => {
    const world = createWorld(23);
    const ben = member(world, "ben");
    const silent = await insider(world, ben);
    const parts = Array.from({ length: 9 }, (_, index) => fetched(ben, request(index, 1)));
    await world.timers.advance(5);
    expect(silent.ofType("ask")).toHaveLength(asksOpenMax);
    const beat = async (): Promise<void> => {
      silent.send({ type: "heartbeat" });
      await world.timers.advance(20_000);
    };
    for (let beats = 0; beats < 3; beats++) await beat();
    expect(silent.ofType("ask")).toHaveLength(asksOpenMax);
    for (const { outcome } of parts) expect(await world.run(outcome)).toBe("nobody");
    await synced(world, world.connect(holder(world, "ada"), ben));
    expect(await world.run(fetched(ben).outcome)).toBe("whole");
    // What it sends after all is passed over.
    silent.send({ type: "piece", askNumber: 0, state: "point", bytes: points[0] ?? nothing });
    await world.timers.advance(5);
    expect(silent.ofType("bye")).toEqual([]);
  });

  test("thousands of asks: eight at once, one read at a time, entries unharmed", async () => {
    const world = createWorld(24);
    const own = shelf(everything);
    const gates: (() => void)[] = [];
    const bodies: BodySource = {
      ...own.source,
      read: async (place) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        return own.source.read(place);
      },
    };
    const ada = member(world, "ada", { bodies });
    const flood = await insider(world, ada);
    const ask: AskMessage = { type: "ask", topicNumber: 0, name, depth: 1, first: 0, count: 16 };
    for (let count = 0; count < asksTakenMax; count++) flood.send(ask);
    await world.timers.advance(50);
    expect(gates).toHaveLength(1);
    expect(flood.ofType("bye")).toEqual([]);
    const cyd = member(world, "cyd");
    await ada.append(topic, 50);
    await synced(world, world.connect(ada, cyd));
    expect(await cyd.heads(topic)).toHaveLength(1);
    for (let count = 0; count < 5_000; count++) flood.send(ask);
    await world.timers.advance(50);
    expect(flood.ofType("bye")).toMatchObject([{ code: "SYNC_OVER_LIMIT" }]);
    expect(gates).toHaveLength(1);
  });

  test("asks for a thousand unknown bodies: a constant answer each, and a bounded memory of them", async () => {
    const world = createWorld(25);
    const ada = holder(world, "ada", []);
    const raw = await insider(world, ada);
    for (let count = 0; count < 1_000; count++) {
      const unknown = keyOf(`unknown ${count}`);
      raw.send({ type: "ask", topicNumber: 0, name: unknown, depth: 0, first: 0, count: 1 });
      if (count % 8 === 7) await world.timers.advance(5);
    }
    await world.timers.advance(50);
    const sizes = raw.ofType("piece").map(({ state, bytes }) => `${state} ${bytes.length}`);
    expect(sizes).toHaveLength(1_000);
    expect(new Set(sizes)).toEqual(new Set(["none 0"]));
    expect(bodiesDueMax).toBeLessThan(1_000);
    ada.shelf.come();
    await world.timers.advance(5);
    expect(raw.ofType("have")).toEqual([]);
  });

  test("haves about nothing we asked for change nothing; without the feature they end the session", async () => {
    const world = createWorld(26);
    const ada = holder(world, "ada");
    const raw = await insider(world, ada);
    for (let count = 0; count < 500; count++) {
      raw.send({ type: "have", topicNumber: 0, name: keyOf(`x ${count}`) });
    }
    await world.timers.advance(50);
    expect(raw.ofType("ask")).toEqual([]);
    expect(raw.ofType("bye")).toEqual([]);
    const old = await insider(world, ada, { features: featureBits.broadcast });
    old.send({ type: "have", topicNumber: 0, name });
    await world.timers.advance(5);
    expect(old.ofType("bye")).toMatchObject([{ code: "SYNC_BAD_MESSAGE" }]);
  });

  test("random asks, pieces and haves at any moment: no crash, and only true points get in", async () => {
    const number = fc.integer({ min: 0, max: 3 });
    const message = fc.oneof(
      fc.record({
        type: fc.constant("ask" as const),
        topicNumber: fc.constantFrom(0, 0, 0, 3),
        name: fc.constantFrom(name, keyOf("other")),
        depth: fc.constantFrom(0, 1, 4),
        first: fc.constant(0),
        count: fc.constant(1),
      }),
      fc
        .tuple(number, fc.constantFrom(...points.slice(0, 4), keyOf("lie")))
        .map(([askNumber, bytes]) => ({
          type: "piece" as const,
          askNumber,
          state: "point" as const,
          bytes,
        })),
      fc.tuple(number, fc.constantFrom("none" as const, "later" as const)).map((both) => ({
        type: "piece" as const,
        askNumber: both[0],
        state: both[1],
        bytes: nothing,
      })),
      fc.record({
        type: fc.constant("have" as const),
        topicNumber: fc.constantFrom(0, 0, 0, 3),
        name: fc.constantFrom(name, keyOf("other")),
      }),
    );
    const pick = fc.record({
      next: message,
      place: fc.nat(),
      byte: fc.option(fc.nat(255), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(pick, { maxLength: 30 }), async (picks) => {
        const world = createWorld(27);
        const ben = holder(world, "ben");
        const { got, outcome } = fetched(ben, request(0, 4));
        const raw = await insider(world, ben);
        for (const { next, place, byte } of picks) {
          const frame = encodeMessage(next);
          if (byte !== undefined) frame[place % frame.length] = byte;
          raw.sendFrame(frame);
          await world.timers.advance(2);
        }
        expect(got.map((bytes) => toHex(bytes))).toEqual(
          points.slice(0, got.length).map((bytes) => toHex(bytes)),
        );
        const ada = holder(world, "ada");
        await synced(world, world.connect(ada, ben));
        const rest = fetched(ben, request(0, 4));
        expect(await world.run(rest.outcome)).toBe("whole");
        expect(["whole", "nobody"]).toContain(await world.run(outcome));
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
