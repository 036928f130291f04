/** docs/spec/transport-webrtc.md §4: who finds whom, and what a carrier or a stranger cannot do. */
import { toHex, utf8 } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import type { Connection } from "@hawser/sync";
import { createSeededRandom, createVirtualTimers, drain } from "@hawser/sync/testing";
import {
  createDirect,
  createRelaySignalling,
  webRtc,
  type Direct,
  type DirectTopic,
  type RtcPlatform,
  type Signalling,
} from "@hawser/transport-webrtc";
import { createMemorySignalling } from "@hawser/transport-webrtc/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { everybody, openSignal, roomOf, sealSignal } from "../src/signal.ts";
import { createFakeRtc, describe as describePeer, type FakeRtc } from "./support/fake-rtc.ts";

const crypto = await createCrypto();
const keyOf = (name: string): Uint8Array => crypto.hash(utf8(name));
const topicOf = (name: string): Topic => toHex(keyOf(name)) as Topic;
const notes: DirectTopic = { topic: topicOf("notes"), followKeys: () => [keyOf("key")] };

interface Device {
  readonly direct: Direct;
  readonly connections: Connection[];
}

function setUp(carrier: Signalling = createMemorySignalling()) {
  const timers = createVirtualTimers();
  const rtc = createFakeRtc(crypto.hash);
  let seed = 0;
  const start = async (
    name: string,
    given: {
      readonly topics?: () => readonly DirectTopic[];
      readonly carrier?: Signalling;
      readonly peersMax?: number;
      readonly platform?: RtcPlatform;
    } = {},
  ): Promise<Device> => {
    const connections: Connection[] = [];
    const direct = createDirect(
      {
        crypto,
        random: createSeededRandom(++seed),
        timers,
        platform: given.platform ?? rtc.platform(name),
        signallings: () => [given.carrier ?? carrier],
        topics: given.topics ?? (() => [notes]),
        onConnection: (connection) => void connections.push(connection),
      },
      given.peersMax === undefined ? {} : { peersMax: given.peersMax },
    );
    onTestFinished(() => direct[Symbol.asyncDispose]());
    await settle();
    return { direct, connections };
  };
  return { timers, rtc, start };
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) await drain();
}

const counts = (...devices: readonly Device[]): readonly number[] =>
  devices.map(({ direct }) => direct.peerCount());

describe("who finds whom", () => {
  test("[TH-120] members of a topic make one connection each, and frames pass", async () => {
    const { start } = setUp();
    const devices = [await start("a"), await start("b"), await start("c")];
    expect(counts(...devices)).toEqual([2, 2, 2]);
    const [a, b] = [await start("d"), await start("e")];
    expect(counts(a, b)).toEqual([4, 4]);
    const [out] = a.connections.slice(-1);
    const binding = toHex(out?.channelBinding ?? new Uint8Array());
    const into = b.connections.find(
      ({ channelBinding }) => toHex(channelBinding ?? new Uint8Array()) === binding,
    );
    await out?.send(utf8("hello"));
    const heard = into?.frames[Symbol.asyncIterator]();
    expect((await heard?.next())?.value).toEqual(utf8("hello"));
  });

  test("both ends are bound to both certificates and to this connection alone", async () => {
    const { start } = setUp();
    const [a, b, c] = [await start("a"), await start("b"), await start("c")];
    const bindings = [a, b, c].flatMap(({ connections }) =>
      connections.map(({ channelBinding = new Uint8Array() }) => toHex(channelBinding)),
    );
    expect(bindings).toHaveLength(6);
    expect(new Set(bindings).size).toBe(3);
    for (const binding of bindings) expect(binding).toHaveLength(64);
  });

  test("devices that share several topics make one connection", async () => {
    const { start } = setUp();
    const topics = () => [notes, { topic: topicOf("more"), followKeys: () => [keyOf("key")] }];
    const [a, b] = [await start("a", { topics }), await start("b", { topics })];
    expect(counts(a, b)).toEqual([1, 1]);
  });

  test("who has another follow key, or another topic, is not found", async () => {
    const { start } = setUp();
    const a = await start("a");
    const b = await start("b", {
      topics: () => [{ topic: notes.topic, followKeys: () => [keyOf("old key")] }],
    });
    const c = await start("c", {
      topics: () => [{ topic: topicOf("other"), followKeys: () => [keyOf("key")] }],
    });
    expect(counts(a, b, c)).toEqual([0, 0, 0]);
  });

  test("a key that changes moves everybody who has it to another room", async () => {
    const { start } = setUp();
    let key = keyOf("key");
    const topics = () => [{ topic: notes.topic, followKeys: () => [key] }];
    const a = await start("a", { topics });
    key = keyOf("next key");
    a.direct.changed();
    await settle();
    const removed = await start("removed");
    const b = await start("b", { topics });
    expect(counts(a, b, removed)).toEqual([1, 1, 0]);
  });

  test("a device that leaves is forgotten, and connected to when it comes back", async () => {
    const { start, timers } = setUp();
    const a = await start("a");
    const b = await start("b");
    await timers.advance(30_000);
    await b.direct[Symbol.asyncDispose]();
    await settle();
    expect(counts(a)).toEqual([0]);
    await timers.advance(5_000);
    const again = await start("b");
    await settle();
    expect(counts(a, again)).toEqual([1, 1]);
  });
});

