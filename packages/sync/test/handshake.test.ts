/** docs/spec/3-sync.md §4–§5: who is there, and who may know of what. */
import { concatBytes, toHex } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import { encodeMessage } from "../src/encode.ts";
import { followProof, identityBytes, identityLabel, topicHash } from "../src/handshake.ts";
import type { Message } from "../src/message.ts";
import {
  authorOf,
  control,
  createWorld,
  crypto,
  data,
  followKey,
  identityOf,
  keyOf,
  laterFollowKey,
  synced,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, rawSecret } from "./raw-peer.ts";

const topic = topicOf("secret matter");

async function servingNode(world: World, name = "ada") {
  const node = world.node(name, [testTopic(topic, [followKey])]);
  await node.append(topic, 2, control);
  await node.append(topic, 5, data);
  return node;
}

async function closeCode(
  world: World,
  raw: { readonly received: readonly Message[] },
): Promise<string | undefined> {
  await world.timers.advance(50);
  const bye = raw.received.find((message) => message.type === "bye");
  return bye?.type === "bye" ? bye.code : undefined;
}

describe("hello", () => {
  test("versions without overlap end with SYNC_VERSION", async () => {
    const world = createWorld(1);
    const node = await servingNode(world);
    const raw = connectRaw(world, node, { hello: { versionMin: 2, versionMax: 9 } });
    await raw.shakeHands().catch(() => {});
    expect(await closeCode(world, raw)).toBe("SYNC_VERSION");
  });

  test("a later version that still speaks ours, with fields we do not know, is welcome", async () => {
    const world = createWorld(2);
    const ada = await servingNode(world);
    const raw = connectRaw(world, ada, { hello: { versionMin: 1, versionMax: 7, features: 255 } });
    await raw.shakeHands();
    expect(await closeCode(world, raw)).toBeUndefined();
    expect(raw.ofType("topics")).toHaveLength(1);
  });

  test("our own hello sent back ends with SYNC_SELF", async () => {
    const world = createWorld(3);
    const node = await servingNode(world);
    const raw = connectRaw(world, node);
    await world.timers.advance(1);
    const [mirror] = raw.frames;
    raw.sendFrame(mirror ?? new Uint8Array(1));
    expect(await closeCode(world, raw)).toBe("SYNC_SELF");
  });

  test("two connections of one device to itself end with SYNC_SELF", async () => {
    const world = createWorld(4);
    const node = await servingNode(world);
    const pair = world.network.connect();
    const sessions = [node.peer.attach(pair.a), node.peer.attach(pair.b)];
    await world.timers.advance(50);
    const codes = await Promise.all(sessions.map((session) => session.closed));
    expect(codes.map((closed) => closed.code)).toEqual(["SYNC_SELF", "SYNC_SELF"]);
  });

  test("a window too small for a frame is refused", async () => {
    const world = createWorld(5);
    const node = await servingNode(world);
    const raw = connectRaw(world, node, { hello: { windowBytes: 1000 } });
    await raw.shakeHands().catch(() => {});
    expect(await closeCode(world, raw)).toBe("SYNC_BAD_MESSAGE");
  });

  test("silence ends with SYNC_HANDSHAKE_TIMEOUT", async () => {
    const world = createWorld(6);
    const node = await servingNode(world);
    const raw = connectRaw(world, node);
    await world.timers.advance(9_000);
    expect(await closeCode(world, raw)).toBeUndefined();
    await world.timers.advance(2_000);
    expect(await closeCode(world, raw)).toBe("SYNC_HANDSHAKE_TIMEOUT");
  });
});

