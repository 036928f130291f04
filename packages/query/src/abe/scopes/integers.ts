/**
 * Scope "UInt": unsigned integers as bytes (docs/spec/query.md §2.5.2). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { success, type Result } from "../fault.ts";
import { bigEndian, fromBigEndian } from "../join.ts";
import { parseUnsigned } from "../numbers.ts";
import { createScope, functionFault, type Call, type Scope, type ScopeFunction } from "../scope.ts";

const none = new Uint8Array(0);

function integerMax(size: number): bigint {
  return (1n << BigInt(8 * size)) - 1n;
}

/** Adds or subtracts the arguments in order; the first overflow gives the largest or least value. */
function accumulate(call: Call, sign: 1 | -1): Result<Uint8Array> {
  const [first = none, ...rest] = call.args;
  if (rest.some((bytes) => bytes.length !== first.length)) {
    return functionFault(call, "arguments of one length", "Mismatch length");
  }
  const total = first.slice();
  for (const bytes of rest) {
    // Byte by byte: the arguments may be as long as a packet's data.
    let carry = 0;
    for (let index = total.length - 1; index >= 0; index--) {
      const sum = (total[index] ?? 0) + sign * (bytes[index] ?? 0) + carry;
      carry = sum < 0 ? -1 : sum > 0xff ? 1 : 0;
      total[index] = sum - 256 * carry;
    }
    if (carry !== 0) return success(total.fill(carry > 0 ? 0xff : 0));
  }
  return success(total);
}

/** Longest bytes that are printed as a number. */
const printedBytesMax = 16;

function printInteger(call: Call, bytes: Uint8Array): Result<Uint8Array> {
  if (bytes.length > printedBytesMax) {
    return functionFault(
      call,
      `at most ${printedBytesMax} bytes`,
      "ints larger than 16 bytes (fixme)",
    );
  }
  return success(utf8(fromBigEndian(bytes).toString()));
}

function bigEndianFunction(size: number): ScopeFunction {
  const id = `u${8 * size}`;
  return {
    id,
    use: "any",
    counts: [1, 1],
    help: `parse ${size} byte`,
    apply: (call) => {
      const value = parseUnsigned(call, call.args[0] ?? none, integerMax(size));
      return value.ok ? success(bigEndian(value.value, size)) : value;
    },
    encode: (bytes) =>
      bytes.length === size ? success(`[${id}:${fromBigEndian(bytes)}]`) : undefined,
  };
}

function littleEndianFunction(size: number): ScopeFunction {
  return {
    id: `lu${8 * size}`,
    use: "any",
    counts: [1, 1],
    help: `parse ${size} little endian byte`,
    apply: (call) => {
      const value = parseUnsigned(call, call.args[0] ?? none, integerMax(size));
      return value.ok ? success(bigEndian(value.value, size).reverse()) : value;
    },
  };
}

/** Little-endian bytes without the zeros at their end: none for 0. */
function shortLittleEndian(call: Call): Result<Uint8Array> {
  const value = parseUnsigned(call, call.args[0] ?? none, integerMax(16));
  if (!value.ok) return value;
  const bytes = bigEndian(value.value, 16).reverse();
  return success(bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1));
}

export const integerScope: Scope = createScope("UInt", "Unsigned integer functions", [
  {
    id: "+",
    use: "any",
    counts: [1, 16],
    help: "Saturating addition. Requires all inputs to be equal size",
    apply: (call) => accumulate(call, 1),
  },
  {
    id: "-",
    use: "any",
    counts: [1, 16],
    help: "Saturating subtraction. Requires all inputs to be equal size",
    apply: (call) => accumulate(call, -1),
  },
  ...[1, 2, 4, 8, 16].map(bigEndianFunction),
  {
    id: "?u",
    use: "any",
    counts: [1, 1],
    help: "Print big endian bytes as decimal",
    apply: (call) => printInteger(call, call.args[0] ?? none),
  },
  {
    id: "lu",
    use: "any",
    counts: [1, 1],
    help: "parse little endian byte (upto 16)",
    apply: shortLittleEndian,
  },
  ...[1, 2, 4, 8, 16].map(littleEndianFunction),
  {
    id: "?lu",
    use: "any",
    counts: [1, 1],
    help: "print little endian number",
    apply: (call) => printInteger(call, (call.args[0] ?? none).slice().reverse()),
  },
]);