describe("limits", () => {
  test.each([
    { peersMax: 0 },
    { peersMax: 65 },
    { peersMax: 1.5 },
    { connectMs: Number.NaN },
    { connectMs: 300_001 },
    { gatherMs: -1 },
  ])("%o is refused", (options) => {
    const deps = {
      crypto,
      random: createSeededRandom(1),
      timers: createVirtualTimers(),
      platform: createFakeRtc(crypto.hash).platform("a"),
      signallings: () => [],
      topics: () => [],
      onConnection: () => {},
    };
    expect(() => createDirect(deps, options)).toThrow(
      expect.objectContaining({ code: "TRANSPORT_WEBRTC_BAD_OPTION" }),
    );
  });

  test("no more connections than asked for", async () => {
    const { start } = setUp();
    const a = await start("a", { peersMax: 2 });
    const others = [await start("b"), await start("c"), await start("d"), await start("e")];
    expect(counts(a)).toEqual([2]);
    expect(counts(...others).reduce((sum, count) => sum + count, 0)).toBe(2 + 12);
  });

  test("two that hang up at once are left in peace for a minute", async () => {
    const { start, rtc, timers } = setUp();
    const [a, b] = [await start("a"), await start("b")];
    const before = rtc.opened();
    a.connections[0]?.close("SYNC_SELF");
    await settle();
    expect(counts(a, b)).toEqual([0, 0]);
    await timers.advance(55_000);
    await settle();
    expect(rtc.opened()).toBe(before);
    await timers.advance(40_000);
    await settle();
    expect(counts(a, b)).toEqual([1, 1]);
  });

  test("topics beyond the limit of rooms stay with the relay", async () => {
    const joined = new Set<string>();
    const { start } = setUp(createMemorySignalling((room) => void joined.add(room)));
    const topics = () =>
      Array.from({ length: 200 }, (_, n) => ({
        topic: topicOf(`topic ${n}`),
        followKeys: () => [keyOf(`key ${n}`)],
      }));
    await start("a", { topics });
    expect(joined.size).toBe(64);
  });

  test("a carrier that is away is tried again, with growing pauses", async () => {
    let attempts = 0;
    const away = createRelaySignalling("ws://away", async () => {
      attempts += 1;
      throw new Error("ECONNREFUSED");
    });
    const { start, timers } = setUp(away);
    const a = await start("a");
    await timers.advance(600_000);
    expect(attempts).toBeGreaterThan(8);
    expect(attempts).toBeLessThan(40);
    expect(counts(a)).toEqual([0]);
  });
});

/** A carrier in which the test is a member, too. */
async function joinAsMallory(carrier: Signalling, key = keyOf("key")) {
  const room = roomOf(crypto, notes.topic, key);
  const connection = await carrier.join(room.name, { signal: new AbortController().signal });
  const heard: Uint8Array[] = [];
  void (async () => {
    for await (const frame of connection.frames) heard.push(frame);
  })();
  return { room, connection, heard };
}

