/**
 * TestSet: the numbers that satisfy every rule about one fixed-size field
 * (docs/spec/query.md §5.4). Layer 3; pure.
 *
 * A conjunction of `=`, `<`, `>` and bit masks on an unsigned number always comes to one interval
 * and two masks, so any number of rules takes the same room and the same time to test.
 */

/** low ≤ v ≤ high, every bit of `ones` set in v, no bit outside `zeros` set in v. */
export interface TestSet {
  readonly low: bigint;
  /** −1 where nothing is accepted. */
  readonly high: bigint;
  /** Bits that must be 1. */
  readonly ones: bigint;
  /** Bits that may be 1. */
  readonly zeros: bigint;
}

/** Operators that a TestSet absorbs; `?` changes nothing. */
export type TestOperator = "=" | "<" | ">" | "0" | "1" | "?";

/** The greatest number of `byteCount` bytes. */
export function greatest(byteCount: number): bigint {
  return (1n << BigInt(8 * byteCount)) - 1n;
}

/** Every number of `byteCount` bytes. */
export function fullSet(byteCount: number): TestSet {
  const high = greatest(byteCount);
  return { low: 0n, high, ones: 0n, zeros: high };
}

/** The numbers of `set` that satisfy one rule more. The result may be empty. */
export function restrict(set: TestSet, operator: TestOperator, value: bigint): TestSet {
  switch (operator) {
    case "=":
      return { ...set, low: larger(set.low, value), high: smaller(set.high, value) };
    case "<":
      return { ...set, high: smaller(set.high, value - 1n) };
    case ">":
      return { ...set, low: larger(set.low, value + 1n) };
    case "0":
      return { ...set, zeros: set.zeros & value };
    case "1":
      return { ...set, ones: set.ones | value };
    case "?":
      return set;
  }
}

/** Whether `value` satisfies every rule. */
export function hasValue(set: TestSet, value: bigint): boolean {
  return (
    value >= set.low &&
    value <= set.high &&
    (value & set.ones) === set.ones &&
    (value | set.zeros) === set.zeros
  );
}

/**
 * The smallest number of the set, or `undefined` when it is empty. Exact: bounds and masks are
 * looked at together. Cost grows with the number's length in bits, not with the size of the set.
 */
export function smallest(set: TestSet): bigint | undefined {
  if (set.low > set.high || (set.ones & set.zeros) !== set.ones) return undefined;
  const value = nextFitting(set.low, set.ones, set.zeros);
  return value === undefined || value > set.high ? undefined : value;
}

/** The greatest number of the set, or `undefined` when it is empty. */
export function largest(set: TestSet, byteCount: number): bigint | undefined {
  if (set.low > set.high) return undefined;
  // Upside down, the greatest is the smallest: flipping every bit turns order and masks round.
  const all = greatest(byteCount);
  const flipped = smallest({
    low: all - set.high,
    high: all - set.low,
    ones: all ^ set.zeros,
    zeros: all ^ set.ones,
  });
  return flipped === undefined ? undefined : all - flipped;
}

/** The smallest number ≥ `low` that fits the masks, or `undefined`. */
function nextFitting(low: bigint, ones: bigint, zeros: bigint): bigint | undefined {
  const wrong = (low & ~zeros) | (ones & ~low);
  if (wrong === 0n) return low;
  const top = highestBit(wrong);
  if (((low >> top) & 1n) === 0n) return withBit(low, top, ones);
  // The top wrong bit is 1 and must be 0: raise the lowest bit above it that is free and 0.
  const free = (zeros & ~ones & ~low) >> (top + 1n);
  if (free === 0n) return undefined;
  return withBit(low, top + 1n + highestBit(free & -free), ones);
}

/** `value` above `bit`, a 1 at `bit`, and below it only what must be 1. */
function withBit(value: bigint, bit: bigint, ones: bigint): bigint {
  const unit = 1n << bit;
  return ((value >> bit) << bit) | unit | (ones & (unit - 1n));
}

function highestBit(value: bigint): bigint {
  return BigInt(value.toString(2).length - 1);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Big-endian bytes as a number. */
export function toNumber(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** A number as `byteCount` big-endian bytes; it must fit. */
export function toBytes(value: bigint, byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  let rest = value;
  for (let index = byteCount - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
