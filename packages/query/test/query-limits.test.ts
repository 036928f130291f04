/** Limits, receive bounds and the matcher (docs/spec/query.md §5.6, §6.3). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compileQuery,
  createMatcher,
  referenceQueryError,
  type MatchSource,
  type Matcher,
} from "@hawser/query";
import { datapoint, failureOf, linkpoint, queryOf } from "./query-support.ts";

const packet = datapoint("x");

/** Verdicts, in their first letters, of `count` packets received at 1, 2, …. */
function run(text: string, count: number, source: MatchSource = "stored"): string {
  return drive(createMatcher(compileQuery(queryOf(text))), count, source);
}

function drive(matcher: Matcher, count: number, source: MatchSource, first = 1): string {
  const verdicts = Array.from({ length: count }, (_, index) =>
    matcher.test(packet, first + index, source),
  );
  return verdicts.map((verdict) => verdict[0]).join("");
}

describe("limits", () => {
  test("[LK-limits] counts are 0-based: i:<:3 gives three", () => {
    expect(run("i:<:[u32:3]", 5)).toBe("mmmff");
    expect(run("i:=:[u32:0]", 3)).toBe("mff");
    expect(run("i:<=:[u32:0]", 3)).toBe("mff");
    expect(run("", 3)).toBe("mmm");
  });

  test("[LK-limits] matches before the lower bound are counted and not given", () => {
    expect(run("i:>:[u32:1]\ni:<:[u32:4]", 6)).toBe("ssmmff");
    expect(run("i:=:[u32:2]", 5)).toBe("ssmff");
  });

  test("[LK-limits] masks leave gaps", () => {
    expect(run("i:1:[u32:1]\ni:<:[u32:6]", 8)).toBe("smsmsmff");
    expect(run("i:0:[u32:2]", 6)).toBe("msmfff");
  });

  test("[LK-limits] i_db counts the store pass, i_new what comes after, i both", () => {
    const text = "i_db:<:[u32:2]\ni_new:<:[u32:2]\ni:<:[u32:3]";
    const matcher = createMatcher(compileQuery(queryOf(text)));
    expect(drive(matcher, 3, "stored")).toBe("mmf");
    expect(matcher.isFinished("fresh")).toBe(false);
    expect(drive(matcher, 3, "fresh", 4)).toBe("mff");
    expect(matcher.counts()).toEqual({ all: 3, stored: 2, fresh: 1 });
    expect(run("i_db:<:[u32:2]", 3, "fresh")).toBe("mmm");
    expect(run("i_new:<:[u32:2]", 3, "stored")).toBe("mmm");
    expect(run("i_db:<:[u32:0]", 2, "stored")).toBe("ff");
    expect(run("i_new:<:[u32:0]", 2, "fresh")).toBe("ff");
  });

  test("[LK-limits] counts of an earlier run go on", () => {
    const compiled = compileQuery(queryOf("i:<:[u32:3]"));
    const matcher = createMatcher(compiled, { all: 2, stored: 2, fresh: 0 });
    expect(drive(matcher, 3, "fresh")).toBe("mff");
  });

  test("[LK-limits] a matcher is finished as soon as its last match is given", () => {
    const matcher = createMatcher(compileQuery(queryOf("i:=:[u32:0]")));
    expect(matcher.isFinished("stored")).toBe(false);
    expect(matcher.test(packet, 1, "stored")).toBe("match");
    expect(matcher.isFinished("stored")).toBe(true);
  });

  test("[LK-limits] only what satisfies the rules counts", () => {
    const matcher = createMatcher(compileQuery(queryOf("data:=:x\ni:=:[u32:0]")));
    expect(matcher.test(datapoint("y"), 1, "stored")).toBe("skip");
    expect(matcher.test(linkpoint(), 2, "stored")).toBe("skip");
    expect(matcher.test(packet, 3, "stored")).toBe("match");
  });

  test("[LK-limits] a limit of no results is refused, in our words and the reference's", () => {
    for (const text of ["i:<:[u32:0]", "i:=:[u32:1]\ni:=:[u32:2]", "i:0:[u32:0]\ni:>:[u32:0]"]) {
      const failure = failureOf(text);
      expect(failure).toMatchObject({ code: "QUERY_LIMITS", index: 4 });
      expect(failure.message).toContain("no result");
      expect(referenceQueryError(failure)?.chain.at(-1)).toBe("maximum number of results is 0");
    }
  });

  test("[LK-limits] neither stored nor new packets is refused; either alone is not", () => {
    for (const text of ["i_new:<:[u32:0]\ni_db:<:[u32:0]", "i_branch:<:[u32:0]\ni_new:<:[u32:0]"]) {
      const failure = failureOf(text);
      expect(failure).toMatchObject({ code: "QUERY_LIMITS", statement: 1 });
      expect(referenceQueryError(failure)?.chain.at(-1)).toBe(
        "both new and log have no accept conditions",
      );
    }
    expect(() => queryOf("i_branch:<:[u32:0]\ni_db:<:[u32:0]")).not.toThrow();
    expect(() => queryOf("i_new:<:[u32:0]\ni_new:=:[u32:7]")).not.toThrow();
  });

  test("[LK-limits] compiled limits: bounds, gaps, and −1 for none", () => {
    const { limits } = compileQuery(
      queryOf("i_branch:<:[u32:2]\ni_db:<:[u32:0]\ni:1:[u32:2]\ni:<:[u32:9]"),
    );
    expect([limits.branch.low, limits.branch.high]).toEqual([0n, 1n]);
    expect([limits.stored.high, limits.stored.isPast(0), limits.stored.accepts(0)]).toEqual([
      -1n,
      true,
      false,
    ]);
    expect([limits.all.low, limits.all.high]).toEqual([2n, 7n]);
    expect([1, 2, 3, 4, 6, 7, 8].map((count) => limits.all.accepts(count))).toEqual([
      false,
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
    expect(limits.fresh.isPast(0xffff_ffff)).toBe(false);
  });
});

describe("receive bounds", () => {
  test("[LK-limits] before the lower bound skip, after the upper finished", () => {
    expect(run("recv:>:[u64:2]\nrecv:<:[u64:5]", 6)).toBe("ssmmff");
    expect(run("recv:=:[u64:2]", 4)).toBe("smff");
    expect(run("recv:>=:[u64:2]\nrecv:<=:[u64:3]", 4)).toBe("smmf");
  });

  test("[LK-limits] reference bug: log mode does not stop at the end of the receive range", () => {
    const text = ":mode:log-asc\nrecv:>:[u64:1]\nrecv:<:[u64:3]";
    expect(run(text, 4)).toBe("smff");
    expect(compileQuery(queryOf(text)).recv).toEqual({ low: 2n, high: 2n });
  });

  test("[LK-limits] reference bug: log-desc ignores the upper receive bound", () => {
    const { mode, recv } = compileQuery(queryOf(":mode:log-desc\nrecv:<=:[u64:3]"));
    expect([mode, recv.high]).toEqual(["log-desc", 3n]);
  });

  test("[LK-limits] a packet out of the receive bounds is not counted", () => {
    const matcher = createMatcher(compileQuery(queryOf("recv:>:[u64:5]\ni:=:[u32:0]")));
    expect(matcher.test(packet, 5, "fresh")).toBe("skip");
    expect(matcher.test(packet, 6, "fresh")).toBe("match");
  });
});

test("[LK-limits] the matcher against counting by hand", () => {
  const limit = fc.record({
    field: fc.constantFrom("i", "i_db", "i_new"),
    operator: fc.constantFrom("<", ">", "=", "0", "1"),
    value: fc.nat({ max: 5 }),
  });
  const steps = fc.array(fc.constantFrom<MatchSource>("stored", "fresh"), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(limit, { maxLength: 3 }), steps, (limits, sources) => {
      const text = limits.map((each) => `${each.field}:${each.operator}:[u32:${each.value}]`);
      let matcher: Matcher;
      try {
        matcher = createMatcher(compileQuery(queryOf(text)));
      } catch {
        return;
      }
      const counts = { i: 0, i_db: 0, i_new: 0 };
      for (const [index, source] of sources.entries()) {
        const own = source === "stored" ? "i_db" : "i_new";
        const given = limits.every(
          ({ field, operator, value }) =>
            (field !== "i" && field !== own) || accepts(counts[field as "i"], operator, value),
        );
        const verdict = matcher.test(packet, index, source);
        expect(verdict === "match").toBe(given);
        if (verdict === "finished") continue;
        counts.i++;
        counts[own]++;
      }
    }),
    { numRuns: 1000 },
  );
});

function accepts(count: number, operator: string, value: number): boolean {
  switch (operator) {
    case "<":
      return count < value;
    case ">":
      return count > value;
    case "=":
      return count === value;
    case "0":
      return (count | value) === value;
    default:
      return (count & value) === value;
  }
}
