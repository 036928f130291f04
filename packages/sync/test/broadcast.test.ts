/** docs/spec/3-sync.md §7.1: broadcasts, between honest peers and others. */
import { toHex, utf8 } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { broadcastBytesMax } from "@hawser/sync";
import { featureBits } from "../src/codes.ts";
import { decodeMessage } from "../src/decode.ts";
import { encodeMessage } from "../src/encode.ts";
import {
  broadcastBurstBytes,
  broadcastOverheadBytes,
  broadcastRefillBytes,
  broadcastRefillMs,
} from "../src/limits.ts";
import {
  createWorld,
  followKey,
  laterFollowKey,
  type NodeOptions,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, type RawPeer } from "./raw-peer.ts";

const topic = topicOf("presence");
const other = topicOf("other");

function member(world: World, name: string, options: NodeOptions = {}): TestNode {
  return world.node(name, [testTopic(topic, [followKey])], options);
}

function relay(world: World, name: string): TestNode {
  return member(world, name, { broadcasts: "forward" });
}

/** What a node hears, as text. */
function heardBy(node: TestNode): string[] {
  const heard: string[] = [];
  node.peer.onBroadcast((where, bytes) => {
    heard.push(`${where === topic ? "" : "elsewhere: "}${new TextDecoder().decode(bytes)}`);
  });
  return heard;
}

/** Connects them all to a hub and waits until they share the topic. */
async function star(world: World, hub: TestNode, nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) await synced(world, world.connect(node, hub));
}

/** A peer by hand with full access, that has the feature. */
async function insider(world: World, node: TestNode, features: number): Promise<RawPeer> {
  const raw = connectRaw(world, node, { hello: { features } });
  await raw.shakeHands();
  await raw.announce(topic);
  await raw.prove(0, topic, followKey);
  await world.timers.advance(5);
  return raw;
}

const all = featureBits.reconcile | featureBits.broadcast;

