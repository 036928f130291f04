import { fromUtf8, toHex, utf8 } from "@hawser/codec";
import {
  abeInputBytesMax,
  evaluateAbe,
  parseAbeConf,
  printAbeConf,
  printAbeList,
  type AbeConf,
  type AbeList,
} from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { context } from "./abe-support.ts";

function conf(text: string): AbeConf {
  const result = parseAbeConf(text);
  if (!result.ok) throw new Error(result.message);
  return result.value;
}

const arbitraryList: fc.Arbitrary<AbeList> = fc
  .array(
    fc.record({
      separator: fc.constantFrom(":" as const, "/" as const),
      bytes: fc.uint8Array({ maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) =>
    parts.map((part, index) => (index === 0 ? { ...part, separator: undefined } : part)),
  )
  .filter(([first]) => first !== undefined && first.bytes.length > 0);

describe("settings", () => {
  const settings = conf(":%abctxt\nmode:tree-asc\n\nqid:\\xff/x\n:other:1:2\nmode:log-desc\nalone");

  test("[LK-abe-conf] the first entry that begins so counts", () => {
    expect(settings.entries.map(printAbeList)).toEqual([
      "mode:tree-asc",
      "qid:\\f/x",
      ":other:1:2",
      "mode:log-desc",
      "alone",
    ]);
    expect(fromUtf8(settings.value(["mode"]) ?? utf8("?"))).toBe("tree-asc");
    expect(settings.value(["alone"])).toEqual(new Uint8Array(0));
    expect(fromUtf8(settings.value(["", "other", "1"]) ?? utf8("?"))).toBe("2");
  });

  test.each([
    [["nosuch"]],
    [["mod"]],
    [["mode", "log-desc", "more"]],
    [["", "other"]],
    [["qid"]],
    [["qid", Uint8Array.of(0xff)]],
    [["qid", Uint8Array.of(0xff), "x"]],
  ])("[LK-abe-conf] %j has no single value", (start) => {
    expect(settings.value(start)).toBeUndefined();
  });

  test("[LK-abe-conf] lists come back from their lines", () => {
    fc.assert(
      fc.property(fc.array(arbitraryList, { maxLength: 6 }), (entries) => {
        const plain = (lists: readonly AbeList[]): unknown =>
          lists.map((list) => list.map((part) => [part.separator, toHex(part.bytes)]));
        expect(plain(conf(printAbeConf(entries)).entries)).toEqual(plain(entries));
        for (const entry of entries) {
          const result = evaluateAbe(printAbeList(entry), context);
          expect(result.ok && plain([result.value])).toEqual(plain([entry]));
        }
      }),
    );
  });

  test.each([
    ["a\nb:[u8:1]", "ABE_SYNTAX", 4],
    ["a\nb]", "ABE_UNMATCHED_CLOSE", 3],
    ["a\n\nb\\q", "ABE_SYNTAX", 4],
    ["a\tb", "ABE_SYNTAX", 1],
  ])("[LK-abe-conf] %j is refused where it is wrong", (text, code, index) => {
    expect(parseAbeConf(text)).toMatchObject({ ok: false, code, index });
  });

  test("[LK-abe-conf] size is bounded", () => {
    expect(parseAbeConf("a".repeat(abeInputBytesMax + 1))).toMatchObject({ code: "ABE_TOO_LARGE" });
  });
});
