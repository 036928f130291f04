/**
 * `pnpm bench auth`: what folding membership costs. Goals: 10,000 ops in a group of 1,000 members in
 * less than 2 s, a concurrent segment of 200 ops in less than 1 s.
 */
import { formatTable, measure } from "@hawser-tooling/measure";
import {
  type AuthAction,
  type AuthOp,
  createAuthGraph,
  createOp,
  type Member,
  type OpId,
} from "@hawser/auth";
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createNobleCrypto } from "@hawser/crypto";

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

/** A chain of adds, sets and removes by twenty managers. */
function linearHistory(): readonly AuthOp[] {
  const root = founding(1000, 20);
  const ops = [root];
  const access = { level: "read", mayDelete: false } as const;
  for (let index = 1; index < 10_000; index++) {
    const actions: readonly AuthAction[] = [
      { type: "add", grant: { member: member(5000 + index), access } },
      { type: "set", grant: { member: member(20 + (index % 900)), access } },
      { type: "remove", member: member(5000 + index - 2) },
    ];
    const action = actions[(index + 2) % 3];
    if (action === undefined) continue;
    const deps = [ops.at(-1)?.id ?? root.id];
    ops.push(createOp(crypto, { author: author(index % 20), group: root.group, deps, action }).op);
  }
  return ops;
}

/** Twenty branches of ten ops, half of them strikes. */
function concurrentSegment(): readonly AuthOp[] {
  const root = founding(400, 20);
  const tips = Array.from({ length: 20 }, (): OpId => root.id);
  const ops = [root];
  for (let index = 0; index < 200; index++) {
    const who = index % 20;
    const access = { level: "manage", mayDelete: false } as const;
    const action: AuthAction =
      index % 2 === 0
        ? { type: "remove", member: member(index % 40 === 4 ? (who + 7) % 20 : 30 + index) }
        : { type: "add", grant: { member: member(5000 + index), access } };
    const deps = [tips[who] ?? root.id];
    const { op } = createOp(crypto, { author: author(who), group: root.group, deps, action });
    ops.push(op);
    if (index % 40 !== 4) tips[who] = op.id;
  }
  return ops;
}

/** Two managers who always lag one op behind each other. */
function laggingManagers(): readonly AuthOp[] {
  const root = founding(500, 2);
  const graph = createAuthGraph({ crypto });
  graph.add(root);
  const ops = [root];
  const own: [OpId[], OpId[]] = [[root.id], [root.id]];
  for (let index = 0; index < 400; index++) {
    const [mine, theirs] = index % 2 === 0 ? own : own.toReversed();
    const seen = [mine?.at(-1), theirs?.at(-2)].filter((id) => id !== undefined);
    const action: AuthAction = { type: "remove", member: member(10 + index) };
    const deps = graph.antichain(seen);
    const draft = { author: author(index % 2), group: root.group, deps, action };
    const { op } = createOp(crypto, draft);
    graph.add(op);
    ops.push(op);
    mine?.push(op.id);
  }
  return ops;
}

/** Folds a history and reads the members; throws when an op is not accepted. */
function fold(ops: readonly AuthOp[]): void {
  const graph = createAuthGraph({ crypto });
  for (const op of ops) {
    const { status } = graph.add(op);
    if (status !== "accepted") throw new Error(`an op is ${status}`);
  }
  const [root] = ops;
  if (root !== undefined) graph.members(root.group);
}

const histories = [
  { name: "10,000 ops in line, 1,000 members", ops: linearHistory() },
  { name: "200 concurrent ops, half of them strikes", ops: concurrentSegment() },
  { name: "400 removals, two managers out of step", ops: laggingManagers() },
];
const rows: string[][] = [];
for (const { name, ops } of histories) {
  const { bestSeconds } = await measure(name, () => fold(ops), { runs: 3 });
  rows.push([name, `${(bestSeconds * 1000).toFixed(0)} ms`]);
}
console.log(formatTable(["fold", "best of 3"], rows));