describe("identities", () => {
  const cases: readonly (readonly [string, (world: World) => Promise<string | undefined>])[] = [
    [
      "a signature of another key",
      async (world) => {
        const node = await servingNode(world);
        const raw = connectRaw(world, node);
        await shakeWith(world, raw, (transcript, role) => ({
          id: authorOf(rawSecret),
          signature: identityOf(keyOf("somebody else")).sign(
            identityLabel,
            identityBytes(transcript, role),
          ),
        }));
        return closeCode(world, raw);
      },
    ],
    [
      "the right signature for the other role (reflection)",
      async (world) => {
        const node = await servingNode(world);
        const raw = connectRaw(world, node);
        await shakeWith(world, raw, (transcript, role) => ({
          id: authorOf(rawSecret),
          signature: identityOf(rawSecret).sign(
            identityLabel,
            identityBytes(transcript, role === 0 ? 1 : 0),
          ),
        }));
        return closeCode(world, raw);
      },
    ],
    [
      "the right signature under another label",
      async (world) => {
        const node = await servingNode(world);
        const raw = connectRaw(world, node);
        await shakeWith(world, raw, (transcript, role) => ({
          id: authorOf(rawSecret),
          signature: identityOf(rawSecret).sign("join", identityBytes(transcript, role)),
        }));
        return closeCode(world, raw);
      },
    ],
  ];
  test.each(cases)("%s ends with SYNC_BAD_IDENTITY", async (_name, play) => {
    expect(await play(createWorld(7))).toBe("SYNC_BAD_IDENTITY");
  });

  test("a proof recorded in one session is worth nothing in another", async () => {
    const world = createWorld(8);
    const ada = await servingNode(world);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    const eve = connectRaw(world, ada);
    // Eve gets Bob to prove himself to her, then shows that proof to Ada.
    const toBob = connectRaw(world, bob);
    await toBob.shakeHands();
    const proofOfBob = toBob.frames[1] ?? new Uint8Array(1);
    await world.timers.advance(1);
    eve.send({
      type: "hello",
      versionMin: 1,
      versionMax: 1,
      features: 0,
      nonce: keyOf("eve"),
      windowBytes: 2 ** 22,
      rangeBytes: 2 ** 24,
    });
    await world.timers.advance(1);
    eve.sendFrame(proofOfBob);
    expect(await closeCode(world, eve)).toBe("SYNC_BAD_IDENTITY");
  });

  test("several identities are proved together, the device key first", async () => {
    const world = createWorld(9);
    const ada = await servingNode(world);
    const oneTime = keyOf("one-time key of an invite");
    const joiner = world.node("joiner", [testTopic(topic, [])], {
      identities: () => [identityOf(keyOf("secret joiner")), identityOf(oneTime)],
    });
    const [own] = ada.topics;
    if (own !== undefined) own.rights = new Map([[authorOf(oneTime), "control"]]);
    const link = world.connect(ada, joiner);
    await synced(world, link);
    expect(link.a.identities()).toEqual([joiner.id, authorOf(oneTime)]);
    expect(link.a.access(topic)?.given).toBe("control");
  });
});

async function shakeWith(
  world: World,
  raw: ReturnType<typeof connectRaw>,
  prove: (
    transcript: Uint8Array,
    role: 0 | 1,
  ) => { readonly id: ReturnType<typeof authorOf>; readonly signature: Uint8Array },
): Promise<void> {
  // The hand-made hello goes out by the honest path; then the identities are sent once more, wrong.
  const sent: Uint8Array[] = [];
  const original = raw.connection.send.bind(raw.connection);
  Object.assign(raw.connection, {
    send: async (frame: Uint8Array) => {
      sent.push(frame);
      if (frame[0] !== 2) await original(frame);
    },
  });
  await raw.shakeHands().catch(() => {});
  const { transcript, role } = raw.session();
  await original(encodeMessage({ type: "identities", proofs: [prove(transcript, role)] }));
  await world.timers.advance(1);
  expect(sent.length).toBeGreaterThan(0);
}

