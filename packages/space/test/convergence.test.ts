/** The same entries give the same space, whatever order they come in (docs/spec/6-space.md §3, §7). */
import { utf8 } from "@hawser/codec";
import { createMemoryStore, type EncodedRange } from "@hawser/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { controlDomain } from "@hawser/space";
import {
  createWorld,
  eventsOf,
  spaceOn,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

/** Concurrent life of a few devices that meet only now and then. */
async function tangledHistory(
  world: World,
  steps: readonly number[],
): Promise<readonly TestDevice[]> {
  const { ada, ben, space } = await twoMembers(world);
  await space.set(ben.author, "manage");
  const devices = [ada, ben];
  for (const name of ["cyd", "dan", "eli"]) {
    const device = await world.device(name);
    devices.push(device);
    await device.spaces.join(await space.invite({ level: "write" }));
    await world.settle(...devices);
  }
  for (const [index, step] of steps.entries()) {
    const device = devices[step % devices.length]!;
    const target = devices[(step >> 3) % devices.length]!;
    const here = spaceOn(device, space);
    const ignore = (): void => undefined;
    switch ((step >> 6) % 6) {
      case 0:
        await world.copy(device, target);
        break;
      case 1:
        await here.remove(target.author).catch(ignore);
        break;
      case 2:
        await here.set(target.author, step % 2 === 0 ? "read" : "manage").catch(ignore);
        break;
      case 3:
        await here.leave().catch(ignore);
        break;
      default:
        await write(here, `${device.name} ${index}`).catch(ignore);
    }
  }
  return devices;
}

async function allRanges(devices: readonly TestDevice[]): Promise<readonly EncodedRange[]> {
  const ranges: EncodedRange[] = [];
  for (const device of devices) {
    for (const head of await device.store.heads(device.spaces.list()[0]!.topic)) {
      for await (const range of device.store.ranges(head.logId)) ranges.push(range);
    }
  }
  return ranges;
}

/** The device with its secrets and without its logs. */
async function bare(world: World, device: TestDevice): Promise<TestDevice> {
  const store = createMemoryStore({ crypto: world.crypto });
  const kept = await device.store.list("space");
  await store.commit({ writes: kept.filter(({ key }) => !key.includes("/seen/")) });
  const spaces = device.spaces;
  const fresh = await world.restart({
    ...device,
    store,
    spaces: { ...spaces, close: () => Promise.resolve() },
  });
  return fresh;
}

async function deliver(to: TestDevice, ranges: readonly EncodedRange[]): Promise<void> {
  let left = [...ranges];
  for (let round = 0; round < 20 && left.length > 0; round++) {
    const again: EncodedRange[] = [];
    for (const range of left) {
      const { status } = await to.spaces.ingest(range);
      if (status === "refused" || status === "gap") again.push(range);
    }
    left = again;
  }
}

/** Everything that must be equal on every device with the same entries. */
async function portrait(device: TestDevice): Promise<unknown> {
  const [space] = device.spaces.list();
  const judged: unknown[] = [];
  for (const head of await device.store.heads(space!.topic)) {
    for (let seq = 0; seq < head.height; seq++) {
      const { judgement, reason } = await space!.explain({ logId: head.logId, seq });
      const isControl = head.context.domain === controlDomain;
      judged.push([head.logId, seq, judgement, isControl ? reason : undefined]);
    }
  }
  return { members: space!.members(), judged };
}

describe("convergence", () => {
  test("[P2-M11] [P2-S14] any order of arrival gives the same members and judgements", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 100_000 }), { minLength: 12, maxLength: 30 }),
        fc.nat({ max: 1_000_000 }),
        async (steps, seed) => {
          const world = await createWorld();
          const devices = await tangledHistory(world, steps);
          const ranges = await allRanges(devices);
          const shuffled = shuffle(ranges, seed);
          const [one, two] = [await bare(world, devices[0]!), await bare(world, devices[0]!)];
          await deliver(one, ranges);
          await deliver(two, shuffled);
          await world.copy(one, two);
          await world.copy(two, one);
          expect(await portrait(two)).toEqual(await portrait(one));
          const view = async (device: TestDevice) =>
            (await eventsOf(device.spaces.list()[0]!))
              .map((event) => `${event.logId} ${event.seq} ${event.judgement}`)
              .sort();
          expect(await view(two)).toEqual(await view(one));
        },
      ),
      { seed: 2, numRuns: 12 },
    );
  }, 60_000);

  test("[P2-M1] [P2-M4] after any concurrent changes exactly the readers can read the next entry", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 100_000 }), { minLength: 8, maxLength: 20 }),
        async (steps) => {
          const world = await createWorld();
          const devices = await tangledHistory(world, steps);
          await world.settle(...devices);
          const topic = devices[0]!.spaces.list()[0]!.topic;
          const writer = devices.find((device) => {
            const level = device.spaces.openTopic(topic).access()?.level;
            return level === "write" || level === "manage";
          });
          if (writer === undefined) return;
          const ref = await write(writer.spaces.openTopic(topic), "next");
          await world.settle(...devices);
          for (const device of devices) {
            const space = device.spaces.openTopic(topic);
            const level = writer.spaces.openTopic(topic).access(device.author)?.level;
            const isReader = level !== undefined && level !== "pull";
            const canRead = await space.read(ref).then(
              () => true,
              () => false,
            );
            expect([device.name, canRead]).toEqual([device.name, isReader]);
          }
        },
      ),
      { seed: 3, numRuns: 12 },
    );
  }, 60_000);

  test("[TH-023] [P2-M18] an entry is never handed out before one its author had seen", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    for (let round = 0; round < 5; round++) {
      await write(space, `ada ${round}`);
      await world.settle(ada, ben);
      await write(other, `ben ${round}`);
      await world.settle(ada, ben);
    }
    const ranges = await allRanges([ada]);
    for (const seed of [1, 2, 3]) {
      const device = await bare(world, ben);
      await deliver(device, shuffle(ranges, seed));
      const texts = (await eventsOf(device.spaces.list()[0]!)).map((event) =>
        new TextDecoder().decode(event.body),
      );
      expect(texts).toEqual(
        Array.from({ length: 5 }, (_, round) => [`ada ${round}`, `ben ${round}`]).flat(),
      );
    }
  });

  test("[P2-M12] [P2-S24] two branches of one log: both quarantined from there on, everywhere", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(other, "common");
    await world.settle(ada, ben);
    const twin = await bare(world, ben);
    await deliver(twin, await allRanges([ben]));
    await write(other, "branch one");
    await write(twin.spaces.list()[0]!, "branch two");
    await world.copy(ben, ada);
    expect((await eventsOf(space)).map((event) => event.judgement)).toEqual(["accept", "accept"]);
    const before = await ada.store.stats();
    const outcomes: string[] = [];
    for (const range of await allRanges([twin])) {
      outcomes.push((await ada.spaces.ingest(range)).status);
    }
    expect(outcomes).toContain("forked");
    expect((await ada.store.stats()).entries).toBe(before.entries);
    expect((await eventsOf(space)).map((event) => event.judgement)).toEqual([
      "accept",
      "quarantine",
    ]);
    const logId = (await eventsOf(space))[1]!.logId;
    expect((await space.explain({ logId, seq: 1 })).code).toBe("FORKED");
    // The others' logs are untouched, and a device that restarts sees the same.
    await write(space, "goes on");
    const again = await world.restart(ada);
    expect((await eventsOf(again.spaces.list()[0]!)).map((event) => event.judgement)).toEqual([
      "accept",
      "quarantine",
      "accept",
    ]);
  });

  test("[TH-131] a writer that lost its logs goes on where its peers know it, without a fork", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await write(other, "before the loss");
    await world.settle(ada, ben);
    const restored = await bare(world, ben);
    await world.settle(ada, restored);
    const here = restored.spaces.list()[0]!;
    expect(here.status().state).toBe("active");
    const ref = await write(here, "after it");
    await here.announceAddress("wss://ben.example", 60);
    await world.settle(ada, restored);
    expect(ref.seq).toBe(1);
    expect((await eventsOf(space)).map((event) => event.judgement)).toEqual(["accept", "accept"]);
    expect(space.addresses()).toHaveLength(1);
  });

  test("an entry whose dep is missing is held, not dropped", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const first = await write(space, "cause");
    await world.settle(ada, ben);
    const second = await write(other, "effect");
    const device = await bare(world, ada);
    const ranges = (await allRanges([ben])).filter(
      ({ context }) => context.domain === controlDomain || context.author === ben.author,
    );
    await deliver(device, ranges);
    const here = device.spaces.list()[0]!;
    expect(await eventsOf(here)).toEqual([]);
    expect(await here.explain(second)).toMatchObject({ code: "MISSING_DEP" });
    await deliver(device, await allRanges([ada]));
    expect((await eventsOf(here)).map((event) => event.seq)).toEqual([first.seq, second.seq]);
  });

  test("an entry stamped too far ahead is held until the clock gets there", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const { forge } = await import("./forge.ts");
    const { plainEvent } = await import("../src/layers.ts");
    await write(other, "now");
    await world.settle(ada, ben);
    const range = await forge({
      crypto: world.crypto,
      context: { topic: space.topic, author: ben.author, domain: "hawser.data" },
      secret: ben.secret,
      now: world.clock.nowMicros() + 3_600e6,
      base: ben.store,
      make: () => [
        { data: plainEvent({ type: "note", sequence: undefined, body: utf8("later") }) },
      ],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    await world.pass(10);
    const late = { logId: (await eventsOf(space))[0]!.logId, seq: 1 };
    expect(await eventsOf(space)).toHaveLength(1);
    expect(await space.explain(late)).toMatchObject({ code: "HELD_FOR_CLOCK" });
    await world.pass(3_500_000);
    expect(await eventsOf(space)).toHaveLength(2);
  });

  test("live: an open iteration sees what comes later", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    const seen: string[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const event of other.events({ signal: abort.signal })) {
        seen.push(new TextDecoder().decode(event.body));
      }
    })();
    await write(space, "one");
    await world.settle(ada, ben);
    await write(other, "two");
    await world.pass(1);
    expect(seen).toEqual(["one", "two"]);
    abort.abort();
    await watching;
    // Resuming behind a frontier leaves out what was seen.
    const after = new Map((await eventsOf(other)).map((event) => [event.logId, event.seq + 1]));
    await write(other, "three");
    const resumed: string[] = [];
    const stop = new AbortController();
    for await (const batch of other.batches({ after, signal: stop.signal })) {
      resumed.push(...batch.events.map((event) => new TextDecoder().decode(event.body)));
      if (batch.caughtUp) break;
    }
    expect(resumed).toEqual(["three"]);
  });

  test("live: what a leave acknowledges counts, though it comes in pieces after the leave", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await world.settle(ada, ben);
    let seen: string[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const { reset, events } of space.batches({ signal: abort.signal })) {
        const counted = events.filter(({ judgement }) => judgement === "accept");
        const texts = counted.map(({ body }) => new TextDecoder().decode(body));
        seen = reset === true ? texts : [...seen, ...texts];
      }
    })();
    for (const text of ["one", "two", "three"]) await write(other, text);
    await other.leave();
    const [control, ...data] = await rangesOf(ben, ben.author);
    for (const range of [control!, ...data]) {
      expect((await ada.spaces.ingest(range)).status).toBe("stored");
      await world.pass(1);
    }
    expect(seen).toEqual(["one", "two", "three"]);
    abort.abort();
    await watching;
  });
});

/** What an author wrote last: its newest control range, then its data, range by range. */
async function rangesOf(
  { store }: TestDevice,
  author: TestDevice["author"],
): Promise<readonly EncodedRange[]> {
  const control: EncodedRange[] = [];
  const data: EncodedRange[] = [];
  for (const topic of await store.topics()) {
    for (const { logId, context } of await store.heads(topic)) {
      if (context.author !== author) continue;
      const ranges = context.domain === "hawser.control" ? control : data;
      for await (const range of store.ranges(logId)) ranges.push(range);
    }
  }
  return [...control.slice(-1), ...data];
}

function shuffle<Item>(items: readonly Item[], seed: number): readonly Item[] {
  const mixed = [...items];
  let state = seed >>> 0;
  for (let index = mixed.length - 1; index > 0; index--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (index + 1);
    const held = mixed[index]!;
    mixed[index] = mixed[other]!;
    mixed[other] = held;
  }
  return mixed;
}
