/**
 * All small histories of a group, each in all orders of arrival (docs/spec/4-auth.md §3, §5): every
 * order must give one answer, and that answer must be the one of the resolver that recomputes
 * everything from a list.
 *
 * A run goes through all graphs of up to four ops, and through a share of the graphs of five that
 * the seed chooses. `HAWSER_FULL=1` goes through all of those too and takes some minutes.
 */
import { createAuthGraph, type AuthGraph, type AuthOp } from "@hawser/auth";
import {
  allOrders,
  resolveByOracle,
  smallHistories,
  triedAfter,
  withCheapSignatures,
  type HistoryShare,
  type OracleFlaw,
  type SmallHistory,
  type SmallWorld,
} from "@hawser/auth/testing";
import { createNobleCrypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import { isFullRun, modelSeed, report } from "./model-settings.ts";

const crypto = withCheapSignatures(createNobleCrypto());
const policies = ["remove-all", "senior-wins"] as const;
const starts: readonly SmallWorld["levels"][] = [
  ["manage", "manage", "manage"],
  ["manage", "manage", "read"],
  ["manage", "manage", undefined],
  ["manage", "read", "read"],
  ["manage", "read", undefined],
  ["manage", undefined, undefined],
];

function worldsOf(parts: Pick<SmallWorld, "changes" | "pasts">): readonly SmallWorld[] {
  return policies.flatMap((policy) => starts.map((levels) => ({ policy, levels, ...parts })));
}

/** Whatever takes ops in, in some order, and says who is a member and which ops are void. */
type Subject = (order: readonly AuthOp[], history: SmallHistory) => string;

/** The real graph. */
const realGraph: Subject = (order, history) => showAnswer(graphAfter(order), history);

function graphAfter(order: readonly AuthOp[]): AuthGraph {
  const graph = createAuthGraph({ crypto });
  for (const op of order) {
    const { status } = graph.add(op);
    if (status !== "accepted") throw new Error(`${status}: ${JSON.stringify(op)}`);
  }
  return graph;
}

function showAnswer(graph: AuthGraph, { ops, group }: SmallHistory): string {
  const dead = ops.filter(({ id }) => graph.status(id)?.state === "void");
  const direct = graph.directMembers(group);
  return textOf(
    direct.map(({ member, access }) => `${member.id} ${access.level}`),
    dead,
  );
}

function oracleAnswer({ ops, group }: SmallHistory, flaw?: OracleFlaw): string {
  const { members, void: dead } = resolveByOracle(ops, group, flaw);
  return textOf(
    [...members].map(([key, { level }]) => `${key.slice(2)} ${level}`),
    ops.filter(({ id }) => dead.has(id)),
  );
}

function textOf(members: readonly string[], dead: readonly AuthOp[]): string {
  const ids = dead.map(({ id }) => id).sort();
  return `${[...members].sort().join()} void ${ids.join()}`;
}

/** Everything else a graph can be asked: the first and the last order must agree about it. */
function everything(order: readonly AuthOp[], { ops, group, actors }: SmallHistory): string {
  const graph = graphAfter(order);
  const statuses = ops.map(({ id }) => graph.status(id));
  const whys = actors.map((actor) => graph.why(group, actor, "read"));
  return JSON.stringify([statuses, whys, graph.invites(group), graph.removals(group)]);
}

interface Tally {
  histories: number;
  orders: number;
}

/** What is wrong with a history, or `undefined`: orders that differ, or a wrong answer. */
function flawOf(history: SmallHistory, subject: Subject, tally: Tally): string | undefined {
  const orders = [...allOrders(history.ops)];
  tally.histories += 1;
  tally.orders += orders.length;
  const expected = oracleAnswer(history);
  for (const order of orders) {
    if (subject(order, history) !== expected) return JSON.stringify(order);
  }
  return undefined;
}

function shareFor(of: number): HistoryShare {
  return { of, from: modelSeed(1) % of };
}

function checkAll(name: string, worlds: readonly SmallWorld[], opCount: number, share = 1): number {
  const started = performance.now();
  const tally: Tally = { histories: 0, orders: 0 };
  for (const world of worlds) {
    for (const history of smallHistories(crypto, world, opCount, shareFor(share))) {
      const flaw = flawOf(history, realGraph, tally);
      if (flaw !== undefined) expect.fail(`${JSON.stringify(world)} ${flaw}`);
      const { ops } = history;
      const last = [...allOrders(ops)].at(-1) ?? ops;
      if (last.every((op, index) => op === ops[index])) continue;
      if (everything(last, history) !== everything(ops, history)) expect.fail(JSON.stringify(ops));
    }
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  const part = share === 1 ? "all" : `a share of 1/${share}, HAWSER_SEED=${modelSeed(1)}`;
  report(`${name}: ${part}; ${tally.histories} histories, ${tally.orders} orders, ${seconds} s`);
  return tally.histories;
}

const anyPast = { changes: "invites", pasts: "any" } as const;
const honest = { changes: "members", pasts: "honest" } as const;

test("[P2-M11] [P2-M12] [P2-F] every graph of up to four ops, dated back or not, gives one answer in every order", () => {
  let histories = 0;
  for (const opCount of [2, 3, 4]) {
    histories += checkAll(`graphs of ${opCount}`, worldsOf(anyPast), opCount);
  }
  expect(histories).toBeGreaterThan(50_000);
}, 120_000);

test("[P2-M11] [P2-F] graphs of five ops give one answer in every order", () => {
  const full = isFullRun();
  const histories = checkAll("graphs of 5", worldsOf(honest), 5, full ? 1 : 64);
  if (full) checkAll("graphs of 5 with invites", worldsOf({ ...honest, changes: "invites" }), 5);
  expect(histories).toBeGreaterThan(4_000);
}, 3_600_000);

test("[P2-M11] what is refused is refused in every order, for the same reason, and leaves no trace", () => {
  let refused = 0;
  for (const world of worldsOf(anyPast)) {
    // Policies resolve; what is refused is refused under both.
    if (world.policy === "remove-all") continue;
    for (const history of smallHistories(crypto, world, 3, shareFor(isFullRun() ? 1 : 3))) {
      const tried = triedAfter(crypto, world, history);
      const verdicts = new Map<string, string>();
      for (const order of allOrders(history.ops)) {
        let graph = graphAfter(order);
        const before = graph.encode();
        for (const op of tried) {
          const verdict = graph.add(op);
          const shown = JSON.stringify(verdict);
          if ((verdicts.get(op.id) ?? shown) !== shown) expect.fail(JSON.stringify(op));
          verdicts.set(op.id, shown);
          if (verdict.status !== "rejected") graph = graphAfter(order);
          else refused += 1;
        }
        expect(graph.encode()).toEqual(before);
      }
    }
  }
  report(`refused ops: ${refused}, in all orders`);
  expect(refused).toBeGreaterThan(10_000);
}, 60_000);

/** Histories until one is found on which `subject` is wrong; how many it took. */
function historiesUntilFound(subject: Subject): number {
  const tally: Tally = { histories: 0, orders: 0 };
  for (const world of worldsOf(anyPast)) {
    for (const opCount of [3, 4]) {
      for (const history of smallHistories(crypto, world, opCount)) {
        if (flawOf(history, subject, tally) !== undefined) return tally.histories;
      }
    }
  }
  return Number.POSITIVE_INFINITY;
}

test("[P2-M11] planted bug: acceptance by what has arrived so far is found", () => {
  const byArrival: Subject = (order, history) => {
    const graph = createAuthGraph({ crypto });
    for (const op of order) {
      const isFirst = op.action.type === "create" || op.action.type === "join";
      if (isFirst || graph.accessOf(op.group, op.author) !== undefined) graph.add(op);
    }
    return showAnswer(graph, history);
  };
  const histories = historiesUntilFound(byArrival);
  report(`arrival-order acceptance: found at history ${histories}`);
  expect(histories).toBeLessThan(60_000);
});

test("[P2-W2] planted bug: a void removal that still filters is found", () => {
  const flaw = { voidStrikesCount: true };
  const histories = historiesUntilFound((_, history) => oracleAnswer(history, flaw));
  report(`void removal that still filters: found at history ${histories}`);
  expect(histories).toBeLessThan(60_000);
});
