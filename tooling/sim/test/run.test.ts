/** The simulator itself: a run is a function of its seed, and its parts do what they say. */
import { createSeededNumbers } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { runSeed, troubles } from "@hawser-tooling/sim";
import { createDraws } from "../src/draws.ts";
import { drawSwarm } from "../src/options.ts";
import { replayCommand } from "../src/replay.ts";
import { createOwner, createSchedule } from "../src/schedule.ts";

describe("runs", () => {
  test.each([2, 3, 5, 12])(
    "[NB-11] seed %i twice gives the same trace",
    async (seed) => {
      const lines: string[] = [];
      const first = await runSeed({ seed });
      const again = await runSeed({ seed, onLine: (line) => lines.push(line) });
      expect(again).toEqual(first);
      expect(lines.length).toBeGreaterThan(100);
    },
    120_000,
  );

  test("another seed gives another trace", async () => {
    const [one, other] = [await runSeed({ seed: 2 }), await runSeed({ seed: 6 })];
    expect(one.traceHash).not.toBe(other.traceHash);
  }, 120_000);

  test("what is left out of a run leaves the rest of its swarm as it was", () => {
    const all = drawSwarm(createDraws(9).split("swarm"), { seed: 9 });
    const without = new Set(troubles);
    const calm = drawSwarm(createDraws(9).split("swarm"), { seed: 9, without });
    expect(calm.has.size).toBe(0);
    expect(calm.deviceCount).toBe(all.deviceCount);
    expect(calm.stepCount).toBe(all.stepCount);
  });

  test("the replay command names everything that differs from the usual", () => {
    expect(replayCommand({ seed: 4 })).toBe("pnpm sim --seed 4");
    const without = new Set(["cut", "crash"] as const);
    const options = { seed: 4, stepsMax: 7, without, with: new Set(["hoard"] as const) };
    expect(replayCommand(options)).toBe(
      "pnpm sim --seed 4 --steps 7 --without cut,crash --with hoard",
    );
  });
});

describe("schedule", () => {
  test("events happen in order of time, then of making; dead owners' never", async () => {
    const schedule = createSchedule();
    const [alive, dead] = [createOwner("alive"), createOwner("dead")];
    const seen: string[] = [];
    schedule.after(alive, 20, () => seen.push("c"));
    schedule.after(alive, 10, () => seen.push("a"));
    schedule.after(alive, 10, () => seen.push("b"));
    schedule.after(dead, 5, () => seen.push("never"));
    const cancel = schedule.after(alive, 15, () => seen.push("called off"));
    cancel();
    dead.isAlive = false;
    await schedule.runUntil(100, () => false);
    expect(seen).toEqual(["a", "b", "c"]);
    expect(schedule.nowMs()).toBe(100);
    expect(alive.waiting).toBe(0);
  });

  test("every promise that is ready runs before the next event", async () => {
    const schedule = createSchedule();
    const owner = createOwner("one");
    const seen: number[] = [];
    const chain = async (): Promise<void> => {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      seen.push(1);
    };
    schedule.after(owner, 1, () => void chain());
    schedule.after(owner, 2, () => seen.push(2));
    await schedule.runUntil(10, () => false);
    expect(seen).toEqual([1, 2]);
  });

  test("many timers come out sorted", async () => {
    const schedule = createSchedule();
    const owner = createOwner("one");
    const numbers = createSeededNumbers(5);
    const seen: number[] = [];
    for (let count = 0; count < 500; count++) {
      const atMs = Math.floor(numbers() * 100);
      schedule.after(owner, atMs, () => seen.push(atMs));
    }
    await schedule.runUntil(100, () => false);
    expect(seen).toHaveLength(500);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});
