/**
 * ByteRules: every rule about one field of variable length (docs/spec/query.md §5.5). Layer 3; pure.
 *
 * The reference leaves these fields out (it panics). Byte strings are ordered lexicographically, a
 * string before its continuations. Masks fix the length: a mask speaks of strings of its own length.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { QueryOperator } from "./fields.ts";
import { fullSet, restrict, smallest, toNumber, type TestSet } from "./test-set.ts";

/** One end of an interval of byte strings. */
interface Edge {
  readonly bytes: Uint8Array;
  readonly inclusive: boolean;
}

interface ByteMask {
  readonly ones: Uint8Array;
  readonly zeros: Uint8Array;
}

/** A conjunction of rules; absent parts say nothing. */
export interface ByteRules {
  readonly low: Edge | undefined;
  readonly high: Edge | undefined;
  /** What the bytes start with. */
  readonly head: Uint8Array;
  /** What the bytes end with. */
  readonly tail: Uint8Array;
  readonly mask: ByteMask | undefined;
}

/** The longest value that a mask on a field of variable length may have, in bytes. */
export const maskBytesMax = 255;

const none: Uint8Array = new Uint8Array(0);

export const anyBytes: ByteRules = {
  low: undefined,
  high: undefined,
  head: none,
  tail: none,
  mask: undefined,
};

/**
 * `rules` and one more, or `undefined` when no bytes can satisfy both. What is provable here is all
 * but one case: a tail that no string between two close bounds has. Such rules match nothing.
 */
export function restrictBytes(
  rules: ByteRules,
  operator: QueryOperator,
  value: Uint8Array,
): ByteRules | undefined {
  const narrowed = narrow(rules, operator, value);
  return narrowed !== undefined && isPossible(narrowed) ? narrowed : undefined;
}

function narrow(
  rules: ByteRules,
  operator: QueryOperator,
  value: Uint8Array,
): ByteRules | undefined {
  const edge = (inclusive: boolean): Edge => ({ bytes: value, inclusive });
  switch (operator) {
    case "=":
      return { ...rules, low: later(rules.low, edge(true)), high: earlier(rules.high, edge(true)) };
    case "<":
    case "<=":
      return { ...rules, high: earlier(rules.high, edge(operator === "<=")) };
    case ">":
    case ">=":
      return { ...rules, low: later(rules.low, edge(operator === ">=")) };
    case "=*":
      return withHead(rules, value);
    case "*=":
      return withTail(rules, value);
    case "0":
      return withMask(rules, { ones: new Uint8Array(value.length), zeros: value });
    case "1":
      return withMask(rules, { ones: value, zeros: new Uint8Array(value.length).fill(0xff) });
    case "?":
      return rules;
  }
}

function later(a: Edge | undefined, b: Edge): Edge {
  if (a === undefined) return b;
  const order = compareBytes(a.bytes, b.bytes);
  return order > 0 || (order === 0 && !a.inclusive) ? a : b;
}

function earlier(a: Edge | undefined, b: Edge): Edge {
  if (a === undefined) return b;
  const order = compareBytes(a.bytes, b.bytes);
  return order < 0 || (order === 0 && !a.inclusive) ? a : b;
}

function withHead(rules: ByteRules, head: Uint8Array): ByteRules | undefined {
  if (startsWith(head, rules.head)) return { ...rules, head };
  return startsWith(rules.head, head) ? rules : undefined;
}

function withTail(rules: ByteRules, tail: Uint8Array): ByteRules | undefined {
  if (endsWith(tail, rules.tail)) return { ...rules, tail };
  return endsWith(rules.tail, tail) ? rules : undefined;
}

function withMask(rules: ByteRules, mask: ByteMask): ByteRules | undefined {
  const old = rules.mask;
  if (old === undefined) return { ...rules, mask };
  if (old.ones.length !== mask.ones.length) return undefined;
  const ones = old.ones.map((byte, index) => byte | (mask.ones[index] ?? 0));
  const zeros = old.zeros.map((byte, index) => byte & (mask.zeros[index] ?? 0));
  return { ...rules, mask: { ones, zeros } };
}

function isPossible(rules: ByteRules): boolean {
  const { low, high, head, mask } = rules;
  if (low !== undefined && high !== undefined) {
    const order = compareBytes(low.bytes, high.bytes);
    if (order > 0) return false;
    if (order === 0) {
      return low.inclusive && high.inclusive && matchesBytes(rules, low.bytes, 0, low.bytes.length);
    }
  }
  if (mask !== undefined) return isPossibleWithLength(rules, mask);
  if (high !== undefined) {
    const order = compareBytes(high.bytes, head);
    if (order < 0 || (order === 0 && !high.inclusive)) return false;
  }
  return low === undefined || startsWith(low.bytes, head) || compareBytes(low.bytes, head) < 0;
}

