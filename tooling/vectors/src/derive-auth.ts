/**
 * Derives docs/spec/vectors/auth/v1/auth.json: ops and their bytes, and bytes that are no op.
 */
import { encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  type AuthAction,
  createOp,
  type GroupId,
  type Member,
  type MemberId,
  type OpId,
  proveJoin,
} from "@hawser/auth";
import { jsonOf } from "./auth.ts";
import type { JsonObject } from "./claims.ts";

type Part = Parameters<typeof encodeCbor>[0];

const filled = (byte: number, byteCount = 32): Uint8Array => new Uint8Array(byteCount).fill(byte);
// Safe, here and below: 32 bytes in hex.
const author = toHex(filled(1)) as AuthorId;
const group = toHex(filled(2)) as GroupId;
const deps = [toHex(filled(3)) as OpId, toHex(filled(4)) as OpId];
const individual: Member = { kind: "individual", id: author };
const newcomer: Member = { kind: "individual", id: toHex(filled(5)) as MemberId };
const subgroup: Member = { kind: "group", id: toHex(filled(6)) as MemberId };

/** The vectors of the op format. */
export function deriveAuthVectors(crypto: Crypto): JsonObject {
  const vectors = [
    ...actions(crypto).map(([name, action]) => {
      const isCreate = action.type === "create";
      const { op, bytes } = createOp(crypto, {
        author,
        group: isCreate ? undefined : group,
        deps: isCreate ? [] : deps,
        action,
      });
      return {
        name,
        spec: "§2",
        bytes: toHex(bytes),
        op_id: op.id,
        author: op.author,
        group: op.group,
        deps: op.deps,
        action: jsonOf(op.action),
      };
    }),
    ...refused().map(([name, bytes, reason]) => {
      return { name, spec: "§2.4", bytes: toHex(bytes), reason };
    }),
  ];
  return { meta: { spec: "docs/spec/4-auth.md", generator: "derive-auth.ts" }, ops: { vectors } };
}

function actions(crypto: Crypto): readonly (readonly [string, AuthAction])[] {
  const read = { level: "read", mayDelete: false } as const;
  const manage = { level: "manage", mayDelete: true } as const;
  const secret = filled(7);
  const claim = { group, author, binding: filled(8), time: 1_700_000_000 };
  const join = proveJoin(crypto, claim, secret);
  const { invite } = join;
  const log = "0b".repeat(32);
  const nonce = filled(9, 16);
  const grants = [
    { member: individual, access: manage },
    { member: subgroup, access: read },
  ];
  return [
    ["create, remove-all", { type: "create", nonce, policy: "remove-all", grants }],
    ["create, senior-wins", { type: "create", nonce, policy: "senior-wins", grants }],
    ["add an individual", { type: "add", grant: { member: newcomer, access: read } }],
    ["add a group", { type: "add", grant: { member: subgroup, access: read } }],
    ["remove", { type: "remove", member: newcomer }],
    ["set", { type: "set", grant: { member: newcomer, access: manage } }],
    ["leave", { type: "leave", successor: undefined }],
    ["leave to a successor", { type: "leave", successor: newcomer }],
    ["invite without end", { type: "invite", invite, access: read, uses: 1, notAfter: undefined }],
    [
      "invite for many until a time",
      { type: "invite", invite, access: manage, uses: 1_000_000, notAfter: 1_800_000_000 },
    ],
    ["revoke", { type: "revoke", invite }],
    ["join, with a true proof by the secret 07…07", join],
    ["rule, accept", { type: "rule", log, from: 0, to: 3, hash: filled(10), verdict: "accept" }],
    ["rule, reject", { type: "rule", log, from: 7, to: 8, hash: filled(10), verdict: "reject" }],
  ];
}

function refused(): readonly (readonly [string, Uint8Array, string])[] {
  const grant: readonly Part[] = [0, filled(5), 1, false];
  const op = (change: Readonly<Record<number, Part>>): Uint8Array => {
    const parts: Part[] = [1, 1, filled(1), filled(2), [filled(3)], grant];
    for (const [index, part] of Object.entries(change)) parts[Number(index)] = part;
    return encodeCbor(parts);
  };
  const invite = (...payload: readonly Part[]): Uint8Array => op({ 1: 5, 5: payload });
  const rule = (from: number, to: number, verdict: number): Uint8Array =>
    op({ 1: 8, 5: [filled(11), from, to, filled(10), verdict] });
  const nobody = [filled(9, 16), 0, []];
  const twice = [filled(9, 16), 0, [grant, [1, filled(5), 1, false]]];
  const longer = op({});
  return [
    ["no bytes", new Uint8Array(0), "NOT_CANONICAL"],
    ["a byte too many", new Uint8Array([...longer, 0]), "NOT_CANONICAL"],
    ["a byte too few", longer.subarray(0, -1), "NOT_CANONICAL"],
    [
      "a number spelt long",
      new Uint8Array([0x86, 0x18, 0x01, ...longer.subarray(2)]),
      "NOT_CANONICAL",
    ],
    ["no list", encodeCbor(1), "BAD_SHAPE"],
    ["version 2", op({ 0: 2 }), "BAD_VERSION"],
    ["type 9", op({ 1: 9 }), "BAD_SHAPE"],
    ["a short author", op({ 2: filled(1, 31) }), "BAD_SHAPE"],
    ["no group", op({ 3: null }), "BAD_SHAPE"],
    ["a create that names a group", op({ 1: 0, 5: [filled(9, 16), 0, [grant]] }), "BAD_SHAPE"],
    ["deps out of order", op({ 4: [filled(4), filled(3)] }), "BAD_DEPS"],
    ["a dep twice", op({ 4: [filled(3), filled(3)] }), "BAD_DEPS"],
    ["65 deps", op({ 4: Array.from({ length: 65 }, (_, index) => filled(index)) }), "BAD_DEPS"],
    ["level 4", op({ 5: [0, filled(5), 4, false] }), "BAD_SHAPE"],
    ["a delete right of 1", op({ 5: [0, filled(5), 1, 1] }), "BAD_SHAPE"],
    ["kind 2", op({ 5: [2, filled(5), 1, false] }), "BAD_SHAPE"],
    ["a create of nobody", op({ 1: 0, 3: null, 5: nobody }), "OUT_OF_RANGE"],
    ["a member twice", op({ 1: 0, 3: null, 5: twice }), "DUPLICATE_MEMBER"],
    ["an invite for nobody", invite(filled(7), 1, false, 0, null), "OUT_OF_RANGE"],
    ["an invite for too many", invite(filled(7), 1, false, 1_000_001, null), "OUT_OF_RANGE"],
    [
      "a join before 1970",
      op({ 1: 7, 5: [filled(7), filled(8), -1, filled(9, 64)] }),
      "OUT_OF_RANGE",
    ],
    [
      "a join with half a proof",
      op({ 1: 7, 5: [filled(7), filled(8), 1, filled(9)] }),
      "BAD_SHAPE",
    ],
    ["a ruling on no entry", rule(3, 3, 1), "OUT_OF_RANGE"],
    ["a ruling that runs back", rule(3, 2, 1), "OUT_OF_RANGE"],
    ["a ruling from below zero", rule(-1, 2, 1), "OUT_OF_RANGE"],
    ["a ruling with verdict 2", rule(0, 1, 2), "BAD_SHAPE"],
  ];
}
