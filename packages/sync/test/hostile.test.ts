/** docs/spec/3-sync.md §8–§9: peers that do not play by the rules. */
import { toHex } from "@hawser/codec";
import { cutRange, type EncodedRange, logIdOf } from "@hawser/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../src/decode.ts";
import { encodeMessage } from "../src/encode.ts";
import type { Message } from "../src/message.ts";
import {
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  keyOf,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, type RawPeer, rawSecret } from "./raw-peer.ts";

const topic = topicOf("target");

function member(world: World, name: string): TestNode {
  return world.node(name, [testTopic(topic, [followKey])]);
}

/** A hand-made peer with full access, announced and proved. */
async function insider(world: World, node: TestNode): Promise<RawPeer> {
  const raw = connectRaw(world, node);
  await raw.shakeHands();
  await raw.announce(topic);
  await raw.prove(0, topic, followKey);
  await world.timers.advance(5);
  return raw;
}

function codeOf(raw: RawPeer): string | undefined {
  return raw.ofType("bye")[0]?.code;
}

/** A true range of a log of ours: what an honest peer would send. */
async function trueRange(world: World, count: number): Promise<EncodedRange> {
  const author = world.node("author", [testTopic(topic, [followKey])], { secret: rawSecret });
  await author.append(topic, count);
  const [head] = await author.heads(topic);
  for await (const range of author.store.ranges(head?.logId ?? never())) return range;
  return never();
}

function frontierOf(height: number, change: Partial<Message & { type: "frontier" }> = {}): Message {
  return {
    type: "frontier",
    topicNumber: 0,
    generation: 1,
    answers: 1,
    access: "full",
    first: true,
    last: true,
    eager: false,
    logs: [
      {
        author: toHex(keyOf("log author")) as never,
        domain: data,
        height,
        prunedTo: 0,
        hash: height > 0 ? keyOf("some head") : undefined,
      },
    ],
    ...change,
  };
}

/** Announces the log of a range at the range's end. */
function frontierFor(range: EncodedRange): Message {
  const height = range.from + range.count;
  const { author } = range.context;
  const log = { author, domain: data, height, prunedTo: 0, hash: keyOf("some head") };
  return frontierOf(height, { logs: [log] });
}

/** A range in one frame, of the first log announced. */
function rangeOf(range: EncodedRange): Message {
  const { from, count, bytes } = range;
  const byteCount = bytes.length;
  return { type: "range", topicNumber: 0, logNumber: 0, from, count, byteCount, bytes };
}

