/** Seeded randomness and clocks for the tests of this package. */
import type { Random } from "@hawser/crypto";
import type { Clock } from "@hawser/log";

/** Bytes of a small generator (mulberry32): repeatable, and good enough for a test. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) & 0xff;
  };
  return (byteCount) => Uint8Array.from({ length: byteCount }, next);
}

/** A clock that only moves when told to. */
export interface TestClock extends Clock {
  advance(seconds: number): void;
}

/** Starts in November 2026; `advance` takes seconds. */
export function createTestClock(): TestClock {
  let now = 1_794_000_000_000_000;
  return {
    nowMicros: () => {
      now += 1;
      return now;
    },
    advance: (seconds) => {
      now += seconds * 1e6;
    },
  };
}
