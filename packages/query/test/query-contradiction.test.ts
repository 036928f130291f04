/** What is refused, and how it is said (docs/spec/query.md §5.3, §5.6). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  concatQueries,
  createQuery,
  parseQuery,
  printQuery,
  queryStatementsMax,
  queryTextBytesMax,
  referenceQueryError,
} from "@hawser/query";
import { ruleArbitrary, type ArbitraryRule } from "../testing/arbitraries.ts";
import { context, failureOf, queryOf } from "./query-support.ts";

describe("contradictions", () => {
  const contradictions: readonly (readonly [string, readonly string[], string])[] = [
    ["bounds", ["data_size:<:[u16:10]", "data_size:>:[u16:100]"], "data_size:>:[u16:100]"],
    ["two values", ["group:=:[#:pub]", "group:=:[#:0]"], `group:=:[b:${"A".repeat(43)}]`],
    ["less than the least", ["hop:<:[u32:0]"], "hop:<:[u32:0]"],
    ["more than the greatest", ["depth:>:[u8:255]"], "depth:>:[u8:255]"],
    ["masks", ["ubits0:1:[u32:1]", "ubits0:0:[u32:2]"], "ubits0:0:[u32:2]"],
    ["mask and bounds", ["hop:1:[u32:8]", "hop:<:[u32:8]"], "hop:<:[u32:8]"],
    ["only gaps between bounds", ["hop:0:[u32:6]", "hop:=:[u32:3]"], "hop:=:[u32:3]"],
    ["type", ["type:=:[b2:00000001]", "group:=:[#:pub]"], `group:=:[b:${PUB()}]`],
    ["unsigned and key", ["type:0:[b2:11111011]", "pubkey:?:[@:none]"], `pubkey:?:[b:${A43()}]`],
    ["paths", ["prefix:=:/ok", "spacename:=:/not_ok"], "spacename:=:/not_ok"],
    ["neighbouring paths", ["prefix:=:/ab", "prefix:=:/a"], "prefix:=:/a"],
    ["depth and path", ["depth:<:[u8:2]", "prefix:=:/a/b"], "prefix:=:/a/b"],
    ["path and depth", ["prefix:=:/a/b", "depth:=:[u8:1]"], "depth:=:[u8:1]"],
    ["two exact paths", ["spacename:=:/a", "spacename:=:/a/b"], "spacename:=:/a/b"],
    ["receive stamps", ["recv:<:[u64:5]", "recv:>:[u64:5]"], "recv:>:[u64:5]"],
    ["bytes", ["data:=:abc", "data:>:abd"], "data:>:[:abd]"],
    ["heads", ["data:=*:ab", "data:=*:ac"], "data:=*:[:ac]"],
    ["tails", ["comp0:*=:ab", "comp0:*=:bb"], "comp0:*=:[b:YmI]"],
    ["head and bound", ["data:=*:b", "data:<:b"], "data:<:[:b]"],
    ["lengths of masks", ["data:0:aa", "data:1:a"], "data:1:[:a]"],
    ["head longer than mask", ["data:=*:aaa", "data:0:aa"], "data:0:[:aa]"],
    ["tail and mask", ["data:*=:b", "data:0:aa"], "data:0:[:aa]"],
  ];

  test.each(contradictions)("[LK-query-contradiction] %s", (_, statements, rule) => {
    const failure = failureOf(statements);
    expect(failure.code).toBe("QUERY_CONTRADICTION");
    expect(failure.conflict?.rule).toBe(rule);
    expect(failure.statement).toBe(statements.length - 1);
    // The value is at fault, and the index says where it begins.
    const last = statements.at(-1) ?? "";
    expect(failure.index).toBe(last.indexOf(":", last.indexOf(":") + 1) + 1);
    for (const statement of statements.slice(0, -1)) expect(() => queryOf(statement)).not.toThrow();
  });

  test("[LK-query-contradiction] the reference's words for the documented ones", () => {
    const sizes = failureOf("data_size:<:[u16:10]\ndata_size:>:[u16:100]");
    expect(referenceQueryError(sizes)?.text).toBe(
      "Error adding rule 'data_size'\n\nCaused by:\n    0: data_size:>:[u16:100]\n" +
        "    1: incompatible Greater 100",
    );
    const paths = failureOf("prefix:=:/ok\nspacename:=:/not_ok");
    expect(referenceQueryError(paths)?.chain).toEqual([
      "Error adding rule 'spacename'",
      "spacename:=:/not_ok",
      "space prefix conflict",
    ]);
    const depth = failureOf("depth:=:[u8:2]\nspacename:=:/a");
    expect(referenceQueryError(depth)?.chain.at(-1)).toBe("incompatible Equal 1");
    const recv = failureOf("recv:<:[u64:5]\nrecv:>:[u64:5]");
    expect(referenceQueryError(recv)?.chain.at(-1)).toBe("incompatible bound Greater 5");
    expect(referenceQueryError(failureOf("nofield:=:x"))).toBeUndefined();
    expect(referenceQueryError(failureOf("data:=:a\ndata:=:b"))).toBeUndefined();
  });

  test("[LK-query-contradiction] joining queries names the rule, without a place", () => {
    const verdict = concatQueries([queryOf("hop:<:[u32:3]"), queryOf("hop:>:[u32:7]")]);
    expect(verdict).toMatchObject({ ok: false, statement: 0, index: 0 });
    expect(verdict.ok || verdict.conflict?.rule).toBe("hop:>:[u32:7]");
  });

  test("[LK-query-contradiction] on one byte: refused exactly where no value satisfies all", () => {
    const byte = fc.record({
      field: fc.constant("depth"),
      operator: fc.constantFrom("=", "<", ">", "<=", ">=", "0", "1"),
      value: fc.uint8Array({ minLength: 1, maxLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 5 }), (rules) => {
        const remaining = Array.from({ length: 256 }, (_, value) => value).filter((value) =>
          rules.every((rule) => holds(value, rule)),
        );
        expect(isPossible(rules)).toBe(remaining.length > 0);
      }),
      { numRuns: 2000 },
    );
  });

  test("[LK-query-contradiction] on masked bytes: refused exactly where no string is left", () => {
    const small = fc.constantFrom(0, 1, 2, 254, 255);
    const string = fc.array(small, { maxLength: 3 }).map((bytes) => Uint8Array.from(bytes));
    const rule = fc.record({
      field: fc.constant("data"),
      operator: fc.constantFrom("<", ">", "<=", ">=", "=*", "*="),
      value: string,
    });
    const mask = fc.record({
      field: fc.constant("data"),
      operator: fc.constantFrom("0", "1"),
      value: fc.array(small, { minLength: 1, maxLength: 1 }).map((bytes) => Uint8Array.from(bytes)),
    });
    fc.assert(
      fc.property(mask, fc.array(rule, { maxLength: 4 }), (first, rules) => {
        const remaining = Array.from({ length: 256 }, (_, value) => Uint8Array.of(value)).filter(
          (value) => [first, ...rules].every((each) => stringHolds(value, each)),
        );
        expect(isPossible([first, ...rules])).toBe(remaining.length > 0);
      }),
      { numRuns: 1000 },
    );
  });

  test("[LK-query-contradiction] a refused rule leaves the query as it was", () => {
    fc.assert(
      fc.property(fc.array(ruleArbitrary(), { maxLength: 8 }), (rules) => {
        let query = createQuery();
        for (const { field, operator, value } of rules) {
          const before = printQuery(query);
          const verdict = query.with(field, operator, value);
          expect(printQuery(query)).toBe(before);
          if (verdict.ok) query = verdict.query;
        }
      }),
      { numRuns: 200 },
    );
  });
});

function A43(): string {
  return "A".repeat(43);
}

function PUB(): string {
  return "Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk";
}

function isPossible(rules: readonly ArbitraryRule[]): boolean {
  let query = createQuery();
  for (const { field, operator, value } of rules) {
    const verdict = query.with(field, operator, value);
    if (!verdict.ok) return false;
    query = verdict.query;
  }
  return true;
}

function holds(value: number, rule: ArbitraryRule): boolean {
  const other = rule.value[0] ?? 0;
  switch (rule.operator) {
    case "=":
      return value === other;
    case "<":
      return value < other;
    case ">":
      return value > other;
    case "<=":
      return value <= other;
    case ">=":
      return value >= other;
    case "0":
      return (value | other) === other;
    default:
      return (value & other) === other;
  }
}

/** Of strings of one byte, as text of two hex digits, which sorts and cuts the same. */
function stringHolds(value: Uint8Array, rule: ArbitraryRule): boolean {
  const hex = (bytes: Uint8Array): string =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const [left, right] = [hex(value), hex(rule.value)];
  switch (rule.operator) {
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "<=":
      return left <= right;
    case ">=":
      return left >= right;
    case "=*":
      return left.startsWith(right);
    case "*=":
      return left.endsWith(right);
    default:
      return holds(value[0] ?? 0, rule);
  }
}

