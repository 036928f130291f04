import {
  abeBytesMax,
  abeDepthMax,
  abeInputBytesMax,
  abeStepsMax,
  evaluateAbe,
} from "@hawser/query";
import { utf8 } from "@hawser/codec";
import { buildLinkpoint, linkpointLinkCountMax, publicGroup } from "@hawser/packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  arbitraryExpression,
  context,
  crypto,
  failureOf,
  keypoint,
  linkpoint,
  textOf,
  withPacket,
} from "./abe-support.ts";

describe("where and what", () => {
  test.each([
    ["a\nb", "ABE_SYNTAX", 1, "a printable ASCII character"],
    ["ab\\q", "ABE_SYNTAX", 2, "one of \\n \\r \\t \\0 \\f \\: \\/ \\\\ \\[ \\] \\xHH"],
    ["ab\\x4", "ABE_SYNTAX", 2, "two hex digits after \\x"],
    ["a[b[c]", "ABE_UNMATCHED_OPEN", 1, "a ] for this ["],
    ["a[b]]", "ABE_UNMATCHED_CLOSE", 4, "a [ before this ]"],
    ["ab[nosuch:1]", "ABE_NO_SUCH_FUNCTION", 3, "a function that exists, not nosuch"],
    ["ab[:x/nosuch]", "ABE_NO_SUCH_FUNCTION", 5, "a function that exists, not nosuch"],
    ["ab[/nosuch]", "ABE_NO_SUCH_FUNCTION", 4, "a macro that exists, not /nosuch"],
    ["[u8]", "ABE_ARGUMENTS", 1, "1 to 1 arguments of u8, not 0"],
    ["[:x/now]", "ABE_ARGUMENTS", 3, "[now…], not […/now…]"],
    ["[C:x[u8:256]]", "ABE_FUNCTION", 5, "a number in base 10 of at most 255"],
    ["[a:toolong:3]", "ABE_FUNCTION", 1, "at most 3 bytes to pad"],
    ["[replace:abc::x]", "ABE_FUNCTION", 1, "at least one byte to replace"],
    ["x[[:u8]:9]", "ABE_SYNTAX", 1, "a function's name in plain text after ["],
    ["x[/]", "ABE_SYNTAX", 1, "a macro's name after [/"],
    ["x[/[:a]]", "ABE_SYNTAX", 3, "a macro's name in plain text after [/"],
    ["x[//a:b]", "ABE_FUNCTION", 5, "a path of /component"],
    ["[/?:abc/u32]", "ABE_ENCODING", 2, "an option that fits the bytes, or / at the end"],
    ["[/?abc]", "ABE_NO_SUCH_FUNCTION", 2, "a macro that exists, not /?abc"],
    ["[/links:a:b]", "ABE_NO_SUCH_FUNCTION", 2, "a macro that exists, not /links"],
    ["x[eval:\\[]", "ABE_UNMATCHED_OPEN", 2, "a ] for this ["],
  ] as const)("[LK-abe-errors] %j is %s at %i", (expression, code, index, expected) => {
    const failure = failureOf(expression);
    expect(failure).toMatchObject({ code, index, expected });
    expect(failure.message).toMatch(new RegExp(`^byte ${index} of the expression`));
    expect(failure.message.endsWith(`: expected ${expected}`)).toBe(true);
  });

  test("[LK-abe-errors] the message names the innermost function", () => {
    expect(failureOf("[:[/or:[u8:x]]]").message).toContain(", in /or: ");
    expect(failureOf("[/e::[C:[u8:x]]]").message).toContain(", in u8: ");
  });

  test("[LK-abe-errors] sixteen parts and no more", () => {
    const parts = (count: number): string => `[C${":x".repeat(count - 1)}]`;
    expect(textOf(parts(16))).toBe("");
    expect(failureOf(parts(17))).toMatchObject({ code: "ABE_ARGUMENTS", index: 32 });
  });
});

