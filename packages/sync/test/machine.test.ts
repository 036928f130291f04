/** docs/spec/3-sync.md §2: the machine alone, without any runner. */
import { toHex } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import {
  createMachine,
  decodeMessage,
  encodeMessage,
  type Machine,
  type MachineOptions,
  type MachineState,
  type SyncEffect,
  type SyncEvent,
} from "@hawser/sync";
import { crypto, data, followKey, identityOf, keyOf, topicOf } from "./harness.ts";

const topic = topicOf("machine");
const options: MachineOptions = {
  windowBytes: 2 ** 20,
  rangeBytes: 2 ** 20,
  outboxBytes: 2 ** 22,
  handshakeMs: 1_000,
  heartbeatMs: 1_000,
  topicEntries: 1_000,
  topicBytes: 2 ** 20,
  bodyBytes: 64 * 1024 * 1024,
  features: 1,
  reconcileLogs: 64,
};

interface Side {
  readonly machine: Machine;
  state: MachineState;
  readonly effects: SyncEffect[];
}

function createSide(name: string, changed: Partial<MachineOptions> = {}): Side {
  const machine = createMachine({ crypto, options: { ...options, ...changed } });
  const seed = {
    nonce: keyOf(`nonce ${name}`),
    paddingSeed: keyOf(`padding ${name}`),
    identities: [identityOf(keyOf(`secret ${name}`))],
    channelBinding: new Uint8Array(0),
  };
  return { machine, state: machine.initial(seed), effects: [] };
}

/** Feeds an event and returns the frames it brings forth. */
function feed(side: Side, event: SyncEvent): readonly Uint8Array[] {
  const stepped = side.machine.step(side.state, event);
  side.state = stepped.state;
  side.effects.push(...stepped.effects);
  return stepped.effects.flatMap((effect) => (effect.type === "send" ? [effect.frame] : []));
}

/** Carries frames to and fro until nothing moves. */
function converse(a: Side, b: Side, first: readonly Uint8Array[]): void {
  let toB = first;
  let toA: readonly Uint8Array[] = [];
  while (toA.length > 0 || toB.length > 0) {
    const fromB = toB.flatMap((frame) => feed(b, { type: "frame", frame }));
    const fromA = toA.flatMap((frame) => feed(a, { type: "frame", frame }));
    toB = fromA;
    toA = fromB;
  }
}

function open(a: Side, b: Side): void {
  const helloA = feed(a, { type: "start" });
  const helloB = feed(b, { type: "start" });
  const fromA = helloB.flatMap((frame) => feed(a, { type: "frame", frame }));
  converse(a, b, [...helloA, ...fromA]);
  const snapshot = {
    topic,
    followKeys: [followKey],
    identityAccess: "none" as const,
    controlDomains: [],
  };
  converse(a, b, feed(a, { type: "topics", topics: [snapshot] }));
  converse(b, a, feed(b, { type: "topics", topics: [snapshot] }));
  converse(a, b, feed(a, { type: "heads", topic, heads: [], forks: [] }));
  converse(b, a, feed(b, { type: "heads", topic, heads: [], forks: [] }));
}

describe("machine", () => {
  test("[TH-101] the same events give the same frames, byte for byte", () => {
    const runs = [0, 1].map(() => {
      const [a, b] = [createSide("a"), createSide("b")];
      open(a, b);
      return [a, b]
        .flatMap((side) => side.effects)
        .flatMap((effect) => (effect.type === "send" ? [toHex(effect.frame)] : []));
    });
    expect(runs[0]?.length).toBeGreaterThan(8);
    expect(runs[1]).toEqual(runs[0]);
  });

  test("a settled session says so by its frames: each side has the other's last frontier", () => {
    const [a, b] = [createSide("a"), createSide("b")];
    open(a, b);
    for (const side of [a, b]) {
      const frontiers = side.effects.flatMap((effect) => {
        if (effect.type !== "send") return [];
        const message = decodeMessage(effect.frame);
        return message?.type === "frontier" ? [message] : [];
      });
      expect(frontiers).toMatchObject([{ access: "full", first: true, last: true, logs: [] }]);
    }
  });

  test("another channel binding on one side makes the identities fail", () => {
    const a = createSide("a");
    const b = createSide("b");
    b.state = b.machine.initial({
      nonce: keyOf("nonce b"),
      paddingSeed: keyOf("padding b"),
      identities: [identityOf(keyOf("secret b"))],
      channelBinding: keyOf("another channel"),
    });
    const helloA = feed(a, { type: "start" });
    const helloB = feed(b, { type: "start" });
    const fromA = helloB.flatMap((frame) => feed(a, { type: "frame", frame }));
    converse(a, b, [...helloA, ...fromA]);
    const codes = [a, b].flatMap((side) =>
      side.effects.flatMap((effect) => (effect.type === "close" ? [effect.code] : [])),
    );
    expect(codes).toContain("SYNC_BAD_IDENTITY");
  });

  test("an outbox that is not emptied ends with SYNC_SLOW", () => {
    const [a, b] = [createSide("a", { outboxBytes: 6_000 }), createSide("b")];
    open(a, b);
    const topicNumber = b.state.topics.get(topic)?.ownNumber ?? -1;
    const generation = (b.state.topics.get(topic)?.out.generation ?? 0) + 1;
    const logs = Array.from({ length: 2_000 }, (_, n) => ({
      author: toHex(keyOf(`author ${n}`)) as never,
      domain: data,
      height: 1,
      prunedTo: 0,
      hash: keyOf("head"),
    }));
    const frame = encodeMessage({
      type: "frontier",
      topicNumber,
      generation,
      answers: 1,
      access: "full",
      first: true,
      last: true,
      eager: false,
      logs,
    });
    feed(a, { type: "frame", frame });
    const claim = a.effects.find((effect) => effect.type === "claim");
    expect(claim?.logIds).toHaveLength(2_000);
    feed(a, { type: "claimed", topic, logIds: claim?.logIds ?? [] });
    const end = a.effects.find((effect) => effect.type === "close");
    expect(end).toMatchObject({ code: "SYNC_SLOW", by: "local" });
    expect(feed(a, { type: "close" })).toEqual([]);
  });

  test("after the end no event has an effect", () => {
    const [a, b] = [createSide("a"), createSide("b")];
    open(a, b);
    feed(a, { type: "close" });
    const before = a.effects.length;
    const events: readonly SyncEvent[] = [
      { type: "timer", name: "heartbeat" },
      { type: "disconnected" },
      { type: "close" },
      { type: "failed", cause: new Error("late") },
      { type: "topics", topics: [] },
      { type: "frame", frame: new Uint8Array(3) },
      { type: "sent", byteCount: 5 },
    ];
    for (const event of events) feed(a, event);
    expect(a.effects).toHaveLength(before);
  });
});
