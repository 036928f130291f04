/** Failing stores: nothing acknowledged is lost, nothing is half applied (docs/spec/6-space.md §9). */
import type { CommitBatch, CommitOutcome, LogStore } from "@hawser/log";
import { createMemoryStore } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { createWorld, eventsOf, type TestDevice, type World, write } from "./world.ts";

interface FaultyStore extends LogStore {
  /** Counts commits down; at 0 the store fails, before or after the batch became durable. */
  failAt(count: number, when: "before" | "after"): void;
}

function faulty(store: LogStore): FaultyStore {
  let left = Infinity;
  let mode: "before" | "after" = "before";
  const commit = async (batch: CommitBatch): Promise<CommitOutcome> => {
    left -= 1;
    if (left > 0) return store.commit(batch);
    if (mode === "after") await store.commit(batch);
    throw new Error("the disk is gone");
  };
  return {
    ...store,
    commit,
    failAt: (count, when) => {
      left = count;
      mode = when;
    },
  };
}

/** A day in the life of Ada's device; returns what was acknowledged to her. */
async function live(world: World, ada: TestDevice, ben: TestDevice): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  try {
    const space = await ada.spaces.create();
    await write(space, "one");
    acknowledged.push("one");
    const link = await space.invite({ level: "write" });
    await ben.spaces.join(link);
    await world.settle(ada, ben);
    await write(space, "two");
    acknowledged.push("two");
    await space.remove(ben.author);
    acknowledged.push("removed");
    await write(space, "three");
    acknowledged.push("three");
  } catch {
    // The device is dead from here on.
  }
  return acknowledged;
}

describe("crashes", () => {
  test.each(["before", "after"] as const)(
    "[P2-M16] a store that fails %s the n-th commit leaves a space that opens and goes on",
    async (when) => {
      let finished = false;
      for (let count = 1; !finished; count++) {
        expect(count).toBeLessThan(80);
        const world = await createWorld();
        const memory = createMemoryStore({ crypto: world.crypto });
        const first = await world.device("ada");
        const store = faulty(memory);
        const ada = await world.restart({ ...first, store });
        const ben = await world.device("ben");
        store.failAt(count, when);
        const acknowledged = await live(world, ada, ben);
        finished = acknowledged.includes("three");
        await ada.spaces.close().catch(() => undefined);
        const again = await world.restart({ ...ada, store: memory });
        const [space] = again.spaces.list();
        if (space === undefined) {
          expect(acknowledged).toEqual([]);
          continue;
        }
        const texts = (await eventsOf(space)).map((event) => new TextDecoder().decode(event.body));
        for (const text of acknowledged) if (text !== "removed") expect(texts).toContain(text);
        if (acknowledged.includes("removed")) expect(space.access(ben.author)).toBeUndefined();
        const ref = await write(space, "afterwards");
        await world.settle(again, ben);
        expect((await space.read(ref)).judgement).toBe("accept");
        expect(space.status().rotationOwed).toBe(false);
        const isMember = space.access(ben.author) !== undefined;
        const [theirs] = ben.spaces.list();
        const canRead = await theirs?.read(ref).then(
          () => true,
          () => false,
        );
        expect(canRead ?? false).toBe(isMember);
      }
    },
    60_000,
  );

  test("an action that fails changes nothing in memory either", async () => {
    const world = await createWorld();
    const first = await world.device("ada");
    const store = faulty(createMemoryStore({ crypto: world.crypto }));
    const ada = await world.restart({ ...first, store });
    const space = await ada.spaces.create();
    const ben = await world.device("ben");
    const bundle = await ben.spaces.bundle();
    const before = space.members();
    store.failAt(1, "before");
    await expect(space.add(bundle, "write")).rejects.toThrow("did not commit");
    expect(space.members()).toEqual(before);
    store.failAt(Infinity, "before");
    await space.add(bundle, "write");
    expect(space.members()).toHaveLength(2);
    await write(space, "goes on");
    expect(await eventsOf(space)).toHaveLength(1);
  });
});