describe("in the reference's words", () => {
  test.each([
    ["[", "UnmatchedOpen"],
    ["\\xg0", "AB(\n    InvalidHex,\n)"],
    ["é", "AB(\n    ParseError {\n        byte: 195,\n        idx: 0,\n    },\n)"],
    ["[/]", "missing eval name"],
    ["[/[:a]]", "var eval name resolution disabled"],
    ["[eval:\\[]", "func error : 'eval' : Unmatched '['"],
    ["[eval:\\]]", "func error : 'eval' : Unmatched ']'"],
    [
      "[eval:\\x01]",
      "func error : 'eval' : ABTxt Error Unable to parse txt as bytes 1('\\u{1}') at 0",
    ],
    ["[u8:\\xff]", "func error : 'u8' : invalid utf-8 sequence of 1 bytes from index 0"],
    ["[u8:1\\xe2\\x82]", "func error : 'u8' : incomplete utf-8 byte sequence from index 1"],
    ["[u8:-1]", "func error : 'u8' : invalid digit found in string"],
    ["[u8:+]", "func error : 'u8' : invalid digit found in string"],
    ["[u8:99x]", "func error : 'u8' : invalid digit found in string"],
    ["[u8:999x]", "func error : 'u8' : number too large to fit in target type"],
    ["[slice:a:::-9999999999]", "func error : 'slice' : number too small to fit in target type"],
    ["[b:AB]", "func error : 'b' : Invalid last symbol 66, offset 1."],
    ["[b:AAE=]", "func error : 'b' : Invalid padding"],
    ["[b:A=AA]", "func error : 'b' : Invalid byte 61, offset 1."],
    ["[b:AA=A]", "func error : 'b' : Invalid byte 61, offset 2."],
    ["[b:AAAA!]", "func error : 'b' : Invalid byte 33, offset 4."],
    ["[bs:AAE]", "func error : 'bs' : Invalid padding"],
    ["[rcut:a:2]", "func error : 'rcut' : less than length 2 ( use '~[lr]cut or [lr]fixed"],
    ["[val?:a:=:b]", "func error : 'val?' : unequal bytes"],
    ["[size?:a:=:2]", "func error : 'size?' : expected 2 bytes got 1"],
    ["[us:+3s1m]", "func error : 'us' : Out of order 'm'"],
    ["[us:+3]", "func error : 'us' : cannot parse integer from empty string"],
    ["[us:foo:bar]", "func error : 'us' : unknown args 'foo:bar'"],
    ["[us:str:x]", "func error : 'us' : bad trailing args 'x'"],
    ["[?u:0123456789abcdefg]", "func error : '?u' : ints larger than 16 bytes (fixme)"],
    ["[/or]", "evaluator err :  'or' []"],
    ["[/or[:x]]", "evaluator err :  'or' expected ':EXPR'"],
    ["[/?]", "evaluator err :  '?' minimum length mismatch expect 1 has 0 << [] >>"],
    ["[/?/x]", "evaluator err :  '?' expected ':' << [/] >>"],
    ["[?:a:b:c]", "func error : '?' : Options not yet supported"],
    [
      "[?:abc:b16\\:1\\:2]",
      "func error : '?' : Encoder 'b16' failed - set ignore_err or use /~? to suppress\n" +
        "expected bytes << [:] >>",
    ],
    ["[?:abc:\\]]", "func error : '?' : option parse error"],
    [
      "[/?:abc/[:b]]",
      "evaluator err :  '?' option encoding error expected [ scope [:{opts}]? ]* - " +
        "expected function id + args ( got '[:b]')",
    ],
    ["[//a/[:]/[s:]]", "evaluator err :  '' func error : 's' : component cant be of size 0"],
    ["[replace:abc::x]", ""],
  ])("[LK-abe-errors] %j", (expression, reference) => {
    expect(failureOf(expression).reference).toBe(reference);
  });
});

