/** What events say their authors had seen (docs/spec/7-views.md §7.2). */
import type { LogId } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { createSeenHeights } from "../src/seen.ts";
import { createWorld, eventsOf, twoMembers, write } from "./world.ts";

describe("the frontier of events", () => {
  test("grows with what was there when the author wrote, and not with what came later", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const first = await write(space, "from ada");
    const apart = await write(other, "apart");
    await world.settle(ada, ben);
    await write(space, "more from ada");
    const after = await write(other, "after");
    await world.settle(ada, ben);
    for (const reader of [space, other]) {
      const events = await eventsOf(reader);
      const seenBy = (seq: number): number | undefined =>
        events
          .find((event) => event.logId === apart.logId && event.seq === seq)
          ?.frontier.get(first.logId);
      expect(seenBy(apart.seq)).toBeUndefined();
      expect(seenBy(after.seq)).toBe(first.seq + 1);
    }
  });

  test("of its own log an entry has seen what is before it; of others the highest it pointed at", () => {
    const [log, target, stranger] = ["log", "target", "stranger"] as LogId[]; // Safe: names only.
    if (log === undefined || target === undefined || stranger === undefined) throw new Error("no");
    const seen = createSeenHeights();
    seen.note(log, 3, target, 5);
    seen.note(log, 7, target, 4); // an older entry: nothing new
    seen.note(log, 9, target, 8);
    const heights = [2, 3, 8, 9, 50].map((seq) => seen.frontierOf(log, seq).get(target));
    expect(heights).toEqual([undefined, 5, 5, 8, 8]);
    expect(seen.frontierOf(log, 6).get(log)).toBe(6);
    expect(seen.frontierOf(log, 50).get(stranger)).toBeUndefined();
    expect(seen.frontierOf(stranger, 50).get(target)).toBeUndefined();
  });
});
