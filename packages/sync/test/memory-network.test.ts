/** docs/spec/3-sync.md §11: the contract of connections, on the memory network. */
import { describe, expect, test } from "vitest";
import {
  connectionCases,
  createMemoryNetwork,
  createMemoryPair,
  createSeededNumbers,
  createVirtualTimers,
} from "@hawser/sync/testing";

describe("memory connections", () => {
  test.each(connectionCases.map((entry) => [entry.name, entry] as const))(
    "[TH-113] %s",
    async (_name, entry) => {
      await entry.run(async () => {
        const pair = createMemoryPair();
        return { ...pair, [Symbol.asyncDispose]: async () => pair.cut() };
      });
    },
  );

  test("one seed gives one history: the same frames arrive, the same connections break", async () => {
    const histories = await Promise.all([7, 7, 8].map(play));
    expect(histories[1]).toEqual(histories[0]);
    expect(histories[2]).not.toEqual(histories[0]);
  });

  async function play(seed: number): Promise<readonly string[]> {
    const timers = createVirtualTimers();
    const numbers = createSeededNumbers(seed);
    const faults = { delayMsMax: 30, cutChance: 0.03 };
    const network = createMemoryNetwork({ timers, numbers, faults });
    const history: string[] = [];
    for (let connection = 0; connection < 4; connection++) {
      const { a, b } = network.connect();
      void (async () => {
        for await (const frame of b.frames) {
          history.push(`${timers.nowMs()}: ${connection} got ${frame[0]}`);
        }
        history.push(`${timers.nowMs()}: ${connection} ended`);
      })();
      for (let n = 0; n < 20; n++) a.send(Uint8Array.of(n)).catch(() => {});
    }
    await timers.advance(200);
    expect(network.traffic().frames).toBeGreaterThan(40);
    return history;
  }

  test("frames of one connection keep their order under any delay", async () => {
    const timers = createVirtualTimers();
    const numbers = createSeededNumbers(3);
    const network = createMemoryNetwork({
      timers,
      numbers,
      faults: { delayMsMax: 50, cutChance: 0 },
    });
    const { a, b } = network.connect();
    const got: number[] = [];
    void (async () => {
      for await (const frame of b.frames) got.push(frame[0] ?? -1);
    })();
    for (let n = 0; n < 100; n++) void a.send(Uint8Array.of(n));
    await timers.advance(100);
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});
