/** The selector and the flags of the command line (docs/spec/query.md §5.9). */
import { describe, expect, test } from "vitest";
import { utf8 } from "@hawser/codec";
import { privateGroup } from "@hawser/packet";
import {
  compileQuery,
  flagStatements,
  parseQuery,
  parseSelector,
  printQuery,
  selectorStatements,
  type QueryFlags,
  type SelectorDefaults,
} from "@hawser/query";
import { context, keypoint, linkpoint, nowMicros, rulesOf } from "./query-support.ts";

/** Rules about path and depth that a selector comes to. */
function places(selector: string, defaults?: SelectorDefaults): string {
  const parsed = parseSelector(selector, context, defaults);
  if (!parsed.ok) return `${parsed.code} at ${parsed.index}`;
  return rulesOf(parsed.statements)
    .filter((line) => /^(prefix|depth)/u.test(line))
    .join(" ");
}

describe("selectors", () => {
  test("[LK-selector] the documented one: path, one component more, signed", () => {
    const stated = selectorStatements(
      "my:[#:pub]:/hello:*",
      { mode: "tree-desc", signed: true },
      context,
    );
    const verdict = stated.ok ? parseQuery(stated.statements, context) : stated;
    expect(verdict.ok && printQuery(verdict.query)).toBe(
      [
        ":mode:tree-desc",
        "",
        "type:1:[b2:00000111]",
        "domain:=:[a:my]",
        "group:=:[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]",
        "prefix:=:/hello",
        "depth:<:[u8:3]",
        "depth:>:[u8:0]",
        "",
      ].join("\n"),
    );
  });

  const depths: readonly (readonly [string, string])[] = [
    ["d:[#:pub]:/a/b", "prefix:=:/a/b depth:=:[u8:2]"],
    ["d:[#:pub]:/a/b:", "prefix:=:/a/b depth:=:[u8:2]"],
    ["d:[#:pub]:/a/b:0", "prefix:=:/a/b depth:=:[u8:2]"],
    ["d:[#:pub]:/a/b:*", "prefix:=:/a/b depth:<:[u8:4] depth:>:[u8:1]"],
    ["d:[#:pub]:/a/b:1", "prefix:=:/a/b depth:<:[u8:4] depth:>:[u8:1]"],
    ["d:[#:pub]:/a/b:3", "prefix:=:/a/b depth:<:[u8:6] depth:>:[u8:1]"],
    ["d:[#:pub]:/a/b:7", "prefix:=:/a/b depth:<:[u8:9] depth:>:[u8:1]"],
    ["d:[#:pub]:/a/b:8", "prefix:=:/a/b depth:>:[u8:1]"],
    ["d:[#:pub]:/a/b:**", "prefix:=:/a/b depth:>:[u8:1]"],
    ["d:[#:pub]:[//a/b]:*", "prefix:=:/a/b depth:<:[u8:4] depth:>:[u8:1]"],
    ["d:[#:pub]:/[:a:b]", "prefix:=:/ab depth:=:[u8:1]"],
    ["d:[#:pub]:/a\\:b", "prefix:=:/a\\:b depth:=:[u8:1]"],
    ["d:[#:pub]", "depth:=:[u8:0]"],
    ["d", "depth:=:[u8:0]"],
    ["::", "depth:=:[u8:0]"],
    ["", "depth:=:[u8:0]"],
    [":::**", ""],
    [":::*", "depth:<:[u8:2]"],
    ["d::/a:9", "QUERY_VALUE at 6"],
    ["d::/a:x", "QUERY_VALUE at 6"],
    ["d::/a:*:x", "QUERY_SYNTAX at 8"],
    ["d::a", "QUERY_VALUE at 3"],
    ["d::/a[nosuch]", "QUERY_EXPRESSION at 6"],
    ["d::/1/2/3/4/5/6/7/8/9", "QUERY_VALUE at 3"],
  ];

  test.each(depths)("[LK-selector] %s", (selector, expected) => {
    expect(places(selector)).toBe(expected);
  });

  test("[LK-selector] what is left out comes from the defaults", () => {
    const parsed = parseSelector("::", context);
    expect(parsed.ok && parsed.statements).toEqual([
      "domain:=:[a:]",
      "group:=:[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]",
      "depth:<:[u8:1]",
    ]);
    const defaults = { domain: utf8("chat"), group: privateGroup(), depth: "**" };
    const other = parseSelector(":", context, defaults);
    expect(other.ok && other.statements).toEqual([
      "domain:=:[a:chat]",
      `group:=:[b:${"A".repeat(43)}]`,
    ]);
    expect(places("d::/a:0", defaults)).toBe("prefix:=:/a depth:=:[u8:1]");
  });

  test("[LK-selector] no selector adds no rule", () => {
    expect(selectorStatements(undefined, { max: 1 }, context)).toEqual({
      ok: true,
      statements: ["i:<:[u32:1]"],
    });
    expect(selectorStatements("a:b:c:d:e", {}, context)).toMatchObject({ code: "QUERY_SYNTAX" });
  });
});

