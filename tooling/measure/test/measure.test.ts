import { expect, test } from "vitest";
import { compare, formatTable, measure } from "../src/index.ts";
import { formatRate } from "../src/table.ts";

test("measure warms up, runs as often as asked, and divides by the best run", async () => {
  let calls = 0;
  const result = await measure("count", () => void calls++, {
    operations: 10,
    runs: 3,
    warmUps: 2,
  });
  expect(calls).toBe(5);
  expect(result.bestSeconds).toBeGreaterThan(0);
  expect(result.medianSeconds).toBeGreaterThanOrEqual(result.bestSeconds);
  expect(result.opsPerSecond).toBeCloseTo(10 / result.bestSeconds);
});

test("measure waits for asynchronous work", async () => {
  let finished = 0;
  const work = async (): Promise<void> => {
    await Promise.resolve();
    finished++;
  };
  await measure("async", work, { runs: 2, warmUps: 0 });
  expect(finished).toBe(2);
});

test("measure passes on a failure of the work", async () => {
  const work = (): never => {
    throw new Error("broken work");
  };
  await expect(measure("broken", work)).rejects.toThrow("broken work");
});

test("compare prints ours, the peer and the ratio", () => {
  const one = (name: string, opsPerSecond: number) => ({
    name,
    operations: 1,
    bestSeconds: 1,
    medianSeconds: 1,
    opsPerSecond,
  });
  const lines = compare([
    { work: "append", ours: one("hawser", 150_000), peer: one("other", 75_000) },
    { work: "prove", ours: one("hawser", 950) },
  ]).split("\n");
  expect(lines[2]).toMatch(/^append +150k\/s +75\.0k\/s \(other\) +2\.00 ×$/);
  expect(lines[3]).toMatch(/^prove +950\/s +– +–$/);
});

test("columns line up and rates have three digits", () => {
  expect(formatTable(["a", "bbb"], [["xx", "1"]])).toBe("a   bbb\n──  ───\nxx    1");
  expect([0.25, 999.4, 999.6, 12_345, 999_600, 1.4e6].map(formatRate)).toEqual([
    "0.250/s",
    "999/s",
    "1.00k/s",
    "12.3k/s",
    "1.00M/s",
    "1.40M/s",
  ]);
  expect(formatRate(Number.NaN)).toBe("–");
});
