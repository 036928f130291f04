/**
 * Seeded draws. Every part of a run draws from a stream of its own, named after the part, so that
 * switching one kind of fault off leaves the draws of all others as they were.
 */

/** A stream of draws. */
export interface Draws {
  /** A number in [0, 1). */
  float(): number;
  /** An integer in [0, count). */
  below(count: number): number;
  /** An integer in [from, to]. */
  between(from: number, to: number): number;
  /** True with that chance. */
  chance(chance: number): boolean;
  /** One of them; `undefined` of none. */
  pick<Item>(items: readonly Item[]): Item | undefined;
  bytes(byteCount: number): Uint8Array;
  /** A stream that follows from this one's seed and the name alone, not from what was drawn. */
  split(name: string): Draws;
}

/** The stream of a seed. */
export function createDraws(seed: string | number): Draws {
  const name = String(seed);
  let state = fnv1a(name);
  const float = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(float() * count);
  return {
    float,
    below,
    between: (from, to) => from + below(to - from + 1),
    chance: (chance) => float() < chance,
    pick: (items) => items[below(items.length)],
    bytes: (byteCount) => Uint8Array.from({ length: byteCount }, () => below(256)),
    split: (part) => createDraws(`${name}/${part}`),
  };
}

/** FNV-1a, 32 bits, with a last mix so that near names give far seeds. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
