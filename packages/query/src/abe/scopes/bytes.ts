/**
 * Scope "bytes": padding, cutting, slicing, replacing (docs/spec/query.md §2.5.1). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { fault, success, type Result } from "../fault.ts";
import { joinBytes, withoutPrefix } from "../join.ts";
import { abeBytesMax } from "../limits.ts";
import { parseStep, parseUnsigned, sizeMax } from "../numbers.ts";
import { createScope, functionFault, type Call, type Scope, type ScopeFunction } from "../scope.ts";
import { toAbeText } from "../text.ts";

/** Length that padding and cutting aim at unless told: that of domains and tags. */
const defaultLength = 16;

type Side = "left" | "right";

interface PadRule {
  readonly side: Side;
  readonly pad: number;
  /** What becomes of bytes that are too long. */
  readonly long: "refuse" | "keep" | "cut";
}

function readLength(call: Call, bytes: Uint8Array | undefined): Result<number> {
  if (bytes === undefined) return success(defaultLength);
  const length = parseUnsigned(call, bytes, sizeMax);
  return length.ok ? success(Number(length.value)) : length;
}

function padBytes(call: Call, rule: PadRule): Result<Uint8Array> {
  const [input = new Uint8Array(0), lengthText, padText] = call.args;
  const length = readLength(call, lengthText?.length === 0 ? undefined : lengthText);
  if (!length.ok) return length;
  const size = length.value;
  const bytes = rule.long === "cut" ? cutTo(input, size, rule.side) : input;
  if (size < bytes.length) {
    if (rule.long === "keep") return success(bytes);
    return functionFault(
      call,
      `at most ${size} bytes to pad`,
      `exceeds length ${size} ( use  ~[lr]pad or [lr]fixed )`,
    );
  }
  if (padText !== undefined && padText.length !== 1) {
    return functionFault(call, "one byte to pad with", "pad byte should be a single byte");
  }
  if (size > abeBytesMax) {
    return fault("ABE_TOO_LARGE", call.index, `a length of at most ${abeBytesMax}`);
  }
  const padded = new Uint8Array(size).fill(padText?.[0] ?? rule.pad);
  padded.set(bytes, rule.side === "left" ? size - bytes.length : 0);
  return success(padded);
}

/** `left` keeps the first bytes, `right` the last. */
function cutTo(bytes: Uint8Array, size: number, side: Side): Uint8Array {
  if (size >= bytes.length) return bytes;
  return side === "left" ? bytes.subarray(0, size) : bytes.subarray(bytes.length - size);
}

function cutBytes(call: Call, side: Side, short: "refuse" | "keep"): Result<Uint8Array> {
  const [bytes = new Uint8Array(0), lengthText] = call.args;
  const length = readLength(call, lengthText);
  if (!length.ok) return length;
  if (length.value > bytes.length && short === "refuse") {
    return functionFault(
      call,
      `at least ${length.value} bytes to cut`,
      `less than length ${length.value} ( use '~[lr]cut or [lr]fixed`,
    );
  }
  return success(cutTo(bytes, length.value, side));
}

/** Every `from` becomes `to`, from the left and without overlap. */
function replaceBytes(call: Call): Result<Uint8Array> {
  const [bytes = new Uint8Array(0), from = bytes, to = bytes] = call.args;
  if (from.length === 0) return functionFault(call, "at least one byte to replace");
  const chunks: Uint8Array[] = [];
  let kept = 0;
  let size = 0;
  for (let index = 0; index + from.length <= bytes.length;) {
    if (!from.every((byte, offset) => bytes[index + offset] === byte)) {
      index++;
      continue;
    }
    chunks.push(bytes.subarray(kept, index), to);
    size += to.length;
    if (size > abeBytesMax) {
      return fault("ABE_TOO_LARGE", call.index, `at most ${abeBytesMax} bytes of values`);
    }
    index += from.length;
    kept = index;
  }
  chunks.push(bytes.subarray(kept));
  return success(joinBytes(chunks));
}

interface Bound {
  readonly isNegative: boolean;
  readonly value: number;
}

function readBound(call: Call, bytes: Uint8Array | undefined): Result<Bound | undefined> {
  if (bytes === undefined || bytes.length === 0) return success(undefined);
  const isNegative = bytes[0] === 0x2d;
  const value = parseUnsigned(call, isNegative ? bytes.subarray(1) : bytes, sizeMax);
  return value.ok ? success({ isNegative, value: Number(value.value) }) : value;
}

