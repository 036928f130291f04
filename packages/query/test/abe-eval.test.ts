import { toHex, utf8 } from "@hawser/codec";
import { evaluateAbe, type AbeContext } from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  arbitraryExpression,
  context,
  datapoint,
  hexOf,
  keypoint,
  linkpoint,
  now,
  textOf,
  withPacket,
} from "./abe-support.ts";

const publicHash = "Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk";

describe("lists and pipelines", () => {
  test("[LK-abe-eval] separators stay apart from bytes", () => {
    const result = evaluateAbe(":a/b\\:c:[:x:y]", context);
    expect(result.ok && result.value.map((part) => [part.separator, toHex(part.bytes)])).toEqual([
      [":", "61"],
      ["/", "623a63"],
      [":", "7879"],
    ]);
  });

  test.each([
    ["", ""],
    ["plain text", "plain text"],
    ["[]", ""],
    ["[::]", ""],
    ["[:a:b/?b]", "YWI"],
    ["[u8:65/lpad:3:-]", "--A"],
    ["[/:raw [u8:65] /\\/]", "raw [u8:65] //"],
    ["[a[:b]c:x]", "ABE_NO_SUCH_FUNCTION"],
    ["[C:[u8:1]]", ""],
    ["[/e::a/b:c]", ":a/b:c"],
    ["[eval:\\[u8\\:65\\]]", "A"],
  ])("[LK-abe-eval] %s is %s", (expression, text) => {
    expect(textOf(expression)).toBe(text);
  });
});

describe("bytes and numbers", () => {
  test.each([
    ["[replace:abcabc:b:XY]", "aXYcaXYc"],
    ["[replace:aaaaa:aa:b]", "bba"],
    ["[replace:abab:aba:x]", "xb"],
    ["[replace:ab:c:d]", "ab"],
    ["[slice:abcdef:-2]", "ef"],
    ["[slice:abcdef:4:1:-1]", "edc"],
    ["[slice:abcdef:::-2]", "fdb"],
    ["[slice:abcdef:9:99]", ""],
    ["[slice::::-1]", ""],
    ["[~rcut:abc:9]", "abc"],
    ["[lcut:abc:2]", "ab"],
    ["[?a0:\\0\\0a\\0]", "a\\0"],
    ["[~utf8:a\\xffb]", "a�b"],
    ["[?u:\\x01\\x00]", "256"],
    ["[?lu:[lu:65536]]", "65536"],
    ["[?bs:[bs:+\\/8=]]", "+/8="],
    ["[val?:a:=:a]", "a"],
    ["[/or:[nosuch]:b:c]", "b"],
  ])("[LK-abe-eval] %s is %s", (expression, text) => {
    expect(textOf(expression)).toBe(text);
  });

  test.each([
    ["[+:[u8:200]:[u8:100]:[u8:1]]", "ff"],
    ["[-:[u16:1]:[u16:2]]", "0000"],
    ["[-:[u16:512]:[u16:1]:[u16:255]]", "0100"],
    ["[+:[u32:255]:[u32:1]]", "00000100"],
    ["[+::]", ""],
    ["[b16:00ff]", "ff"],
    ["[b8:0]", "00"],
    ["[lu32:258]", "02010000"],
    ["[u8:+007]", "07"],
    ["[f:x:3]", "ffff78"],
  ])("[LK-abe-eval] %s is %s in hex", (expression, hex) => {
    expect(hexOf(expression)).toBe(hex);
  });

  test("[LK-abe-eval] sums saturate as numbers do", () => {
    const small = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(small, { minLength: 1, maxLength: 14 }), (numbers) => {
        const args = numbers.map((value) => `:[u16:${value}]`).join("");
        const sum = numbers.reduce((left, right) => Math.min(left + right, 0xffff));
        const rest = numbers.reduce((left, right) => Math.max(left - right, 0));
        expect(textOf(`[+${args}/?u]`)).toBe(`${sum}`);
        expect(textOf(`[-${args}/?u]`)).toBe(`${rest}`);
      }),
    );
  });

  test("[LK-abe-eval] slices choose what counting offset by offset chooses", () => {
    const bound = fc.option(fc.integer({ min: -12, max: 12 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{0,9}$/),
        bound,
        bound,
        fc.integer({ min: -3, max: 3 }),
        (text, start, end, step) => {
          const expression = `[slice:${text}:${start ?? ""}:${end ?? ""}:${step}]`;
          expect(textOf(expression)).toBe(pythonSlice(text, start, end, step));
        },
      ),
    );
  });
});

/** The slow and obvious way: clamp as Python does, then walk. */
function pythonSlice(
  text: string,
  start: number | undefined,
  end: number | undefined,
  step: number,
): string {
  if (step === 0) return "";
  const [low, high] = step > 0 ? [0, text.length] : [-1, text.length - 1];
  const clamp = (value: number): number =>
    Math.min(Math.max(value < 0 ? value + text.length : value, low), high);
  let at = start === undefined ? (step > 0 ? low : high) : clamp(start);
  const stop = end === undefined ? (step > 0 ? high : low) : clamp(end);
  let chosen = "";
  for (; step > 0 ? at < stop : at > stop; at += step) chosen += text[at] ?? "";
  return chosen;
}

