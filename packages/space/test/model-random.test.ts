/**
 * Random histories of membership and keys together: concurrent changes, invites, rekeys, welcomes,
 * partitions, restarts and merges. `HAWSER_SEED` chooses the first history, `HAWSER_RUNS` how many in
 * all; model-random-more.test.ts has the other half, for another core.
 */
import { createCrypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import { checkHistories, flawOfHistory, noCounts } from "./model-checks.ts";
import { createTracedCrypto } from "./model-crypto.ts";
import { membersIn, soundRules, type ModelRules } from "./model-group.ts";
import { modelSeed, report } from "./model-settings.ts";

const traced = createTracedCrypto(await createCrypto());

test("[P2-M1] [P2-M2] [P2-M3] [P2-M4] [P2-M5] [P2-M6] [P2-M11] [P2-M12] the first 10,000 histories: no divergence, no leak, nobody locked out", () => {
  checkHistories(traced, 0);
}, 600_000);

test("[P2-M2] histories that once showed a bug", () => {
  // 6755: a reader with the follow key alone forwarded it again and again.
  const size = { stepCount: 21, actorsMax: 5 };
  expect(flawOfHistory(traced, soundRules, 6_755, noCounts(), size)).toBeUndefined();
});

/** Histories until the first that shows the bug. */
function historiesUntilFound(rules: Partial<ModelRules>): { count: number; flaw: string } {
  const first = modelSeed(1);
  for (let seed = first; seed < first + 2_000; seed++) {
    const flaw = flawOfHistory(traced, { ...soundRules, ...rules }, seed, noCounts());
    if (flaw !== undefined) return { count: seed - first + 1, flaw };
  }
  return { count: Number.POSITIVE_INFINITY, flaw: "none" };
}

const plantedBugs: readonly { readonly name: string; readonly rules: Partial<ModelRules> }[] = [
  {
    name: "[P2-M3] [P2-M8] highest-timestamp key choice",
    rules: {
      chooseEpoch: ({ ring, state }, _readers, stampOf) => {
        const held = ring.epochs(state).filter(({ id }) => ring.readKey(state, id) !== undefined);
        return held.sort((a, b) => stampOf(b.id) - stampOf(a.id))[0]?.id;
      },
    },
  },
  {
    name: "[P2-M11] arrival-order acceptance",
    rules: {
      accept: (graph, op, context) => {
        const isFirst = op.action.type === "create" || op.action.type === "join";
        const isMember = isFirst || graph.accessOf(op.group, op.author) !== undefined;
        return isMember ? graph.add(op, context) : { status: "rejected", reason: "NOT_MEMBER" };
      },
    },
  },
  {
    name: "[P2-M7] missing AAD author",
    rules: {
      // A log's id is a hash of its author's name, so it goes as well.
      boundTo: (place) => ({ ...place, author: anybody, logId: anyLog }),
    },
  },
  {
    name: "[P2-M3] rekey skipped on demotion",
    rules: {
      membersFor: ({ graph, ring, state }, group) => {
        const { readers, followers } = membersIn(graph, group);
        const held = new Set(ring.epochs(state).flatMap(({ holders }) => [...holders]));
        const demoted = followers.filter((follower) => held.has(follower));
        return {
          readers: [...readers, ...demoted].sort(),
          followers: followers.filter((follower) => !demoted.includes(follower)),
        };
      },
    },
  },
];

// Safe: 32 bytes in hex name an author, if one that nobody is.
const anybody = "00".repeat(32) as Parameters<ModelRules["boundTo"]>[0]["author"];
// Safe: the same for a log.
const anyLog = "00".repeat(32) as Parameters<ModelRules["boundTo"]>[0]["logId"];

for (const { name, rules } of plantedBugs) {
  test(`${name}: planted, and found`, () => {
    const { count, flaw } = historiesUntilFound(rules);
    report(`${name}: found at history ${count}: ${flaw}`);
    expect(count).toBeLessThan(2_000);
  });
}