describe("flags", () => {
  const flags: readonly (readonly [QueryFlags, readonly string[]])[] = [
    [{}, []],
    [{ mode: "log-asc" }, [":mode:log-asc"]],
    [{ watch: true }, [":qid:default"]],
    [{ watch: false, signed: false, follow: false, dbOnly: false }, []],
    [{ watch: true, qid: utf8("a:b") }, [":qid:a\\:b"]],
    [{ until: "1m" }, ["recv:<:[now:+1m]"]],
    [{ follow: true }, [":follow"]],
    [{ signed: true }, ["type:1:[b2:00000100]"]],
    [{ unsigned: true }, ["type:0:[b2:11111011]"]],
    [{ max: 5 }, ["i:<:[u32:5]"]],
    [{ maxNew: 4 }, ["i_new:<:[u32:4]"]],
    [{ maxIndex: 3 }, ["i_db:<:[u32:3]"]],
    [{ maxBranch: 2 }, ["i_branch:<:[u32:2]"]],
    [{ dbOnly: true }, ["i_new:<:[u32:0]"]],
    [{ newOnly: true }, ["i_db:<:[u32:0]"]],
  ];

  test.each(flags)("[LK-selector] %j", (given, statements) => {
    expect(flagStatements(given)).toEqual(statements);
    expect(parseQuery(statements, context).ok).toBe(true);
  });

  test("[LK-selector] signed and unsigned separate keypoints from the rest", () => {
    const test = (given: QueryFlags): readonly boolean[] => {
      const verdict = parseQuery(flagStatements(given), context);
      if (!verdict.ok) return [];
      return [linkpoint(), keypoint()].map((packet) => compileQuery(verdict.query).test(packet));
    };
    expect(test({ signed: true })).toEqual([false, true]);
    expect(test({ unsigned: true })).toEqual([true, false]);
    expect(test({ signed: true, unsigned: true })).toEqual([]);
  });

  test("[LK-selector] until ends the query so long from now", () => {
    expect(rulesOf(flagStatements({ until: "1m" }))).toContain(
      `recv:<:[u64:${nowMicros + 60_000_000}]`,
    );
    const bad = parseQuery(flagStatements({ until: "1]:x" }), context);
    expect(bad).toMatchObject({ ok: false, code: "QUERY_EXPRESSION" });
  });

  test("[LK-selector] flags that exclude each other are refused as rules are", () => {
    const both = parseQuery(flagStatements({ dbOnly: true, newOnly: true }), context);
    expect(both).toMatchObject({ ok: false, code: "QUERY_LIMITS" });
    expect(parseQuery(flagStatements({ max: 0 }), context)).toMatchObject({ ok: false });
  });
});
