/**
 * Reading numbers from bytes, refusing them in the reference's words (Rust's parsers). Layer 3; pure.
 */
import { success, type Result } from "./fault.ts";
import { functionFault } from "./scope.ts";

/** Largest length, count or offset: the reference's `usize` on 32 bits. */
export const sizeMax = 0xffff_ffffn;
/** Largest step of a slice: the reference's `isize` on 32 bits. */
const stepMax = 0x7fff_ffffn;

interface At {
  readonly index: number;
}

const saysTooLarge = "number too large to fit in target type";

/** Digits in `radix`, `+` allowed before them, as a number of at most `max`. */
export function parseUnsigned(
  call: At,
  bytes: Uint8Array,
  max: bigint,
  radix = 10,
): Result<bigint> {
  const expected = `a number in base ${radix} of at most ${max}`;
  const utf8Said = utf8Problem(bytes);
  if (utf8Said !== undefined) return functionFault(call, expected, utf8Said);
  const unsigned = bytes[0] === plus && bytes.length > 1 ? bytes.subarray(1) : bytes;
  return parseDigits(call, unsigned, { max, radix, expected, saysTooLarge });
}

/** A decimal number from −2^31 to 2^31 − 1. */
export function parseStep(call: At, bytes: Uint8Array): Result<number> {
  const expected = "a decimal number, perhaps with a sign";
  const utf8Said = utf8Problem(bytes);
  if (utf8Said !== undefined) return functionFault(call, expected, utf8Said);
  const isNegative = bytes[0] === minus;
  const hasSign = (isNegative || bytes[0] === plus) && bytes.length > 1;
  const value = parseDigits(call, hasSign ? bytes.subarray(1) : bytes, {
    max: isNegative ? stepMax + 1n : stepMax,
    radix: 10,
    expected,
    saysTooLarge: isNegative ? saysTooLarge.replace("large", "small") : saysTooLarge,
  });
  if (!value.ok) return value;
  return success(isNegative ? -Number(value.value) : Number(value.value));
}

const plus = 0x2b;
const minus = 0x2d;

function parseDigits(
  call: At,
  bytes: Uint8Array,
  rule: {
    readonly max: bigint;
    readonly radix: number;
    readonly expected: string;
    readonly saysTooLarge: string;
  },
): Result<bigint> {
  if (bytes.length === 0) {
    return functionFault(call, rule.expected, "cannot parse integer from empty string");
  }
  const radix = BigInt(rule.radix);
  let value = 0n;
  for (const byte of bytes) {
    const digit = digitOf(byte, rule.radix);
    if (digit === undefined) {
      return functionFault(call, rule.expected, "invalid digit found in string");
    }
    value = value * radix + BigInt(digit);
    if (value > rule.max) return functionFault(call, rule.expected, rule.saysTooLarge);
  }
  return success(value);
}

function digitOf(byte: number, radix: number): number | undefined {
  const digit = Number.parseInt(String.fromCharCode(byte), 36);
  return Number.isNaN(digit) || digit >= radix ? undefined : digit;
}

/** What the reference says about bytes that are no UTF-8, or `undefined` when they are. */
export function utf8Problem(bytes: Uint8Array): string | undefined {
  for (let index = 0; index < bytes.length;) {
    const size = sequenceBytes(bytes, index);
    if (size > 0) {
      index += size;
      continue;
    }
    if (size === 0) return `incomplete utf-8 byte sequence from index ${index}`;
    return `invalid utf-8 sequence of ${-size} bytes from index ${index}`;
  }
  return undefined;
}

/**
 * Bytes of the UTF-8 sequence at `index`; 0 when the input ends inside it; −n when its first n bytes
 * are no beginning of any.
 */
function sequenceBytes(bytes: Uint8Array, index: number): number {
  const first = bytes[index] ?? 0;
  if (first < 0x80) return 1;
  const count = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (count === 0) return -1;
  for (let offset = 1; offset < count; offset++) {
    const byte = bytes[index + offset];
    if (byte === undefined) return 0;
    const [low, high] = offset === 1 ? secondByteRange(first) : continuation;
    if (byte < low || byte > high) return -offset;
  }
  return count;
}

const continuation = [0x80, 0xbf] as const;

/** Second bytes that make no overlong form, surrogate, or code point past U+10FFFF. */
function secondByteRange(first: number): readonly [number, number] {
  if (first === 0xe0) return [0xa0, 0xbf];
  if (first === 0xed) return [0x80, 0x9f];
  if (first === 0xf0) return [0x90, 0xbf];
  if (first === 0xf4) return [0x80, 0x8f];
  return continuation;
}
