/**
 * Seeded randomness for tests: the same seed gives the same run. Not secret, not secure.
 */
import type { Random } from "@hawser/crypto";

/** Numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function createSeededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes from a 32-bit seed, in the shape of the injected `Random`. */
export function createSeededRandom(seed: number): Random {
  const next = createSeededNumbers(seed);
  return (byteCount) => Uint8Array.from({ length: byteCount }, () => Math.floor(next() * 256));
}
