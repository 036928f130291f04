import { createNobleCrypto } from "@hawser/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AuthGraph,
  type AuthOp,
  createAuthGraph,
  type GroupId,
  restoreAuthGraph,
} from "@hawser/auth";
import {
  acceptedByOracle,
  causalOrder,
  resolveByOracle,
  withCheapSignatures,
} from "@hawser/auth/testing";
import { arbitraryHistory, playHistory } from "@hawser/auth/testing/arbitraries";

const crypto = withCheapSignatures(createNobleCrypto());

function replay(ops: readonly AuthOp[]): { graph: AuthGraph; verdicts: Map<string, string> } {
  const graph = createAuthGraph({ crypto });
  const verdicts = new Map<string, string>();
  for (const op of ops) verdicts.set(op.id, JSON.stringify(graph.add(op)));
  return { graph, verdicts };
}

/** Everything a replica can be asked, as one value. */
function picture(graph: AuthGraph, groups: readonly GroupId[]): unknown {
  return {
    bytes: graph.encode(),
    ops: (graph.ops() ?? []).map((op) => [op.id, graph.status(op.id)]),
    groups: groups.map((group) => ({
      members: [...graph.members(group)],
      direct: graph.directMembers(group),
      heads: graph.heads(group),
      orphaned: graph.orphaned(group),
      invites: graph.invites(group),
      removals: graph.removals(group),
    })),
  };
}

function closureOf(ops: readonly AuthOp[], heads: readonly string[]): readonly AuthOp[] {
  const byId = new Map<string, AuthOp>(ops.map((op) => [op.id, op]));
  const wanted = new Set<string>(heads);
  for (const id of wanted) for (const dep of byId.get(id)?.deps ?? []) wanted.add(dep);
  return ops.filter((op) => wanted.has(op.id));
}

describe("convergence", () => {
  it("[P2-F] any causal delivery order gives equal verdicts, bytes and answers", () => {
    fc.assert(
      fc.property(arbitraryHistory(), fc.nat(), (history, seed) => {
        const played = playHistory(crypto, history);
        const first = replay(played.ops);
        const expected = picture(first.graph, played.groups);
        expect(picture(played.graph, played.groups)).toEqual(expected);
        for (let order = 0; order < 3; order++) {
          const other = replay(causalOrder(played.ops, seed + order));
          expect(other.verdicts).toEqual(first.verdicts);
          expect(picture(other.graph, played.groups)).toEqual(expected);
        }
      }),
      { numRuns: 250, seed: 7 },
    );
  });

  it("[P2-F] the incremental resolver agrees with the one that recomputes everything", () => {
    fc.assert(
      fc.property(arbitraryHistory(20), (history) => {
        const { ops, groups, graph } = playHistory(crypto, history);
        const accepted = graph.ops() ?? [];
        for (const group of groups) {
          const oracle = resolveByOracle(accepted, group);
          const members = new Map(
            graph.directMembers(group).map(({ member, access }) => {
              return [`${member.kind === "group" ? "g" : "i"}:${member.id}`, access];
            }),
          );
          expect(members).toEqual(new Map(oracle.members));
          const dead = accepted.filter(
            (op) => op.group === group && graph.status(op.id)?.state === "void",
          );
          expect(new Set(dead.map((op) => op.id))).toEqual(oracle.void);
        }
        for (const op of ops) {
          if (!op.deps.every((dep) => graph.has(dep))) continue;
          if (!graph.has(op.id) && acceptedByOracle(accepted, op)) {
            // What the oracle does not know: rules about deps and nesting.
            const verdict = graph.add(op);
            expect(verdict).toMatchObject({ status: "rejected" });
            const reason = verdict.status === "rejected" ? verdict.reason : "";
            expect(placeReasons).toContain(reason);
          }
          if (graph.has(op.id)) expect(acceptedByOracle(accepted, op)).toBe(true);
        }
      }),
      { numRuns: 700, seed: 11 },
    );
  });

  it("[P2-M11] the past is answered as a replica would that holds nothing else", () => {
    fc.assert(
      fc.property(arbitraryHistory(), fc.nat(), fc.nat(), (history, a, b) => {
        const { groups, graph } = playHistory(crypto, history);
        const accepted = graph.ops() ?? [];
        const chosen = [accepted[a % accepted.length], accepted[b % accepted.length]];
        const at = graph.antichain(chosen.filter((op) => op !== undefined).map((op) => op.id));
        const { graph: past } = replay(closureOf(accepted, at));
        for (const group of groups) {
          expect([...(graph.members(group, at) ?? [])]).toEqual([...past.members(group)]);
          expect(graph.directMembers(group, at)).toEqual(past.directMembers(group));
        }
      }),
      { numRuns: 250, seed: 13 },
    );
  });

  it("[P2-B22] state survives encoding", () => {
    fc.assert(
      fc.property(arbitraryHistory(), (history) => {
        const { groups, graph } = playHistory(crypto, history);
        const restored = restoreAuthGraph({ crypto }, graph.encode());
        expect(restored.ok && picture(restored.graph, groups)).toEqual(picture(graph, groups));
      }),
      { numRuns: 60, seed: 17 },
    );
  });
});

const placeReasons = [
  "DEPS_NOT_ANTICHAIN",
  "DEP_UNRELATED",
  "GROUP_NOT_IN_PAST",
  "UNKNOWN_GROUP",
  "DEP_REJECTED",
];
