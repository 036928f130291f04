/** Rulings on quarantined content as operations (docs/spec/4-auth.md §4.2, §6.6). */
import { createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import { createAuthGraph, createOp } from "@hawser/auth";
import { causalOrder, createScenario, type Scenario } from "@hawser/auth/testing";

const crypto = createNobleCrypto();

function played(...lines: readonly string[]): Scenario {
  const scenario = createScenario(crypto);
  scenario.play(...lines);
  return scenario;
}

describe("who may rule", () => {
  it("[NB-6] a manager; it changes no member and no access", () => {
    const s = played("0: A create{A:m,B:w}", "1: A rule accept(0,3)");
    expect(s.show()).toBe("{A:m,B:w}");
    expect(s.graph.status(s.op("1"))).toEqual({ state: "effective" });
  });

  for (const [who, verb, reason] of [
    ["a writer", "1: B rule accept(0,1)", "NOT_MANAGER"],
    ["a reader", "1: C rule accept(0,1)", "NOT_MANAGER"],
    ["a follower with the delete right", "1: D rule accept(0,1)", "NOT_MANAGER"],
    ["a stranger", "1: X rule accept(0,1)", "NOT_MEMBER"],
  ] as const) {
    it(`[NB-6] not ${who}: ${reason}`, () => {
      const s = played("0: A create{A:m,B:w,C:r,D:p+d}");
      expect(s.add(verb)).toEqual({ status: "rejected", reason });
      expect(s.add(verb.replace("accept", "reject"))).toMatchObject({ status: "rejected" });
    });
  }

  it("[NB-6] not a manager who knows of his removal or demotion", () => {
    const s = played("0: A create{A:m,B:m,C:m}", "1: A rm B", "2: A set C:w");
    expect(s.add("3: B rule accept(0,1)")).toMatchObject({ reason: "NO_LONGER_MEMBER" });
    expect(s.add("4: C rule accept(0,1)")).toMatchObject({ reason: "NOT_MANAGER" });
  });

  it("[NB-6] what a manager rules while he is removed or demoted is void", () => {
    for (const strike of ["1: A rm B [0]", "1: A set B:w [0]"]) {
      const s = played("0: A create{A:m,B:m}", strike, "2: B rule accept(0,9) [0]");
      expect(s.graph.status(s.op("2"))).toEqual({
        state: "void",
        reason: "AUTHOR_REMOVED",
        by: s.op("1"),
      });
    }
  });

  it("counts when whoever removed its author had seen it, or was removed himself first", () => {
    const seen = played("0: A create{A:m,B:m}", "1: B rule accept(0,9)", "2: A rm B");
    expect(seen.graph.status(seen.op("1"))).toEqual({ state: "effective" });
    const saved = played(
      "0: A create{A:m,B:m,C:m}",
      "1: A rm B [0]",
      "2: B rm C [0]",
      "3: C rule reject(0,9) [0]",
    );
    expect(saved.graph.status(saved.op("3"))).toEqual({ state: "effective" });
  });

  it("falls with the grant that made its author a manager", () => {
    const s = played("0: A create{A:m,B:m}", "1: A rm B [0]", "2: B add C:m [0]");
    s.play("3: C rule accept(0,1) [2]");
    expect(s.graph.status(s.op("3"))).toMatchObject({ state: "void", reason: "DEPENDS_ON_VOID" });
  });

  it("stands the same in every causal order, and after the graph is read again", () => {
    const s = played(
      "0: A create{A:m,B:m,C:m}",
      "1: A rm B [0]",
      "2: B rule accept(0,9) [0]",
      "3: C rule reject(0,9) [0]",
      "4: C rule accept(2,5) [3]",
    );
    for (let seed = 1; seed <= 10; seed++) {
      const graph = createAuthGraph({ crypto });
      for (const op of causalOrder(s.made, seed)) graph.add(op);
      for (const op of s.made) expect(graph.status(op.id)).toEqual(s.graph.status(op.id));
      expect(graph.encode()).toEqual(s.graph.encode());
    }
  });
});

describe("bytes of a ruling", () => {
  const draft = (from: number, to: number, hash = new Uint8Array(32)) => {
    const s = played("0: A create{A:m}");
    const action = {
      type: "rule",
      log: "ab".repeat(32),
      from,
      to,
      hash,
      verdict: "accept",
    } as const;
    const deps = s.graph.heads(s.group());
    return () => createOp(crypto, { author: s.author("A"), group: s.group(), deps, action });
  };

  it("take a range of at least one entry", () => {
    expect(draft(0, 1)().op.action).toMatchObject({ type: "rule", from: 0, to: 1 });
  });

  for (const [what, make] of [
    ["an empty range", draft(3, 3)],
    ["a range that runs back", draft(3, 2)],
    ["a negative seq", draft(-1, 2)],
    ["a fraction", draft(0, 1.5)],
    ["a hash of 31 bytes", draft(0, 1, new Uint8Array(31))],
  ] as const) {
    it(`never ${what}`, () => {
      expect(make).toThrowError(expect.objectContaining({ code: "AUTH_BAD_OP" }));
    });
  }
});

describe("[TH-192] the right to delete", () => {
  it("goes with every level, and gives neither reading nor writing", () => {
    const s = played("0: A create{A:m,F:p+d,W:w,R:r+d}");
    const may = (who: string) =>
      (["delete", "pull", "read", "write"] as const).filter((need) =>
        s.graph.can(s.group(), s.author(who), need),
      );
    expect(may("F")).toEqual(["delete", "pull"]);
    expect(may("R")).toEqual(["delete", "pull", "read"]);
    // A manager has it only if a grant says so.
    expect(may("A")).toEqual(["pull", "read", "write"]);
    expect(may("W")).toEqual(["pull", "read", "write"]);
  });

  it("is judged at the position of the content, and ends by a set that keeps the level", () => {
    const s = played("0: A create{A:m,F:p+d}", "1: A set F:p");
    const group = s.group();
    const author = s.author("F");
    const before = [s.op("0")];
    const after = [s.op("1")];
    expect(s.graph.judge(group, author, before, "delete")).toBe("quarantine");
    expect(s.graph.judge(group, author, before, "delete", () => true)).toBe("accept");
    expect(s.graph.judge(group, author, before, "pull")).toBe("accept");
    expect(s.graph.judge(group, author, after, "delete")).toBe("reject");
    expect(s.graph.why(group, author, "delete", before)?.allowed).toBe(true);
    expect(s.graph.why(group, author, "delete")).toMatchObject({ allowed: false });
  });
});
