import { createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import type { Heads, Judgement, Need, OpId } from "@hawser/auth";
import { createScenario, type Scenario } from "@hawser/auth/testing";

const crypto = createNobleCrypto();

function played(...lines: readonly string[]): Scenario {
  const scenario = createScenario(crypto);
  scenario.play(...lines);
  return scenario;
}

function judged(
  s: Scenario,
  who: string,
  at: readonly string[],
  need: Need = "write",
  seen: readonly string[] = [],
): Judgement | undefined {
  const heads: Heads = at.map(s.op);
  const ids = new Set<OpId>(seen.map(s.op));
  return s.graph.judge(s.group(), s.author(who), heads, need, (op) => ids.has(op));
}

const abc = "0: A create{A:m,B:m,C:w}";

describe("content", () => {
  it("[TH-013] every reader, alone, refuses content whose author may not write", () => {
    const s = played(abc, "1: A add R:r", "2: A add D:p+d");
    expect(judged(s, "C", ["2"])).toBe("accept");
    expect(judged(s, "R", ["2"])).toBe("reject");
    expect(judged(s, "R", ["2"], "read")).toBe("accept");
    expect(judged(s, "X", ["2"], "pull")).toBe("reject");
    expect(judged(s, "D", ["2"], "delete")).toBe("accept");
    expect(judged(s, "C", ["2"], "delete")).toBe("reject");
  });

  it("content from before its author came, or before anything, is rejected", () => {
    const s = played(abc, "1: A add N:w");
    expect(judged(s, "N", ["0"])).toBe("reject");
    expect(judged(s, "N", [])).toBe("reject");
    expect(judged(s, "N", ["1"])).toBe("accept");
  });

  it("an acknowledged op that is not known leaves the question open", () => {
    const s = played(abc);
    const unknown = ["00".repeat(32) as OpId];
    expect(s.graph.judge(s.group(), s.author("C"), unknown, "write")).toBeUndefined();
    expect(s.graph.can(s.group(), s.author("C"), "write", unknown)).toBeUndefined();
    expect(s.graph.members(s.group(), unknown)).toBeUndefined();
    expect(s.graph.why(s.group(), s.author("C"), "write", unknown)).toBeUndefined();
    expect(s.graph.dominates([s.op("0")], unknown)).toBeUndefined();
  });

  it("[ATK-3box595] a removal leaves honest history alone", () => {
    const s = played(abc, "1: A rm C");
    // A had seen what C wrote when removing C.
    expect(judged(s, "C", ["0"], "write", ["1"])).toBe("accept");
    // What A had not seen waits for a manager's word.
    expect(judged(s, "C", ["0"])).toBe("quarantine");
    // What C writes knowing of the removal is refused.
    expect(judged(s, "C", ["1"])).toBe("reject");
  });

  it("content concurrent with a demotion is quarantined as far as the demotion goes", () => {
    const s = played(abc, "1: A set C:r");
    expect(judged(s, "C", ["0"], "write")).toBe("quarantine");
    expect(judged(s, "C", ["0"], "read")).toBe("accept");
    expect(judged(s, "C", ["0"], "write", ["1"])).toBe("accept");
  });

  it("leaving quarantines nothing", () => {
    const s = played(abc, "1: C leave");
    expect(judged(s, "C", ["0"])).toBe("accept");
    expect(judged(s, "C", ["1"])).toBe("reject");
  });

  it("who was removed concurrently and came back: the content stays quarantined", () => {
    const s = played(abc, "1: A rm C", "2: A add C:w");
    expect(judged(s, "C", ["0"])).toBe("quarantine");
    expect(judged(s, "C", ["2"])).toBe("accept");
  });

  it("a void removal quarantines nothing, until it counts", () => {
    const s = played("0: A create{A:m,B:m,C:w}", "1: B rm C [0]");
    expect(judged(s, "C", ["0"])).toBe("quarantine");
    s.play("2: A rm B [0]");
    expect(judged(s, "C", ["0"])).toBe("accept");
  });

  it("[P2-M4] content of a member whose admission turned out void is quarantined", () => {
    const s = played(abc, "1: B add N:w [0]");
    expect(judged(s, "N", ["1"])).toBe("accept");
    s.play("2: A rm B [0]");
    expect(judged(s, "N", ["1"])).toBe("quarantine");
    expect(judged(s, "N", ["1", "2"])).toBe("reject");
  });

  it("content of a lost join is quarantined", () => {
    const s = played(abc, "1: A invite i:w", "2: J join i [1]", "3: K join i [1]");
    const [winner, loser] = s.op("2") < s.op("3") ? ["J", "K"] : ["K", "J"];
    const opOf: Record<string, string> = { J: "2", K: "3" };
    expect(judged(s, winner ?? "", [opOf[winner ?? ""] ?? ""])).toBe("accept");
    expect(judged(s, loser ?? "", [opOf[loser ?? ""] ?? ""])).toBe("quarantine");
  });

  it("a raise that turned out void counts for no more than what was there before", () => {
    const s = played("0: A create{A:m,B:m,C:r}", "1: B set C:w [0]", "2: A rm B [0]");
    expect(judged(s, "C", ["1"], "write")).toBe("quarantine");
    expect(judged(s, "C", ["1"], "read")).toBe("accept");
  });

  it("through nested groups: a removed subgroup, and another way in", () => {
    const s = played(
      "K/0: C create{C:m}",
      "L/1: C create{C:m}",
      "G/2: A create{A:m}",
      "G/3: A add #K:w [0,2]",
      "G/4: A add #L:w [1,3]",
      "G/5: A rm #K [4]",
    );
    expect(judged(s, "C", ["4"])).toBe("accept");
    s.play("G/6: A rm #L [5]");
    expect(judged(s, "C", ["4"])).toBe("quarantine");
    expect(judged(s, "C", ["4"], "write", ["5", "6"])).toBe("accept");
    expect(judged(s, "C", ["6"])).toBe("reject");
  });
});

describe("rules made of events", () => {
  it("[TH-014] a table of users and rights answers correctly", () => {
    const s = played("0: O create{O:m,John:w+d,Jane:r,Mary:w}");
    const row = (who: string): string =>
      (["write", "delete", "read"] as const)
        .filter((need) => s.graph.can(s.group(), s.author(who), need))
        .join();
    expect(["John", "Jane", "Mary", "Nobody"].map(row)).toEqual([
      "write,delete,read",
      "read",
      "write,read",
      "",
    ]);
  });

  it("[TH-015] grant Bob write, revoke read from Alice: Bob reads and writes, Alice nothing", () => {
    const s = played("0: O create{O:m,Alice:r,Bob:r}", "1: O set Bob:w", "2: O rm Alice");
    expect(s.show()).toBe("{Bob:w,O:m}");
    const may = (who: string, need: Need): boolean => s.graph.can(s.group(), s.author(who), need);
    expect([may("Bob", "read"), may("Bob", "write"), may("Alice", "pull")]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("[TH-016] who may change the rights is itself a right, and it changes", () => {
    const s = played("0: O create{O:m,Eve:w}");
    expect(s.add("1: Eve add X:r [0]")).toMatchObject({ reason: "NOT_MANAGER" });
    s.play("2: O set Eve:m [0]", "3: Eve add X:r", "4: Eve set O:w");
    expect(s.add("5: O add Y:r")).toMatchObject({ reason: "NOT_MANAGER" });
    expect(s.show()).toBe("{Eve:m,O:w,X:r}");
  });

  it("[TH-188] whoever is not listed has no access", () => {
    const s = played(abc);
    const stranger = s.author("X");
    expect(s.graph.accessOf(s.group(), stranger)).toBeUndefined();
    expect(s.graph.can(s.group(), stranger, "pull")).toBe(false);
    expect(s.graph.can(s.group(), stranger, "delete")).toBe(false);
    const nowhere = "11".repeat(32) as never;
    expect(s.graph.can(nowhere, s.author("A"), "pull")).toBe(false);
    expect([...s.graph.members(nowhere)]).toEqual([]);
    expect(s.graph.heads(nowhere)).toEqual([]);
    expect(s.graph.orphaned(nowhere)).toBe(false);
  });

  it("[TH-192] the delete right comes with follow, not with read", () => {
    const s = played("0: A create{A:m,D:p+d}");
    const may = (need: Need): boolean => s.graph.can(s.group(), s.author("D"), need);
    expect([may("delete"), may("pull"), may("read"), may("write")]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(s.graph.can(s.group(), s.author("A"), "delete")).toBe(false);
  });
});

describe("why", () => {
  const story = (s: Scenario, who: string, need: Need, at?: readonly string[]): unknown => {
    const why = s.graph.why(s.group("G"), s.author(who), need, at?.map(s.op));
    return [
      why?.allowed,
      ...(why?.chain ?? []).map(
        (step) => `${s.labelOf(step.op)} ${s.labelOf(step.member)} ${step.effect}`,
      ),
    ];
  };

  it("tells the ops from the create to the grant", () => {
    const s = played(
      "0: A create{A:m}",
      "1: A add B:m",
      "2: A add X:r",
      "3: B add C:r",
      "4: B set C:w",
    );
    expect(story(s, "C", "write")).toEqual([
      true,
      "0 A created",
      "1 B admitted",
      "3 C admitted",
      "4 C changed",
    ]);
    expect(story(s, "C", "write", ["3"])).toEqual([false, "3 C admitted"]);
    expect(story(s, "C", "write", ["2"])).toEqual([false]);
    expect(story(s, "C", "manage")).toEqual([false, "4 C changed"]);
  });

  it("tells what denies: a removal, a void admission, nothing", () => {
    const s = played(abc, "1: B add N:w [0]", "2: A rm B [0]", "3: A rm C");
    expect(story(s, "C", "read")).toEqual([false, "3 C ended"]);
    expect(story(s, "N", "read")).toEqual([false, "1 N void"]);
    expect(s.graph.why(s.group(), s.author("N"), "read")?.chain[0]).toMatchObject({
      reason: "AUTHOR_REMOVED",
      causedBy: s.op("2"),
    });
    expect(story(s, "X", "read")).toEqual([false]);
  });

  it("tells the way through groups and joins", () => {
    const s = played(
      "K/0: B create{B:m}",
      "K/1: B invite i:w",
      "K/2: C join i",
      "G/3: A create{A:m}",
      "G/4: A add #K:w [2,3]",
    );
    const [allowed, ...steps] = story(s, "C", "write") as readonly string[];
    expect(allowed).toBe(true);
    expect(steps.toSorted()).toEqual([
      "0 B created",
      "2 C admitted",
      "3 A created",
      "4 #K admitted",
    ]);
    const member = s.graph.members(s.group("G")).get(s.author("C"));
    expect(member).toEqual({
      level: "write",
      mayDelete: false,
      path: [s.group("G"), s.group("K")],
      grantedBy: s.op("2"),
    });
  });
});

describe("removals", () => {
  it("are pending until every manager has an op after them", () => {
    const s = played("0: A create{A:m,B:m,C:w,D:w}", "1: A rm C", "2: A set D:r [1]");
    const shown = (): unknown =>
      s.graph
        .removals(s.group())
        .map((removal) => [
          s.labelOf(removal.op),
          s.labelOf(removal.member.id),
          removal.access?.level,
          removal.finality,
          removal.status.state,
        ]);
    expect(shown()).toEqual([
      ["1", "C", undefined, "pending", "effective"],
      ["2", "D", "read", "pending", "effective"],
    ]);
    s.play("3: B add E:r [1]");
    expect(shown()).toMatchObject([
      ["1", "C", undefined, "stable", "effective"],
      ["2", "D", "read", "pending", "effective"],
    ]);
    const seen = s.graph.removals(s.group(), (manager) => manager === s.author("B"));
    expect(seen.map(({ finality }) => finality)).toEqual(["stable", "stable"]);
  });

  it("are reported as void when they are", () => {
    const s = played("0: A create{A:m,B:m,C:m}", "1: B rm C [0]", "2: A rm B [0]");
    const states = s.graph
      .removals(s.group())
      .map(({ op, status }) => [s.labelOf(op), status.state]);
    expect(new Map(states as [string, string][])).toEqual(
      new Map([
        ["1", "void"],
        ["2", "effective"],
      ]),
    );
  });
});

describe("order of ops", () => {
  it("[P2-M18] dominates, antichain and ops follow causality", () => {
    const s = played(
      "0: A create{A:m,B:m}",
      "1: A add C:r [0]",
      "2: B add D:r [0]",
      "3: A add E:r",
    );
    const [zero, one, two, three] = ["0", "1", "2", "3"].map(s.op) as [OpId, OpId, OpId, OpId];
    expect(s.graph.dominates([three], [one, two])).toBe(true);
    expect(s.graph.dominates([one], [two])).toBe(false);
    expect(s.graph.dominates([one], [])).toBe(true);
    expect(s.graph.dominates([], [zero])).toBe(false);
    expect(s.graph.antichain([zero, one, two, one])).toEqual([one, two].toSorted());
    expect(s.graph.ops()?.map((op) => op.id)).toEqual([zero, ...[one, two].toSorted(), three]);
    expect(s.graph.ops([one])?.map((op) => op.id)).toEqual([two, three]);
    expect(s.graph.heads(s.group())).toEqual([three]);
  });
});
