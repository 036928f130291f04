import { describe, expect, test } from "vitest";
import { createByteBudget, createOpenCount, createRateLimit } from "../src/limits.ts";

describe("rate limit", () => {
  test("lets a burst through, then refills evenly", () => {
    let now = 0;
    const limit = createRateLimit({ max: 3, windowMs: 60_000, nowMs: () => now });
    expect([1, 2, 3, 4].map(() => limit.take("a"))).toEqual([true, true, true, false]);
    now += 20_000;
    expect([1, 2].map(() => limit.take("a"))).toEqual([true, false]);
    now += 10 * 60_000;
    expect([1, 2, 3, 4].map(() => limit.take("a"))).toEqual([true, true, true, false]);
  });

  test("one address does not use up another's share", () => {
    const limit = createRateLimit({ max: 1, windowMs: 1_000, nowMs: () => 0 });
    expect([limit.take("a"), limit.take("b"), limit.take("a")]).toEqual([true, true, false]);
  });

  test("memory is bounded: the address unused for longest is forgotten", () => {
    const limit = createRateLimit({ max: 1, windowMs: 1_000, nowMs: () => 0, keysMax: 2 });
    for (const key of ["a", "b", "c"]) limit.take(key);
    expect(limit.take("c")).toBe(false);
    expect(limit.take("a")).toBe(true);
  });
});

describe("open count", () => {
  test("bounds each address and the whole, and a release counts once", () => {
    const count = createOpenCount({ perKeyMax: 2, totalMax: 3 });
    const first = count.open("a");
    expect(count.open("a")).toBeDefined();
    expect(count.open("a")).toBeUndefined();
    expect(count.open("b")).toBeDefined();
    expect(count.open("c")).toBeUndefined();
    first?.();
    first?.();
    expect(count.total).toBe(2);
    expect(count.open("c")).toBeDefined();
  });
});

test("a budget of bytes holds so many, and whatever comes first", () => {
  const budget = createByteBudget(100);
  const long = budget.hold(500);
  expect(long).toBeDefined();
  expect(budget.hold(1)).toBeUndefined();
  long?.();
  long?.();
  const [first, second] = [budget.hold(60), budget.hold(40)];
  expect([first, second]).not.toContain(undefined);
  expect(budget.hold(1)).toBeUndefined();
  second?.();
  expect(budget.hold(41)).toBeUndefined();
  expect(budget.hold(40)).toBeDefined();
});
