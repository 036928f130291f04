/** Groups that join by an invite, and ops that prove themselves (docs/spec/4-auth.md §2.5, §3.2). */
import {
  createAuthGraph,
  createOp,
  encodeOp,
  inviteOfSecret,
  parseOp,
  proveJoin,
  signOp,
  verifyOpSignature,
  type AuthAction,
  type AuthOp,
  type GroupId,
  type Level,
  type OpId,
} from "@hawser/auth";
import { fromHex, toHex } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import { describe, expect, test } from "vitest";

const crypto = createNobleCrypto();
const secretOf = (name: string): Uint8Array =>
  crypto.deriveKey("hawser test identity v1", new TextEncoder().encode(name));
const idOf = (name: string): AuthorId => toHex(crypto.publicKey(secretOf(name))) as AuthorId;
const inviteSecret = secretOf("invite");
const binding = new Uint8Array(32).fill(7);

function create(name: string, others: readonly (readonly [string, Level])[] = []): AuthOp {
  const all = [[name, "manage"] as const, ...others];
  return createOp(crypto, {
    author: idOf(name),
    deps: [],
    action: {
      type: "create",
      nonce: new Uint8Array(16).fill(name.length),
      policy: "senior-wins",
      grants: all.map(([who, level]) => ({
        member: { kind: "individual", id: idOf(who) },
        access: { level, mayDelete: false },
      })),
    },
  }).op;
}

/** Ada's group with an invite, Bertram's with Cyd as a writer. */
function scene(level: Level = "write", uses = 1) {
  const graph = createAuthGraph({ crypto });
  const add = (op: AuthOp) => graph.add(op);
  const ada = create("ada");
  const ben = create("bertram", [["cyd", "write"]]);
  const { op: invite } = createOp(crypto, {
    author: idOf("ada"),
    group: ada.group,
    deps: [ada.id],
    action: {
      type: "invite",
      invite: inviteOfSecret(crypto, inviteSecret),
      access: { level, mayDelete: false },
      uses,
      notAfter: undefined,
    },
  });
  for (const op of [ada, ben, invite]) expect(add(op)).toEqual({ status: "accepted" });
  const join = (who: string, change: Partial<AuthAction> = {}, deps?: readonly OpId[]) => {
    const claim = { group: ada.group, author: idOf(who), binding, time: 1, as: ben.group };
    const action = { ...proveJoin(crypto, claim, inviteSecret), ...change } as AuthAction;
    const draft = { author: idOf(who), group: ada.group, action };
    return createOp(crypto, { ...draft, deps: deps ?? [invite.id, ben.id] }).op;
  };
  return { graph, add, ada, ben, invite, join };
}

