import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import { type AuthOp, createAuthGraph, createOp, inviteOfSecret, proveJoin } from "@hawser/auth";
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
    expect(graph.invites(scenario.group())).toEqual(scenario.graph.invites(scenario.group()));
  }
  return scenario.show();
}

const start = "0: A create{A:m,B:m}";

/** Members as `Scenario.show` writes them. */
function shown(members: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, level]) => `${name}:${level}`).join(",")}}`;
}

describe("invites", () => {
  for (const [role, level] of [
    ["follower", "p"],
    ["reader", "r"],
    ["writer", "w"],
    ["manager", "m"],
    ["follower who may delete", "p+d"],
  ] as const) {
    it(`[TH-104] an invite as ${role} gives exactly that`, () => {
      expect(resultOf(start, `1: A invite i:${level}`, "2: J join i")).toBe(`{A:m,B:m,J:${level}}`);
    });
  }

  it("[TH-108] a join admits by operations alone, and is spent", () => {
    const s = played(start, "1: A invite i:w*2<100");
    const [open] = s.graph.invites(s.group());
    expect(open).toMatchObject({ author: s.author("A"), usesLeft: 2, notAfter: 100 });
    s.play("2: J join i@99");
    expect(s.graph.invites(s.group())[0]?.usesLeft).toBe(1);
    s.play("3: K join i@100");
    expect(s.graph.invites(s.group())).toEqual([]);
    expect(s.add("4: L join i@1")).toMatchObject({ reason: "INVITE_EXHAUSTED" });
  });

  const refusals: readonly (readonly [string, readonly string[], string, string])[] = [
    ["an unknown invite", [start], "1: J join i", "UNKNOWN_INVITE"],
    ["an invite not in the past", [start, "1: A invite i:r"], "2: J join i [0]", "UNKNOWN_INVITE"],
    ["an expired invite", [start, "1: A invite i:r<50"], "2: J join i@51", "INVITE_EXPIRED"],
    [
      "a revoked invite",
      [start, "1: A invite i:r", "2: B revoke i"],
      "3: J join i",
      "INVITE_REVOKED",
    ],
    ["an invite twice by one key", [start, "1: A invite i:r"], "2: A invite i:m", "INVITE_EXISTS"],
    [
      "an invite of someone removed",
      [start, "1: B invite i:r", "2: A rm B"],
      "3: J join i",
      "INVITER_GONE",
    ],
    [
      "an invite of someone who stepped down",
      [start, "1: B invite i:r", "2: A set B:w"],
      "3: J join i",
      "INVITER_GONE",
    ],
    [
      "an invite of someone who stepped down and up again",
      [start, "1: B invite i:r", "2: A set B:w", "3: A set B:m"],
      "4: J join i",
      "INVITER_GONE",
    ],
    [
      "an invite of someone who left and came back",
      [start, "1: B invite i:r", "2: B leave", "3: A add B:m"],
      "4: J join i",
      "INVITER_GONE",
    ],
    ["joining twice", [start, "1: A invite i:r*9", "2: J join i"], "3: J join i", "ALREADY_MEMBER"],
    ["a member joining", [start, "1: A invite i:r"], "2: B join i", "ALREADY_MEMBER"],
    ["revoking nothing", [start], "1: A revoke i", "UNKNOWN_INVITE"],
    [
      "revoking twice",
      [start, "1: A invite i:r", "2: A revoke i"],
      "3: B revoke i",
      "INVITE_REVOKED",
    ],
    [
      "revoking as a reader",
      [start, "1: A invite i:r*2", "2: J join i"],
      "3: J revoke i",
      "NOT_MANAGER",
    ],
  ];
  for (const [title, history, line, reason] of refusals) {
    it(`${title} is refused: ${reason}`, () => {
      expect(played(...history).add(line)).toEqual({ status: "rejected", reason });
    });
  }

  it("an invite lives through changes that leave its author a manager", () => {
    expect(resultOf(start, "1: B invite i:r", "2: A set B:m+d", "3: J join i")).toBe(
      "{A:m,B:m+d,J:r}",
    );
  });

  it("[ATK-jazz2250] a removed member does not come back by an invite from before", () => {
    const history = [start, "1: A invite i:w*9", "2: J join i", "3: A rm J"];
    const s = played(...history);
    expect(s.add("4: J join i")).toMatchObject({ reason: "INVITE_OLDER_THAN_EXIT" });
    // Nor by one made without knowing of the removal.
    s.play("5: B invite k:m [2]");
    expect(s.add("6: J join k [3,5]")).toMatchObject({ reason: "INVITE_OLDER_THAN_EXIT" });
    // Others still may use the old one, and a new one admits J, as what the new one says.
    s.play("7: K join i", "8: A invite n:p", "9: J join n");
    expect(s.show()).toBe("{A:m,B:m,J:p,K:w}");
  });

  it("[ATK-jazz2250] whoever left needs a new invite, too", () => {
    const s = played(start, "1: A invite i:w*9", "2: J join i", "3: J leave");
    expect(s.add("4: J join i")).toMatchObject({ reason: "INVITE_OLDER_THAN_EXIT" });
  });

  it("[ATK-jazz2250] a removal that is concurrent with the join back wins", () => {
    const history = [start, "1: A add J:w", "2: A rm J", "3: A invite i:w", "4: J join i"];
    expect(resultOf(...history, "5: B rm J [1]")).toBe("{A:m,B:m}");
  });
});

describe("concurrent joins", () => {
  const crowd = [
    start,
    "1: A invite i:r*2",
    ...["J", "K", "L"].map((who, n) => `${n + 2}: ${who} join i [1]`),
  ];

  it("of too many concurrent joins the smaller op ids count, the others are told", () => {
    const s = played(...crowd);
    const labels = ["2", "3", "4"].toSorted((a, b) => (s.op(a) < s.op(b) ? -1 : 1));
    const states = labels.map((label) => s.graph.status(s.op(label)));
    expect(states).toEqual([
      { state: "effective" },
      { state: "effective" },
      { state: "void", reason: "INVITE_EXHAUSTED", by: s.op(labels[1] ?? "") },
    ]);
    resultOf(...crowd);
    const loser = s.made.find((op) => op.id === s.op(labels[2] ?? ""));
    const why = s.graph.why(s.group(), loser?.author ?? s.author("X"), "read");
    expect(why).toMatchObject({
      allowed: false,
      chain: [{ effect: "void", reason: "INVITE_EXHAUSTED" }],
    });
  });

  it("a later join does not push out an earlier one, whatever their ids", () => {
    for (const [first, second, third] of ["JKL", "KLJ", "LJK", "LKJ", "KJL", "JLK"]) {
      const s = played(
        start,
        "1: A invite i:r*2",
        `2: ${first} join i [1]`,
        `3: ${second} join i [2]`,
        `4: ${third} join i [1]`,
      );
      expect(s.graph.status(s.op("3"))?.state === "effective").toBe(
        s.graph.status(s.op("2"))?.state === "effective" &&
          s.graph.status(s.op("4"))?.state === "void",
      );
      expect(s.graph.members(s.group()).size).toBe(4);
    }
  });

  it("a revoke voids the joins that are concurrent with it, not those before", () => {
    const history = [start, "1: A invite i:r*9", "2: J join i", "3: K join i [2]"];
    expect(resultOf(...history, "4: B revoke i [2]")).toBe("{A:m,B:m,J:r}");
  });

  it("a revoke of someone who is removed concurrently voids nothing", () => {
    const history = [start, "1: A invite i:r", "2: J join i [1]"];
    expect(resultOf(...history, "3: B revoke i [1]", "4: A rm B [1]")).toBe("{A:m,J:r}");
  });

  it("a join is void when its inviter is removed or demoted concurrently", () => {
    const history = [start, "1: B invite i:w", "2: J join i [1]"];
    expect(resultOf(...history, "3: A rm B [1]")).toBe("{A:m}");
    expect(resultOf(...history, "3: A set B:w [1]")).toBe("{A:m,B:w}");
    expect(resultOf(...history, "3: B leave [1]")).toBe("{A:m,J:w}");
    // Seen by the remover, it stands.
    expect(resultOf(...history, "3: A rm B [2]")).toBe("{A:m,J:w}");
  });

  it("a used link displaces nobody once any reader has seen its use", () => {
    const history = [`0: A create{A:m,R:r,P:p}`, "1: A invite i:w", "2: Ben join i [1]"];
    for (const eve of ["E", "F", "G", "H"]) {
      // Whatever the ids, R has seen Ben's join, and ends the invite.
      const lines = [...history, "3: R revoke i [2]", `4: ${eve} join i [1]`];
      expect(resultOf(...lines)).toBe("{A:m,Ben:w,P:p,R:r}");
      // The intruder's own end of it comes from somebody who came by it: refused.
      const s = played(...lines);
      expect(s.add(`5: ${eve} revoke i [4]`)).toMatchObject({ reason: "NOT_MANAGER" });
    }
    const s = played(...history);
    expect(s.add("5: Ben revoke i [2]")).toMatchObject({ reason: "NOT_MANAGER" });
    expect(s.add("6: P revoke i [2]")).toMatchObject({ reason: "NOT_MANAGER" });
    expect(s.add("7: R revoke i [1]")).toMatchObject({ reason: "NOT_MANAGER" });
    expect(s.add("8: R revoke k [2]")).toMatchObject({ reason: "NOT_MANAGER" });
    s.play("9: R revoke i [2]");
    expect(s.add("10: R revoke i [9]")).toMatchObject({ reason: "INVITE_REVOKED" });
  });

  it("[ATK-quiet3456] two ends of one spent invite, each with another join, let one in, not none", () => {
    // The founder is the most senior of those who saw a join spend the invite: what he saw holds.
    for (const [ben, eve] of ["BE", "EB", "XY", "YX"]) {
      const history = [
        "0: A create{A:m,R:r,S:r}",
        "1: A invite i:w",
        `2: ${ben} join i [1]`,
        `3: ${eve} join i [1]`,
      ];
      expect(resultOf(...history, "4: A revoke i [2]", "5: R revoke i [3]")).toBe(
        shown({ A: "m", R: "r", S: "r", [ben ?? ""]: "w" }),
      );
      expect(resultOf(...history, "4: S revoke i [2]", "5: R revoke i [3]")).toBe(
        shown({ A: "m", R: "r", S: "r", [eve ?? ""]: "w" }),
      );
      // The end of somebody who is removed at the same time says nothing.
      const removed = ["4: S revoke i [2]", "5: R revoke i [3]", "6: A rm R [1]"];
      expect(resultOf(...history, ...removed)).toBe(shown({ A: "m", S: "r", [ben ?? ""]: "w" }));
    }
  });

  it("an end of a spent invite voids no join inside its uses", () => {
    const history = [
      "0: A create{A:m,R:r,S:r}",
      "1: A invite i:w*2",
      ...["J", "K", "L", "M"].map((who, n) => `${n + 2}: ${who} join i [1]`),
    ];
    // R saw J and K, S saw K and L, nobody saw M: R is senior.
    const ends = ["6: R revoke i [2,3]", "7: S revoke i [3,4]"];
    expect(resultOf(...history, ...ends)).toBe("{A:m,J:w,K:w,R:r,S:r}");
    expect(resultOf(...history, ends[1] ?? "")).toBe("{A:m,K:w,L:w,R:r,S:r}");
    // An end by somebody who saw uses left is no such thing: it voids what it did not see.
    expect(resultOf(...history, "6: A revoke i [2]")).toBe("{A:m,J:w,R:r,S:r}");
    expect(resultOf(...history, ends[1] ?? "", "8: A revoke i [2]")).toBe("{A:m,J:w,R:r,S:r}");
  });

  it("[ATK-quiet3456] whoever came by a spent link cannot strike at those who ended it", () => {
    const history = ["0: A create{A:m,B:m,R:r} senior", "1: A invite i:m", "2: J join i [1]"];
    const thief = ["4: E join i [1]", "5: E rm A [4]", "6: E rm B [4]", "7: E add F:m [4]"];
    for (const policy of [" senior", ""]) {
      const [create = "", ...rest] = history;
      const first = create.replace(" senior", policy);
      expect(resultOf(first, ...rest, "3: A revoke i [2]", ...thief)).toBe("{A:m,B:m,J:m,R:r}");
      expect(resultOf(first, ...rest, "3: R revoke i [2]", ...thief)).toBe("{A:m,B:m,J:m,R:r}");
    }
  });

  it("an invite is void with its author, and so are its joins", () => {
    const history = [start, "1: B invite i:m [0]", "2: J join i [1]", "3: J add K:r [2]"];
    const s = played(...history, "4: A rm B [0]");
    expect(s.show()).toBe("{A:m}");
    expect(["1", "2", "3"].map((label) => s.graph.status(s.op(label)))).toMatchObject([
      { reason: "AUTHOR_REMOVED" },
      { reason: "AUTHOR_REMOVED" },
      { reason: "DEPENDS_ON_VOID" },
    ]);
  });

  it("joins that lost to a voided join count after all", () => {
    const s = played(start, "1: B invite i:r", "2: J join i [1]", "3: K join i [1]");
    const [winner, loser] = s.op("2") < s.op("3") ? ["J", "K"] : ["K", "J"];
    expect(s.show()).toBe(`{A:m,B:m,${winner}:r}`);
    const line = `4: A rm ${winner} [${winner === "J" ? 2 : 3}]`;
    s.play(line);
    // Removing the winner does not give his use to somebody else.
    expect(s.show()).toBe("{A:m,B:m}");
    expect(s.graph.can(s.group(), s.author(loser ?? ""), "read")).toBe(false);
  });

  it("removal of the joined member works like any other", () => {
    const history = [start, "1: A invite i:m", "2: J join i"];
    expect(resultOf(...history, "3: A rm J [2]", "4: J add K:r [2]")).toBe("{A:m,B:m}");
  });

  it("a manager who came by invite and removes his inviter: nobody of the ring stays", () => {
    const history = ["1: A invite i:m", "2: J join i [1]", "3: J rm A [2]", "4: A revoke i [1]"];
    expect(resultOf(start, ...history)).toBe("{B:m}");
    expect(resultOf(`${start} senior`, ...history)).toBe("{A:m,B:m}");
  });
});

describe("join proofs", () => {
  const secret = crypto.deriveKey("hawser test invite v1", new Uint8Array([1]));
  const withInvite = (): Scenario => {
    const s = played("0: A create{A:m}", "G2/1: A create{A:m}");
    for (const group of ["G", "G2"]) {
      const { op } = createOp(crypto, {
        author: s.author("A"),
        group: s.group(group),
        deps: s.graph.heads(s.group(group)),
        action: {
          type: "invite",
          invite: inviteOfSecret(crypto, secret),
          access: { level: "write", mayDelete: false },
          uses: 5,
          notAfter: 100,
        },
      });
      s.graph.add(op);
    }
    return s;
  };
  const joinOp = (s: Scenario, change: Partial<{ by: string; group: string }> = {}): AuthOp => {
    const { by = "J", group = "G" } = change;
    const binding = new Uint8Array(32).fill(7);
    const claim = { group: s.group("G"), author: s.author("J"), binding, time: 90 };
    const action = proveJoin(crypto, claim, secret);
    const deps = s.graph.heads(s.group(group));
    return createOp(crypto, { author: s.author(by), group: s.group(group), deps, action }).op;
  };

  it("[ATK-quiet3456] a proof admits the author, the group, the binding and the time it names", () => {
    const s = withInvite();
    const honest = joinOp(s);
    if (honest.action.type !== "join") throw new Error("join");
    const { action } = honest;
    const forged: readonly AuthOp[] = [
      joinOp(s, { by: "relay" }),
      joinOp(s, { group: "G2" }),
      { ...honest, action: { ...action, binding: new Uint8Array(32).fill(8) } },
      { ...honest, action: { ...action, time: 91 } },
      { ...honest, action: { ...action, proof: action.proof.map((byte) => byte ^ 1) } },
      { ...honest, action: { ...action, proof: new Uint8Array(64) } },
    ];
    for (const op of forged) {
      const graph = createAuthGraph({ crypto });
      for (const known of s.graph.ops() ?? []) graph.add(known);
      expect(graph.add(op)).toEqual({ status: "rejected", reason: "BAD_JOIN_PROOF" });
    }
    expect(s.graph.add(honest)).toEqual({ status: "accepted" });
    expect(s.show()).toBe("{A:m,J:w}");
  });

  it("[ATK-quiet3456] a replayed join changes nothing", () => {
    const s = withInvite();
    const honest = joinOp(s);
    s.graph.add(honest);
    const before = s.graph.encode();
    expect(s.graph.add(honest)).toEqual({ status: "accepted" });
    expect(s.graph.encode()).toEqual(before);
    const again = joinOp(s);
    expect(s.graph.add(again)).toEqual({ status: "rejected", reason: "ALREADY_MEMBER" });
  });

  it("[ATK-quiet3454] knowing the invite without its secret admits nobody", () => {
    const s = withInvite();
    const invite = inviteOfSecret(crypto, secret);
    const other = crypto.deriveKey("hawser test invite v1", new Uint8Array([2]));
    const claim = { group: s.group(), author: s.author("relay"), binding: new Uint8Array(32) };
    const action = { ...proveJoin(crypto, { ...claim, time: 1 }, other), invite };
    const deps = s.graph.heads(s.group());
    const { op } = createOp(crypto, { author: claim.author, group: claim.group, deps, action });
    expect(s.graph.add(op)).toEqual({ status: "rejected", reason: "BAD_JOIN_PROOF" });
  });

  it("misuse is an error that holds no secret", () => {
    const claim = { group: withInvite().group(), author: "x" as never, binding: secret, time: 1 };
    expect(() => proveJoin(crypto, claim, secret)).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_OP" }),
    );
    for (const bad of [new Uint8Array(32), new Uint8Array(31), new Uint8Array(32).fill(255)]) {
      try {
        inviteOfSecret(crypto, bad);
        expect.unreachable();
      } catch (error) {
        expect(error).toMatchObject({ code: "AUTH_BAD_SECRET" });
        expect(String(error)).not.toContain(toHex(bad));
      }
    }
    const author = withInvite().author("J");
    const short = { ...claim, author, binding: new Uint8Array(31) };
    expect(() => proveJoin(crypto, short, secret)).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_OP" }),
    );
  });
});