describe("refused text", () => {
  const refused: readonly (readonly [string, string, number])[] = [
    ["nofield:=:x", "QUERY_FIELD", 0],
    ["Group:=:x", "QUERY_FIELD", 0],
    ["group", "QUERY_SYNTAX", 5],
    ["group:=", "QUERY_SYNTAX", 7],
    ["group/=:x", "QUERY_SYNTAX", 8],
    ["group:==:x", "QUERY_OPERATOR", 6],
    ["group::x", "QUERY_OPERATOR", 6],
    ["group:=:short", "QUERY_VALUE", 8],
    ["group:=:[#:pub]:[#:pub]", "QUERY_VALUE", 8],
    ["group:=:!rs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk", "QUERY_VALUE", 8],
    ["domain:=:seventeen_bytes__", "QUERY_VALUE", 9],
    ["hop:=:[u16:1]", "QUERY_VALUE", 6],
    ["data_size:<:10000", "QUERY_VALUE", 12],
    ["depth:=*:[u16:1]", "QUERY_VALUE", 9],
    ["create:=:", "QUERY_VALUE", 9],
    ["prefix:=:a", "QUERY_VALUE", 9],
    ["prefix:=:a/b", "QUERY_VALUE", 9],
    ["prefix:=:/a:b", "QUERY_VALUE", 9],
    ["prefix:=:/1/2/3/4/5/6/7/8/9", "QUERY_VALUE", 9],
    [`prefix:=:/${"x".repeat(201)}`, "QUERY_VALUE", 9],
    [`prefix:=:/${"x".repeat(130)}/${"x".repeat(130)}`, "QUERY_VALUE", 9],
    ["prefix:>:/a", "QUERY_OPERATOR", 7],
    ["spacename:?:/a", "QUERY_OPERATOR", 10],
    ["recv:1:[u64:1]", "QUERY_OPERATOR", 5],
    ["recv:=*:a", "QUERY_OPERATOR", 5],
    [":", "QUERY_OPTION", 1],
    [":mode", "QUERY_OPTION", 5],
    [":mode:tree", "QUERY_OPTION", 6],
    [":read:sideways", "QUERY_OPTION", 6],
    [":qid", "QUERY_OPTION", 4],
    [":qid:", "QUERY_OPTION", 5],
    ["hop:=:[u32:1", "QUERY_EXPRESSION", 6],
    ["hop:=:[nosuch:1]", "QUERY_EXPRESSION", 7],
    ["   hop:=:[u32:x]", "QUERY_EXPRESSION", 10],
    ["domain:=:\u00e9", "QUERY_EXPRESSION", 9],
    [`data:0:${"x".repeat(256)}`, "QUERY_VALUE", 7],
  ];

  test.each(refused)("[LK-query-contradiction] %j is %s at %i", (text, code, index) => {
    const failure = failureOf(text);
    expect([failure.code, failure.index]).toEqual([code, index]);
    expect(failure.expected).not.toBe("");
    expect(failure.message).not.toBe("");
    // The line is counted, empty and good ones included.
    expect(failureOf(`hop:=:[u32:0]\n\n${text}`)).toMatchObject({ code, index, statement: 2 });
  });

  test.each([
    ["\\x1b\\]0;x\\x07:=:a", "no field is called '\\x1b\\]0;x\\x07'"],
    ["hop:\\x1b\\[2J:[u32:1]", "no operator is written '\\x1b\\[2J'"],
    ["\\x9b:=:a", "no field is called '\\x9b'"],
    ["hop:\\n:[u32:1]", "no operator is written '\\n'"],
  ])("[LK-query-contradiction] %j: a peer's bytes are quoted escaped", (text, message) => {
    expect(failureOf(text).message).toBe(message);
  });

  test("[LK-query-contradiction] long names are quoted cut", () => {
    const long = "\\n".repeat(30_000);
    expect(failureOf(`${long}:=:a`).message.length).toBeLessThan(17_000);
    expect(failureOf(`hop:${long}:a`).message.length).toBeLessThan(17_000);
  });

  test("[LK-query-contradiction] names given as values are quoted escaped too", () => {
    const query = queryOf("");
    const field = query.with("\u001b[2J", "=", new Uint8Array(1));
    expect(field).toMatchObject({ message: "no field is called '\\x1b\\[2J'" });
    const operator = query.with("hop", "\n", new Uint8Array(4));
    expect(operator).toMatchObject({ message: "no operator is written '\\n'" });
  });

  test("[LK-query-contradiction] over-long text is refused before it is evaluated", () => {
    const statement = "hop:>=:[u32:1]\n";
    expect(failureOf(statement.repeat(queryStatementsMax + 1)).code).toBe("QUERY_TOO_LARGE");
    expect(failureOf(`data:=:${"x".repeat(queryTextBytesMax)}`).code).toBe("QUERY_TOO_LARGE");
    expect(failureOf("\n".repeat(queryStatementsMax)).code).toBe("QUERY_TOO_LARGE");
    const most = statement.repeat(queryStatementsMax - 1);
    expect(queryOf(most).rules.numbers.size).toBe(2);
  });

  test("[LK-query-contradiction] a statement may not produce megabytes on its way", () => {
    const failure = failureOf("data:?:[rpad:a:16000000:b/slice:0:1]");
    expect(failure).toMatchObject({ code: "QUERY_EXPRESSION" });
    expect(failure.message).toContain("ABE_TOO_LARGE");
    expect(failureOf("data:=:[rpad:a:5000:b]").code).toBe("QUERY_VALUE");
    expect(() => queryOf("data:=:[rpad:a:4096:b]")).not.toThrow();
  });

  test("[LK-query-contradiction] options are bounded over many additions", () => {
    let query = queryOf(":x\n".repeat(queryStatementsMax - 1));
    const one = query.withOption("x");
    expect(one.ok).toBe(true);
    if (one.ok) query = one.query;
    expect(query.withOption("x")).toMatchObject({ ok: false, code: "QUERY_TOO_LARGE" });
    expect(query.concat([query])).toMatchObject({ ok: false, code: "QUERY_TOO_LARGE" });
  });

  test("[LK-query-contradiction] no text of any bytes throws", () => {
    const piece = fc.constantFrom(
      ..."group domain hop prefix data comp0 i recv type : : : = < > 0 1 =* *= [ ] / \\ \n".split(
        " ",
      ),
      "[u32:1]",
      "[#:pub]",
      "/a/b",
      ":mode:",
      "log-asc",
      "[u8:1]",
      "\n",
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
      fc.uint8Array({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (given) => {
        const verdict = parseQuery(given, context);
        if (!verdict.ok) expect(verdict.index).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 2000 },
    );
  });
});
