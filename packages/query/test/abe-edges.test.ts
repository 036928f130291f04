/**
 * Edges of ABE whose answers were checked one by one against the published behaviour of Linkspace
 * 0.5.1. They keep what was found right from changing.
 */
import { fromUtf8, utf8 } from "@hawser/codec";
import { abeBytes, encodeAbe, evaluateAbe, type AbeContext } from "@hawser/query";
import { describe, expect, test } from "vitest";
import { context, datapoint, keypoint, linkpoint, withPacket } from "./abe-support.ts";

/** The reference's answer: the text of a value, or what it says when it refuses. */
function answerOf(expression: string, within: AbeContext = context): string | undefined {
  const result = evaluateAbe(expression, within, { encodings: "reference" });
  return result.ok ? fromUtf8(abeBytes(result.value)) : result.reference;
}

const wrongPlace = "function can not be applied this way";
const noEncoding = "No suitable encoding found - add a '/:' for fallback to abtxt encoding ";

describe("padding, cutting and slicing", () => {
  test.each([
    ["[a:abc:]/", `${"\0".repeat(13)}abc/`],
    ["[~lpad:abc:2:xx]", "abc"],
    ["[rcut:0123456789abcdefXYZ]", "3456789abcdefXYZ"],
    ["[rfixed:0123456789abcdefXYZ]", "3456789abcdefXYZ"],
    ["[slice:abc:3:0:-1]", "cb"],
    ["[slice:abc:-0]", ""],
    ["[slice:abc:::-5]", "c"],
    ["[slice:abcdef:+2]", "cdef"],
    ["[replace:aaa:aa:b]", "ba"],
    ["[lpad:abc:3:xx]", "func error : 'lpad' : pad byte should be a single byte"],
    ["[a:ab:1:xx]", "func error : 'a' : exceeds length 1 ( use  ~[lr]pad or [lr]fixed )"],
    ["[lcut:abc:]", "func error : 'lcut' : cannot parse integer from empty string"],
    ["[slice:abc:1:2:]", "func error : 'slice' : cannot parse integer from empty string"],
    ["[slice:abc:--1]", "func error : 'slice' : invalid digit found in string"],
    [
      "[replace:a:b]",
      "func error : 'replace' : expect between 3..=3 but got ABList([(None, [97]), (Some(:), [98])])",
    ],
  ])("[LK-abe-eval] %s", (expression, answer) => {
    expect(answerOf(expression)).toBe(answer);
  });
});

describe("base 64 and numbers", () => {
  test.each([
    ["[b:A===]", "func error : 'b' : Invalid byte 61, offset 1."],
    ["[b:AAAA=]", "func error : 'b' : Encoded text cannot have a 6-bit remainder."],
    ["[b:AAAA*]", "func error : 'b' : Invalid byte 42, offset 4."],
    ["[b:AA==]", "func error : 'b' : Invalid padding"],
    ["[b:AB]", "func error : 'b' : Invalid last symbol 66, offset 1."],
    ["[bs:AA]", "func error : 'bs' : Invalid padding"],
    ["[bs:AA==AA==]", "func error : 'bs' : Invalid byte 61, offset 2."],
    ["[bs:AAAA====]", "func error : 'bs' : Invalid byte 61, offset 4."],
    ["[u8:\\xc3]", "func error : 'u8' : incomplete utf-8 byte sequence from index 0"],
    ["[u16:+]", "func error : 'u16' : invalid digit found in string"],
    ["[b16:+ff/?u]", "255"],
    ["[?lu:]", "0"],
  ])("[LK-abe-eval] %s", (expression, answer) => {
    expect(answerOf(expression)).toBe(answer);
  });
});

describe("time", () => {
  test.each([
    ["[us:+5]", "func error : 'us' : cannot parse integer from empty string"],
    ["[us:+1s1s]", "func error : 'us' : Out of order 's'"],
    ["[us:str:]", "func error : 'us' : bad trailing args ''"],
    ["[us:x:y]", "func error : 'us' : unknown args 'x:y'"],
    ["[us:val]", "-0u"],
    ["[us::str]", "Thu, 01 Jan 1970 00:00:00 +0000"],
    ["[us++:str]", "+ 584542Y 0M 2W 2D 20h 1m 49s 551l 615u"],
    ["[us++:--4294967295Y/?u]", "0"],
    ["[:a/now]", `func error : 'now' : ${wrongPlace}`],
  ])("[LK-abe-eval] %s", (expression, answer) => {
    expect(answerOf(expression)).toBe(answer);
  });
});

