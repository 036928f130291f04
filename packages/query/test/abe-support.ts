/** What the tests of ABE share: a context with a fixed clock, packets, and arbitrary expressions. */
import { fromUtf8, toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  publicGroup,
  testGroup,
  type Packet,
} from "@hawser/packet";
import {
  abeBytes,
  evaluateAbe,
  type AbeContext,
  type AbeFailure,
  type AbeOptions,
} from "@hawser/query";
import fc from "fast-check";

export const crypto: Crypto = createNobleCrypto();

/** The moment the tests' clock shows, in µs. */
export const now = 1_700_000_000_000_000;

export const context: AbeContext = { nowMicros: () => now };

export function withPacket(packet: Packet): AbeContext {
  return { ...context, packet };
}

/** A linkpoint with three links, a path of two components and five bytes of data. */
export const linkpoint: Packet = buildLinkpoint(crypto, {
  group: publicGroup(),
  domain: "mydomain",
  path: ["a", "bc"],
  links: [
    { tag: "tag1", pointer: publicGroup() },
    { tag: "x-tag2", pointer: new Uint8Array(32) },
    { tag: "tag3", pointer: testGroup() },
  ],
  stamp: 1,
  data: utf8("hello"),
});

export const datapoint: Packet = buildDatapoint(crypto, utf8("a < b & c > d"));

export const keypoint: Packet = buildKeypoint(
  crypto,
  { group: testGroup(), domain: "d", stamp: 2, data: Uint8Array.of(0xff, 0x41) },
  new Uint8Array(32).fill(7),
);

/** The text an expression evaluates to, or the code of its failure. */
export function textOf(
  expression: string,
  within: AbeContext = context,
  options: AbeOptions = {},
): string | undefined {
  const result = evaluateAbe(expression, within, options);
  return result.ok ? fromUtf8(abeBytes(result.value)) : result.code;
}

/** The bytes an expression evaluates to in hex, or the code of its failure. */
export function hexOf(expression: string, within: AbeContext = context): string {
  const result = evaluateAbe(expression, within);
  return result.ok ? toHex(abeBytes(result.value)) : result.code;
}

/** The failure of an expression. */
export function failureOf(
  expression: string | Uint8Array,
  within: AbeContext = context,
  options: AbeOptions = {},
): AbeFailure {
  const result = evaluateAbe(expression, within, options);
  if (!result.ok) return result;
  throw new Error(`${String(expression)} has a value`);
}

const names =
  "u8|u64|+|-|b|b16|?b|a|f|lpad|~rpad|lcut|slice|replace|C|help|or|?|~?|e|eval|??|???|us|now|s|si|" +
  "?space|~|links|link|pkt|hash|data|group|ptr|tag|i|0|#|@|readhash|size?|val?|~utf8|2mini||:|/";
const words = "9|pub|none|str|abe|val|1|255|-1|+1s|=|\\x00|\\xff|\\n|\\[|\\]|\\:|hello|b16|b|u8";

const arbitraryWord: fc.Arbitrary<string> = fc.constantFrom(...words.split("|"));

/** Text made of what means something to ABE, in no order. */
const arbitraryGarbage: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom("[", "[", "]", "]", ":", "/", "\\", "\n", "\t", "é", "😀"),
      fc.constantFrom(...names.split("|")),
      arbitraryWord,
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

/** Brackets that match, with functions that exist: much of it has a value. */
const { tree: arbitraryTree } = fc.letrec<{ tree: string; call: string }>((tie) => ({
  tree: fc.oneof({ maxDepth: 5 }, arbitraryWord, tie("call")),
  call: fc
    .record({
      open: fc.constantFrom("[", "[", "[", "[/"),
      name: fc.constantFrom(...names.split("|")),
      args: fc.array(
        fc.tuple(fc.constantFrom(":", ":", ":", "/"), tie("tree"), fc.constantFrom("", "x")),
        { maxLength: 4 },
      ),
    })
    .map(({ open, name, args }) => `${open}${name}${args.flat().join("")}]`),
}));

/** Expressions, and what is nearly one. */
export const arbitraryExpression: fc.Arbitrary<string> = fc.oneof(
  arbitraryGarbage,
  fc.array(arbitraryTree, { maxLength: 4 }).map((parts) => parts.join("")),
);
