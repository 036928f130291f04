import { createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import { createAuthGraph } from "@hawser/auth";
import { causalOrder, createScenario, type Scenario } from "@hawser/auth/testing";
import { segmentsOf } from "../src/history.ts";

const crypto = createNobleCrypto();

function played(...lines: readonly string[]): Scenario {
  const scenario = createScenario(crypto);
  scenario.play(...lines);
  return scenario;
}

/** The members of G after every one of some causal orders; all must agree. */
function resultOf(lines: readonly string[], group = "G"): string {
  const scenario = played(...lines);
  const expected = scenario.graph.encode();
  for (let seed = 1; seed <= 6; seed++) {
    const graph = createAuthGraph({ crypto });
    for (const op of causalOrder(scenario.made, seed)) {
      expect(graph.add(op)).toEqual({ status: "accepted" });
    }
    expect(graph.encode()).toEqual(expected);
    expect([...graph.members(scenario.group(group))]).toEqual([
      ...scenario.graph.members(scenario.group(group)),
    ]);
  }
  return scenario.show(group);
}

function voidsOf(scenario: Scenario): readonly string[] {
  return scenario.made
    .filter((op) => scenario.graph.status(op.id)?.state === "void")
    .map((op) => scenario.labelOf(op.id) ?? "");
}

type Row = readonly [title: string, lines: readonly string[], members: string];

const abc = "0: A create{A:m,B:m,C:m}";

const resolverRows: readonly Row[] = [
  ["[P2-A1] mutual_removal_filter", [abc, "1: A rm B [0]", "2: B rm A [0]"], "{C:m}"],
  [
    "[P2-A2] mutual_remove_cycles_detected",
    [abc, "1: A rm B [0]", "2: B rm C [0]", "3: C rm A [0]"],
    "{}",
  ],
  [
    "[P2-A3] mutual_remove_cycle_with_delegation",
    [abc, "1: A rm B [0]", "2: B rm C [0]", "3: C add D:m [0]", "4: D rm A [3]"],
    "{}",
  ],
  ["[P2-A4] demote_remove_filter", [abc, "1: A set B:w [0]", "2: B rm C [0]"], "{A:m,B:w,C:m}"],
  ["[P2-A5] demote_add_filter", [abc, "1: A set B:w [0]", "2: B add D:r [0]"], "{A:m,B:w,C:m}"],
  [
    "[P2-A6] remove_dependencies_filter",
    ["0: A create{A:m,B:m}", "1: A rm B [0]", "2: B add C:m [0]", "3: C add D:r [2]"],
    "{A:m}",
  ],
  [
    "[P2-A7] remove_readd_dependencies_filter",
    [abc, "1: A rm B [0]", "2: A add B:m [1]", "3: B add D:r [0]", "4: B add E:r [2,3]"],
    "{A:m,B:m,C:m,E:r}",
  ],
  [
    "[P2-A8] two_bubbles",
    [
      "0: A create{A:m,B:m}",
      "1: A rm B [0]",
      "2: B add C:r [0]",
      "3: A add D:m [1,2]",
      "4: D add E:r [3]",
      "5: A add F:m [4]",
      "6: F add G:r [5]",
      "7: D rm A [4]",
    ],
    "{D:m,E:r}",
  ],
  [
    "[P2-A9] concurrent_readds_filtered",
    [abc, "1: A rm B [0]", "2: A add B:m [1]", "3: C rm B [0]"],
    "{A:m,C:m}",
  ],
  [
    "[P2-A10] filter_only_concurrent_operations",
    ["0: A create{A:m,B:m}", "1: B add C:r [0]", "2: A set B:w [1]", "3: B add D:r [1]"],
    "{A:m,B:w,C:r}",
  ],
  [
    "[P2-B13] concurrent_removal",
    ["1: A create{A:m}", "2: A add B:m [1]", "3: B add C:w [2]", "4: A rm B [2]"],
    "{A:m}",
  ],
  [
    "[P2-B14] mutual_concurrent_removal, first half",
    ["1: A create{A:m}", "2: A add B:m [1]", "3: B add C:m [2]", "4: B rm C [3]"],
    "{A:m,B:m}",
  ],
  [
    "[P2-B14] mutual_concurrent_removal",
    ["1: A create{A:m}", "2: A add B:m [1]", "3: B add C:m [2]", "4: B rm C [3]", "5: C rm B [3]"],
    "{A:m}",
  ],
  [
    "[P2-B18] concurrent_removal_ooo_processing",
    ["1: A create{A:m}", "2: A add B:m [1]", "3: B add C:r [2]", "4: A rm B [2]"],
    "{A:m}",
  ],
  [
    "[P2-D32] multi_delegate_chains",
    [
      abc,
      "1: A rm B [0]",
      "2: B rm C [0]",
      "3: C add D:m [0]",
      "4: D add E:m [3]",
      "5: E rm A [4]",
    ],
    "{}",
  ],
  [
    "[P2-D32] remove_delegate_cycle",
    ["0: A create{A:m,B:m}", "1: B add C:m [0]", "2: C rm A [1]", "3: A rm B [0]"],
    // C's own standing hangs on B's void add, which the ring does not keep.
    "{}",
  ],
];

describe("§3.10 A, B, D: the resolver", () => {
  for (const [title, lines, members] of resolverRows) {
    it(title, () => expect(resultOf(lines)).toBe(members));
  }

  it("[P2-A1] [P2-A2] [P2-A3] the removals of a ring count, what hangs on them does not", () => {
    const ring = played(abc, "1: A rm B [0]", "2: B rm C [0]", "3: C add D:m [0]", "4: D rm A [3]");
    expect(voidsOf(ring)).toEqual(["3"]);
    expect(ring.graph.status(ring.op("3"))).toMatchObject({ reason: "AUTHOR_REMOVED" });
  });

  it("[P2-D32] removal_cycle: what comes after the ring is no part of it, and its people are out", () => {
    const ring = ["1: A rm B [0]", "2: B rm C [0]", "3: C rm A [0]"];
    const s = played("0: A create{A:m,B:m,C:m,D:m}", ...ring, "4: D add E:r [1,2,3]");
    expect(s.add("5: C rm A [4]")).toEqual({ status: "rejected", reason: "NO_LONGER_MEMBER" });
    expect(s.add("6: C rm D [3]")).toEqual({ status: "accepted" });
    // C did not know of the ring: his removal of D is concurrent with his own, which stands.
    expect(s.graph.status(s.op("6"))).toMatchObject({ state: "void", reason: "AUTHOR_REMOVED" });
    expect(voidsOf(s)).toEqual(["6"]);
    expect(s.show()).toBe("{D:m,E:r}");
  });

  it("[P2-B11] group_operations", () => {
    const group = played("0: A create{A:m}");
    expect(group.show()).toBe("{A:m}");
    group.play("1: A add B:r");
    expect(group.show()).toBe("{A:m,B:r}");
    group.play("2: A add C:w");
    expect(group.show()).toBe("{A:m,B:r,C:w}");
    group.play("3: A rm B");
    expect(group.show()).toBe("{A:m,C:w}");
  });

  it("[P2-B12] self_remove: deliberately refused for the last manager (§3.1, W10)", () => {
    const group = played("0: A create{A:m}");
    expect(group.add("1: A rm A")).toEqual({ status: "rejected", reason: "USE_LEAVE" });
    expect(group.add("2: A leave [0]")).toEqual({ status: "rejected", reason: "LAST_MANAGER" });
    group.play("3: A leave>B [0]");
    expect(group.show()).toBe("{B:m}");
  });

  it("[P2-B19] concurrent_add_with_insufficient_access", () => {
    for (const first of ["2", "3"]) {
      const group = played("1: A create{A:m}");
      const add = group.make("2: A add B:m [1]");
      const stranger = group.make("3: B add E:r [1]");
      const order = first === "2" ? [add, stranger] : [stranger, add];
      const verdicts = new Map(order.map((op) => [op, group.graph.add(op)]));
      expect(verdicts.get(stranger)).toEqual({ status: "rejected", reason: "NOT_MEMBER" });
      expect(group.show()).toBe("{A:m,B:m}");
    }
  });

  it("[P2-D31] bubbles lie between cuts", () => {
    const sizes = (ancestors: readonly number[]): readonly number[] =>
      segmentsOf(
        ancestors.map((count) => ({ ancestors: count })),
        0,
      ).map((part) => part.length);
    expect(sizes([0, 1, 2, 3])).toEqual([1, 1, 1, 1]);
    expect(sizes([0, 1, 1, 3])).toEqual([1, 2, 1]);
    expect(sizes([0, 1, 1, 3, 4, 4, 6])).toEqual([1, 2, 1, 2, 1]);
    // A→B,C; B→D,E; D,E→G; C→F→H; G,H→I→J: one bubble {B,C,D,E,F,G,H}.
    expect(sizes([0, 1, 1, 2, 2, 2, 3, 4, 8, 9])).toEqual([1, 7, 1, 1]);
  });
});

describe("§3.10 B: nested groups", () => {
  it("[P2-B15] nested_groups", () => {
    const s = played("G1/0: A create{A:m}", "G2/1: B create{B:m}", "G1/2: A add #G2:r [0,1]");
    expect(s.show("G1")).toBe("{A:m,B:r}");
    const direct = s.graph.directMembers(s.group("G1")).map(({ member }) => member.kind);
    expect(direct.toSorted()).toEqual(["group", "individual"]);
  });

  it("[P2-B16] deeply_nested_groups_with_removals", () => {
    const s = played(
      "G1/0: A create{A:m}",
      "G2/1: B create{B:m}",
      "G3/2: C create{C:m}",
      "G4/3: D create{D:m}",
      "G4/4: D add E:w",
      "G3/5: C add #G4:r [2,4]",
      "G2/6: B add #G3:w [1,5]",
      "G1/7: A add #G2:r [0,6]",
    );
    expect(s.show("G1")).toBe("{A:m,B:r,C:r,D:r,E:r}");
    s.play("G2/8: B rm #G3");
    expect(s.show("G1")).toBe("{A:m,B:r}");
  });

  it("[P2-B17] nested_groups_with_concurrent_removal_and_promotion", () => {
    const s = played(
      "G1/0: A create{A:m}",
      "G2/1: B create{B:m}",
      "G3/2: C create{C:m}",
      "G3/3: C add D:w",
      "G2/4: B add #G3:w [1,3]",
      "G2/5: B add C:r",
      "G1/6: A add #G2:r [0,5]",
    );
    expect(s.show("G1")).toBe("{A:m,B:r,C:r,D:r}");
    s.play("G1/7: A rm #G2 [6]", "G2/8: B set C:m [5]");
    expect(s.show("G1")).toBe("{A:m}");
    expect(s.show("G2")).toBe("{B:m,C:m,D:w}");
  });

  it("[P2-B20] add_group_with_concurrent_change, both orders", () => {
    for (const change of [
      ["G1/2: A add #G2:r [0,1]", "G2/3: B add C:w [1]"],
      ["G2/3: B add C:w [1]", "G1/2: A add #G2:r [0,1]"],
    ]) {
      const s = played("G1/0: A create{A:m}", "G2/1: B create{B:m}", ...change);
      expect(s.show("G1")).toBe("{A:m,B:r,C:r}");
    }
  });

  it("[P2-B21] [P2-W12] nested_group_cycle: deliberately accepted, harmless to read (§6.1)", () => {
    const s = played(
      "G1/0: A create{A:m}",
      "G2/1: B create{B:m}",
      "G2/2: B add #G1:r [0,1]",
      "G1/3: A add #G2:r [2]",
    );
    expect(s.show("G1")).toBe("{A:m,B:r}");
    expect(s.show("G2")).toBe("{A:r,B:m}");
    s.play("G2/4: B add C:w", "G1/5: A set #G2:p");
    expect(s.show("G1")).toBe("{A:m,B:p,C:p}");
  });

  it("[P2-W12] a group that holds itself, and rings of groups, are harmless", () => {
    const s = played(
      "G1/0: A create{A:m,B:r}",
      "G1/1: A add #G1:w",
      "G2/2: A create{C:w,A:m}",
      "G3/3: A create{D:w,A:m}",
      "G1/4: A add #G2:w [1,2]",
      "G2/5: A add #G3:r [2,3]",
      "G3/6: A add #G1:w [3,4]",
    );
    expect(s.show("G1")).toBe("{A:m,B:r,C:w,D:r}");
    expect(s.show("G3")).toBe("{A:m,B:r,C:w,D:w}");
  });

  it("[P2-B24] partitioned_group_graphs", () => {
    const s = played("G1/0: A create{A:m}", "G2/1: B create{B:m}", "G1/2: A add #G2:r [0,1]");
    expect(s.show("G1")).toBe("{A:m,B:r}");
    expect(s.graph.heads(s.group("G1"))).toEqual([s.op("2")]);
    // Ours looks down only: nobody who reads G2 learns where it is used (§3.3).
    expect(s.graph.heads(s.group("G2"))).toEqual([s.op("1")]);
    s.play("G3/3: B create{B:m}");
    expect(s.graph.heads(s.group("G1"))).toEqual([s.op("2")]);
    expect(s.graph.heads(s.group("G3"))).toEqual([s.op("3")]);
    expect(s.graph.antichain(["0", "1", "2", "3"].map(s.op))).toEqual(
      [s.op("2"), s.op("3")].toSorted(),
    );
  });

  it("[P2-B25] promote_demote_group", () => {
    const s = played(
      "G1/0: A create{A:m,B:w,C:r}",
      "G2/1: D create{D:m}",
      "G2/2: D add #G1:r [0,1]",
    );
    expect(s.show("G2")).toBe("{A:r,B:r,C:r,D:m}");
    s.play("G2/3: D set #G1:w");
    expect(s.show("G2")).toBe("{A:w,B:w,C:r,D:m}");
    s.play("G2/4: D set #G1:p");
    expect(s.show("G2")).toBe("{A:p,B:p,C:p,D:m}");
  });

  it("several ways to one group: the least along a path, the greatest over the paths", () => {
    const s = played(
      "L/0: C create{C:m,D:w+d}",
      "K/1: B create{B:m}",
      "K/2: B add #L:r+d [0,1]",
      "J/3: B create{B:m}",
      "J/4: B add #L:w [0,3]",
      "G/5: A create{A:m}",
      "G/6: A add #K:w+d [2,5]",
      "G/7: A add #J:w [4,6]",
    );
    // Through K: read and delete; through J: write. Together: write and delete.
    expect(s.show("G")).toBe("{A:m,B:w,C:w,D:w+d}");
  });
});

type Refusal = readonly [title: string, history: readonly string[], line: string, reason: string];

const made = "0: A create{A:m,B:r,C:w}";
const gone = [made, "1: A set B:m", "2: A rm B"];

const refusals: readonly Refusal[] = [
  ["[P2-B23] [P2-C27] a reader adds", [made], "1: B add D:r", "NOT_MANAGER"],
  ["[P2-C27] a stranger adds", [made], "1: X add D:r", "NOT_MEMBER"],
  ["[P2-C27] a removed manager adds", gone, "3: B add D:r", "NO_LONGER_MEMBER"],
  ["[P2-B23] [P2-C27] an existing member is added", [made], "1: A add B:w", "ALREADY_MEMBER"],
  ["[P2-B23] the author adds himself", [made], "1: A add A:m", "ALREADY_MEMBER"],
  ["[P2-C28] a stranger removes", [made], "1: X rm B", "NOT_MEMBER"],
  ["[P2-C28] a reader removes another", [made], "1: B rm C", "NOT_MANAGER"],
  ["[P2-B23] [P2-C28] a stranger is removed", [made], "1: A rm X", "UNKNOWN_MEMBER"],
  ["[P2-C28] a member is removed twice", gone, "3: A rm B", "MEMBER_GONE"],
  ["[P2-C29] [P2-W6] a stranger sets", [made], "1: X set A:m", "NOT_MEMBER"],
  [
    "[P2-W6] a stranger lowers a puller to pull",
    [made, "1: A set B:p"],
    "2: X set B:p",
    "NOT_MEMBER",
  ],
  ["[P2-C29] a reader sets", [made], "1: B set C:r", "NOT_MANAGER"],
  ["[P2-B23] [P2-C29] a stranger is set", [made], "1: A set X:w", "UNKNOWN_MEMBER"],
  ["[P2-C29] a removed member is set", gone, "3: A set B:w", "MEMBER_GONE"],
  ["[P2-C29] a removed manager sets", gone, "3: B set C:m", "NO_LONGER_MEMBER"],
  ["[P2-B12] a manager removes himself", [made], "1: A rm A", "USE_LEAVE"],
  ["[ATK-jazz2836] a writer removes himself by a removal", [made], "1: C rm C", "NOT_MANAGER"],
  ["[P2-W10] the last manager leaves", [made], "1: A leave", "LAST_MANAGER"],
  ["[P2-W10] the last manager steps down", [made], "1: A set A:w", "LAST_MANAGER"],
  ["[P2-W10] the last manager names himself", [made], "1: A leave>A", "LAST_MANAGER"],
  ["a writer names a successor", [made], "1: C leave>D", "NOT_MANAGER"],
  ["a stranger leaves", [made], "1: X leave", "NOT_MEMBER"],
  ["a removed member leaves", gone, "3: B leave", "NO_LONGER_MEMBER"],
  ["a stranger invites", [made], "1: X invite i:r", "NOT_MEMBER"],
  ["a writer invites", [made], "1: C invite i:r", "NOT_MANAGER"],
  ["[ATK-quiet3454] a puller admits itself", [made, "1: A set B:p"], "2: B set B:m", "NOT_MANAGER"],
  ["[ATK-quiet3454] a relay adds itself", [made], "1: relay add relay:r", "NOT_MEMBER"],
  [
    "[ATK-quiet3444] a member claims to be the creator's equal",
    [made],
    "1: C set C:m",
    "NOT_MANAGER",
  ],
  ["[TH-016] a change by a peer who may not change", [made], "1: C set B:w", "NOT_MANAGER"],
];

describe("§3.10 B, C: refusals", () => {
  for (const [title, history, line, reason] of refusals) {
    it(`${title}: ${reason}`, () => {
      const scenario = played(...history);
      const before = scenario.graph.encode();
      expect(scenario.add(line)).toEqual({ status: "rejected", reason });
      expect(scenario.graph.encode()).toEqual(before);
    });
  }

  it("[P2-B23] error_on_add_manager_group, error_on_remove_nonexistent_subgroup", () => {
    const s = played("G1/0: A create{A:m}", "G2/1: B create{B:m}");
    expect(s.add("G1/2: A add #G2:m [0,1]")).toMatchObject({ reason: "GROUP_MANAGER" });
    expect(s.add("G1/3: A rm #G2 [0]")).toMatchObject({ reason: "UNKNOWN_MEMBER" });
    s.play("G1/4: A add #G2:w [0,1]");
    expect(s.add("G1/5: A set #G2:m")).toMatchObject({ reason: "GROUP_MANAGER" });
  });

  it("[P2-W5] a create with a group as manager is refused", () => {
    const s = played("G1/0: A create{A:m}");
    expect(s.add("G2/1: B create{B:m,#G1:m} [0]")).toMatchObject({ reason: "GROUP_MANAGER" });
  });

  it("a create whose author is not a manager of it is refused", () => {
    const s = createScenario(crypto);
    expect(s.add("0: A create{B:m}")).toMatchObject({ reason: "CREATOR_NOT_MANAGER" });
    expect(s.add("1: A create{A:w,B:m}")).toMatchObject({ reason: "CREATOR_NOT_MANAGER" });
  });

  it("[P2-W7] [P2-M15] there is no promote and no demote: set says what becomes of a member", () => {
    const s = played(made, "1: A set C:p");
    expect(s.show()).toBe("{A:m,B:r,C:p}");
    s.play("2: A set C:m", "3: A set C:w");
    expect(s.show()).toBe("{A:m,B:r,C:w}");
  });
});

describe("§3.10 C: states", () => {
  it("[P2-C26] create, add, remove, change", () => {
    const s = played("0: A create{A:m,B:r}", "1: A add C:r", "2: A rm B", "3: A set C:w");
    expect(s.show()).toBe("{A:m,C:w}");
    s.play("4: A set C:r", "5: A set C:m", "6: C leave");
    expect(s.show()).toBe("{A:m}");
  });

  it("[P2-C30] merging: added on one side, re-added, changed, lower access wins", () => {
    expect(resultOf([abc, "1: A add D:r [0]", "2: B add E:r [0]"])).toBe("{A:m,B:m,C:m,D:r,E:r}");
    const readded = ["0: A create{A:m,B:m,D:r}", "1: A rm D [0]", "2: A add D:w [1]"];
    expect(resultOf([...readded, "3: B add E:r [0]"])).toBe("{A:m,B:m,D:w,E:r}");
    expect(resultOf([abc, "1: A add D:p [0]", "2: B add D:w [0]"])).toBe("{A:m,B:m,C:m,D:p}");
    const two = ["0: A create{A:m,B:m,D:p}", "1: A set D:w [0]", "2: B set D:r [0]"];
    expect(resultOf(two)).toBe("{A:m,B:m,D:r}");
  });

  it("[P2-C30] merging: changed twice on one side and not at all, or twice too, on the other", () => {
    const root = "0: A create{A:m,B:m,D:p}";
    const raisedAndLowered = ["1: A set D:r [0]", "2: A set D:p [1]"];
    // The same access as at the start, and still the newer one: it is not what the other side has.
    expect(resultOf([root, ...raisedAndLowered, "3: B add E:r [0]"])).toBe("{A:m,B:m,D:p,E:r}");
    expect(resultOf([root, ...raisedAndLowered, "3: B set D:w [0]"])).toBe("{A:m,B:m,D:p}");
    const lowered = [
      "1: A set D:w [0]",
      "2: A set D:p [1]",
      "3: B set D:w [0]",
      "4: B set D:r [3]",
    ];
    expect(resultOf(["0: A create{A:m,B:m,D:m}", ...lowered])).toBe("{A:m,B:m,D:p}");
  });

  it("[P2-W8] between two who only lower, who changed it more often is right (§4.1)", () => {
    const root = "0: A create{A:m,B:m,D:m}";
    const once = ["1: A set D:p [0]", "2: B set D:w [0]"];
    expect(resultOf([root, ...once])).toBe("{A:m,B:m,D:p}");
    expect(resultOf([root, ...once, "3: B set D:r [2]"])).toBe("{A:m,B:m,D:r}");
    // A removal is beaten by no number of changes.
    const removed = ["1: A rm D [0]", "2: B set D:w [0]", "3: B set D:r [2]"];
    expect(resultOf([root, ...removed])).toBe("{A:m,B:m}");
  });

  it("[P2-E] who may do what: read, write, change members", () => {
    const s = played("0: A create{A:m,B:w,C:r,D:p+d}");
    const table = ["A", "B", "C", "D", "X"].map((label) =>
      (["pull", "read", "write", "manage", "delete"] as const)
        .filter((need) => s.graph.can(s.group(), s.author(label), need))
        .join(" "),
    );
    expect(table).toEqual([
      "pull read write manage",
      "pull read write",
      "pull read",
      "pull delete",
      "",
    ]);
  });

  it("[P2-E] write access is verified at the claimed heads", () => {
    const s = played("0: A create{A:m,B:w}", "1: A set B:r");
    expect(s.graph.can(s.group(), s.author("B"), "write", [s.op("0")])).toBe(true);
    expect(s.graph.can(s.group(), s.author("B"), "write", [s.op("1")])).toBe(false);
    expect(s.graph.can(s.group(), s.author("B"), "write")).toBe(false);
  });
});
