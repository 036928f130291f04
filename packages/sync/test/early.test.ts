/** docs/spec/3-sync.md §6: entries that become durable before the peer has said what it holds. */
import { createMemoryStore, ingestRange, type LogStore, type StoredRange } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../src/decode.ts";
import type { Message } from "../src/message.ts";
import {
  authorOf,
  control,
  createWorld,
  crypto,
  data,
  expectEqual,
  followKey,
  keyOf,
  type Link,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";
import { connectRaw, type RawPeer, rawSecret } from "./raw-peer.ts";

const topic = topicOf("early");

/** A store whose answer about the heads of a topic is held back until `open`. */
function slowStore(): { readonly store: LogStore; open(): void } {
  const plain = createMemoryStore({ crypto });
  const { promise, resolve } = Promise.withResolvers<void>();
  const heads: LogStore["heads"] = async (...parts) => {
    await promise;
    return plain.heads(...parts);
  };
  return { store: { ...plain, heads }, open: () => resolve() };
}

/** Ada, who writes, and Bob, who does not know yet what he holds. */
async function meet(): Promise<{
  readonly world: World;
  readonly ada: TestNode;
  readonly bob: TestNode;
  readonly link: Link;
  readonly said: Message[];
  open(): void;
}> {
  const said: Message[] = [];
  const world = createWorld(71, undefined, (frame) => {
    const message = decodeMessage(frame);
    if (message !== undefined) said.push(message);
  });
  const { store, open } = slowStore();
  const ada = world.node("ada", [testTopic(topic, [followKey])]);
  const bob = world.node("bob", [testTopic(topic, [followKey])], {
    store,
    wrapIngest: (ingest) => async (range) => {
      const isData = range.context.domain === data;
      const heights = (await store.heads(topic)).map((head) => head.context.domain);
      if (isData && !heights.includes(control)) return { status: "refused", reason: "NOT_WRITER" };
      return ingest(range);
    },
  });
  await ada.append(topic, 3, control);
  const link = world.connect(ada, bob);
  await world.until(() => link.a.access(topic)?.given === "full");
  await world.timers.advance(5);
  return { world, ada, bob, link, said, open };
}

describe("entries written before the peer has read what it holds", () => {
  test("[TH-122] arrive, after the control entries that admit them, and nothing is refused", async () => {
    const { world, ada, bob, link, said, open } = await meet();
    await ada.append(topic, 2);
    await world.timers.advance(50);
    open();
    const [there, here] = await world.run(Promise.all([link.a.synced(), link.b.synced()]));
    expect(there).toMatchObject({ complete: true, topics: [{ skippedThere: 0 }] });
    expect(here.complete).toBe(true);
    await expectEqual(topic, ada, bob);
    expect(link.a.progress()).toMatchObject({ entriesSent: 5, entriesToSend: 0 });
    expect(said.filter(({ type }) => type === "range")).toHaveLength(2);
  });

  test("are not sent unasked", async () => {
    const { world, ada, said, open } = await meet();
    await ada.append(topic, 2);
    await world.timers.advance(50);
    expect(said.filter(({ type }) => type === "range")).toEqual([]);
    open();
    await world.until(() => said.some(({ type }) => type === "range"));
  });

  test("wait for control logs that the peer has not answered for, and for no others", async () => {
    const { world, ada, link, said, open } = await meet();
    open();
    await world.run(link.a.synced());
    await ada.append(topic, 2);
    await world.timers.advance(50);
    const last = said.findLast(({ type }) => type === "frontier");
    expect(last).toMatchObject({ eager: true, logs: [{ domain: data }] });
  });
});

/** A hand-made member, and a node that holds its heads back until `open`. */
async function meetRaw(
  key: Uint8Array,
): Promise<{ world: World; bob: TestNode; raw: RawPeer; open(): void }> {
  const world = createWorld(72);
  const { store, open } = slowStore();
  const bob = world.node("bob", [testTopic(topic, [followKey])], { store });
  const raw = connectRaw(world, bob);
  await raw.shakeHands();
  await raw.announce(topic);
  await raw.prove(0, topic, key);
  return { world, bob, raw, open };
}

/** Announces a log of two entries eagerly and sends them at once; returns how to send them. */
async function push(
  world: World,
  raw: RawPeer,
  author: TestNode = world.node("author", [], { secret: rawSecret }),
): Promise<() => void> {
  if ((await author.heads(topic)).length === 0) await author.append(topic, 2);
  const [head] = await author.heads(topic);
  const log = {
    author: authorOf(rawSecret),
    domain: data,
    height: 2,
    prunedTo: 0,
    hash: head?.signedHash,
  };
  const kind = { type: "frontier", topicNumber: 0, generation: 1, answers: 1 } as const;
  raw.send({ ...kind, access: "full", first: true, last: true, eager: false, logs: [] });
  raw.send({ ...kind, access: "full", first: false, last: true, eager: true, logs: [log] });
  const ranges: StoredRange[] = [];
  for await (const range of author.store.ranges(head?.logId ?? never())) ranges.push(range);
  const send = (): void => {
    for (const { from, count, bytes } of ranges) {
      const byteCount = bytes.length;
      raw.send({ type: "range", topicNumber: 0, logNumber: 0, from, count, byteCount, bytes });
    }
  };
  send();
  await world.timers.advance(5);
  return send;
}

function wantsOf(raw: RawPeer): readonly string[] {
  return raw
    .ofType("wants")
    .flatMap(({ wants }) => wants.map(({ mode, from }) => `${mode} ${from}`));
}

describe("entries that a peer sends unasked", () => {
  test("before the heads are read are asked for again, and acked", async () => {
    const { world, bob, raw, open } = await meetRaw(followKey);
    const send = await push(world, raw);
    expect(bob.ingested()).toBe(0);
    open();
    await world.until(() => wantsOf(raw).length > 0);
    expect(wantsOf(raw)).toEqual(["again 0"]);
    send();
    await world.until(() => raw.ofType("acks").length > 0);
    expect((await bob.heads(topic)).map(({ height }) => height)).toEqual([2]);
  });

  test("by somebody without access are stopped, and asked for again when it has access", async () => {
    const { world, bob, raw, open } = await meetRaw(keyOf("another key"));
    open();
    await world.timers.advance(5);
    const send = await push(world, raw);
    expect(wantsOf(raw)).toEqual(["stop 0"]);
    expect(bob.ingested()).toBe(0);
    await raw.prove(0, topic, followKey, 2);
    await world.until(() => wantsOf(raw).length > 1);
    expect(wantsOf(raw)).toEqual(["stop 0", "again 0"]);
    send();
    await world.until(() => raw.ofType("acks").length > 0);
  });

  test("before the heads are read and without access are stopped, too", async () => {
    const { world, bob, raw, open } = await meetRaw(keyOf("another key"));
    await push(world, raw);
    open();
    await world.until(() => wantsOf(raw).length > 0);
    expect(wantsOf(raw)).toEqual(["stop 0"]);
    expect(bob.ingested()).toBe(0);
  });

  test("of what is here already are acked", async () => {
    const { world, bob, raw, open } = await meetRaw(followKey);
    const author = world.node("author", [], { secret: rawSecret });
    await author.append(topic, 2);
    const [head] = await author.heads(topic);
    for await (const range of author.store.ranges(head?.logId ?? never())) {
      expect(await ingestRange({ store: bob.store, crypto }, range)).toMatchObject({ height: 2 });
    }
    await push(world, raw, author);
    open();
    await world.until(() => raw.ofType("acks").length > 0);
    expect(raw.ofType("acks")[0]?.acks).toMatchObject([{ logNumber: 0, height: 2 }]);
    expect(wantsOf(raw)).toEqual([]);
  });
});

function never(): never {
  throw new Error("nothing there");
}