describe("macros and encoders", () => {
  test.each([
    ["[/or:]", ""],
    ["[/or]", "evaluator err :  'or' []"],
    ["[/or/a]", "evaluator err :  'or' expected ':EXPR'"],
    ["[/?]", "evaluator err :  '?' minimum length mismatch expect 1 has 0 << [] >>"],
    ["[/?/abc]", "evaluator err :  '?' expected ':' << [/] >>"],
    ["[/?:abc/]", `evaluator err :  '?' ${noEncoding}`],
    ["[/~?:abc/b:x]", `evaluator err :  '~?' ${noEncoding}`],
    ["[/~?:abc/b:x/]", "abc"],
    ["[/?:abc/b:2:3]", "[b:YWJj]"],
    ["[/?:abc/b:3:x]", "[b:YWJj]"],
    [
      "[/?:abc/b:x:3]",
      "evaluator err :  '?' Encoder 'b' failed - set ignore_err or use /~? to suppress\n" +
        "invalid digit found in string",
    ],
    ["[???:[//a/b]:s]", ""],
    ["[??:[//a/b]:s]", "//a/b"],
    ["[?:abc:b:c]", "func error : '?' : Options not yet supported"],
    ["[eval:\\0]", "func error : 'eval' : ABTxt Error Unable to parse txt as bytes 0('\\0') at 0"],
    ["[/::a]", ":a"],
    ["[a/:b]", "func error : 'a' : expect between 1..=3 but got ABList([])"],
    ["[:1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16]", "12345678910111213141516"],
  ])("[LK-abe-eval] %s", (expression, answer) => {
    expect(answerOf(expression)).toBe(answer);
  });

  test.each([
    ["b:3:x", "[b:YWJj]"],
    ["b:x:3", "abc"],
    ["b:x/b16", "[b16:616263]"],
    ["b16:3:4/a", "[a:abc:3]"],
    ["u8/u16/nosuch", "abc"],
    [":b", "abc"],
    ["[b]", "abc"],
  ])("[LK-abe-encode] abc by %s", (options, text) => {
    expect(encodeAbe(utf8("abc"), options, context, { encodings: "reference" })).toBe(text);
  });
});

describe("packets", () => {
  test.each([
    ["[:,/links]", `func error : 'links' : ${wrongPlace}`],
    ["[:tag1/link]", `func error : 'link' : ${wrongPlace}`],
    ["[link:nope]", "func error : 'link' : no such link"],
    ["[links:,:x]", "func error : 'links' : invalid digit found in string"],
    ["[/links:[i:abe]]", "[u16:0][u16:1][u16:2]"],
    ["[/links:[/links:[i:str]]]", "000111222"],
    ["[/links/a]", "evaluator err :  'links' links expects"],
    ["[/links:[nosuch]]", "evaluator err :  'links' no such func : nosuch"],
    ["[recv_now]", "func error : 'recv_now' : no recv available in context"],
    ["[hash:x]", "func error : 'hash' : expect ?(str|abe)"],
    ["[comp8]", "no such func : comp8"],
  ])("[LK-abe-eval] %s", (expression, answer) => {
    expect(answerOf(expression, withPacket(linkpoint))).toBe(answer);
  });

  test("[LK-abe-eval] a list of functions has the names of 0.5.1 alone", () => {
    for (const packet of [datapoint, linkpoint, keypoint]) {
      const help = answerOf("[help:hash]", withPacket(packet)) ?? "";
      expect(help).toContain(
        "- spacename        [            0..=1     ?(str|abe) - netpkt.spacename",
      );
      expect(help).not.toMatch(/^- (?:space|varstamp) /m);
      expect(answerOf("[varstamp]", withPacket(packet))).toBe(
        answerOf("[stamp]", withPacket(packet)),
      );
    }
  });

  test("[LK-abe-eval] links opens a bracket, and its line in the list says so", () => {
    expect(answerOf("[help:link]", withPacket(linkpoint))).toBe(
      [
        "# select link",
        "",
        "## Functions",
        "- links            [            0..=4     " +
          "[delim='\\n',start=0,stop=len,step=1] - python like slice indexing  ",
        "- link             [            1..=1     " +
          "[suffix] get first link with tag ending in suffix  ",
        "## Macros",
        "- links            " +
          ":{EXPR} where expr is repeated for each link binding 'ptr' and 'tag'  ",
        "",
        "",
      ].join("\n"),
    );
  });
});
