/** docs/spec/3-sync.md §7: convergence under random schedules, delays and cuts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSettledTogether, oldLogsMax, playSchedule, type Step } from "./swarm.ts";

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      node: fc.nat(2),
      count: fc.integer({ min: 1, max: 9 }),
      control: fc.boolean(),
      byteCount: fc.constantFrom(1, 20, 3_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("connect" as const), a: fc.nat(2), b: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cut" as const), link: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rotate" as const), node: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("leave" as const), node: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.nat(60) }) },
);

const schedule = fc.record({
  seed: fc.nat(2 ** 31),
  nodeCount: fc.constantFrom(2, 3),
  delayMsMax: fc.constantFrom(0, 5, 40),
  cutChance: fc.constantFrom(0, 0.02, 0.1),
  keepLinks: fc.boolean(),
  steps: fc.array(step, { maxLength: 25 }),
  reconcileLogs: fc.array(fc.constantFrom(1, 3, 20, 64), { minLength: 3, maxLength: 3 }),
  oldLogs: fc.constantFrom(0, 0, 2, oldLogsMax),
});

test("[P2-L-live_mode_three_peer_forwarding] [P2-L-dedup_live_mode_messages] peers converge once faults stop", async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async (plan) => {
      const outcome = await playSchedule(plan);
      expect(isSettledTogether(outcome)).toBe(true);
    }),
    { numRuns: 100 },
  );
});
