/**
 * Invites that several readers end as spent, each having seen other joins (docs/spec/4-auth.md
 * §5.4).
 */
import { createNobleCrypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AuthGraph, type AuthOp, createAuthGraph } from "@hawser/auth";
import {
  causalOrder,
  createScenario,
  resolveByOracle,
  type Scenario,
  withCheapSignatures,
} from "@hawser/auth/testing";

const crypto = withCheapSignatures(createNobleCrypto());

/** Readers by seniority: the order of the create. */
const readers = ["A", "R", "S", "T"];
const joiners = ["J", "K", "L", "M", "N"];

/** Joins that see nothing of each other, and ends whose authors saw `uses` or more of them. */
interface SpentHistory {
  readonly uses: number;
  readonly joinCount: number;
  /** For each reader the joins he had seen when he ended the invite; `undefined`: he did not. */
  readonly ends: readonly (readonly number[] | undefined)[];
}

const spentHistory: fc.Arbitrary<SpentHistory> = fc
  .record({ uses: fc.integer({ min: 1, max: 3 }), more: fc.nat({ max: 2 }) })
  .chain(({ uses, more }) => {
    const joinCount = Math.min(joiners.length, uses + more);
    const all = Array.from({ length: joinCount }, (_, index) => index);
    // Fewer would be refused, or (of A) a revoke of an invite that is not spent; more than the uses
    // are a crowd in that reader's own view, which the smaller ids win.
    const saw = fc.shuffledSubarray(all, { minLength: uses });
    const end = fc.option(saw, { nil: undefined });
    const ends = fc.tuple(end, end, end, end);
    return fc.record({ uses: fc.constant(uses), joinCount: fc.constant(joinCount), ends });
  });

function played({ uses, joinCount, ends }: SpentHistory): Scenario {
  const scenario = createScenario(crypto);
  scenario.play("0: A create{A:m,R:r,S:r,T:w}", `1: A invite i:w*${uses}`);
  for (let index = 0; index < joinCount; index++) {
    scenario.play(`${index + 2}: ${joiners[index]} join i [1]`);
  }
  for (const [index, saw] of ends.entries()) {
    if (saw === undefined) continue;
    const deps = saw.map((join) => join + 2).join();
    scenario.play(`${index + 10}: ${readers[index]} revoke i [${deps}]`);
  }
  return scenario;
}

/** Of each join, by number: does it count? */
function effectiveJoins(scenario: Scenario, graph: AuthGraph, joinCount: number): number[] {
  const all = Array.from({ length: joinCount }, (_, index) => index);
  return all.filter((join) => graph.status(scenario.op(`${join + 2}`))?.state === "effective");
}

function graphOf(ops: readonly AuthOp[]): AuthGraph {
  const graph = createAuthGraph({ crypto });
  for (const op of ops) graph.add(op);
  return graph;
}

describe("an invite that several readers end as spent", () => {
  it("[ATK-quiet3456] admits exactly as many as it has uses, whoever saw what", () => {
    fc.assert(
      fc.property(spentHistory, (history) => {
        const scenario = played(history);
        const effective = effectiveJoins(scenario, scenario.graph, history.joinCount);
        expect(effective.length).toBe(history.uses);
      }),
      { numRuns: 150, seed: 18 },
    );
  });

  it("[ATK-quiet3456] gives the same members in every order of delivery, as the oracle does", () => {
    fc.assert(
      fc.property(spentHistory, fc.nat(), (history, seed) => {
        const scenario = played(history);
        const group = scenario.group();
        const expected = [...scenario.graph.members(group)];
        for (let order = 0; order < 3; order++) {
          const graph = graphOf(causalOrder(scenario.made, seed + order));
          expect([...graph.members(group)]).toEqual(expected);
          expect(graph.encode()).toEqual(scenario.graph.encode());
        }
        const oracle = resolveByOracle(scenario.made, group);
        const dead = scenario.made.filter(({ id }) => scenario.graph.status(id)?.state === "void");
        expect(new Set(dead.map(({ id }) => id))).toEqual(oracle.void);
      }),
      { numRuns: 100, seed: 18 },
    );
  });

  it("[ATK-quiet3456] lets in whom the most senior end saw, whatever the ids", () => {
    fc.assert(
      fc.property(spentHistory, (history) => {
        const scenario = played(history);
        const senior = history.ends.find((saw) => saw !== undefined);
        if (senior === undefined) return;
        for (const join of effectiveJoins(scenario, scenario.graph, history.joinCount)) {
          expect(senior).toContain(join);
        }
      }),
      { numRuns: 150, seed: 18 },
    );
  });

  it("[ATK-quiet3456] a join that nobody saw spend it displaces nobody who was seen", () => {
    fc.assert(
      fc.property(spentHistory, (history) => {
        const seen = new Set(history.ends.flatMap((saw) => saw ?? []));
        if (seen.size === 0) return;
        const scenario = played(history);
        const before = effectiveJoins(scenario, scenario.graph, history.joinCount);
        scenario.play("90: X join i [1]", "91: Y join i [1]");
        const after = effectiveJoins(scenario, scenario.graph, history.joinCount);
        expect(after).toEqual(before);
        expect(scenario.graph.status(scenario.op("90"))?.state).toBe("void");
        expect(scenario.graph.status(scenario.op("91"))?.state).toBe("void");
      }),
      { numRuns: 100, seed: 18 },
    );
  });
});
