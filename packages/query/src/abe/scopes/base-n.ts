/**
 * Scope "base-n": numbers in base 2, 8 and 16, and base64 (docs/spec/query.md §2.5.3). Layer 3; pure.
 */
import { toBase64url, utf8 } from "@hawser/codec";
import { toMiniText } from "@hawser/packet";
import { success, type Result } from "../fault.ts";
import { bigEndian, withoutPrefix } from "../join.ts";
import { parseUnsigned, sizeMax } from "../numbers.ts";
import type { Node } from "../parse.ts";
import { debugNodes } from "../print-nodes.ts";
import {
  createScope,
  functionFault,
  type Call,
  type Outcome,
  type Scope,
  type ScopeFunction,
} from "../scope.ts";
import { toAbeText } from "../text.ts";

const none = new Uint8Array(0);
const numberMax = (1n << 128n) - 1n;
const numberBytesMax = 16;

/** A number of up to 128 bits as bytes without leading zeros; 0 is one zero byte. */
function parseNumber(call: Call, radix: number): Result<Uint8Array> {
  const value = parseUnsigned(call, call.args[0] ?? none, numberMax, radix);
  if (!value.ok) return value;
  if (value.value === 0n) return success(new Uint8Array(1));
  return success(withoutPrefix(bigEndian(value.value, numberBytesMax)));
}

function numberFunction(id: string, radix: number, help: string): ScopeFunction {
  return { id, use: "any", counts: [1, 1], help, apply: (call) => parseNumber(call, radix) };
}

/** Sizes given as options, such as `b16:4`: every one must be a number, with nothing between. */
function readSizes(options: readonly Node[]): Result<readonly number[]> {
  const sizes: number[] = [];
  for (const node of options) {
    if (node.kind !== "bytes") {
      return functionFault(node, "one size", `expected bytes << ${debugNodes([node])} >>`);
    }
    const size = parseUnsigned(node, node.bytes, sizeMax);
    if (!size.ok) return size;
    sizes.push(Number(size.value));
  }
  return success(sizes);
}

function encodeDigits(
  name: string,
  bytes: Uint8Array,
  options: readonly Node[],
  digits: (byte: number) => string,
): Outcome<string> {
  const sizes = readSizes(options);
  if (!sizes.ok) return sizes;
  if (sizes.value.length > 0 && !sizes.value.includes(bytes.length)) return undefined;
  return success(`[${name}:${Array.from(bytes, digits).join("")}]`);
}

/** Sizes such as `b:32:64` are read up to the first that fits; what is no text is passed over. */
function encodeBase64url(bytes: Uint8Array, options: readonly Node[]): Outcome<string> {
  for (const node of options) {
    if (node.kind !== "bytes") continue;
    const size = parseUnsigned(node, node.bytes, sizeMax);
    if (!size.ok) return size;
    if (size.value === BigInt(bytes.length)) return success(`[b:${toBase64url(bytes)}]`);
  }
  return options.length === 0 ? success(`[b:${toBase64url(bytes)}]`) : undefined;
}

const urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const standardAlphabet = `${urlAlphabet.slice(0, 62)}+/`;
const padding = 0x3d;

function toStandardBase64(bytes: Uint8Array): string {
  const text = toBase64url(bytes).replaceAll("-", "+").replaceAll("_", "/");
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

interface Base64 {
  readonly alphabet: string;
  readonly padding: "none" | "required";
}

const urlSafe: Base64 = { alphabet: urlAlphabet, padding: "none" };
const standard: Base64 = { alphabet: standardAlphabet, padding: "required" };

/** Canonical base64 only: padded as the form wants it, no stray bits in the last character. */
function decodeBase64(call: Call, form: Base64): Result<Uint8Array> {
  const text = call.args[0] ?? none;
  const refuse = (said: string): Result<Uint8Array> =>
    functionFault(call, form.padding === "none" ? "base64url without padding" : "base64", said);
  const invalid = (at: number): Result<Uint8Array> =>
    refuse(`Invalid byte ${text[at] ?? 0}, offset ${at}.`);
  const digitAt = (at: number): number => form.alphabet.indexOf(String.fromCharCode(text[at] ?? 0));
  if (text.length % 4 === 1) {
    const last = text.length - 1;
    if (text[last] !== padding && digitAt(last) < 0) return invalid(last);
    return refuse("Encoded text cannot have a 6-bit remainder.");
  }
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let bitCount = 0;
  let size = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const isPadding = text[at] === padding;
    if (digits < at && (!isPadding || at % 4 < 2)) return invalid(digits);
    if (isPadding && at % 4 >= 2) continue;
    const digit = digitAt(at);
    if (digit < 0) return invalid(at);
    digits++;
    bits = ((bits << 6) | digit) & 0xffff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    bytes[size++] = (bits >> bitCount) & 0xff;
  }
  const hasPadding = digits < text.length;
  if (form.padding === "none" ? hasPadding : text.length % 4 !== 0)
    return refuse("Invalid padding");
  if ((bits & ((1 << bitCount) - 1)) !== 0) {
    return refuse(`Invalid last symbol ${text[digits - 1] ?? 0}, offset ${digits - 1}.`);
  }
  return success(bytes.subarray(0, size));
}

function textFunction(
  id: string,
  help: string,
  print: (bytes: Uint8Array) => string,
): ScopeFunction {
  return {
    id,
    use: "any",
    counts: [1, 1],
    help,
    apply: (call) => success(utf8(print(call.args[0] ?? none))),
  };
}

export const baseScope: Scope = createScope(
  "base-n",
  "base{2,8,16,32,64} encoding - (b64 is url-safe no-padding)",
  [
    {
      ...numberFunction("b2", 2, "decode binary"),
      encode: (bytes, options) =>
        encodeDigits("b2", bytes, options, (byte) => byte.toString(2).padStart(8, "0")),
    },
    numberFunction("b8", 8, "encode octets"),
    {
      ...numberFunction("b16", 16, "decode hex"),
      encode: (bytes, options) =>
        encodeDigits("b16", bytes, options, (byte) =>
          byte.toString(16).toUpperCase().padStart(2, "0"),
        ),
    },
    textFunction("?b", "encode base64", toBase64url),
    textFunction("2mini", "encode mini", toMiniText),
    {
      id: "b",
      use: "any",
      counts: [1, 1],
      help: "decode base64",
      apply: (call) => decodeBase64(call, urlSafe),
      encode: encodeBase64url,
    },
    textFunction("?bs", "encode base64 standard padded", toStandardBase64),
    {
      id: "bs",
      use: "any",
      counts: [1, 1],
      help: "decode base64 standard padded",
      apply: (call) => decodeBase64(call, standard),
      encode: (bytes) => success(`[bs:${toAbeText(utf8(toStandardBase64(bytes)))}]`),
    },
  ],
);