/** With a length, every rule is one about a number of that many bytes: the exact answer. */
function isPossibleWithLength(rules: ByteRules, mask: ByteMask): boolean {
  const length = mask.ones.length;
  if (rules.head.length > length || rules.tail.length > length) return false;
  let set: TestSet = {
    ...fullSet(length),
    ones: toNumber(mask.ones),
    zeros: toNumber(mask.zeros),
  };
  const fix = (part: Uint8Array, shift: number): void => {
    const care = fullSet(part.length).high << BigInt(8 * shift);
    const value = toNumber(part) << BigInt(8 * shift);
    set = restrict(set, "1", value);
    set = restrict(set, "0", (fullSet(length).high ^ care) | value);
  };
  fix(rules.head, length - rules.head.length);
  fix(rules.tail, 0);
  const edges = [
    [">", rules.low],
    ["<", rules.high],
  ] as const;
  for (const [operator, edge] of edges) {
    if (edge !== undefined) set = withEdge(set, operator, edge, length);
  }
  return smallest(set) !== undefined;
}

/** A lexicographic bound as a bound on numbers of `length` bytes. */
function withEdge(set: TestSet, operator: "<" | ">", edge: Edge, length: number): TestSet {
  const fitted = new Uint8Array(length);
  fitted.set(edge.bytes.subarray(0, length));
  const value = toNumber(fitted);
  const longer = edge.bytes.length > length;
  const shorter = edge.bytes.length < length;
  // A longer bound lies just above its cut form; a shorter one just below its form with zeros.
  const inclusive =
    operator === ">"
      ? shorter || (edge.inclusive && !longer)
      : longer || (edge.inclusive && !shorter);
  const step = inclusive ? 1n : 0n;
  return restrict(set, operator, operator === ">" ? value - step : value + step);
}

/** Whether bytes `start` to `end` of `source` satisfy the rules. Allocates nothing. */
export function matchesBytes(
  rules: ByteRules,
  source: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { low, high, head, tail, mask } = rules;
  if (head.length > end - start || tail.length > end - start) return false;
  if (!hasBytesAt(source, start, head)) return false;
  if (!hasBytesAt(source, end - tail.length, tail)) return false;
  if (low !== undefined) {
    const order = compareRange(source, start, end, low.bytes);
    if (order < 0 || (order === 0 && !low.inclusive)) return false;
  }
  if (high !== undefined) {
    const order = compareRange(source, start, end, high.bytes);
    if (order > 0 || (order === 0 && !high.inclusive)) return false;
  }
  return mask === undefined || fitsMask(source, start, end, mask);
}

function fitsMask(source: Uint8Array, start: number, end: number, mask: ByteMask): boolean {
  const { ones, zeros } = mask;
  if (end - start !== ones.length) return false;
  for (let index = 0; index < ones.length; index++) {
    const byte = source[start + index] ?? 0;
    const one = ones[index] ?? 0;
    const zero = zeros[index] ?? 0;
    if ((byte & one) !== one || (byte | zero) !== zero) return false;
  }
  return true;
}

/** Whether `part` lies in `source` at `start`; what is past the end is not there. */
export function hasBytesAt(source: Uint8Array, start: number, part: Uint8Array): boolean {
  for (let index = 0; index < part.length; index++) {
    if (source[start + index] !== part[index]) return false;
  }
  return true;
}

/** Lexicographic order of `source[start, end)` and `other`. */
function compareRange(source: Uint8Array, start: number, end: number, other: Uint8Array): number {
  const shared = Math.min(end - start, other.length);
  for (let index = 0; index < shared; index++) {
    const difference = (source[start + index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return end - start - other.length;
}

export function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return bytes.length >= head.length && hasBytesAt(bytes, 0, head);
}

function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  return bytes.length >= tail.length && hasBytesAt(bytes, bytes.length - tail.length, tail);
}

/** One rule of a canonical listing. */
interface ByteRule {
  readonly operator: QueryOperator;
  readonly value: Uint8Array;
}

/** The rules in canonical order; adding them to `anyBytes` gives the same rules again. */
export function listByteRules(rules: ByteRules): readonly ByteRule[] {
  const { low, high, head, tail, mask } = rules;
  const listed: ByteRule[] = [];
  if (low !== undefined && high !== undefined && equalBytes(low.bytes, high.bytes)) {
    listed.push({ operator: "=", value: low.bytes });
  } else {
    if (high !== undefined) {
      listed.push({ operator: high.inclusive ? "<=" : "<", value: high.bytes });
    }
    if (low !== undefined) listed.push({ operator: low.inclusive ? ">=" : ">", value: low.bytes });
  }
  if (head.length > 0) listed.push({ operator: "=*", value: head });
  if (tail.length > 0) listed.push({ operator: "*=", value: tail });
  if (mask !== undefined) {
    listed.push({ operator: "1", value: mask.ones }, { operator: "0", value: mask.zeros });
  }
  return listed;
}