describe("a group joins", () => {
  test("by whoever manages it, with all its members", () => {
    const { graph, add, ada, ben, join } = scene();
    expect(add(join("bertram"))).toEqual({ status: "accepted" });
    const levels = [...graph.members(ada.group)].map(([id, { level, path }]) => [id, level, path]);
    expect(levels).toEqual(
      [
        [idOf("ada"), "manage", [ada.group]],
        [idOf("bertram"), "write", [ada.group, ben.group]],
        [idOf("cyd"), "write", [ada.group, ben.group]],
      ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
    expect(graph.invites(ada.group)).toEqual([]);
  });

  test("with write where the invite says manage, because groups never manage", () => {
    const { graph, add, ada, ben, join } = scene("manage");
    expect(add(join("bertram"))).toEqual({ status: "accepted" });
    const listed = graph.directMembers(ada.group).find(({ member }) => member.id === ben.group);
    expect(listed?.access.level).toBe("write");
    expect(graph.can(ada.group, idOf("bertram"), "manage")).toBe(false);
  });

  test.each([
    ["a writer of the group", "NOT_GROUP_MANAGER", "cyd", {}],
    ["a stranger to it", "NOT_GROUP_MANAGER", "eve", {}],
    ["a proof without the group", "BAD_JOIN_PROOF", "bertram", { as: undefined }],
    ["another's proof", "BAD_JOIN_PROOF", "bertram", { binding: new Uint8Array(32) }],
  ] as const)("not by %s: %s", (_name, reason, who, change) => {
    const { add, invite, ben, join } = scene();
    // Alone it has nothing to do with the group.
    const deps = "as" in change ? [invite.id] : [invite.id, ben.id];
    expect(add(join(who, change, deps))).toEqual({ status: "rejected", reason });
  });

  test("not when its create is not in the op's past: UNKNOWN_GROUP", () => {
    const { add, invite, join } = scene();
    const op = join("bertram", {}, [invite.id]);
    expect(add(op)).toEqual({ status: "rejected", reason: "UNKNOWN_GROUP" });
  });

  test("not twice, and not by an invite made before it was removed", () => {
    const { graph, add, ada, ben, join } = scene("write", 3);
    const first = join("bertram");
    expect(add(first)).toEqual({ status: "accepted" });
    const heads = graph.heads(ada.group);
    expect(add(join("bertram", {}, heads))).toMatchObject({ reason: "ALREADY_MEMBER" });
    const { op: removal } = createOp(crypto, {
      author: idOf("ada"),
      group: ada.group,
      deps: heads,
      action: { type: "remove", member: { kind: "group", id: ben.group } },
    });
    expect(add(removal)).toEqual({ status: "accepted" });
    expect(graph.members(ada.group).size).toBe(1);
    const again = join("bertram", {}, [removal.id]);
    expect(add(again)).toMatchObject({ reason: "INVITE_OLDER_THAN_EXIT" });
  });

  test("of two that spend one invite at once the smaller op id stays, in either order", () => {
    const { graph, add, ada, ben, invite, join } = scene();
    const dora = create("dorothea");
    const claim = { group: ada.group, author: idOf("dorothea"), binding, time: 1, as: dora.group };
    const { op: other } = createOp(crypto, {
      author: idOf("dorothea"),
      group: ada.group,
      deps: [invite.id, dora.id],
      action: proveJoin(crypto, claim, inviteSecret),
    });
    const joins = [join("bertram"), other];
    for (const op of [dora, ...joins]) expect(add(op)).toEqual({ status: "accepted" });
    const [winner] = [...joins].sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const { id } of joins) {
      expect(graph.status(id)?.state).toBe(id === winner?.id ? "effective" : "void");
    }
    const inside = graph.directMembers(ada.group).filter(({ member }) => member.kind === "group");
    expect(inside).toHaveLength(1);
    const reverse = createAuthGraph({ crypto });
    for (const op of [dora, ada, ben, invite, ...[...joins].reverse()]) reverse.add(op);
    expect(reverse.encode()).toEqual(graph.encode());
    expect(reverse.members(ada.group)).toEqual(graph.members(ada.group));
  });

  test("its bytes say so and are the only ones that do", () => {
    const { join } = scene();
    const op = join("bertram");
    expect(parseOp(crypto, encodeOp(op))).toEqual({ ok: true, op });
    const alone = { ...op, action: { ...op.action, as: undefined } } as AuthOp;
    expect(encodeOp(alone).length).toBe(encodeOp(op).length - 34);
    const bad = { ...op, action: { ...op.action, as: "ab" as GroupId } } as AuthOp;
    expect(() => encodeOp(bad)).not.toThrow();
    expect(parseOp(crypto, encodeOp(bad))).toEqual({ ok: false, reason: "BAD_SHAPE" });
  });
});

describe("a signature under an op", () => {
  test("holds for its author and that op alone", () => {
    const op = create("ada");
    const signature = signOp(crypto, op.id, secretOf("ada"));
    expect(verifyOpSignature(crypto, op, signature)).toBe(true);
    expect(verifyOpSignature(crypto, create("adam"), signature)).toBe(false);
    const byEve = signOp(crypto, op.id, secretOf("eve"));
    expect(verifyOpSignature(crypto, op, byEve)).toBe(false);
    const bare = crypto.signTagged("join", fromHex(op.id) ?? binding, secretOf("ada"));
    expect(verifyOpSignature(crypto, op, bare)).toBe(false);
    expect(() => signOp(crypto, op.id, new Uint8Array(32))).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_SECRET" }),
    );
    expect(() => signOp(crypto, "ab" as OpId, secretOf("ada"))).toThrow(
      expect.objectContaining({ code: "AUTH_BAD_OP" }),
    );
  });
});