describe("broadcasts", () => {
  test("reach peers, and those behind a relay, once, and nothing is stored", async () => {
    const world = createWorld(1);
    const hub = relay(world, "hub");
    const [ada, bob, eve] = ["ada", "bob", "eve"].map((name) => member(world, name));
    if (ada === undefined || bob === undefined || eve === undefined) throw new Error("no nodes");
    await star(world, hub, [ada, bob, eve]);
    const heard = [ada, bob, eve, hub].map(heardBy);
    ada.peer.broadcast(topic, utf8("here"));
    await world.timers.advance(100);
    expect(heard).toEqual([[], ["here"], ["here"], ["here"]]);
    for (const node of [ada, bob, eve, hub]) expect(await node.heads(topic)).toEqual([]);
  });

  test("several ways to one device, and a ring of relays, bring it once", async () => {
    const world = createWorld(2);
    const [one, two, three] = ["one", "two", "three"].map((name) => relay(world, name));
    if (one === undefined || two === undefined || three === undefined) throw new Error("no relays");
    const [ada, bob] = [member(world, "ada"), member(world, "bob")];
    await star(world, one, [ada, bob, two]);
    await star(world, two, [ada, bob, three]);
    await star(world, three, [one]);
    await synced(world, world.connect(ada, bob));
    const heard = [ada, bob, one, two, three].map(heardBy);
    ada.peer.broadcast(topic, utf8("once"));
    await world.timers.advance(1_000);
    expect(heard).toEqual([[], ["once"], ["once"], ["once"], ["once"]]);
  });

  test("go one hop beyond a relay, and not beyond devices", async () => {
    const world = createWorld(3);
    const [one, two] = [relay(world, "one"), relay(world, "two")];
    const [ada, bob, eve] = [member(world, "ada"), member(world, "bob"), member(world, "eve")];
    await star(world, one, [ada, two]);
    await star(world, two, [bob]);
    // Eve knows ada alone, so nothing of bob's reaches her.
    await star(world, ada, [eve]);
    const heard = [two, bob, eve].map(heardBy);
    ada.peer.broadcast(topic, utf8("far"));
    bob.peer.broadcast(topic, utf8("near"));
    await world.timers.advance(1_000);
    expect(heard).toEqual([["near", "far"], [], ["far"]]);
  });

  test("go to peers with full access to that topic alone, as long as they have it", async () => {
    const world = createWorld(4);
    const ada = world.node("ada", [testTopic(topic, [followKey]), testTopic(other, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const stale = world.node("stale", [testTopic(topic, [laterFollowKey])]);
    await star(world, ada, [bob, stale]);
    const heard = [bob, stale].map(heardBy);
    ada.peer.broadcast(other, utf8("elsewhere"));
    ada.peer.broadcast(topic, utf8("first"));
    await world.timers.advance(50);
    expect(heard).toEqual([["first"], []]);
    const [own] = ada.topics;
    if (own !== undefined) own.keys = [laterFollowKey];
    ada.peer.topicsChanged();
    await world.timers.advance(50);
    ada.peer.broadcast(topic, utf8("second"));
    await world.timers.advance(50);
    expect(heard).toEqual([["first"], ["second"]]);
    // Nor is anything taken from who has it no more.
    const atAda = heardBy(ada);
    bob.peer.broadcast(topic, utf8("still here"));
    await world.timers.advance(50);
    expect(atAda).toEqual([]);
  });

  test("a peer without the feature gets none, and is an offender if it sends one", async () => {
    const world = createWorld(5);
    const ada = member(world, "ada");
    const old = await insider(world, ada, featureBits.reconcile);
    ada.peer.broadcast(topic, utf8("hello"));
    await world.timers.advance(50);
    expect(old.ofType("broadcast")).toEqual([]);
    expect(old.ofType("bye")).toEqual([]);
    old.send({ type: "broadcast", topicNumber: 0, isForwarded: false, bytes: utf8("x") });
    await world.timers.advance(50);
    expect(old.ofType("bye")[0]?.code).toBe("SYNC_BAD_MESSAGE");
  });

  test("a topic number that was never given ends the session", async () => {
    const world = createWorld(6);
    const raw = await insider(world, member(world, "ada"), all);
    raw.send({ type: "broadcast", topicNumber: 9, isForwarded: false, bytes: utf8("x") });
    await world.timers.advance(50);
    expect(raw.ofType("bye")[0]?.code).toBe("SYNC_BAD_MESSAGE");
  });

  test("a flood is cut to what a session carries, and passed on no further", async () => {
    const world = createWorld(7);
    const hub = relay(world, "hub");
    const bob = member(world, "bob");
    await star(world, hub, [bob]);
    const raw = await insider(world, hub, all);
    const heard = [heardBy(hub), heardBy(bob)];
    const size = 1_000;
    const flood = (from: number, to: number): void => {
      for (let index = from; index < to; index++) {
        const bytes = new Uint8Array(size);
        new DataView(bytes.buffer).setUint32(0, index);
        raw.send({ type: "broadcast", topicNumber: 0, isForwarded: false, bytes });
      }
    };
    flood(0, 3_000);
    await world.timers.advance(broadcastRefillMs - 100);
    const most = Math.floor(broadcastBurstBytes / (size + broadcastOverheadBytes));
    expect(heard[0]).toHaveLength(most);
    expect(heard[1]?.length).toBeLessThanOrEqual(most);
    expect(heard[1]?.length).toBeGreaterThan(100);
    // With time there is room again, for so much.
    await world.timers.advance(broadcastRefillMs);
    flood(3_000, 6_000);
    await world.timers.advance(broadcastRefillMs - 200);
    const more = Math.ceil((2 * broadcastRefillBytes) / (size + broadcastOverheadBytes));
    expect(heard[0]?.length).toBeGreaterThan(most);
    expect(heard[0]?.length).toBeLessThanOrEqual(most + more + 1);
    expect(raw.ofType("bye")).toEqual([]);
  });

  test("what is repeated, or said first as forwarded, is heard once and still goes on", async () => {
    const world = createWorld(8);
    const hub = relay(world, "hub");
    const bob = member(world, "bob");
    await star(world, hub, [bob]);
    const raw = await insider(world, hub, all);
    const heard = [heardBy(hub), heardBy(bob)];
    const say = (isForwarded: boolean): void =>
      raw.send({ type: "broadcast", topicNumber: 0, isForwarded, bytes: utf8("again") });
    for (const isForwarded of [true, false, false, true]) say(isForwarded);
    await world.timers.advance(100);
    expect(heard).toEqual([["again"], ["again"]]);
  });

  test("a peer that takes nothing off its pipe gets none, and keeps its session for a while", async () => {
    const world = createWorld(9);
    const ada = member(world, "ada");
    const bob = member(world, "bob");
    const link = world.connect(ada, bob);
    await synced(world, link);
    const before = link.a.progress().bytesSent;
    // Said in one go, none of it is off before the last.
    for (let index = 0; index < 100; index++) {
      ada.peer.broadcast(topic, new Uint8Array(broadcastBytesMax).fill(index + 1));
    }
    const said = link.a.progress().bytesSent - before;
    expect(said).toBeGreaterThan(100_000);
    expect(said).toBeLessThan(300_000);
  });

  test("the length of a broadcast is bounded for who says it", () => {
    const world = createWorld(10);
    const ada = member(world, "ada");
    for (const size of [0, broadcastBytesMax + 1]) {
      expect(() => ada.peer.broadcast(topic, new Uint8Array(size))).toThrow(
        expect.objectContaining({ code: "SYNC_FRAME_TOO_LARGE" }),
      );
    }
    expect(() => ada.peer.broadcast(topic, new Uint8Array(broadcastBytesMax))).not.toThrow();
  });

  test("after its listener is gone, or the peer is closed, nothing is heard or said", async () => {
    const world = createWorld(11);
    const [ada, bob] = [member(world, "ada"), member(world, "bob")];
    await star(world, ada, [bob]);
    const heard: Topic[] = [];
    const stop = bob.peer.onBroadcast((where) => heard.push(where));
    stop();
    ada.peer.broadcast(topic, utf8("x"));
    await world.timers.advance(50);
    await world.run(ada.peer[Symbol.asyncDispose]());
    expect(() => ada.peer.broadcast(topic, utf8("y"))).not.toThrow();
    expect(heard).toEqual([]);
  });
});

describe("the message", () => {
  const message = {
    type: "broadcast",
    topicNumber: 300,
    isForwarded: true,
    bytes: Uint8Array.of(1, 2, 3),
  } as const;

  test("has the bytes of docs/spec/3-sync.md §3", () => {
    const frame = encodeMessage(message);
    expect(toHex(frame)).toBe("14ac0201010203");
    expect(decodeMessage(frame)).toEqual(message);
  });

  test.each([
    ["no bytes", "14ac0201"],
    ["a flag that is none", "14ac0202010203"],
    ["an overlong number", "148000010203"],
    ["nothing after the type", "14"],
  ])("with %s is refused", (_name, hex) => {
    const frame = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    expect(decodeMessage(frame)).toBeUndefined();
  });

  test("of 17,408 bytes is taken, a longer one refused", () => {
    const full = { ...message, bytes: new Uint8Array(broadcastBytesMax) };
    expect(decodeMessage(encodeMessage(full))).toEqual(full);
    const longer = encodeMessage({ ...message, bytes: new Uint8Array(broadcastBytesMax + 1) });
    expect(decodeMessage(longer)).toBeUndefined();
  });
});
