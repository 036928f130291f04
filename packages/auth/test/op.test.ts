import { encodeCbor, fromHex, toHex } from "@hawser/codec";
import { type AuthorId, createNobleCrypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AuthAction,
  type AuthGraph,
  createAuthGraph,
  createOp,
  depsMax,
  encodeOp,
  type GroupId,
  groupIdOf,
  grantsMax,
  type MemberId,
  opBytesMax,
  type OpId,
  parseOp,
  restoreAuthGraph,
} from "@hawser/auth";
import { withCheapSignatures } from "@hawser/auth/testing";
import { arbitraryHistory, playHistory } from "@hawser/auth/testing/arbitraries";

const crypto = createNobleCrypto();
const author = "aa".repeat(32) as AuthorId;
const group = "bb".repeat(32) as GroupId;
const dep = "cc".repeat(32) as OpId;
const member = { kind: "individual", id: "dd".repeat(32) as MemberId } as const;
const nested = { kind: "group", id: "ee".repeat(32) as MemberId } as const;
const access = { level: "write", mayDelete: true } as const;
const invite = "ff".repeat(32) as AuthorId;

const actions: readonly AuthAction[] = [
  {
    type: "create",
    nonce: new Uint8Array(16).fill(1),
    policy: "senior-wins",
    grants: [
      { member, access },
      { member: nested, access },
    ],
  },
  { type: "add", grant: { member: nested, access } },
  { type: "remove", member },
  { type: "set", grant: { member, access } },
  { type: "leave", successor: undefined },
  { type: "leave", successor: member },
  { type: "invite", invite, access, uses: 3, notAfter: 1_700_000_000 },
  { type: "invite", invite, access, uses: 1, notAfter: undefined },
  { type: "revoke", invite },
  {
    type: "join",
    invite,
    binding: new Uint8Array(32).fill(2),
    time: 1_700_000_000,
    proof: new Uint8Array(64).fill(3),
  },
  {
    type: "rule",
    log: "ab".repeat(32),
    from: 3,
    to: 9,
    hash: new Uint8Array(32).fill(4),
    verdict: "accept",
  },
  {
    type: "rule",
    log: "ab".repeat(32),
    from: 0,
    to: 1,
    hash: new Uint8Array(32).fill(4),
    verdict: "reject",
  },
  { type: "raise", suite: 2 },
];

describe("op bytes", () => {
  for (const action of actions) {
    it(`[P2-M14] ${action.type}: parse undoes create, and nothing else is the same op`, () => {
      const { op, bytes } = createOp(crypto, { author, group, deps: [dep], action });
      expect(parseOp(crypto, bytes)).toEqual({ ok: true, op });
      expect(op.action).toEqual(action);
      expect(encodeOp(op)).toEqual(bytes);
      for (let size = 0; size < bytes.length; size++) {
        expect(parseOp(crypto, bytes.subarray(0, size)).ok).toBe(false);
      }
      for (let index = 0; index < bytes.length; index++) {
        const flipped = bytes.slice();
        flipped[index] = (flipped[index] ?? 0) ^ 1;
        const parsed = parseOp(crypto, flipped);
        if (parsed.ok) expect(parsed.op.id).not.toBe(op.id);
      }
      expect(parseOp(crypto, new Uint8Array([...bytes, 0])).ok).toBe(false);
    });
  }

  it("the literal example of docs/spec/4-auth.md §2.3", () => {
    const { op, bytes } = createOp(crypto, {
      author: "01".repeat(32) as AuthorId,
      deps: [],
      action: {
        type: "create",
        nonce: new Uint8Array(16).fill(2),
        policy: "remove-all",
        grants: [
          {
            member: { kind: "individual", id: "01".repeat(32) as MemberId },
            access: { level: "manage", mayDelete: false },
          },
        ],
      },
    });
    const example = `8601005820${"01".repeat(32)}f6808350${"02".repeat(16)}008184005820${"01".repeat(32)}03f4`;
    expect(toHex(bytes)).toBe(example);
    expect([op.id, op.group]).toEqual([exampleId, exampleGroup]);
    expect(groupIdOf(crypto, op.id)).toBe(op.group);
  });

  it("deps are sorted and unique, whatever order they are given in", () => {
    const deps = ["03", "01", "02", "01"].map((byte) => byte.repeat(32) as OpId);
    const action = { type: "leave", successor: undefined } as const;
    const { op } = createOp(crypto, { author, group, deps, action });
    expect(op.deps).toEqual(["01", "02", "03"].map((byte) => byte.repeat(32)));
  });
});