/** Offsets `start`, `start + step`, … before `end`, as Python's slices choose them. */
export function sliceOffsets(
  call: Call,
  length: number,
  args: readonly Uint8Array[],
): Result<readonly number[]> {
  const start = readBound(call, args[0]);
  if (!start.ok) return start;
  const end = readBound(call, args[1]);
  if (!end.ok) return end;
  const step = args[2] === undefined ? success(1) : parseStep(call, args[2]);
  if (!step.ok) return step;
  const by = step.value;
  const [first, past] = by >= 0 ? [0, length] : [length - 1, -1];
  const place = (bound: Bound | undefined, otherwise: number): number => {
    if (bound === undefined) return otherwise;
    const offset = bound.isNegative ? length - bound.value : bound.value;
    return Math.min(Math.max(offset, Math.min(first, past)), Math.max(first, past));
  };
  const offsets: number[] = [];
  const stop = place(end.value, past);
  if (by === 0) return success(offsets);
  for (let at = place(start.value, first); by > 0 ? at < stop : at > stop; at += by) {
    if (at < 0 || at >= length) break;
    offsets.push(at);
  }
  return success(offsets);
}

function sliceBytes(call: Call): Result<Uint8Array> {
  const [bytes = new Uint8Array(0), ...args] = call.args;
  const offsets = sliceOffsets(call, bytes.length, args);
  if (!offsets.ok) return offsets;
  return success(Uint8Array.from(offsets.value, (offset) => bytes[offset] ?? 0));
}

const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Text of bytes, U+FFFD for what is no UTF-8. */
export function lossyText(bytes: Uint8Array): string {
  return lossyDecoder.decode(bytes);
}

function bytesFunction(
  id: string,
  counts: readonly [number, number],
  help: string,
  apply: (call: Call, first: Uint8Array) => Result<Uint8Array>,
): ScopeFunction {
  return {
    id,
    use: "any",
    counts,
    help,
    apply: (call) => apply(call, call.args[0] ?? new Uint8Array(0)),
  };
}

function padFunction(id: string, help: string, rule: PadRule): ScopeFunction {
  return bytesFunction(id, [1, 3], help, (call) => padBytes(call, rule));
}

const padHelp = "[bytes,length = 16,pad_byte = \\0]";

export const bytesScope: Scope = createScope("bytes", "Byte padding/trimming", [
  bytesFunction("?a", [1, 1], "encode bytes into ascii-bytes format", (_, bytes) =>
    success(utf8(toAbeText(bytes))),
  ),
  bytesFunction(
    "?a0",
    [1, 1],
    "encode bytes into ascii-bytes format but strip prefix '0' bytes",
    (_, bytes) => success(utf8(toAbeText(withoutPrefix(bytes)))),
  ),
  {
    ...padFunction("a", `${padHelp} - alias for 'lpad'`, { side: "left", pad: 0, long: "refuse" }),
    encode: (bytes) => {
      const text = toAbeText(withoutPrefix(bytes));
      return success(bytes.length === 16 ? `[a:${text}]` : `[a:${text}:${bytes.length}]`);
    },
  },
  padFunction("f", "same as 'a' but uses \\xff as padding ", {
    side: "left",
    pad: 0xff,
    long: "refuse",
  }),
  padFunction("lpad", `${padHelp} - left pad input bytes`, {
    side: "left",
    pad: 0,
    long: "refuse",
  }),
  padFunction("rpad", `${padHelp} - right pad input bytes`, {
    side: "right",
    pad: 0,
    long: "refuse",
  }),
  padFunction("~lpad", `${padHelp} - left pad input bytes`, { side: "left", pad: 0, long: "keep" }),
  padFunction("~rpad", `${padHelp} - right pad input bytes`, {
    side: "right",
    pad: 0,
    long: "keep",
  }),
  bytesFunction("lcut", [1, 2], "[bytes,length = 16] - left cut input bytes", (call) =>
    cutBytes(call, "left", "refuse"),
  ),
  bytesFunction("rcut", [1, 2], "[bytes,length = 16] - right cut input bytes", (call) =>
    cutBytes(call, "right", "refuse"),
  ),
  bytesFunction("~lcut", [1, 2], "[bytes,length = 16] - lcut without error", (call) =>
    cutBytes(call, "left", "keep"),
  ),
  bytesFunction("~rcut", [1, 2], "[bytes,length = 16] - lcut without error", (call) =>
    cutBytes(call, "right", "keep"),
  ),
  padFunction("lfixed", `${padHelp} - left pad and cut input bytes`, {
    side: "left",
    pad: 0,
    long: "cut",
  }),
  padFunction("rfixed", `${padHelp} - right pad and cut input bytes`, {
    side: "right",
    pad: 0,
    long: "cut",
  }),
  bytesFunction("replace", [3, 3], "[bytes,from,to] - replace pattern from to to", replaceBytes),
  bytesFunction(
    "slice",
    [1, 4],
    "[bytes,start=0,stop=len,step=1] - python like slice indexing",
    sliceBytes,
  ),
  bytesFunction("~utf8", [1, 1], "lossy encode as utf8", (_, bytes) =>
    success(utf8(lossyText(bytes))),
  ),
]);
