import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import {
  type AuthAction,
  type AuthOp,
  createAuthGraph,
  createOp,
  type Member,
  type OpId,
} from "@hawser/auth";

const crypto = createNobleCrypto();

function author(number: number): AuthorId {
  return toHex(crypto.hash(utf8(`author ${number}`))) as AuthorId;
}

function member(number: number): Member {
  return { kind: "individual", id: author(number) };
}

function founding(members: number, managers: number): AuthOp {
  const grants = Array.from({ length: members }, (_, index) => ({
    member: member(index),
    access: { level: index < managers ? "manage" : "write", mayDelete: false } as const,
  }));
  const nonce = new Uint8Array(16);
  const action: AuthAction = { type: "create", nonce, policy: "remove-all", grants };
  return createOp(crypto, { author: author(0), deps: [], action }).op;
}

/** Milliseconds of processor time, which other work on the machine does not add to. */
function processorMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe("cost", () => {
  it("10,000 ops in a group of 1,000 members fold in less than 2 s", () => {
    const root = founding(1000, 20);
    const ops = [root];
    for (let index = 1; index < 10_000; index++) {
      const actions: readonly AuthAction[] = [
        {
          type: "add",
          grant: { member: member(5000 + index), access: { level: "read", mayDelete: false } },
        },
        {
          type: "set",
          grant: {
            member: member(20 + (index % 900)),
            access: { level: "read", mayDelete: false },
          },
        },
        { type: "remove", member: member(5000 + index - 2) },
      ];
      const action = actions[(index + 2) % 3];
      if (action === undefined) continue;
      const deps = [ops.at(-1)?.id ?? root.id];
      ops.push(
        createOp(crypto, { author: author(index % 20), group: root.group, deps, action }).op,
      );
    }
    const graph = createAuthGraph({ crypto });
    const spent = processorMsOf(() => {
      for (const op of ops) expect(graph.add(op).status).toBe("accepted");
      expect(graph.members(root.group).size).toBe(1000);
    });
    expect(spent).toBeLessThan(2000);
  }, 60_000);

  it("a concurrent segment of 200 ops, half of them strikes, resolves in less than 1 s", () => {
    const root = founding(400, 20);
    const tips = Array.from({ length: 20 }, (): OpId => root.id);
    const graph = createAuthGraph({ crypto });
    graph.add(root);
    const ops: AuthOp[] = [];
    for (let index = 0; index < 200; index++) {
      const who = index % 20;
      const newcomer = {
        member: member(5000 + index),
        access: { level: "manage", mayDelete: false },
      } as const;
      const action: AuthAction =
        index % 2 === 0
          ? { type: "remove", member: member(index % 40 === 4 ? (who + 7) % 20 : 30 + index) }
          : { type: "add", grant: newcomer };
      const deps = [tips[who] ?? root.id];
      const { op } = createOp(crypto, { author: author(who), group: root.group, deps, action });
      ops.push(op);
      if (index % 40 !== 4) tips[who] = op.id;
    }
    const spent = processorMsOf(() => {
      for (const op of ops) graph.add(op);
      graph.members(root.group);
    });
    expect(graph.ops()?.some((op) => graph.status(op.id)?.state === "void")).toBe(true);
    expect(spent).toBeLessThan(1000);
  }, 60_000);

  it("two managers who always lag behind each other: 400 removals in less than 2 s", () => {
    const root = founding(500, 2);
    const graph = createAuthGraph({ crypto });
    graph.add(root);
    const own: [OpId[], OpId[]] = [[root.id], [root.id]];
    const spent = processorMsOf(() => {
      for (let index = 0; index < 400; index++) {
        const [mine, theirs] = index % 2 === 0 ? own : own.toReversed();
        const deps = graph.antichain(
          [mine?.at(-1), theirs?.at(-2)].filter((id) => id !== undefined),
        );
        const action: AuthAction = { type: "remove", member: member(10 + index) };
        const { op } = createOp(crypto, {
          author: author(index % 2),
          group: root.group,
          deps,
          action,
        });
        expect(graph.add(op)).toEqual({ status: "accepted" });
        mine?.push(op.id);
      }
    });
    expect(graph.members(root.group).size).toBe(100);
    expect(spent).toBeLessThan(2000);
  }, 60_000);
});