describe("names, time and paths", () => {
  test("[LK-abe-eval] names come from the context behind the constant ones", () => {
    const alice = new Uint8Array(32).fill(9);
    const names: AbeContext["names"] = {
      group: () => undefined,
      publicKey: (name) =>
        name.map((part) => toHex(part)).join() === "6d65,6c6f63616c" ? alice : undefined,
      groupName: () => undefined,
      publicKeyName: (key) => (toHex(key) === toHex(alice) ? "me:local" : undefined),
    };
    const within = { ...context, names };
    expect(hexOf("[@:me:local]", within)).toBe(toHex(alice));
    expect(hexOf("[@:none]", within)).toBe("00".repeat(32));
    expect(hexOf("[#:me:local]", within)).toBe("ABE_NO_SUCH_FUNCTION");
    expect(textOf("[@:me:local/?@]", within)).toBe("me:local");
    expect(textOf("[@:me:local/?b/?@]", within)).toBe("me:local");
    expect(textOf("[/?:[@:me:local]/#/@/b]", within)).toBe("[@:me:local]");
    expect(textOf("[#:pub/?#]", within)).toBe("ABE_FUNCTION");
    expect(hexOf("[@:me:local]")).toBe("ABE_NO_SUCH_FUNCTION");
  });

  test.each([
    ["[now:str]", "Tue, 14 Nov 2023 22:13:20 +0000"],
    ["[now:-1h:delta]", "- 1h 0m"],
    ["[now:+1D2h3m:delta]", "+ 1D 2h"],
    ["[now:delta]", "-0u"],
    ["[epoch:+1Y1u:val]", "+ 1Y 0M 0W 0D 0h 0m 0s 0l 1u"],
    ["[epoch:+90m:ticks]", "+ 1h 30m"],
    ["[us++:++1s/?u]", "18446744073709551615"],
    ["[us:--1s/?u]", "0"],
    ["[us++:str]", "+ 584542Y 0M 2W 2D 20h 1m 49s 551l 615u"],
    ["[u64:253402300799999999/us:str]", "Fri, 31 Dec 9999 23:59:59 +0000"],
    ["[u64:253402300800000000/us:str]", "+ 8029Y 10M 0W 4D 18h 0m 0s 0l 0u"],
  ])("[LK-abe-eval] %s is %s", (expression, text) => {
    expect(textOf(expression)).toBe(text);
  });

  test("[LK-abe-eval] the clock is the context's alone", () => {
    expect(textOf("[now/?u]")).toBe(`${now}`);
    expect(textOf("[now/?u]", { nowMicros: () => Number.NaN })).toBe("0");
    expect(textOf("[now/?u]", { nowMicros: () => -5 })).toBe("0");
    expect(textOf("[now/?u]", { nowMicros: () => 1e30 })).toBe("18446744073709551615");
  });

  test.each([
    ["[//]", ""],
    ["[//a/b]", "01610162"],
    ["[//a//b/]", "01610162"],
    ["[s:a:b]", "01610162"],
    ["[si:[//a/b/c]:1]", "0162"],
    ["[si:[//a/b/c]:0:2]", "01610162"],
    ["[si:[//a/b/c]:3]", ""],
    ["[si:[//a/b/c]:2:1]", "ABE_FUNCTION"],
    ["[si:[//a]:9]", "ABE_FUNCTION"],
    ["[/~[//a/b]]", "01610162"],
  ])(
    "[LK-abe-eval] path %s is %s in hex (si always panics in the reference)",
    (expression, hex) => {
      expect(hexOf(expression)).toBe(hex);
    },
  );
});