const sorts: readonly (readonly [string, string, (raw: RawPeer, world: World) => unknown])[] = [
  [
    "[P2-L-unexpected_operation_before_presync] a range before any frontier",
    "SYNC_BAD_MESSAGE",
    (raw) =>
      raw.send({
        type: "range",
        topicNumber: 99,
        logNumber: 0,
        from: 0,
        count: 1,
        byteCount: 3,
        bytes: new Uint8Array(3),
      }),
  ],
  [
    "[P2-L-unexpected_presync_twice] the same generation begun twice",
    "SYNC_BAD_MESSAGE",
    (raw) => {
      raw.send(frontierOf(1));
      raw.send(frontierOf(1));
    },
  ],
  [
    "[P2-L-unexpected_done_before_anything] acks for logs never announced",
    "SYNC_BAD_MESSAGE",
    (raw) =>
      raw.send({
        type: "acks",
        topicNumber: 0,
        generation: 1,
        acks: [{ logNumber: 7, height: 1, hashStart: new Uint8Array(16) }],
      }),
  ],
  [
    "[P2-L-unexpected_have_after_presync] a second hello",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.sendFrame(raw.frames[0] ?? never()),
  ],
  ["identities twice", "SYNC_BAD_MESSAGE", (raw) => raw.sendFrame(raw.frames[1] ?? never())],
  [
    "wants of a generation to come",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.send({ type: "wants", topicNumber: 0, generation: 9, wants: [] }),
  ],
  [
    "a topic number never given",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.send(frontierOf(1, { topicNumber: 5 })),
  ],
  ["logs without access", "SYNC_BAD_MESSAGE", (raw) => raw.send(frontierOf(1, { access: "none" }))],
  [
    "an answer to a proof never made",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.send(frontierOf(1, { answers: 77 })),
  ],
  [
    "a proof counted backwards",
    "SYNC_BAD_MESSAGE",
    (raw) =>
      raw.send({
        type: "proof",
        topicNumber: 0,
        counter: 1,
        macs: Array.from({ length: 4 }, () => new Uint8Array(32)),
      }),
  ],
  [
    "one topic hash twice",
    "SYNC_BAD_MESSAGE",
    (raw) =>
      raw.send({
        type: "topics",
        removed: [],
        added: [new Uint8Array(16), new Uint8Array(16)],
        last: true,
      }),
  ],
  [
    "a topic withdrawn that was not there",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.send({ type: "topics", removed: [500], added: [], last: true }),
  ],
  [
    "a continuation of nothing",
    "SYNC_BAD_MESSAGE",
    (raw) => raw.send({ type: "more", bytes: new Uint8Array(5) }),
  ],
  [
    "a range inside a range",
    "SYNC_BAD_MESSAGE",
    (raw) => {
      raw.send(frontierOf(5));
      const part = {
        type: "range" as const,
        topicNumber: 0,
        logNumber: 0,
        from: 0,
        count: 1,
        byteCount: 90,
        bytes: new Uint8Array(30),
      };
      raw.send(part);
      raw.send(part);
    },
  ],
  [
    "more bytes than a range said",
    "SYNC_BAD_MESSAGE",
    (raw) => {
      raw.send(frontierOf(5));
      raw.send({
        type: "range",
        topicNumber: 0,
        logNumber: 0,
        from: 0,
        count: 1,
        byteCount: 40,
        bytes: new Uint8Array(30),
      });
      raw.send({ type: "more", bytes: new Uint8Array(11) });
    },
  ],
  [
    "a range over the limit",
    "SYNC_OVER_LIMIT",
    (raw) => {
      raw.send(frontierOf(5));
      raw.send({
        type: "range",
        topicNumber: 0,
        logNumber: 0,
        from: 0,
        count: 1,
        byteCount: 17 * 1024 * 1024,
        bytes: new Uint8Array(30),
      });
    },
  ],
  [
    "a range of noise",
    "SYNC_BAD_RANGE",
    (raw) => {
      raw.send(frontierOf(5));
      raw.send({
        type: "range",
        topicNumber: 0,
        logNumber: 0,
        from: 0,
        count: 2,
        byteCount: 30,
        bytes: keyOf("noise").slice(0, 30),
      });
    },
  ],
  [
    "too much credit",
    "SYNC_BAD_MESSAGE",
    (raw) => {
      raw.send({ type: "credit", byteCount: 2 ** 30 });
      raw.send({ type: "credit", byteCount: 2 ** 30 });
    },
  ],
  [
    "a fork proof that proves nothing",
    "SYNC_BAD_MESSAGE",
    async (raw, world) => {
      const range = await trueRange(world, 3);
      raw.send(
        frontierOf(3, {
          logs: [
            {
              author: range.context.author,
              domain: data,
              height: 3,
              prunedTo: 0,
              hash: keyOf("x"),
            },
          ],
        }),
      );
      raw.send({
        type: "range",
        topicNumber: 0,
        logNumber: 0,
        from: 0,
        count: 3,
        byteCount: range.bytes.length,
        bytes: range.bytes,
      });
      await world.timers.advance(20);
      raw.send({
        type: "fork",
        topicNumber: 0,
        author: range.context.author,
        domain: data,
        seq: 1,
        firstByteCount: 40,
        byteCount: 80,
        bytes: new Uint8Array(80),
      });
    },
  ],
  [
    "more topics than a session holds",
    "SYNC_OVER_LIMIT",
    (raw) => {
      for (let part = 0; part < 5; part++) {
        const added = Array.from({ length: 4096 }, (_, n) => keyOf(`${part} ${n}`).slice(0, 16));
        raw.send({ type: "topics", removed: [], added, last: part === 4 });
      }
    },
  ],
  [
    "more logs than a topic holds",
    "SYNC_OVER_LIMIT",
    (raw) => {
      for (let part = 0; part < 33; part++) {
        const logs = Array.from({ length: 2048 }, (_, n) => ({
          author: (part * 2048 + n).toString(16).padStart(64, "0") as never,
          domain: data,
          height: 0,
          prunedTo: 0,
          hash: undefined,
        }));
        raw.send(frontierOf(0, { logs, first: part === 0, last: part === 32 }));
      }
    },
  ],
];

