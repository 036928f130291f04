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

const none = new Uint8Array(0);

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
  const [input = none, lengthText, padText] = call.args;
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
  const [bytes = none, lengthText] = call.args;
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
  const [bytes = none, from = none, to = none] = call.args;
  if (from.length === 0) return functionFault(call, "at least one byte to replace");
  const found = findAll(bytes, from);
  if (found.length * to.length > abeBytesMax) {
    return fault("ABE_TOO_LARGE", call.index, `at most ${abeBytesMax} bytes of values`);
  }
  const chunks: Uint8Array[] = [];
  let kept = 0;
  for (const start of found) {
    chunks.push(bytes.subarray(kept, start), to);
    kept = start + from.length;
  }
  chunks.push(bytes.subarray(kept));
  return success(joinBytes(chunks));
}

/** Where `pattern` begins in `bytes`, without overlap (Knuth, Morris and Pratt: linear time). */
function findAll(bytes: Uint8Array, pattern: Uint8Array): readonly number[] {
  const borders = borderLengths(pattern);
  const found: number[] = [];
  let matched = 0;
  for (const [index, byte] of bytes.entries()) {
    while (matched > 0 && byte !== pattern[matched]) matched = borders[matched - 1] ?? 0;
    if (byte === pattern[matched]) matched++;
    if (matched < pattern.length) continue;
    found.push(index + 1 - pattern.length);
    matched = 0;
  }
  return found;
}

/** For each prefix of `pattern`, the length of its longest proper border. */
function borderLengths(pattern: Uint8Array): Uint32Array {
  const borders = new Uint32Array(pattern.length);
  let length = 0;
  for (let index = 1; index < pattern.length; index++) {
    while (length > 0 && pattern[index] !== pattern[length]) length = borders[length - 1] ?? 0;
    if (pattern[index] === pattern[length]) length++;
    borders[index] = length;
  }
  return borders;
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

/** Offsets `start`, `start + step`, … of a list, `count` of them. */
export interface Slice {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What Python's `[start:end:step]` chooses of a list of `length`; nothing for a step of 0. */
export function readSlice(call: Call, length: number, args: readonly Uint8Array[]): Result<Slice> {
  const startBound = readBound(call, args[0]);
  if (!startBound.ok) return startBound;
  const endBound = readBound(call, args[1]);
  if (!endBound.ok) return endBound;
  const stepValue = args[2] === undefined ? success(1) : parseStep(call, args[2]);
  if (!stepValue.ok) return stepValue;
  const step = stepValue.value;
  const [first, past] = step >= 0 ? [0, length] : [length - 1, -1];
  const place = (bound: Bound | undefined, otherwise: number): number => {
    if (bound === undefined) return otherwise;
    const offset = bound.isNegative ? length - bound.value : bound.value;
    return Math.min(Math.max(offset, Math.min(first, past)), Math.max(first, past));
  };
  const start = place(startBound.value, first);
  const distance = (place(endBound.value, past) - start) / step;
  const count = step === 0 || !(distance > 0) ? 0 : Math.ceil(distance);
  return success({ start, step, count });
}

function sliceBytes(call: Call): Result<Uint8Array> {
  const [bytes = none, ...args] = call.args;
  const slice = readSlice(call, bytes.length, args);
  if (!slice.ok) return slice;
  const { start, step, count } = slice.value;
  const chosen = new Uint8Array(count);
  for (let place = 0; place < count; place++) chosen[place] = bytes[start + place * step] ?? 0;
  return success(chosen);
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
    apply: (call) => apply(call, call.args[0] ?? none),
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
