/** Merging and compiling rules against the filter that does neither (docs/spec/query.md §5–6). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileQuery, concatQueries, createQuery, printQuery, type Query } from "@hawser/query";
import { packetArbitrary, ruleArbitrary, type ArbitraryRule } from "../testing/arbitraries.ts";
import { oracleTest } from "../testing/oracle.ts";

/** The query of `rules`, or `undefined` where they contradict each other. */
function queryOf(rules: readonly ArbitraryRule[]): Query | undefined {
  let query = createQuery();
  for (const { field, operator, value } of rules) {
    const verdict = query.with(field, operator, value);
    if (!verdict.ok) {
      expect(verdict.code).toBe("QUERY_CONTRADICTION");
      return undefined;
    }
    query = verdict.query;
  }
  return query;
}

const rulesArbitrary = fc.array(ruleArbitrary(), { maxLength: 5 });
const fewFields = ["create", "depth", "type", "comp0", "data", "prefix", "spacename", "domain"];
const collidingRules = fc.array(ruleArbitrary({ fields: fewFields }), { maxLength: 6 });

/** Both, as text; contradictions have none. */
function both(a: Query | undefined, b: Query | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  const verdict = concatQueries([a, b]);
  return verdict.ok ? printQuery(verdict.query) : undefined;
}

describe("merged rules", () => {
  test("[LK-query-merge] one compiled query ≡ every rule asked on its own", () => {
    fc.assert(
      fc.property(
        fc.oneof(rulesArbitrary, collidingRules),
        fc.array(packetArbitrary, { minLength: 1, maxLength: 12 }),
        (rules, packets) => {
          const query = queryOf(rules);
          const compiled = query === undefined ? undefined : compileQuery(query);
          for (const packet of packets) {
            expect(compiled?.test(packet) ?? false).toBe(oracleTest(rules, packet));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("[LK-query-merge] rules drawn from a packet's own fields match it", () => {
    fc.assert(
      fc.property(packetArbitrary, rulesArbitrary, (packet, rules) => {
        const own = rules.filter((rule) => oracleTest([rule], packet));
        const query = queryOf(own);
        expect(query).toBeDefined();
        if (query !== undefined) expect(compileQuery(query).test(packet)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("[LK-query-merge] intersection is commutative, associative and idempotent", () => {
    fc.assert(
      fc.property(collidingRules, collidingRules, collidingRules, (left, middle, right) => {
        const [a, b, c] = [queryOf(left), queryOf(middle), queryOf(right)];
        expect(both(a, b)).toBe(both(b, a));
        expect(both(a, a)).toBe(a === undefined ? undefined : printQuery(a));
        const ab = a && b && concatQueries([a, b]);
        const bc = b && c && concatQueries([b, c]);
        expect(both(ab?.ok ? ab.query : undefined, c)).toBe(both(a, bc?.ok ? bc.query : undefined));
      }),
      { numRuns: 1000 },
    );
  });

  test("[LK-query-merge] concatenating queries ≡ adding all their rules to one", () => {
    fc.assert(
      fc.property(rulesArbitrary, rulesArbitrary, (left, right) => {
        const whole = queryOf([...left, ...right]);
        expect(both(queryOf(left), queryOf(right))).toBe(whole && printQuery(whole));
      }),
      { numRuns: 1500 },
    );
  });

  test("[LK-query-merge] rules in any order have the same canonical text", () => {
    fc.assert(
      fc.property(
        collidingRules.chain((rules) =>
          fc.tuple(fc.constant(rules), fc.shuffledSubarray(rules, { minLength: rules.length })),
        ),
        ([rules, shuffled]) => {
          const [a, b] = [queryOf(rules), queryOf(shuffled)];
          expect(a && printQuery(a)).toBe(b && printQuery(b));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