describe("packets", () => {
  test.each([
    ["[type:str] [hop:abe]", "LinkPoint [u32:0]"],
    ["[spacename:str]", "/a/bc"],
    ["[space:abe]", "/a/bc"],
    ["[varstamp:str]", "18446744073709551615"],
    ["[create:abe]", "[u64:1]"],
    ["[group:str]", publicHash],
    ["[data:bytes]", "hello"],
    ["[links:,:::2/slice::20]", "\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"],
    ["[link:1/?b]", publicHash],
    ["[/links:[i:str][tag:str],]", "0tag1,1x-tag2,2tag3,"],
    ["[/links:[tag:abe]]", "[a:tag1][a:x-tag2][a:tag3]"],
    ["[/links:]", ""],
    ["[recv:str]", `${now}`],
  ])("[LK-abe-eval] %s is %s", (expression, text) => {
    expect(textOf(expression, withPacket(linkpoint))).toBe(text);
  });

  test("[LK-abe-eval] a receive stamp is the context's", () => {
    const within = { ...withPacket(linkpoint), recv: 5 };
    expect(textOf("[recv:abe] [recv_now:str]", within)).toBe("[u64:5] 5");
    expect(textOf("[recv_now]", withPacket(linkpoint))).toBe("ABE_FUNCTION");
    expect(textOf("[pkt-quick:true:0]", within)?.slice(0, 11)).toBe("recv\t5\ntype");
  });

  test("[LK-abe-eval] fields exist only where there is a packet", () => {
    expect(textOf("[hash]")).toBe("ABE_NO_SUCH_FUNCTION");
    expect(textOf("[ptr]", withPacket(linkpoint))).toBe("ABE_NO_SUCH_FUNCTION");
    expect(textOf("[:x/hash]", withPacket(linkpoint))).toBe("ABE_ARGUMENTS");
    expect(textOf("[hash:json]", withPacket(linkpoint))).toBe("ABE_FUNCTION");
  });

  test("[LK-abe-eval] HTML of a packet escapes what the packet says", () => {
    const html = textOf("[html-quick]", withPacket(datapoint));
    expect(html).toContain("<pre lk-data='13'>a &lt; b &amp; c &gt; d</pre></div>");
    expect(textOf("[html-quick]", withPacket(keypoint))).toContain("<pre lk-data='2'>�A</pre>");
  });

  test("[LK-abe-eval] other packets are read by hash, and stand in for the packet around", () => {
    const readHash = (hash: Uint8Array): typeof keypoint | undefined =>
      toHex(hash) === toHex(keypoint.hash) ? keypoint : undefined;
    const known = `[b16:${toHex(keypoint.hash)}]`.replace(
      /b16:.*/,
      `b:${textOf("[hash:str]", withPacket(keypoint))}]`,
    );
    const within = { ...withPacket(linkpoint), readHash };
    expect(textOf(`[readhash:${known}:type:str]`, within)).toBe("KeyPoint");
    expect(textOf(`[/readhash:${known}:[type:str] [data_size:str]]`, within)).toBe("KeyPoint 2");
    expect(textOf("[/readhash:[#:0]:[type:str]:none]", within)).toBe("none");
    expect(textOf("[/readhash:[#:0]:[type:str]]", within)).toBe("ABE_FUNCTION");
    expect(textOf("[readhash:[#:0]]", within)).toBe("ABE_FUNCTION");
    expect(textOf("[readhash:short]", within)).toBe("ABE_FUNCTION");
    expect(textOf(`[readhash:${known}:nosuch]`, within)).toBe("ABE_NO_SUCH_FUNCTION");
    expect(textOf(`[readhash:${known}]`, withPacket(linkpoint))).toBe("ABE_NO_SUCH_FUNCTION");
  });
});

describe("values of the caller", () => {
  test("[LK-abe-eval] argv has up to eight values", () => {
    const argv = ["Run", "Rm9ycmVzdA"].map(utf8);
    expect(textOf("[0] [1/b], [0]!", { ...context, argv })).toBe("Run Forrest, Run!");
    expect(textOf("[2]", { ...context, argv })).toBe("ABE_FUNCTION");
    expect(textOf("[0]")).toBe("ABE_NO_SUCH_FUNCTION");
    const nine = Array.from({ length: 9 }, () => utf8("x"));
    expect(textOf("plain", { ...context, argv: nine })).toBe("ABE_ARGUMENTS");
  });

  test("[LK-abe-eval] variables only where the context gives them", () => {
    const env = (name: string): string | undefined => (name === "HOME" ? "/home" : undefined);
    expect(textOf("[env:HOME]", { ...context, env })).toBe("/home");
    expect(textOf("[env:OTHER]", { ...context, env })).toBe("ABE_FUNCTION");
    expect(textOf("[env:HOME]")).toBe("ABE_NO_SUCH_FUNCTION");
  });

  test("[LK-abe-eval] help names every active scope, and one on request", () => {
    const help = textOf("[help]", { ...withPacket(linkpoint), argv: [] }) ?? "";
    const scopes = [...help.matchAll(/^# (.*)$/gm)].map((match) => match[1]);
    expect(scopes.slice(0, 6)).toEqual([
      "netpkt field",
      "print pkt default",
      "select link",
      "recv",
      "bytes",
      "UInt",
    ]);
    expect(scopes.at(-1)).toBe("user input list");
    expect(textOf("[/help]")).toBe(textOf("[help]"));
    expect(textOf("[help:?b]")?.split("\n")[0]).toBe("# base-n");
    expect(textOf("[help:nosuch]")).toBe("no such fnc found");
  });
});

describe("strict and loose", () => {
  test("[LK-abe-eval] what is strictly an expression is loosely the same one", () => {
    fc.assert(
      fc.property(arbitraryExpression, (expression) => {
        const strict = evaluateAbe(expression, withPacket(linkpoint));
        const loose = evaluateAbe(expression, withPacket(linkpoint), { loose: true });
        // Only what is refused for its text may be accepted loosely.
        if (strict.ok) expect(loose).toEqual(strict);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["a\nb\tc", "a\nb\tc"],
    ["é [:😀]", "é 😀"],
    ["\\q\\", "\\q\\"],
    ["\\x0", "ABE_SYNTAX"],
    ["a]", "ABE_UNMATCHED_CLOSE"],
    ["[a", "ABE_UNMATCHED_OPEN"],
  ])("[LK-abe-eval] loosely %j is %j", (expression, text) => {
    expect(textOf(expression, context, { loose: true })).toBe(text);
  });
});
