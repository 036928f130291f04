import { abeInputBytesMax, tokenizeAbe } from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryExpression } from "./abe-support.ts";

function tokens(text: string, keep: Parameters<typeof tokenizeAbe>[1] = []): unknown {
  const result = tokenizeAbe(text, keep);
  if (!result.ok) return `${result.code} at ${result.index}`;
  return result.value.map((token) => `${token.delimiter ?? ""}${token.text}`);
}

describe("tokens", () => {
  test.each([
    ["", []],
    ["a", ["a"]],
    [":", ["", ":"]],
    ["a:b/c", ["a", ":b", "/c"]],
    ["a:[b:c/d]:e\\:f", ["a", ":[b:c/d]", ":e\\:f"]],
    ["a\nb\tc", ["a", "\nb", "\tc"]],
    ["[a", "ABE_UNMATCHED_OPEN at 0"],
    ["a]:", "ABE_UNMATCHED_CLOSE at 1"],
    ["a\\q", "ABE_SYNTAX at 1"],
    ["aé", "ABE_SYNTAX at 1"],
  ])("[LK-abe-tokenize] %j is %j", (text, expected) => {
    expect(tokens(text)).toEqual(expected);
  });

  test("[LK-abe-tokenize] delimiters that are kept do not split", () => {
    expect(tokens("a:b/c\nd", ["/", "\n"])).toEqual(["a", ":b/c\nd"]);
  });

  test("[LK-abe-tokenize] tokens are the text, and say where they are", () => {
    fc.assert(
      fc.property(arbitraryExpression, (text) => {
        const result = tokenizeAbe(text);
        if (!result.ok) return;
        const whole = result.value.map((token) => `${token.delimiter ?? ""}${token.text}`).join("");
        expect(whole).toBe(text);
        for (const token of result.value) {
          expect(text.slice(token.index, token.index + token.text.length)).toBe(token.text);
          expect(token.hasBrackets).toBe(/(?<!\\)(\\\\)*\[/.test(token.text));
        }
      }),
      { numRuns: 500 },
    );
  });

  test("[LK-abe-tokenize] nesting and size are bounded", () => {
    expect(tokens("[".repeat(65))).toBe("ABE_TOO_LARGE at 64");
    expect(tokens("a".repeat(abeInputBytesMax + 1))).toBe("ABE_TOO_LARGE at 0");
  });
});