describe("bounds", () => {
  test("[LK-abe-errors] garbage has a verdict, within the bounds", () => {
    const within = { ...withPacket(linkpoint), readHash: () => keypoint, argv: [utf8("[")] };
    fc.assert(
      fc.property(arbitraryExpression, fc.boolean(), (expression, loose) => {
        const result = evaluateAbe(expression, within, { loose });
        if (result.ok) {
          const size = result.value.reduce((sum, part) => sum + part.bytes.length, 0);
          expect(size).toBeLessThanOrEqual(abeBytesMax);
        } else {
          expect(result.index).toBeGreaterThanOrEqual(0);
          expect(result.index).toBeLessThanOrEqual(utf8(expression).length);
          expect(result.expected).not.toBe("");
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("[LK-abe-errors] any bytes have a verdict", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(typeof evaluateAbe(bytes, context).ok).toBe("boolean");
        const loose = evaluateAbe(bytes, context, { loose: true });
        if (!loose.ok) expect(loose.index).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test("[LK-abe-errors] nesting is bounded", () => {
    const nested = (depth: number): string => "[:".repeat(depth) + "]".repeat(depth);
    expect(textOf(nested(abeDepthMax))).toBe("");
    expect(failureOf(nested(abeDepthMax + 1))).toMatchObject({
      code: "ABE_TOO_LARGE",
      index: 2 * abeDepthMax,
    });
    expect(failureOf("[".repeat(1_000_000)).code).toBe("ABE_TOO_LARGE");
    expect(failureOf(new Uint8Array(abeInputBytesMax + 1)).code).toBe("ABE_TOO_LARGE");
  });

  test("[LK-abe-errors] values are bounded, those in between as well", () => {
    expect(failureOf("[a:x:4000000000]").code).toBe("ABE_TOO_LARGE");
    expect(failureOf(`[lpad::${abeBytesMax + 1}]`).code).toBe("ABE_TOO_LARGE");
    const doubled = (depth: number): string =>
      depth === 0 ? "[lpad::4096]" : `[replace:[lpad::4096:a]:a:${doubled(depth - 1)}]`;
    expect(failureOf(doubled(4)).code).toBe("ABE_TOO_LARGE");
    expect(failureOf("[C:[lpad::9000000]][C:[lpad::9000000]]").code).toBe("ABE_TOO_LARGE");
    expect(textOf("[/or:[lpad::99999999]:small]")).toBe("ABE_TOO_LARGE");
  });

  test("[LK-abe-errors] loops over links in loops over links end", () => {
    const links = Array.from({ length: linkpointLinkCountMax }, () => ({
      tag: "t",
      pointer: publicGroup(),
    }));
    const packet = buildLinkpoint(crypto, { group: publicGroup(), links, stamp: 0 });
    const loops = (depth: number): string =>
      depth === 0 ? "" : `[/links:${loops(depth - 1)}[link:t/slice::0]]`;
    expect(textOf(loops(1).replace("[link:t/slice::0]", ""), withPacket(packet))).toBe("");
    expect(abeStepsMax).toBeLessThan(linkpointLinkCountMax ** 2);
    expect(failureOf(loops(2), withPacket(packet)).code).toBe("ABE_TOO_LARGE");
    expect(failureOf(loops(9), withPacket(packet)).code).toBe("ABE_TOO_LARGE");
  });

  test("[LK-abe-errors] what failures show is bounded, however much is tried", () => {
    const wide = `[/or${":[x]".repeat(60_000)}]`;
    const deep = `${"[/or:".repeat(60)}[x:${"a".repeat(200_000)}]${"]".repeat(60)}`;
    for (const expression of [
      wide,
      deep,
      `[${"a".repeat(200_000)}]`,
      `[u8:${"9".repeat(200_000)}]`,
    ]) {
      const failure = failureOf(expression);
      expect(failure.reference.length).toBeLessThan(20_000);
      expect(failure.message.length).toBeLessThan(20_000);
    }
  });

  test("[LK-abe-errors] trying encoders has a price", () => {
    const options = "/b16".repeat(10_000);
    expect(failureOf(`[/~?:[lpad::100000]${options}]`).code).toBe("ABE_TOO_LARGE");
    expect(failureOf(`[/~?:[lpad::20]${options}]`).code).toBe("ABE_ENCODING");
  });

  test("[LK-abe-errors] replacing takes linear time", () => {
    const long = `[replace:[lpad::400000:a]:[lpad:b:200000:a]:x]`;
    expect(textOf(`[C:${long}]`)).toBe("");
  });
});
