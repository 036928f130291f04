import { existsSync, readFileSync } from "node:fs";
import { toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { describe, expect, it } from "vitest";
import {
  type AuthAction,
  type AuthOp,
  createAuthGraph,
  type Grant,
  type GroupId,
  groupIdOf,
  type Level,
  type MutualRemovalPolicy,
  type OpId,
} from "@hawser/auth";
import { resolveByOracle } from "@hawser/auth/testing";
import type { AuthorId } from "@hawser/crypto";

const crypto = createNobleCrypto();
const file = new URL("../../../../shared/vectors/auth.json", import.meta.url);

interface VectorOp {
  readonly id: string;
  readonly author: string;
  readonly action: "create" | "add" | "remove" | "promote" | "demote";
  readonly deps: readonly string[];
  readonly members?: readonly (readonly [string, Level])[];
  readonly member?: string;
  readonly access?: Level;
}

interface Vector {
  readonly name: string;
  readonly ops: readonly VectorOp[];
  readonly expect: Readonly<Record<string, Readonly<Record<string, Level>>>>;
}

const labels = new Map<string, string>();

function key(label: string): AuthorId {
  const id = toHex(crypto.deriveKey("hawser test author v1", utf8(label)));
  labels.set(id, label);
  return id as AuthorId;
}

// The order of the ids is the order of the labels, because ids break ties.
function opId(label: string): OpId {
  return label.padStart(64, "0") as OpId;
}

function grant(label: string, level: Level): Grant {
  return { member: { kind: "individual", id: key(label) }, access: { level, mayDelete: false } };
}

function action(op: VectorOp, policy: MutualRemovalPolicy): AuthAction {
  const member = op.member ?? "";
  switch (op.action) {
    case "create": {
      const grants = (op.members ?? []).map(([label, level]) => grant(label, level));
      return { type: "create", nonce: new Uint8Array(16), policy, grants };
    }
    case "remove":
      return { type: "remove", member: { kind: "individual", id: key(member) } };
    case "add":
      return { type: "add", grant: grant(member, op.access ?? "pull") };
    case "promote":
    case "demote":
      return { type: "set", grant: grant(member, op.access ?? "pull") };
  }
}

function opsOf(vector: Vector, policy: MutualRemovalPolicy): readonly AuthOp[] {
  const group: GroupId = groupIdOf(crypto, opId(vector.ops[0]?.id ?? ""));
  return vector.ops.map((op) => ({
    id: opId(op.id),
    author: key(op.author),
    group,
    deps: op.deps.map(opId).sort(),
    action: action(op, policy),
  }));
}

function show(entries: readonly (readonly [string, Level])[]): string {
  return entries
    .map(([label, level]) => `${label}:${level}`)
    .sort()
    .join();
}

const policies: readonly (readonly [string, MutualRemovalPolicy])[] = [
  ["removeAll", "remove-all"],
  ["seniorWins", "senior-wins"],
];

describe("vectors/auth.json", () => {
  const vectors: readonly Vector[] = existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8")).hardened
    : [];

  it.skipIf(vectors.length === 0)("[P2-vectors] hardened: both policies", () => {
    const failures: unknown[] = [];
    for (const vector of vectors) {
      for (const [name, policy] of policies) {
        const ops = opsOf(vector, policy);
        const graph = createAuthGraph({ crypto });
        const verdicts = ops.map((op) => graph.add(op).status);
        const members = graph.members(ops[0]?.group as GroupId);
        const got = show([...members].map(([id, { level }]) => [labels.get(id) ?? id, level]));
        const resolved = [...resolveByOracle(ops, ops[0]?.group as GroupId).members];
        const oracle = show(
          resolved.map(([id, { level }]) => [labels.get(id.slice(2)) ?? id, level]),
        );
        const want = show(Object.entries(vector.expect[name] ?? {}));
        const isRight =
          got === want && oracle === want && verdicts.every((status) => status === "accepted");
        if (!isRight) failures.push({ name: vector.name, policy, got, oracle, want, verdicts });
      }
    }
    expect(failures).toEqual([]);
    expect(vectors.length).toBeGreaterThanOrEqual(100);
  });
});