describe("what a carrier cannot do", () => {
  /** Says what was said again, with fingerprints of its own, as far as it can. */
  test("its noise, and what it says again, bring about nothing", async () => {
    const frames: Uint8Array[] = [];
    const carrier = createMemorySignalling((_room, frame) => void frames.push(frame));
    const { start, rtc } = setUp(carrier);
    const [a, b] = [await start("a"), await start("b")];
    const before = [rtc.opened(), ...counts(a, b)];
    const { connection } = await joinAsMallory(carrier);
    for (const frame of frames.slice()) {
      await connection.send(frame);
      const changed = frame.slice();
      changed[100] = (changed[100] ?? 0) ^ 1;
      await connection.send(changed);
    }
    for (const size of [0, 1, 39, 4_136, 8_232, 100_000]) {
      await connection.send(new Uint8Array(size));
    }
    await settle();
    expect([rtc.opened(), ...counts(a, b)]).toEqual(before);
  });

  test("frames that do not open, without end: the carrier is left for a while", async () => {
    const carrier = createMemorySignalling();
    const { start, rtc, timers } = setUp(carrier);
    const a = await start("a");
    const { connection } = await joinAsMallory(carrier);
    for (let n = 0; n < 400; n++) await connection.send(new Uint8Array(4_136).fill(n));
    await settle();
    expect(rtc.opened()).toBe(0);
    await timers.advance(5_000);
    const b = await start("b");
    await settle();
    expect(counts(a, b)).toEqual([1, 1]);
  });

  test("it learns neither topics nor keys nor descriptions, and rooms only as names", async () => {
    const seen: string[] = [];
    const carrier = createMemorySignalling((room, frame) => void seen.push(room, toHex(frame)));
    const { start } = setUp(carrier);
    await start("a");
    await start("b");
    expect(seen.length).toBeGreaterThan(5);
    const all = seen.join(" ");
    const secrets = [notes.topic, toHex(keyOf("key")), toHex(utf8("a=fingerprint"))];
    for (const secret of secrets) expect(all).not.toContain(secret);
  });
});

describe("what a member cannot do", () => {
  const session = new Uint8Array(16).fill(9);

  test("connect under another device's id: its certificate gives it away", async () => {
    const carrier = createMemorySignalling();
    const { start, rtc } = setUp(carrier);
    const mallory = await joinAsMallory(carrier);
    const a = await start("a");
    const self = openSignal(crypto, mallory.room, mallory.heard[0] ?? everybody)?.from;
    const deps = { crypto, random: createSeededRandom(9) };
    // Ids from the smallest on, so that some of them may offer.
    for (let first = 0; first < 256; first += 16) {
      const from = new Uint8Array(16).fill(first || 1);
      const description = describePeer(keyOf("mallory's certificate"));
      const offer = { kind: "offer" as const, from, to: self ?? everybody, session, description };
      await mallory.connection.send(sealSignal(deps, mallory.room, offer));
    }
    await settle();
    expect(counts(a)).toEqual([0]);
    expect(
      mallory.heard.map((frame) => openSignal(crypto, mallory.room, frame)?.kind),
    ).not.toContain("answer");
    expect(rtc.opened()).toBeLessThanOrEqual(16);
  });

  test("make a device dial without end by saying hello under ever new names", async () => {
    const carrier = createMemorySignalling();
    const { start, rtc } = setUp(carrier);
    await start("a");
    const mallory = await joinAsMallory(carrier);
    const random = createSeededRandom(9);
    for (let n = 0; n < 500; n++) {
      const signal = { to: everybody, session: new Uint8Array(16), description: "" };
      const hello = { kind: "hello" as const, from: random(16), ...signal };
      await mallory.connection.send(sealSignal({ crypto, random }, mallory.room, hello));
    }
    await settle();
    expect(rtc.opened()).toBeLessThanOrEqual(8);
  });
});

describe("the front door", () => {
  test("a platform without WebRTC is told at once", () => {
    expect(() => webRtc()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_WEBRTC_UNSUPPORTED" }),
    );
  });

  test("a platform that fails leaves a device without direct connections, and in one piece", async () => {
    const { start } = setUp();
    const broken = (rtc: FakeRtc): RtcPlatform => ({
      ...rtc.platform("x"),
      fingerprint: () => Promise.reject(new Error("no certificates today")),
    });
    const a = await start("a", { platform: broken(createFakeRtc(crypto.hash)) });
    expect(counts(a)).toEqual([0]);
  });
});
