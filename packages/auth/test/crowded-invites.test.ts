/**
 * Several invites that have too many joins at once (docs/spec/4-auth.md §5.4): who loses one may have
 * done something that others rest on, or nothing at all.
 */
import { createNobleCrypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAuthGraph } from "@hawser/auth";
import {
  causalOrder,
  createScenario,
  resolveByOracle,
  type Scenario,
  withCheapSignatures,
} from "@hawser/auth/testing";

const crypto = withCheapSignatures(createNobleCrypto());

/** What somebody does once he is in: nothing, go, offer an invite that two use, end another one. */
const deeds = ["nothing", "leave", "invite", "end", "struck"] as const;

interface CrowdedHistory {
  /** For each invite: its level, and what each of its joiners does next. */
  readonly invites: readonly {
    readonly level: "m" | "w";
    readonly deeds: readonly (typeof deeds)[number][];
  }[];
}

const crowdedHistory: fc.Arbitrary<CrowdedHistory> = fc.record({
  invites: fc.array(
    fc.record({
      level: fc.constantFrom("m", "w"),
      deeds: fc.array(fc.constantFrom(...deeds), { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 2, maxLength: 4 },
  ),
});

function played({ invites }: CrowdedHistory): Scenario {
  const scenario = createScenario(crypto);
  scenario.play("0: A create{A:m,R:r}");
  for (const [index, { level }] of invites.entries()) {
    scenario.play(`i${index}: A invite i${index}:${level}*1`);
  }
  const base = `i${invites.length - 1}`;
  const joins = invites.flatMap(({ level, deeds: list }, index) =>
    list.map((deed, place) => ({ level, deed, index, name: `J${index}x${place}` })),
  );
  for (const { index, name } of joins) scenario.play(`${name}: ${name} join i${index} [${base}]`);
  // What is refused is not in the history.
  for (const { level, deed, index, name } of joins) {
    if (deed === "leave") scenario.add(`${name}l: ${name} leave [${name}]`);
    if (deed === "struck") scenario.add(`${name}s: A rm ${name} [${name}]`);
    if (deed === "end") {
      const other = (index + 1) % invites.length;
      scenario.add(`${name}e: ${name} revoke i${other} [${name},J${other}x0]`);
    }
    if (deed === "invite" && level === "m") {
      scenario.add(`${name}i: ${name} invite k${name}:w*1 [${name}]`);
      scenario.add(`${name}a: K${name}a join k${name} [${name}i]`);
      scenario.add(`${name}b: K${name}b join k${name} [${name}i]`);
    }
  }
  return scenario;
}

describe("several crowded invites", () => {
  it("[P2-F] lose the joins that the oracle says, in every order of delivery", () => {
    fc.assert(
      fc.property(crowdedHistory, fc.nat(), (history, seed) => {
        const scenario = played(history);
        const group = scenario.group();
        const accepted = scenario.made.filter(({ id }) => scenario.graph.has(id));
        const oracle = resolveByOracle(accepted, group);
        const isVoid = ({ id }: { id: (typeof accepted)[number]["id"] }): boolean =>
          scenario.graph.status(id)?.state === "void";
        expect(new Set(accepted.filter(isVoid).map(({ id }) => id))).toEqual(oracle.void);
        const graph = createAuthGraph({ crypto });
        for (const op of causalOrder(accepted, seed)) graph.add(op);
        expect([...graph.members(group)]).toEqual([...scenario.graph.members(group)]);
      }),
      { numRuns: 150, seed: 54 },
    );
  });

  it("a manager's hundreds of crowded invites are settled together, not one by one", () => {
    const scenario = createScenario(crypto);
    const count = 500;
    scenario.make("0: A create{A:m}");
    for (let index = 0; index < count; index++) {
      scenario.make(`i${index}: A invite i${index}:w*1 [${index === 0 ? "0" : `i${index - 1}`}]`);
    }
    for (let index = 0; index < count; index++) {
      for (const name of ["J", "K", "L"]) {
        scenario.make(`${name}${index}: ${name}${index} join i${index} [i${count - 1}]`);
      }
    }
    const graph = createAuthGraph({ crypto });
    for (const op of scenario.made) graph.add(op);
    // One by one it takes more than a minute.
    expect(graph.members(scenario.group()).size).toBe(1 + count);
  });
});
