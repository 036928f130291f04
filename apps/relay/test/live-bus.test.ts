/** What nodes say to each other: in order, bounded, and never a reason to fail. */
import { toHex } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import { createVirtualTimers, drain } from "@hawser/sync/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLiveBus, type LiveBus, type LiveMessage } from "../src/live-bus.ts";

const to = (fill: number): string => toHex(new Uint8Array(32).fill(fill));
const signal = (fill: number, size: number): LiveMessage => ({
  kind: "signal",
  to: to(fill),
  bytes: new Uint8Array(size).fill(fill),
});

/** Nodes that hear all parts, each one of which `carry` may change or lose. */
function setUp(count: number, carry: (parts: readonly string[]) => readonly string[] = (p) => p) {
  const timers = createVirtualTimers();
  const commits: (readonly string[])[] = [];
  const buses: LiveBus[] = [];
  const heard: LiveMessage[][] = [];
  for (let index = 0; index < count; index++) {
    const bus = createLiveBus({
      timers,
      random: seededRandom(`node ${index}`),
      nowMs: timers.nowMs,
      tell: async (parts) => {
        commits.push(parts);
        for (const part of carry(parts)) for (const each of buses) each.hear(part);
      },
    });
    const own: LiveMessage[] = [];
    bus.listen((message) => void own.push(message));
    buses.push(bus);
    heard.push(own);
  }
  const pass = async (ms: number): Promise<void> => {
    await timers.advance(ms);
    await drain();
  };
  return { buses, heard, commits, pass };
}

describe("the bus", () => {
  test("brings what is said within a moment in one commit to the others, in order, not back", async () => {
    const { buses, heard, commits, pass } = setUp(3);
    const said: LiveMessage[] = [signal(1, 1), signal(2, 17_000), signal(3, 8_232), signal(2, 5)];
    for (const message of said) buses[0]!.say(message);
    await pass(100);
    expect(heard).toEqual([[], said, said]);
    expect(commits).toHaveLength(1);
    for (const part of commits[0] ?? []) expect(`live ${part}`.length).toBeLessThan(8_000);
    buses[1]!.say({ kind: "broadcast", to: to(9), bytes: Uint8Array.of(7) });
    await pass(100);
    expect(heard[0]).toEqual([{ kind: "broadcast", to: to(9), bytes: Uint8Array.of(7) }]);
  });

  test("says so much a second, and drops what is more", async () => {
    const { buses, heard, pass } = setUp(2);
    for (let second = 0; second < 10; second++) {
      for (let index = 0; index < 500; index++) buses[0]!.say(signal(1, 8_000));
      await pass(1_000);
    }
    const bytes = (heard[1] ?? []).reduce((sum, message) => sum + message.bytes.length, 0);
    expect(bytes).toBeGreaterThan(0.5 * 10 * 128 * 1024);
    expect(bytes).toBeLessThan(256 * 1024 + 10 * 128 * 1024);
  });

  test("keeps no place for a batch of which a part was lost", async () => {
    const { buses, heard, pass } = setUp(2, (parts) => (parts.length > 2 ? parts.slice(1) : parts));
    buses[0]!.say(signal(1, 17_000));
    await pass(100);
    expect(heard[1]).toEqual([]);
    buses[0]!.say(signal(2, 10));
    await pass(100);
    expect(heard[1]).toEqual([signal(2, 10)]);
  });

  test("goes on after the database failed, and is silent once it is over", async () => {
    let isDown = true;
    const { buses, heard, pass } = setUp(2, (parts) => {
      if (isDown) throw new Error("gone");
      return parts;
    });
    buses[0]!.say(signal(1, 10));
    await pass(100);
    isDown = false;
    buses[0]!.say(signal(2, 10));
    await pass(100);
    expect(heard[1]).toEqual([signal(2, 10)]);
    for (const bus of buses) bus.stop();
    buses[0]!.say(signal(3, 10));
    await pass(100);
    expect(heard[1]).toHaveLength(1);
  });

  test("stands whatever stands in a part", () => {
    const { buses, heard } = setUp(1);
    const mark = fc.constantFrom("more", "last", "x");
    const text = fc.oneof(fc.base64String(), fc.stringMatching(/^[\w-]{0,60}$/));
    const part = fc.tuple(fc.nat(3), mark, text).map((all) => `AAAAAAAA ${all.join(" ")}`);
    fc.assert(
      fc.property(fc.oneof(part, fc.string()), (given) => {
        buses[0]!.hear(given);
      }),
    );
    for (const { bytes } of heard[0] ?? []) expect(bytes.length).toBeLessThan(256 * 1024);
  });
});
