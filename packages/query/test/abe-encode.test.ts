import { fromHex, toHex, utf8 } from "@hawser/codec";
import { publicGroup } from "@hawser/packet";
import {
  abeBytes,
  encodeAbe,
  evaluateAbe,
  fromAbeText,
  toAbeText,
  tryEncodeAbe,
} from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { context } from "./abe-support.ts";

const optionNames = "# @ a b bs b2 b16 b:32 b16:2:4 b2:x u8 u16 u32 u64 u128 s nosuch".split(" ");

const arbitraryOptions = fc
  .array(fc.constantFrom(...optionNames, ""), { maxLength: 6 })
  .map((names) => names.join("/"));

/** Bytes that some encoder likes: zeros in front, well-known groups, paths, small sizes. */
const arbitraryBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(publicGroup(), new Uint8Array(32), new Uint8Array(0), new Uint8Array(16)),
  fc.uint8Array({ maxLength: 4 }).map((tail) => Uint8Array.of(0, 0, ...tail)),
  fc.uint8Array({ maxLength: 14 }).map((tail) => Uint8Array.of(tail.length, ...tail)),
  fc.uint8Array({ maxLength: 12 }).map((tail) => Uint8Array.of(0xff, 0xff, ...tail)),
);

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

describe("encode", () => {
  test("[LK-abe-encode] what is encoded evaluates to the bytes, for all options", () => {
    fc.assert(
      fc.property(arbitraryBytes, arbitraryOptions, (bytes, options) => {
        const text = encodeAbe(bytes, options, context);
        const result = evaluateAbe(text, context);
        expect(result.ok && toHex(abeBytes(result.value)), text).toBe(toHex(bytes));
        const tried = tryEncodeAbe(bytes, options, context);
        if (tried.ok) expect(tried.value).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["00ff", "b16", "[b16:00FF]", "\\0\\f"],
    ["0000", "b2/u16", "[b2:0000000000000000]", "[u16:0]"],
    ["", "s/b", "[/]", "[b:]"],
    ["00", "b16", "[b16:00]", "[b16:00]"],
    ["01", "s/b", "[b:AQ]", "[b:AQ]"],
  ])(
    "[LK-abe-encode] %s by %s: the reference's %s may lose bytes, %s does not",
    (hex, options, reference, exact) => {
      expect(encodeAbe(bytesOf(hex), options, context, { encodings: "reference" })).toBe(reference);
      expect(encodeAbe(bytesOf(hex), options, context)).toBe(exact);
    },
  );

  test.each([
    ["00000008", "u8/u32/b", "[u32:8]"],
    ["68656c6c6f", "b:32/", "hello"],
    ["68656c6c6f", "b:32:5/", "[b:aGVsbG8]"],
    ["ffffffffffffffff65786368616e6765", "a", "[a:\\f\\f\\f\\f\\f\\f\\f\\fexchange]"],
    ["0161026263", "s", "[//a/bc]"],
    ["", "u8", ""],
    ["61", "b16:x/b", "[b:YQ]"],
    ["61", "[bad", "a"],
  ])("[LK-abe-encode] %s by %s is %s", (hex, options, text) => {
    expect(encodeAbe(bytesOf(hex), options, context)).toBe(text);
  });

  test.each([
    ["u32", "ABE_ENCODING"],
    ["", "ABE_ENCODING"],
    ["b16:x", "ABE_ENCODING"],
    ["[b", "ABE_ENCODING"],
    ["b[:x]", "ABE_ENCODING"],
  ])("[LK-abe-encode] trying %j alone is refused", (options, code) => {
    const result = tryEncodeAbe(utf8("abc"), options, context);
    expect(result.ok ? "ok" : result.code).toBe(code);
  });

  test("[LK-abe-encode] a context that cannot be used is a failure, and plain text otherwise", () => {
    const crowded = { ...context, argv: Array.from({ length: 9 }, () => new Uint8Array(0)) };
    expect(tryEncodeAbe(utf8("a"), "b", crowded)).toMatchObject({ code: "ABE_ARGUMENTS" });
    expect(encodeAbe(utf8("a"), "b", crowded)).toBe("a");
  });
});

describe("text", () => {
  test("[LK-abe-encode] every byte string has one canonical text and comes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = toAbeText(bytes);
        expect(text).toMatch(/^[\x20-\x7e]*$/);
        const read = fromAbeText(text);
        expect(read.ok && toHex(read.value)).toBe(toHex(bytes));
        const evaluated = evaluateAbe(text, context);
        expect(evaluated.ok && toHex(abeBytes(evaluated.value))).toBe(toHex(bytes));
      }),
    );
  });

  test.each([
    ["a:b", 1],
    ["a/b", 1],
    ["[", 0],
    ["ab]", 2],
    ["\n", 0],
    ["\t", 0],
    ["a\\", 1],
    ["\\x4", 0],
    ["ä", 0],
    ["\\e", 0],
  ])("[LK-abe-errors] %j is no text", (text, index) => {
    expect(fromAbeText(text)).toMatchObject({ ok: false, code: "ABE_SYNTAX", index });
  });

  test("[LK-abe-b64] mini forms and base64 inside expressions", () => {
    const long = evaluateAbe("[2mini:[b:CzBVep_E6Q4zWH2ixw]] [?b:[b:CzBVep_E6Q4]]", context);
    expect(long.ok && new TextDecoder().decode(abeBytes(long.value))).toBe("CzBVep.xw CzBVep_E6Q4");
  });

  test("[LK-abe-b64] base64 of any bytes comes back in both alphabets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const plain = toAbeText(bytes);
        for (const [print, read] of [
          ["?b", "b"],
          ["?bs", "bs"],
        ]) {
          const result = evaluateAbe(`[:${plain}/${print}/${read}]`, context);
          expect(result.ok && toHex(abeBytes(result.value))).toBe(toHex(bytes));
        }
      }),
    );
  });
});
