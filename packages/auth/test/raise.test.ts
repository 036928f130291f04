/** Raising the least cipher suite of a group (docs/spec/4-auth.md §4.2, §6.7). */
import { createNobleCrypto } from "@hawser/crypto";
import { createOp } from "@hawser/auth";
import { createScenario, type Scenario } from "@hawser/auth/testing";
import { describe, expect, it } from "vitest";

const crypto = createNobleCrypto();

function played(...lines: readonly string[]): Scenario {
  const scenario = createScenario(crypto);
  scenario.play(...lines);
  return scenario;
}

describe("who may raise", () => {
  it("a manager; it changes no member and no access", () => {
    const s = played("0: A create{A:m,B:w}", "1: A raise 2");
    expect(s.show()).toBe("{A:m,B:w}");
    expect(s.graph.status(s.op("1"))).toEqual({ state: "effective" });
  });

  for (const [who, verb, reason] of [
    ["a writer", "1: B raise 2", "NOT_MANAGER"],
    ["a reader", "1: C raise 2", "NOT_MANAGER"],
    ["a stranger", "1: X raise 2", "NOT_MEMBER"],
  ] as const) {
    it(`not ${who}: ${reason}`, () => {
      const s = played("0: A create{A:m,B:w,C:r}");
      expect(s.add(verb)).toEqual({ status: "rejected", reason });
    });
  }

  it("counts for good when whoever removed its author had seen it, and not otherwise", () => {
    const seen = played("0: A create{A:m,B:m}", "1: B raise 2", "2: A rm B");
    expect(seen.graph.status(seen.op("1"))).toEqual({ state: "effective" });
    const dated = played("0: A create{A:m,B:m}", "1: A rm B [0]", "2: B raise 2 [0]");
    expect(dated.graph.status(dated.op("2"))).toMatchObject({ state: "void" });
  });

  it("a number of a suite is 1 to 255", () => {
    const group = "22".repeat(32) as never;
    const raise = (suite: number) => () =>
      createOp(crypto, {
        author: "11".repeat(32) as never,
        group,
        deps: [],
        action: { type: "raise", suite },
      });
    expect(raise(255)().op.action).toEqual({ type: "raise", suite: 255 });
    for (const suite of [0, 256, -1, 1.5]) {
      expect(raise(suite)).toThrow(expect.objectContaining({ code: "AUTH_BAD_OP" }));
    }
  });
});