const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const grant = [0, id(1), 2, false] as const;
type Part = Parameters<typeof encodeCbor>[0];

describe("bytes that are no op", () => {
  const op = (...change: readonly (readonly [number, Part])[]): Uint8Array => {
    const parts: Part[] = [1, 1, id(9), id(8), [id(7)], [...grant]];
    for (const [index, part] of change) parts[index] = part;
    return encodeCbor(parts);
  };
  const create = (...payload: readonly Part[]): Uint8Array =>
    op([1, 0], [3, null], [5, [...payload]]);
  const bad: readonly (readonly [string, Uint8Array, string])[] = [
    ["nothing", new Uint8Array(0), "NOT_CANONICAL"],
    ["a number", encodeCbor(1), "BAD_SHAPE"],
    ["an empty array", encodeCbor([]), "BAD_VERSION"],
    ["another version", op([0, 2]), "BAD_VERSION"],
    ["an unknown type", op([1, 8]), "BAD_SHAPE"],
    ["a negative type", op([1, -1]), "BAD_SHAPE"],
    ["a type in text", op([1, "add"]), "BAD_SHAPE"],
    ["a short author", op([2, id(9).subarray(1)]), "BAD_SHAPE"],
    ["no group", op([3, null]), "BAD_SHAPE"],
    ["a create with a group", op([1, 0], [5, [new Uint8Array(16), 0, [[...grant]]]]), "BAD_SHAPE"],
    ["a seventh part", encodeCbor([1, 1, id(9), id(8), [], [...grant], 0]), "BAD_SHAPE"],
    ["unsorted deps", op([4, [id(2), id(1)]]), "BAD_DEPS"],
    ["repeated deps", op([4, [id(1), id(1)]]), "BAD_DEPS"],
    ["a short dep", op([4, [id(1).subarray(2)]]), "BAD_DEPS"],
    ["no list of deps", op([4, id(1)]), "BAD_DEPS"],
    ["a payload that is no list", op([5, 1]), "BAD_SHAPE"],
    ["a grant without delete", op([5, [0, id(1), 2]]), "BAD_SHAPE"],
    ["a level too high", op([5, [0, id(1), 4, false]]), "BAD_SHAPE"],
    ["an unknown kind", op([5, [2, id(1), 2, false]]), "BAD_SHAPE"],
    ["a remove with an access", op([1, 2]), "BAD_SHAPE"],
    ["a leave with half a member", op([1, 4], [5, [0]]), "BAD_SHAPE"],
    ["a revoke of two", op([1, 6], [5, [id(1), id(2)]]), "BAD_SHAPE"],
    ["an invite with no uses", op([1, 5], [5, [id(1), 1, false, 0, null]]), "OUT_OF_RANGE"],
    ["an invite with too many", op([1, 5], [5, [id(1), 1, false, 1e6 + 1, null]]), "OUT_OF_RANGE"],
    ["an invite ended before 1970", op([1, 5], [5, [id(1), 1, false, 1, -1]]), "OUT_OF_RANGE"],
    ["a join before 1970", op([1, 7], [5, [id(1), id(2), -1, new Uint8Array(64)]]), "OUT_OF_RANGE"],
    ["a join with a short proof", op([1, 7], [5, [id(1), id(2), 1, id(3)]]), "BAD_SHAPE"],
    [
      "a join with a short binding",
      op([1, 7], [5, [id(1), grant[1].subarray(1), 1, new Uint8Array(64)]]),
      "BAD_SHAPE",
    ],
    ["a create of nobody", create(new Uint8Array(16), 0, []), "OUT_OF_RANGE"],
    ["a create with a short nonce", create(new Uint8Array(15), 0, [[...grant]]), "BAD_SHAPE"],
    ["a create with an unknown policy", create(new Uint8Array(16), 2, [[...grant]]), "BAD_SHAPE"],
    ["a create with half a grant", create(new Uint8Array(16), 0, [[0, id(1)]]), "BAD_SHAPE"],
    [
      "a member listed twice",
      create(new Uint8Array(16), 0, [[...grant], [1, id(1), 1, false]]),
      "DUPLICATE_MEMBER",
    ],
    ["too many bytes", new Uint8Array(opBytesMax + 1), "TOO_LARGE"],
  ];
  for (const [title, bytes, reason] of bad) {
    it(`[P2-M17] ${title}: ${reason}`, () => {
      expect(parseOp(crypto, bytes)).toEqual({ ok: false, reason });
    });
  }

  it("[P2-M17] limits: deps and grants", () => {
    const deps = Array.from({ length: depsMax + 1 }, (_, index) => {
      return index.toString(16).padStart(64, "0") as OpId;
    });
    const action = { type: "leave", successor: undefined } as const;
    expect(createOp(crypto, { author, group, deps: deps.slice(1), action }).op.deps.length).toBe(
      64,
    );
    expect(() => createOp(crypto, { author, group, deps, action })).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_OP" }),
    );
    const grants = Array.from({ length: grantsMax + 1 }, (_, index) => ({
      member: { kind: "individual", id: index.toString(16).padStart(64, "0") as MemberId } as const,
      access,
    }));
    const made = { type: "create", nonce: new Uint8Array(16), policy: "remove-all" } as const;
    const full = createOp(crypto, {
      author,
      deps: deps.slice(1),
      action: { ...made, grants: grants.slice(1) },
    });
    expect(full.bytes.length).toBeLessThanOrEqual(opBytesMax);
    expect(() => createOp(crypto, { author, deps: [], action: { ...made, grants } })).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_OP" }),
    );
  });

  it("misuse of createOp is an error", () => {
    const action = { type: "leave", successor: undefined } as const;
    const wrong = expect.objectContaining({ code: "AUTH_BAD_OP" });
    expect(() => createOp(crypto, { author, deps: [], action })).toThrow(wrong);
    expect(() => createOp(crypto, { author: "zz" as AuthorId, group, deps: [], action })).toThrow(
      wrong,
    );
    const uses = { type: "invite", invite, access, uses: 1.5, notAfter: undefined } as const;
    expect(() => createOp(crypto, { author, group, deps: [], action: uses })).toThrow(wrong);
  });

  it("[P2-M17] random bytes never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(parseOp(crypto, bytes).ok).toBe(false);
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});

