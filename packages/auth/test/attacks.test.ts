import { createNobleCrypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Access,
  type AddVerdict,
  type AuthOp,
  createAuthGraph,
  joinAccess,
  levels,
  meetAccess,
  type OpId,
} from "@hawser/auth";
import { causalOrder, createScenario, type Scenario } from "@hawser/auth/testing";

const crypto = createNobleCrypto();

function played(...lines: readonly string[]): Scenario {
  const scenario = createScenario(crypto);
  scenario.play(...lines);
  return scenario;
}

/** The members of G, the same in several causal orders. */
function resultOf(...lines: readonly string[]): string {
  const scenario = played(...lines);
  for (let seed = 1; seed <= 5; seed++) {
    const graph = createAuthGraph({ crypto });
    for (const op of causalOrder(scenario.made, seed)) graph.add(op);
    expect([...graph.members(scenario.group())]).toEqual([
      ...scenario.graph.members(scenario.group()),
    ]);
  }
  return scenario.show();
}

function permutations<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

const abc = "0: A create{A:m,B:m,C:m}";
const abcSenior = "0: A create{A:m,B:m,C:m} senior";

describe("§3.9 weaknesses of the original", () => {
  it("[P2-W1] [P2-M12] a back-dated removal by an ex-manager", () => {
    const history = ["1: A rm B [0]", "2: A add Z:r [1]", "3: B rm A [0]"];
    // Inherent in remove-all when the ex-manager never acknowledged his removal.
    expect(resultOf(abc, ...history)).toBe("{C:m}");
    expect(resultOf(abcSenior, ...history)).toBe("{A:m,C:m,Z:r}");
    // Who did acknowledge it cannot un-see it.
    const s = played(abc, "1: A rm B [0]", "2: A add Z:r [1]");
    expect(s.add("3: B rm A [0]", { after: [s.op("1")] })).toEqual({
      status: "rejected",
      reason: "NOT_MONOTONIC",
    });
    expect(s.show()).toBe("{A:m,C:m,Z:r}");
  });

  it("[P2-W2] a void removal voids nothing", () => {
    expect(resultOf(abc, "1: A rm B [0]", "2: B rm C [0]", "3: C add D:r [0]")).toBe(
      "{A:m,C:m,D:r}",
    );
  });

  it("[P2-W3] leaving harms nobody else, even back-dated", () => {
    const start = ["0: A create{A:m,B:m}", "1: B add C:m", "2: C add D:r"];
    expect(resultOf(...start, "3: B leave [0]")).toBe("{A:m,C:m,D:r}");
    expect(resultOf(...start, "3: B set B:w [0]")).toBe("{A:m,B:w,C:m,D:r}");
    const s = played(...start);
    const after = { after: [s.op("1")] };
    expect(s.add("3: B leave [0]", after)).toMatchObject({ reason: "NOT_MONOTONIC" });
  });

  it("[P2-W4] a second create is another group, never a takeover", () => {
    const s = played("0: A create{A:m,B:w}");
    const forged = s.make("G2/1: M create{M:m}");
    const stolen: AuthOp = { ...forged, group: s.group() };
    expect(s.graph.add(stolen)).toEqual({ status: "rejected", reason: "GROUP_UNBOUND" });
    expect(s.show()).toBe("{A:m,B:w}");
    const own = createScenario(crypto);
    own.play("0: M create{M:m}");
    expect(own.group()).not.toBe(s.group());
  });

  it("[P2-W4] a create with the same content by another author is another group", () => {
    const a = played("0: A create{A:m,M:m}");
    const b = played("0: M create{A:m,M:m}");
    expect(a.group()).not.toBe(b.group());
  });

  it("[P2-W8] [P2-M15] a demotion beats concurrent raises, however many", () => {
    const history = ["1: A set C:p [0]", "2: B set C:w [0]", "3: B set C:m [2]"];
    expect(resultOf("0: A create{A:m,B:m,C:r}", ...history)).toBe("{A:m,B:m,C:p}");
  });

  it("[P2-W8] taking the delete right beats concurrent raises, and voids nothing else", () => {
    const start = "0: A create{A:m,B:m,C:m+d}";
    const history = ["1: A set C:m [0]", "2: B set C:w [0]", "3: B set C:w+d [2]"];
    expect(resultOf(start, ...history)).toBe("{A:m,B:m,C:w}");
    expect(resultOf(start, "1: A set C:m [0]", "2: C add D:r [0]")).toBe("{A:m,B:m,C:m,D:r}");
  });

  it("[P2-W9] mutual demotion stays a demotion", () => {
    const history = ["1: A set B:r [0]", "2: B set A:r [0]"];
    expect(resultOf(abc, ...history)).toBe("{A:r,B:r,C:m}");
    expect(resultOf(abcSenior, ...history)).toBe("{A:m,B:r,C:m}");
  });

  it("[P2-W10] [P2-M13] a group without a manager is reported", () => {
    const s = played("0: A create{A:m,B:m,C:w}", "1: A leave [0]");
    expect(s.graph.orphaned(s.group())).toBe(false);
    s.play("2: B leave [0]");
    expect(s.show()).toBe("{C:w}");
    expect(s.graph.orphaned(s.group())).toBe(true);
    expect(s.add("3: C add D:r")).toMatchObject({ reason: "NOT_MANAGER" });
  });

  it("[P2-W10] a successor is admitted or raised, and keeps the delete right", () => {
    const start = "0: A create{A:m,B:r+d}";
    expect(resultOf(start, "1: A leave>B", "2: B add Z:r")).toBe("{B:m+d,Z:r}");
    expect(resultOf(start, "1: A leave>N", "2: N add Z:r")).toBe("{B:r+d,N:m,Z:r}");
  });

  it("[P2-W10] a manager on his way out cannot hand his power on", () => {
    const history = ["1: A rm B [0]", "2: B leave>M [0]", "3: M add N:m [2]"];
    expect(resultOf(abc, ...history)).toBe("{A:m,C:m}");
    // Demoted concurrently, he still goes: leaving is never void.
    expect(resultOf(abc, "1: A set B:w [0]", "2: B leave [0]")).toBe("{A:m,C:m}");
  });

  it("[P2-W11] removal in one group holds against concurrent acts in its child", () => {
    const s = played(
      "G2/0: B create{B:m}",
      "G2/1: B add C:w",
      "G/2: A create{A:m,B:m}",
      "G/3: A add #G2:r [1,2]",
      "G/4: A rm B [3]",
      "G2/5: B add M:w [1]",
      "G2/6: B set C:r [5]",
    );
    // What A knew when removing B stands, and what takes access away counts; M does not come in.
    expect(s.show("G")).toBe("{A:m,B:r,C:r}");
    expect(s.show("G2")).toBe("{B:m,C:r,M:w}");
    expect(s.graph.judge(s.group("G"), s.author("M"), [s.op("3"), s.op("5")], "read")).toBe(
      "quarantine",
    );
    expect(s.graph.judge(s.group("G"), s.author("C"), [s.op("3"), s.op("5")], "read")).toBe(
      "accept",
    );
  });

  it("[P2-W11] a manager who knows of them may let the child's members in", () => {
    const start = [
      "G2/0: B create{B:m}",
      "G/1: A create{A:m,B:m}",
      "G/2: A add #G2:r [0,1]",
      "G/3: A rm B",
      "G2/4: B add M:w",
    ];
    const s = played(...start, "G/5: A set #G2:w");
    expect(s.show("G")).toBe("{A:m,B:w,M:w}");
    const back = played(...start, "G/5: A add B:r [3]");
    expect(back.show("G")).toBe("{A:m,B:r,M:r}");
    const out = played(...start, "G/5: A rm #G2");
    expect(out.show("G")).toBe("{A:m}");
    const why = out.graph.why(out.group("G"), out.author("M"), "read");
    expect(why?.allowed).toBe(false);
    expect(why?.chain.map((step) => [out.labelOf(step.op), step.effect])).toEqual([["5", "ended"]]);
  });

  it("[P2-W11] only who stands removed on every path is an outcast", () => {
    const s = played(
      "L/0: B create{B:m}",
      "J/1: A create{A:m,B:m}",
      "K/2: A create{A:m,B:m}",
      "J/3: A add #L:r [0,1]",
      "K/4: A add #L:r [0,2]",
      "G/5: A create{A:m}",
      "G/6: A add #J:w [3,5]",
      "G/7: A add #K:w [4,6]",
      "J/8: A rm B [3]",
      "L/9: B add M:r [0]",
    );
    expect(s.show("J")).toBe("{A:m,B:r}");
    expect(s.show("G")).toBe("{A:m,B:w,M:r}");
    s.play("K/10: A rm B [4]");
    expect(s.show("G")).toBe("{A:m,B:r}");
  });

  it("[P2-W12] what came to a group by way of a ring of groups was seen", () => {
    const s = played(
      "G1/0: A create{A:m,B:m,C:m,H:m}",
      "G2/1: A create{A:m,B:m}",
      "G2/2: A add #G1:r [0,1]",
      "G1/3: A add #G2:r [2]",
      "G1/4: B add D:r [3]",
      "G2/5: B add E:r [4]",
      "G1/6: A rm D [5]",
    );
    // Op 6 names op 5 alone, and has seen op 4 through it.
    expect(s.graph.heads(s.group("G1"))).toEqual([s.op("6")]);
    expect(s.show("G1")).toBe("{A:m,B:m,C:m,E:r,H:m}");
    // The same inside a bubble.
    s.play("G1/7: C rm H [3]", "G1/8: H add Y:r [3]");
    expect(s.show("G1")).toBe("{A:m,B:m,C:m,E:r}");
  });

  it("[P2-W13] access is a lattice: merging does not depend on order", () => {
    const access: fc.Arbitrary<Access> = fc.record({
      level: fc.constantFrom(...levels),
      mayDelete: fc.boolean(),
    });
    fc.assert(
      fc.property(access, access, access, (a, b, c) => {
        for (const [up, down] of [
          [joinAccess, meetAccess],
          [meetAccess, joinAccess],
        ] as const) {
          expect(up(a, b)).toEqual(up(b, a));
          expect(up(up(a, b), c)).toEqual(up(a, up(b, c)));
          expect(up(a, a)).toEqual(a);
          expect(up(a, down(a, b))).toEqual(a);
          expect(up(a, down(b, c))).toEqual(down(up(a, b), up(a, c)));
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

describe("§3.10 G: seniority", () => {
  it("[P2-G-removed-concurrently] removed concurrently: what he did is void", () => {
    expect(resultOf(abcSenior, "1: A rm B [0]", "2: B add D:m [0]")).toBe("{A:m,C:m}");
  });

  it("[P2-G-demoted-concurrently] demoted concurrently: what he did is void", () => {
    expect(resultOf(abcSenior, "1: A set B:r [0]", "2: B add D:m [0]")).toBe("{A:m,B:r,C:m}");
  });

  it("[P2-G-mutual-removal-founder] mutual removal: the founder stays", () => {
    expect(resultOf(abcSenior, "1: B rm A [0]", "2: A rm B [0]")).toBe("{A:m,C:m}");
  });

  it("[P2-G-mutual-removal-senior] mutual removal of two others: the earlier stays", () => {
    const start = ["0: A create{A:m} senior", "1: A add B:m", "2: A add C:m"];
    expect(resultOf(...start, "3: B rm C [2]", "4: C rm B [2]")).toBe("{A:m,B:m}");
    expect(resultOf(...start, "3: C rm B [2]", "4: B rm C [2]")).toBe("{A:m,B:m}");
  });

  it("[P2-G-mutual-demotion] mutual demotion: the founder keeps manage", () => {
    expect(resultOf(abcSenior, "1: A set B:w [0]", "2: B set A:w [0]")).toBe("{A:m,B:w,C:m}");
  });

  it("[P2-G-circular-demotion] circular demotion: only B is demoted", () => {
    const ring = ["1: A set B:w [0]", "2: B set C:w [0]", "3: C set A:w [0]"];
    expect(resultOf(abcSenior, ...ring)).toBe("{A:m,B:w,C:m}");
  });

  it("a void op says why, and by which op", () => {
    const s = played(abcSenior, "1: B rm A [0]", "2: A rm B [0]", "3: B add D:r [0]");
    expect(s.graph.status(s.op("2"))).toEqual({ state: "effective" });
    expect(s.graph.status(s.op("1"))).toEqual({
      state: "void",
      reason: "OUTRANKED",
      by: s.op("2"),
    });
    expect(s.graph.status(s.op("3"))).toEqual({
      state: "void",
      reason: "AUTHOR_REMOVED",
      by: s.op("2"),
    });
    expect(s.graph.status("00".repeat(32) as OpId)).toBeUndefined();
  });
});

describe("strata", () => {
  it("a strike that found its author out of power stays void, whatever voids what put him out", () => {
    const lines = [
      "0: A create{A:m,B:m,C:m}",
      "1: C rm A [0]",
      "2: A rm B [0]",
      "3: B add A:p [1,2]",
      "4: B rm A [3]",
      "5: A rm C [2]",
    ];
    expect(resultOf(...lines)).toBe("{A:p,B:m}");
    const s = played(...lines);
    expect(s.graph.status(s.op("4"))).toMatchObject({ state: "void" });
  });

  it("a manager who came by the invite of somebody removed strikes nobody", () => {
    const start = "0: A create{A:m,M:m,T:m}";
    const history = ["1: M invite i:m", "2: J join i [1]", "3: J rm T [2]", "4: T add Z:r [1]"];
    expect(resultOf(start, ...history)).toBe("{A:m,J:m,M:m}");
    expect(resultOf(start, ...history, "5: A rm M [1]")).toBe("{A:m,T:m,Z:r}");
  });

  it("terms merge: an invite from before a demotion stays dead, in either order", () => {
    for (const other of ["C", "D", "E", "F"]) {
      const s = played(
        `0: A create{A:m,B:m+d,${other}:m}`,
        "1: B invite i:r",
        "2: A set B:w [1]",
        `3: ${other} set B:m [1]`,
        "4: A set B:m [2,3]",
      );
      expect(s.add("5: J join i")).toMatchObject({ reason: "INVITER_GONE" });
    }
  });
});

describe("acceptance is a function of the op and its past", () => {
  it("[P2-M11] [P2-M17] missing deps are named, nothing is queued", () => {
    const s = played("0: A create{A:m}", "1: A add B:m", "2: B add C:r");
    const graph = createAuthGraph({ crypto });
    const [create, add, later] = s.made;
    if (create === undefined || add === undefined || later === undefined) throw new Error("made");
    expect(graph.add(later)).toEqual({ status: "pending", missing: [add.id] });
    expect(graph.add(add)).toEqual({ status: "pending", missing: [create.id] });
    expect([create, add, later, later].map((op) => graph.add(op).status)).toEqual([
      "accepted",
      "accepted",
      "accepted",
      "accepted",
    ]);
    expect(graph.encode()).toEqual(s.graph.encode());
  });

  it("[P2-M11] what depends on a refused op is refused everywhere", () => {
    const s = played("0: A create{A:m,B:r}");
    const refused = s.make("1: B add C:m [0]");
    const dependent = s.make("2: C add D:r [1]");
    const graph = createAuthGraph({ crypto });
    for (const op of s.made.slice(0, 1)) graph.add(op);
    expect(graph.add(dependent)).toEqual({ status: "pending", missing: [refused.id] });
    expect(graph.add(refused)).toMatchObject({ status: "rejected", reason: "NOT_MANAGER" });
    expect(graph.add(refused)).toMatchObject({ status: "rejected", reason: "NOT_MANAGER" });
    expect(graph.add(dependent)).toEqual({ status: "rejected", reason: "DEP_REJECTED" });
  });

  it("[P2-M12] an op whose author had acknowledged more is refused; the acknowledged may be late", () => {
    const s = played("0: A create{A:m,B:m}", "1: A add C:r");
    const late = s.make("2: A add D:r [1]");
    const backDated = s.make("3: B add E:r [1]");
    expect(s.graph.add(backDated, { after: [late.id] })).toEqual({
      status: "pending",
      missing: [late.id],
    });
    s.graph.add(late);
    expect(s.graph.add(backDated, { after: [late.id] })).toMatchObject({
      reason: "NOT_MONOTONIC",
    });
    expect(s.add("4: B add E:r [2]", { after: [late.id] })).toEqual({ status: "accepted" });
  });

  it("[P2-M12] an op that stands on two branches of a fork gets in the same way in every order", () => {
    const s = played("0: A create{A:m,B:m}");
    const [later, op, next] = ["1: B add D:r [0]", "2: B add E:r [0]", "3: B add F:r [2]"].map(
      (line) => s.make(line),
    ) as [AuthOp, AuthOp, AuthOp];
    const onAdd = s.make("4: A add H:r [2]");
    // On the left branch B had acknowledged the later one, on the right he had not.
    const places = [
      { op: later, after: [s.op("0")] },
      { op, after: [later.id] },
      { op, after: [s.op("0")] },
      { op: next, after: [op.id] },
      { op: onAdd, after: [s.op("0")] },
    ];
    const root = s.graph.get(s.op("0"))!;
    const results = permutations(places).map((order) => {
      const graph = createAuthGraph({ crypto });
      graph.add(root);
      const verdicts = new Map<(typeof places)[number], AddVerdict>();
      // Each is offered until it is decided at its place.
      for (let round = 0; round < places.length; round++) {
        for (const place of order) {
          const known = verdicts.get(place)?.status ?? "pending";
          if (known === "pending") verdicts.set(place, graph.add(place.op, { after: place.after }));
        }
      }
      return { bytes: graph.encode(), verdicts: places.map((place) => verdicts.get(place)) };
    });
    expect(results[0]!.verdicts.map((verdict) => verdict!.status)).toEqual([
      "accepted",
      "rejected",
      "accepted",
      "accepted",
      "accepted",
    ]);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it("deps that are ancestors of each other are refused", () => {
    const s = played("0: A create{A:m}", "1: A add B:r");
    expect(s.add("2: A add C:r [0,1]")).toMatchObject({ reason: "DEPS_NOT_ANTICHAIN" });
  });

  it("deps must hold the group's create, and no ops of unrelated groups", () => {
    const s = played("0: A create{A:m}", "G2/1: A create{A:m}");
    expect(s.add("2: A add B:r []")).toMatchObject({ reason: "GROUP_NOT_IN_PAST" });
    expect(s.add("3: A add B:r [1]")).toMatchObject({ reason: "GROUP_NOT_IN_PAST" });
    expect(s.add("4: A add B:r [0,1]")).toMatchObject({ reason: "DEP_UNRELATED" });
    expect(s.add("5: A add #G2:r [0]")).toMatchObject({ reason: "UNKNOWN_GROUP" });
    s.play("6: A add #G2:r [0,1]", "7: A rm #G2", "G2/8: A add C:r");
    // Once it was a subgroup, its ops may be named.
    expect(s.add("9: A add D:r [7,8]")).toEqual({ status: "accepted" });
    // The subgroup does not name its parent's.
    expect(s.add("G2/10: A add E:r [7,8]")).toMatchObject({ reason: "DEP_UNRELATED" });
  });

  it("[P2-M20] an id is an individual or a group as the op says, never as the state guesses", () => {
    const s = played("0: A create{A:m,B:w}");
    const asGroup = { kind: "group", id: s.author("B") } as const;
    const remove = s.make("1: A rm B");
    expect(s.graph.add({ ...remove, action: { type: "remove", member: asGroup } })).toMatchObject({
      reason: "UNKNOWN_MEMBER",
    });
    expect(s.show()).toBe("{A:m,B:w}");
  });

  it("[P2-M13] an empty group is a group", () => {
    const s = played("G2/0: B create{B:m,A:m}", "G2/1: A leave [0]", "G2/2: B leave [0]");
    s.play("G/3: C create{C:m}", "G/4: C add #G2:w [1,2,3]");
    expect(s.show("G")).toBe("{C:m}");
    expect(s.graph.orphaned(s.group("G2"))).toBe(true);
  });

  it("[P2-M6] a re-added member has what the new grant says, and his void acts stay void", () => {
    const history = ["1: A rm B [0]", "2: B add D:r [0]", "3: A add B:r [1]"];
    expect(resultOf(abc, ...history)).toBe("{A:m,B:r,C:m}");
    expect(resultOf(abc, "1: A rm B", "2: A add B:p")).toBe("{A:m,B:p,C:m}");
  });

  it("[P2-M9] removing a nested group takes everybody in it at once", () => {
    const s = played("G2/0: B create{B:m,C:w,D:r}", "G/1: A create{A:m}", "G/2: A add #G2:w [0,1]");
    expect(s.show("G")).toBe("{A:m,B:w,C:w,D:r}");
    s.play("G/3: A rm #G2");
    expect(s.show("G")).toBe("{A:m}");
    expect(s.show("G2")).toBe("{B:m,C:w,D:r}");
  });
});
