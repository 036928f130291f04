/** The six challenges of the Threads paper, one acceptance test each, on the front door. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@hawser/codec";
import { createHawser, type Hawser } from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { afterAll, describe, expect, test } from "vitest";

const scratch = await mkdtemp(join(tmpdir(), "hawser-challenges-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function pair(path?: string) {
  const relay = await createMemoryRelay();
  const ada = await createHawser(path === undefined ? { relay } : { relay, path });
  const ben = await createHawser({ relay });
  const trip = await ada.create();
  const shared = await ben.join(await trip.invite());
  const meet = async (): Promise<void> => {
    await trip.synced();
    await shared.synced();
    await trip.synced();
  };
  const close = async (...devices: readonly Hawser[]): Promise<void> => {
    for (const device of devices) await device[Symbol.asyncDispose]();
    await relay.close();
  };
  return { relay, ada, ben, trip, shared, meet, close };
}

describe("the six challenges", () => {
  test("[TH-017] format: events of any type and bytes live beside each other in one space", async () => {
    const { ada, ben, trip, shared, meet, close } = await pair();
    const bodies = [utf8('{"json":true}'), new Uint8Array(0), new Uint8Array([0xff, 0, 0xfe])];
    const refs = await trip.append(bodies.map((body, at) => ({ type: `type ${at}`, body })));
    await trip.kv.put("and", ["list", 1, null]);
    await meet();
    for (const [at, ref] of refs.entries()) expect(await shared.read(ref)).toEqual(bodies[at]);
    expect(shared.kv.get("and")).toEqual(["list", 1, null]);
    await close(ada, ben);
  });

  test("[TH-017] sync: the second meeting costs what is new, not what is there", async () => {
    const { ada, ben, trip, meet, close } = await pair();
    await trip.kv.batch(
      Array.from({ length: 400 }, (_, at) => ({ key: `${at}`, value: "x".repeat(100) })),
    );
    await meet();
    const before = ada.traffic().bytesSent;
    await trip.kv.put("one", "more");
    await meet();
    expect(before).toBeGreaterThan(40_000);
    expect(ada.traffic().bytesSent - before).toBeLessThan(4_000);
    await close(ada, ben);
  });

  test("[TH-017] conflicts: of two puts at once both devices show the same, and the same versions", async () => {
    const { ada, ben, trip, shared, meet, close } = await pair();
    await meet();
    await Promise.all([trip.kv.put("k", "by ada"), shared.kv.put("k", "by ben")]);
    await meet();
    expect(shared.kv.get("k")).toBe(trip.kv.get("k"));
    expect(shared.kv.conflicts("k")).toEqual(trip.kv.conflicts("k"));
    await close(ada, ben);
  });

  test("[TH-017] access: a reader does not write, and a removed member reads nothing new", async () => {
    const { relay, ada, ben, trip, shared, meet, close } = await pair();
    const cyd = await createHawser({ relay });
    const third = await cyd.join(await trip.invite({ level: "read" }));
    await expect(third.kv.put("k", "no")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    await trip.kv.put("k", "old");
    await meet();
    await trip.remove(ben.author);
    await trip.kv.put("k", "new");
    await trip.synced();
    await third.synced();
    await shared.accessLost;
    expect([third.kv.get("k"), shared.kv.get("k")]).toEqual(["new", "old"]);
    await close(ada, ben, cyd);
  });

  test("[TH-017] storage: a device that reopens its file has everything, without the network", async () => {
    const path = join(scratch, "device.sqlite");
    const { ada, ben, trip, shared, meet, close } = await pair(path);
    await shared.kv.batch(Array.from({ length: 500 }, (_, at) => ({ key: `${at}`, value: at })));
    await meet();
    await close(ada, ben);
    await using again = await createHawser({ path });
    const reopened = again.space(trip.id);
    await reopened?.kv.ready;
    expect(reopened?.kv.size).toBe(500);
    expect(reopened?.kv.get("499")).toBe(499);
  });

  test("[TH-017] transport: two who are never online together exchange through one that only pulls", async () => {
    const path = join(scratch, "away.sqlite");
    const { relay, ada, ben, trip, shared, meet, close } = await pair(path);
    await meet();
    await ada[Symbol.asyncDispose]();
    await shared.kv.put("left", "for whoever comes");
    await shared.synced();
    await ben[Symbol.asyncDispose]();
    const again = await createHawser({ relay, path });
    const back = again.space(trip.id);
    await back?.synced();
    expect(back?.kv.get("left")).toBe("for whoever comes");
    const between = back?.members().filter(({ isRelay }) => isRelay) ?? [];
    expect(between.map(({ level }) => level)).toEqual(["pull"]);
    await close(again);
  });
});