describe("a stored graph", () => {
  const cheap = withCheapSignatures(crypto);
  const sample = (): AuthGraph => {
    const [history] = fc.sample(arbitraryHistory(30), { numRuns: 1, seed: 5 });
    return history === undefined
      ? createAuthGraph({ crypto: cheap })
      : playHistory(cheap, history).graph;
  };

  it("[P2-B22] is refused when damaged, at every byte", () => {
    const bytes = sample().encode();
    expect(restoreAuthGraph({ crypto: cheap }, bytes).ok).toBe(true);
    for (let index = 0; index < bytes.length; index += 7) {
      const damaged = bytes.slice();
      damaged[index] = (damaged[index] ?? 0) ^ 4;
      const restored = restoreAuthGraph({ crypto: cheap }, damaged);
      if (restored.ok) expect(restored.graph.encode()).not.toEqual(bytes);
      expect(restoreAuthGraph({ crypto: cheap }, bytes.subarray(0, index)).ok).toBe(false);
    }
  });

  it("of a newer version, or with more behind it, is refused", () => {
    const bytes = sample().encode();
    const newer = bytes.slice();
    newer[0] = 2;
    expect(restoreAuthGraph({ crypto: cheap }, newer)).toEqual({
      ok: false,
      reason: "BAD_VERSION",
    });
    expect(restoreAuthGraph({ crypto: cheap }, new Uint8Array([...bytes, 0]))).toEqual({
      ok: false,
      reason: "MALFORMED",
    });
    const empty = createAuthGraph({ crypto: cheap }).encode();
    expect(toHex(empty)).toBe("0100");
    expect(restoreAuthGraph({ crypto: cheap }, fromHex("0101") ?? empty)).toEqual({
      ok: false,
      reason: "MALFORMED",
    });
  });
});

const exampleId = "5dcee3ecebcbae90211d3bbd486f59ff91fc2890197a1f36a4cafcb67e9ff731";
const exampleGroup = "bd4a7f41a9b00ec43b45846a89127ca9bf1e6effb8fab3f8f30bbe70e589ab42";