describe("broken rules", () => {
  test.each(sorts)("%s ends with %s, and others go on", async (_name, code, misbehave) => {
    const world = createWorld(1);
    const node = member(world, "ada");
    const friend = member(world, "friend");
    await node.append(topic, 3);
    const link = world.connect(node, friend);
    await synced(world, link);
    const raw = await insider(world, node);
    await misbehave(raw, world);
    await world.timers.advance(300);
    expect(codeOf(raw)).toBe(code);
    await node.append(topic, 4);
    await synced(world, link);
    await expectEqual(topic, node, friend);
    expect(node.peer.peers()).toHaveLength(1);
  });

  test("a true range with one bit changed costs the connection, and nothing untrue is stored", async () => {
    for (const place of [0, 40, 80, 120, 170]) {
      const world = createWorld(2);
      const node = member(world, "ada");
      const raw = await insider(world, node);
      const range = await trueRange(world, 3);
      const bytes = range.bytes.slice();
      bytes[place % bytes.length] = (bytes[place % bytes.length] ?? 0) ^ 1;
      raw.send(frontierFor(range));
      raw.send(rangeOf({ ...range, bytes }));
      await world.timers.advance(50);
      expect(codeOf(raw)).toBe("SYNC_BAD_RANGE");
      const truth = toHex(range.bytes);
      for (const head of await node.heads(topic)) {
        expect(head.height).toBe(head.signedHeight);
        expect(head.height).toBeLessThan(3);
        for await (const kept of node.store.ranges(head.logId)) {
          expect(truth.startsWith(toHex(kept.bytes))).toBe(true);
        }
      }
    }
  });

  test("ranges beyond the credit end with SYNC_CREDIT; what waits for ingest stays bounded", async () => {
    const world = createWorld(8);
    const limits = { windowBytes: 256 * 1024, rangeBytes: 256 * 1024 };
    const node = world.node("ada", [testTopic(topic, [followKey])], {
      ...limits,
      wrapIngest: () => () => new Promise(() => {}),
    });
    const raw = await insider(world, node);
    const range = await trueRange(world, 3);
    raw.send(frontierFor(range));
    const bytes = new Uint8Array(200_000);
    for (let n = 0; n < 4; n++) raw.send(rangeOf({ ...range, bytes }));
    await world.timers.advance(50);
    expect(codeOf(raw)).toBe("SYNC_CREDIT");
    const granted = raw.ofType("credit").reduce((sum, message) => sum + message.byteCount, 0);
    expect(granted).toBeLessThanOrEqual(limits.windowBytes + limits.rangeBytes);
  });

  test("explain remembers a bad range after its sender is gone", async () => {
    const world = createWorld(3);
    const node = member(world, "ada");
    const raw = await insider(world, node);
    const range = await trueRange(world, 3);
    raw.send(frontierFor(range));
    raw.send(rangeOf({ ...range, bytes: new Uint8Array(12) }));
    await world.timers.advance(50);
    const place = { topic, logId: logIdOf(crypto, range.context) };
    expect((await node.peer.explain(place, 2, range.context.author)).here).toBe("BAD_SIGNATURE");
  });

  test("a gap is asked for again, three times at most", async () => {
    const world = createWorld(4);
    const node = member(world, "ada");
    const raw = await insider(world, node);
    const range = await trueRange(world, 9);
    raw.send(frontierFor(range));
    await world.timers.advance(5);
    for (let n = 0; n < 6; n++) {
      raw.send(rangeOf(cutRange(range, 4, 9)));
      await world.timers.advance(5);
    }
    const modes = raw.ofType("wants").flatMap((message) => message.wants.map((want) => want.mode));
    expect(modes).toEqual(["after", "again", "again", "again", "stop"]);
    expect(codeOf(raw)).toBeUndefined();
  });

  test("[ATK-automerge870] an ack with another hash at our height brings our branch from its start, once", async () => {
    const world = createWorld(10);
    const node = member(world, "ada");
    await node.append(topic, 3);
    const raw = await insider(world, node);
    const generation = raw.ofType("frontier")[0]?.generation ?? never();
    const ack = (height: number): Message => ({
      type: "acks",
      topicNumber: 0,
      generation,
      acks: [{ logNumber: 0, height, hashStart: keyOf("another branch").slice(0, 16) }],
    });
    const same = { logNumber: 0, mode: "same" as const, from: 0, hashStart: undefined };
    raw.send({ type: "wants", topicNumber: 0, generation, wants: [same] });
    await world.timers.advance(5);
    expect(raw.ofType("range")).toHaveLength(0);
    raw.send(ack(3));
    raw.send(ack(3));
    await world.timers.advance(5);
    expect(raw.ofType("range").map(({ from, count }) => [from, count])).toEqual([[0, 3]]);
  });

  test("[ATK-automerge870] the same when we reach that height later", async () => {
    const world = createWorld(11);
    const node = member(world, "ada");
    await node.append(topic, 3);
    const raw = await insider(world, node);
    const generation = raw.ofType("frontier")[0]?.generation ?? never();
    const hashStart = keyOf("another branch").slice(0, 16);
    const after = { logNumber: 0, mode: "after" as const, from: 5, hashStart };
    raw.send({ type: "wants", topicNumber: 0, generation, wants: [after] });
    await world.timers.advance(5);
    await node.append(topic, 2);
    await world.timers.advance(5);
    expect(raw.ofType("range").map(({ from, count }) => [from, count])).toEqual([[0, 5]]);
    const [session] = node.peer.peers()[0]?.sessions ?? [];
    expect(session?.progress().entriesToSend).toBe(5);
  });

  test("a peer that proves and unproves itself by turns is not told everything each time", async () => {
    const world = createWorld(14);
    const node = member(world, "ada");
    await node.append(topic, 3);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topic);
    const wrong = keyOf("no follow key");
    for (let counter = 1; counter < 1_000 && raw.ofType("bye").length === 0; counter++) {
      await raw.prove(0, topic, counter % 2 === 1 ? followKey : wrong, counter);
    }
    expect(raw.ofType("bye")).toMatchObject([{ code: "SYNC_OVER_LIMIT" }]);
    expect(raw.ofType("frontier").length).toBeLessThan(140);
  });

  test("a peer that keeps changing its keys slowly is told each time", async () => {
    const world = createWorld(15);
    const node = member(world, "ada");
    await node.append(topic, 3);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topic);
    const wrong = keyOf("no follow key");
    for (let counter = 1; counter <= 240; counter++) {
      await raw.prove(0, topic, counter % 2 === 1 ? followKey : wrong, counter);
      raw.send({ type: "heartbeat" });
      await world.timers.advance(10_000);
    }
    expect(raw.ofType("bye")).toEqual([]);
  });

  test("a peer that never grants credit gets one window and costs no more memory", async () => {
    const world = createWorld(5);
    const node = member(world, "ada");
    for (let n = 0; n < 30; n++) await node.append(topic, 10, data, 50_000);
    const raw = connectRaw(world, node, { hello: { windowBytes: 256 * 1024 } });
    await raw.shakeHands();
    await raw.announce(topic);
    await raw.prove(0, topic, followKey);
    raw.send({
      type: "wants",
      topicNumber: 0,
      generation: 1,
      wants: [{ logNumber: 0, mode: "after", from: 0, hashStart: undefined }],
    });
    await world.timers.advance(1_000);
    const sent = raw.frames.filter((frame) => frame[0] === 8 || frame[0] === 9);
    const bytes = sent.reduce((sum, frame) => sum + frame.length, 0);
    expect(bytes).toBeLessThanOrEqual(256 * 1024);
    expect(bytes).toBeGreaterThan(200 * 1024);
    raw.send({ type: "credit", byteCount: 100_000 });
    await world.timers.advance(100);
    const after = raw.frames.filter((frame) => frame[0] === 8 || frame[0] === 9);
    const grown = after.reduce((sum, frame) => sum + frame.length, 0) - bytes;
    expect(grown).toBeGreaterThan(90_000);
    expect(grown).toBeLessThanOrEqual(100_000 + 256 * 1024 - bytes);
  });

  test("a pipe that stops taking frames ends after three heartbeats", async () => {
    const world = createWorld(7);
    const node = member(world, "ada");
    const friend = member(world, "friend");
    const pair = world.network.connect();
    let isStuck = false;
    const session = node.peer.attach({
      ...pair.a,
      send: (frame) => (isStuck ? new Promise<void>(() => {}) : pair.a.send(frame)),
    });
    const other = friend.peer.attach(pair.b);
    await synced(world, { a: session, b: other, pair });
    isStuck = true;
    await node.append(topic, 3);
    await world.timers.advance(100_000);
    expect((await world.run(session.closed)).code).toBe("SYNC_SLOW");
  });
});