describe("topics and proofs", () => {
  test("[TD-4] no frame holds a topic, a follow key or a signing key", async () => {
    const frames: Uint8Array[] = [];
    const world = createWorld(10, undefined, (frame) => frames.push(frame.slice()));
    const ada = await servingNode(world);
    const bob = world.node("bob", [testTopic(topic, [followKey, laterFollowKey])]);
    await bob.append(topic, 3);
    await synced(world, world.connect(ada, bob));
    const all = toHex(concatBytes(...frames));
    expect(frames.length).toBeGreaterThan(10);
    for (const secret of [topic, toHex(followKey), toHex(laterFollowKey), toHex(ada.secret)]) {
      expect(all.includes(secret)).toBe(false);
    }
  });

  test("who does not know the topic sees padded hashes and nothing else", async () => {
    const one = await seenByStranger(1);
    const seven = await seenByStranger(7);
    expect(one).toEqual(["hello", "identities", "topics 8"]);
    expect(seven).toEqual(one);
  });

  async function seenByStranger(topicCount: number): Promise<readonly string[]> {
    const world = createWorld(11);
    const topics = Array.from({ length: topicCount }, (_, n) => topicOf(`topic ${n}`));
    const node = world.node(
      "ada",
      topics.map((id) => testTopic(id, [followKey])),
    );
    for (const id of topics) await node.append(id, 5);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topicOf("another"));
    await raw.prove(0, topicOf("another"), followKey);
    await node.append(topics[0] ?? topic, 5);
    await world.timers.advance(100);
    return raw.received.map((message) =>
      message.type === "topics" ? `topics ${message.added.length}` : message.type,
    );
  }

  test("who knows the topic but has neither key nor right gets an empty answer, live too", async () => {
    const world = createWorld(12);
    const node = await servingNode(world);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topic);
    await raw.prove(0, topic, keyOf("a wrong follow key"));
    await node.append(topic, 5, data);
    await node.append(topic, 5, control);
    await world.timers.advance(100);
    const later = raw.received.slice(3);
    expect(later.map((message) => message.type)).toEqual(["proof", "frontier"]);
    expect(raw.ofType("frontier")[0]).toMatchObject({ access: "none", logs: [], last: true });
    expect(node.peer.peers()[0]?.sessions[0]?.access(topic)?.given).toBe("none");
  });

  test("that answer has one size, however many logs there are and whatever they hold", async () => {
    const sizes = new Set<number>();
    for (const count of [0, 1, 30]) {
      const world = createWorld(13);
      const node = world.node("ada", [testTopic(topic, [followKey])]);
      if (count > 0) await node.append(topic, count);
      const raw = connectRaw(world, node);
      await raw.shakeHands();
      await raw.announce(topic);
      await raw.prove(0, topic, keyOf("wrong"));
      await world.timers.advance(20);
      sizes.add(raw.frames.slice(3).reduce((sum, frame) => sum + frame.length, 0));
    }
    expect(sizes.size).toBe(1);
  });

  test("the right follow key opens the topic", async () => {
    const world = createWorld(14);
    const node = await servingNode(world);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topic);
    await raw.prove(0, topic, followKey);
    await world.timers.advance(20);
    expect(raw.ofType("frontier")[0]).toMatchObject({ access: "full" });
    expect(raw.ofType("frontier")[0]?.logs).toHaveLength(2);
  });

  test("a follow proof reflected, or made for another session, opens nothing", async () => {
    const world = createWorld(15);
    const node = await servingNode(world);
    const raw = connectRaw(world, node);
    await raw.shakeHands();
    await raw.announce(topic);
    await world.timers.advance(5);
    const reflected = raw.ofType("proof")[0]?.macs ?? [];
    const { session, role } = raw.session();
    const otherSession = keyOf("another session");
    const replayed = followProof(crypto, followKey, {
      session: otherSession,
      role,
      topicHash: topicHash(crypto, otherSession, role, topic),
    });
    const otherRole = followProof(crypto, followKey, {
      session,
      role: role === 0 ? 1 : 0,
      topicHash: topicHash(crypto, session, role, topic),
    });
    const [r0, r1] = reflected;
    if (r0 === undefined || r1 === undefined) throw new Error("the node sent no proof");
    raw.send({ type: "proof", topicNumber: 0, counter: 1, macs: [r0, r1, replayed, otherRole] });
    await world.timers.advance(20);
    expect(raw.ofType("frontier")[0]).toMatchObject({ access: "none", logs: [] });
  });

  test("[P2-M19] [ATK-lfa135] a member who missed a rotation gets control logs, then all", async () => {
    const world = createWorld(16);
    const ada = await servingNode(world);
    const bob = world.node("bob", [testTopic(topic, [followKey])]);
    await bob.append(topic, 4, data);
    const [adaTopic] = ada.topics;
    const [bobTopic] = bob.topics;
    if (adaTopic === undefined || bobTopic === undefined) throw new Error("no topic");
    // Ada rotated while Bob was away; he is still a member by his device key.
    adaTopic.keys = [laterFollowKey];
    adaTopic.rights = new Map([[bob.id, "control"]]);
    bobTopic.rights = new Map([[ada.id, "control"]]);
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect(link.b.access(topic)).toEqual({ given: "control", received: "control" });
    expect((await bob.heads(topic)).map((head) => head.context)).toEqual(
      expect.arrayContaining([{ topic, domain: control, author: ada.id }]),
    );
    expect(
      (await bob.heads(topic)).some(
        (h) => h.context.author === ada.id && h.context.domain === data,
      ),
    ).toBe(false);
    expect((await link.b.synced()).complete).toBe(false);
    // The control log told Bob the new epoch.
    bobTopic.keys = [laterFollowKey];
    bob.peer.topicsChanged();
    await world.timers.advance(50);
    await synced(world, link);
    expect(link.a.access(topic)).toEqual({ given: "full", received: "full" });
    expect((await link.b.synced()).complete).toBe(true);
    expect((await ada.heads(topic)).some((h) => h.context.author === bob.id)).toBe(true);
  });

  test("a removed member loses the topic in the middle of a session", async () => {
    const world = createWorld(17);
    const ada = await servingNode(world);
    const eve = world.node("eve", [testTopic(topic, [followKey])]);
    const link = world.connect(ada, eve);
    await synced(world, link);
    const [own] = ada.topics;
    if (own !== undefined) own.keys = [laterFollowKey];
    ada.peer.topicsChanged();
    await ada.append(topic, 10, data);
    await ada.append(topic, 10, control);
    await world.timers.advance(100);
    expect(link.b.access(topic)?.received).toBe("none");
    const held = (await eve.heads(topic)).map((head) => head.height);
    expect(held.toSorted((a, b) => a - b)).toEqual([2, 5]);
    expect((await link.b.synced()).complete).toBe(false);
  });

  test("what a peer without rights sends is not even looked at", async () => {
    const world = createWorld(18);
    const ada = await servingNode(world);
    const eve = world.node("eve", [
      testTopic(topic, [keyOf("another key")], new Map([[ada.id, "full"]])),
    ]);
    await eve.append(topic, 50);
    const link = world.connect(ada, eve);
    await world.timers.advance(100);
    expect(ada.ingested()).toBe(0);
    expect(link.a.access(topic)).toEqual({ given: "none", received: "full" });
  });

  test("topics come and go in a session; what was shared before is shared again", async () => {
    const world = createWorld(19);
    const second = topicOf("second");
    const ada = world.node("ada", [testTopic(topic, [followKey])]);
    const bob = world.node("bob", [testTopic(topic, [followKey]), testTopic(second, [followKey])]);
    await bob.append(second, 7);
    await ada.append(topic, 3);
    const link = world.connect(ada, bob);
    await synced(world, link);
    expect(await ada.heads(second)).toHaveLength(0);
    ada.topics.push(testTopic(second, [followKey]));
    ada.peer.topicsChanged();
    await world.timers.advance(50);
    await synced(world, link);
    expect(await ada.heads(second)).toHaveLength(1);
    // Leaving: nothing flows. Coming back: the gap is filled.
    ada.topics.pop();
    ada.peer.topicsChanged();
    await world.timers.advance(50);
    await bob.append(second, 2);
    await world.timers.advance(50);
    expect((await ada.heads(second))[0]?.height).toBe(7);
    ada.topics.push(testTopic(second, [followKey]));
    ada.peer.topicsChanged();
    await world.timers.advance(50);
    await synced(world, link);
    expect((await ada.heads(second))[0]?.height).toBe(9);
  });
});
