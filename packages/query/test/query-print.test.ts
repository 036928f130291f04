/** Canonical text of queries (docs/spec/query.md §5.7). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex, utf8 } from "@hawser/codec";
import { concatQueries, createQuery, hashQuery, printQuery } from "@hawser/query";
import { queryStatementsArbitrary } from "../testing/arbitraries.ts";
import { context, failureOf, linkpoint, printed, queryOf, rulesOf } from "./query-support.ts";

describe("canonical text", () => {
  test("[LK-query-print] the documented query of statements and an argument", () => {
    const statements = ["group:=:[#:pub]", "domain:=:example", "depth:<:[u8:4]", "data_size:<:[0]"];
    const query = queryOf(statements, { ...context, argv: [Uint8Array.of(0, 10)] });
    expect(printQuery(query)).toBe(
      [
        "",
        "type:1:[b2:00000011]",
        "domain:=:[a:example]",
        "group:=:[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]",
        "data_size:<:[u16:10]",
        "depth:<:[u8:4]",
        "",
      ].join("\n"),
    );
  });

  test("[LK-query-print] all fields in the fixed order, whatever order they were given in", () => {
    const shuffled = [
      "i_branch:<:[u32:3]",
      "data:=*:head",
      "comp7:=:x",
      "create:>:[u64:5]",
      "recv:<:[u64:9]",
      "links_len:=:[u16:1]",
      "size:>:[u16:72]",
      "hash:>:[b:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]",
      "prefix:=:/a",
      "pubkey:=:[@:none]",
      "ubits3:1:[u32:1]",
      "stamp:=:[u64:7]",
      "hop:<:[u32:2]",
      "netflags:0:[b2:11111110]",
      "i:<:[u32:9]",
      "i_new:<:[u32:8]",
      "i_db:<:[u32:7]",
      "ubits0:=:[u32:0]",
      "ubits1:=:[u32:0]",
      "ubits2:=:[u32:0]",
      "domain:=:d",
      "group:=:[#:test]",
      "data_size:>:[u16:0]",
      "signature:1:[b:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]",
      "rspacename:?:x",
    ];
    expect(rulesOf(shuffled).map((line) => line.split(":")[0])).toEqual(
      [
        "type netflags hop stamp ubits0 ubits1 ubits2 ubits3 domain group pubkey prefix",
        "hash size data_size links_len depth recv create comp7 data i i_new i_db i_branch",
      ].flatMap((line) => line.split(" ")),
    );
  });

  test("[LK-query-print] within a field: = alone, else < then >, then ones, then zeros", () => {
    expect(rulesOf("hop:0:[u32:7]\nhop:1:[u32:1]\nhop:>:[u32:0]\nhop:<:[u32:6]").slice(1)).toEqual([
      "hop:<:[u32:6]",
      "hop:>:[u32:0]",
      "hop:1:[u32:1]",
      "hop:0:[u32:7]",
    ]);
    expect(rulesOf("hop:>:[u32:4]\nhop:<:[u32:6]").slice(1)).toEqual(["hop:=:[u32:5]"]);
  });

  test("[LK-query-print] an exact path prints as prefix and depth", () => {
    expect(rulesOf("spacename:=:/a/b")).toEqual([
      "type:1:[b2:00000010]",
      "prefix:=:/a/b",
      "depth:=:[u8:2]",
    ]);
    expect(rulesOf("spacename:=:")).toEqual(["type:1:[b2:00000010]", "depth:=:[u8:0]"]);
  });

  test("[LK-query-print] text form writes values as escaped bytes", () => {
    const text = printed("domain:=:example\ndata_size:<:[u16:10]\nprefix:=:/a\\:b", false);
    expect(text).toBe(
      [
        "",
        "type:1:\\x03",
        "domain:=:\\0\\0\\0\\0\\0\\0\\0\\0\\0example",
        "prefix:=:/a\\:b",
        "data_size:<:\\0\\n",
        "depth:>:\\0",
        "",
      ].join("\n"),
    );
  });

  test("[LK-query-print] path components of 32 and of 16 bytes print as hash and as name", () => {
    expect(rulesOf("domain:=:[f:exchange]")).toContain("domain:=:[f:exchange]");
    const statement = "prefix:=:/pull/[#:pub]/[a:my_domain]/0123456789abcdef/qid";
    expect(rulesOf(statement)).toContain(
      "prefix:=:/pull/[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]/[a:my_domain]/[a:0123456789abcdef]/qid",
    );
  });

  test("[LK-query-print] options come first, newest first, before an empty line", () => {
    const query = queryOf(":qid:a\\:b\n:follow\n:mode:log-asc\nhop:=:[u32:0]");
    const more = query.withOption("mode", utf8("hash-asc"));
    expect(more.ok && printQuery(more.query)).toBe(
      [
        ":mode:hash-asc",
        ":qid:a\\:b",
        ":follow",
        ":mode:log-asc",
        "",
        "type:1:[b2:00000001]",
        "hop:=:[u32:0]",
        "",
      ].join("\n"),
    );
    expect(printQuery(createQuery())).toBe("\n");
  });

  test("[LK-query-print] a limit that accepts nothing prints as less than 0", () => {
    expect(rulesOf("i_db:<:[u32:0]\ni_db:=:[u32:4]")).toEqual(["i_db:<:[u32:0]"]);
  });

  test("[LK-query-print] print(parse(print(q))) = print(q), in both forms", () => {
    const limits = ["i:<:[u32:9]", "i_db:<:[u32:0]", "i_branch:=:[u32:0]", "recv:>:[u64:5]"];
    const options = [":mode:log-desc", ":qid:x", ":follow", ":other:a/b:c", ":x"];
    fc.assert(
      fc.property(
        queryStatementsArbitrary(),
        fc.subarray([...limits, ...options]),
        fc.boolean(),
        (statements, more, expressions) => {
          const known = statements.filter((each) => failsAlone(each) === undefined);
          let query = queryOf(more);
          for (const statement of known) {
            const verdict = query.withStatement(statement, context);
            if (verdict.ok) query = verdict.query;
          }
          const text = printQuery(query, { expressions });
          expect(printed(text, expressions)).toBe(text);
          expect(printQuery(queryOf(text))).toBe(printQuery(query));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("[LK-query-print] printed queries join as text as they join as values", () => {
    fc.assert(
      fc.property(queryStatementsArbitrary(), queryStatementsArbitrary(), (left, right) => {
        const texts = [left, right].map((statements) => {
          const query = statements.reduce((sum, each) => {
            const verdict = sum.withStatement(each, context);
            return verdict.ok ? verdict.query : sum;
          }, createQuery());
          return printQuery(query);
        });
        const asValues = concatQueries(texts.map((text) => queryOf(text)));
        const asText = createQuery().withStatement("", context);
        expect(asText.ok).toBe(true);
        const joined = texts.join("");
        if (asValues.ok) expect(printed(joined)).toBe(printQuery(asValues.query));
        else expect(failureOf(joined).code).toBe(asValues.code);
      }),
      { numRuns: 300 },
    );
  });

  test("[LK-query-print] the query of one hash", () => {
    const { hash } = linkpoint();
    expect(printQuery(hashQuery(hash)).split("\n")).toEqual([
      ":mode:hash-asc",
      "",
      "type:1:[b2:00000001]",
      expect.stringMatching(/^hash:=:\[b:/u),
      "i:=:[u32:0]",
      "",
    ]);
    expect(printQuery(hashQuery(hash))).toContain("i:=:[u32:0]");
    expect(() => hashQuery(hash.subarray(1))).toThrow(
      expect.objectContaining({ code: "QUERY_HASH_BYTES" }),
    );
    expect(toHex(hash)).toHaveLength(64);
  });
});

function failsAlone(statement: string): string | undefined {
  const verdict = createQuery().withStatement(statement, context);
  return verdict.ok ? undefined : verdict.code;
}