describe("noise", () => {
  test("random frames at any stage end the session with a code and harm nobody", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 30),
        fc.constantFrom("start", "shaken", "inside"),
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 }),
        async (seed, stage, frames) => {
          const world = createWorld(seed);
          const node = member(world, "ada");
          await node.append(topic, 3);
          const raw = stage === "inside" ? await insider(world, node) : connectRaw(world, node);
          if (stage === "shaken") await raw.shakeHands();
          for (const frame of frames) raw.sendFrame(frame.length === 0 ? Uint8Array.of(0) : frame);
          await world.timers.advance(30);
          await expectHealthy(world, node, 3);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("true messages, changed, doubled and out of order, never break the rules of the store", async () => {
    const recorded = await recordSession();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 30),
        fc.array(
          fc.record({ index: fc.nat(), place: fc.nat(), byte: fc.nat(255), change: fc.boolean() }),
          { minLength: 1, maxLength: 25 },
        ),
        async (seed, picks) => {
          const world = createWorld(seed);
          const node = member(world, "ada");
          await node.append(topic, 3);
          const raw = await insider(world, node);
          for (const pick of picks) {
            const frame = (recorded[pick.index % recorded.length] ?? never()).slice();
            if (pick.change) frame[pick.place % frame.length] = pick.byte;
            raw.sendFrame(frame);
          }
          await world.timers.advance(30);
          await expectHealthy(world, node, 3);
        },
      ),
      { numRuns: 80 },
    );
  });

  /** Frames that an honest peer sends once inside: frontiers, wants, acks, ranges, live ones. */
  async function recordSession(): Promise<readonly Uint8Array[]> {
    const frames: Uint8Array[] = [];
    const world = createWorld(9, undefined, (frame) => frames.push(frame.slice()));
    const left = member(world, "left");
    const right = member(world, "right");
    await left.append(topic, 5);
    await right.append(topic, 6);
    const link = world.connect(left, right);
    await synced(world, link);
    await left.append(topic, 2);
    await synced(world, link);
    const inside = frames.filter((frame) => {
      const type = decodeMessage(frame)?.type ?? "none";
      return !["hello", "identities", "bye", "none"].includes(type);
    });
    // The recorded topic numbers are those of another session: most are put to the raw peer's 0.
    return inside.flatMap((frame) => {
      const message = decodeMessage(frame);
      if (message === undefined || !("topicNumber" in message)) return [frame];
      return [frame, encodeMessage({ ...message, topicNumber: 0 })];
    });
  }

  /** The node still serves an honest peer, its own log is whole, and memory is bounded. */
  async function expectHealthy(world: World, node: TestNode, height: number): Promise<void> {
    const friend = member(world, "friend");
    const link = world.connect(node, friend);
    await world.timers.advance(50);
    const own = (await node.heads(topic)).find((head) => head.context.author === node.id);
    expect(own?.height).toBe(height);
    expect(own?.forkedAt).toBeUndefined();
    const there = (await friend.heads(topic)).find((head) => head.context.author === node.id);
    expect(there?.height).toBe(height);
    expect(link.a.identities()).toEqual([friend.id]);
  }
});

function never(): never {
  throw new Error("the test's own premise does not hold");
}
