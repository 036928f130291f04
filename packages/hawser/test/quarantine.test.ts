/** Quarantine, why and the timeline at the front door (docs/spec/6-space.md §7). */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { afterAll, describe, expect, test } from "vitest";

const scratch = await mkdtemp(join(tmpdir(), "hawser-quarantine-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

let files = 0;

/** Ada removes Ben while she is offline; Ben meanwhile writes, and Cyd has it. */
async function removedMeanwhile() {
  const path = join(scratch, `ada-${(files += 1)}.db`);
  const relay = await createMemoryRelay();
  const online = await createHawser({ relay, path });
  const ben = await createHawser({ relay });
  const cyd = await createHawser({ relay });
  const founded = await online.create();
  const { id } = founded;
  const bens = await ben.join(await founded.invite());
  const cyds = await cyd.join(await founded.invite());
  await founded.kv.put("title", "trip");
  await founded.synced();
  await bens.synced();
  await cyds.synced();
  await online[Symbol.asyncDispose]();

  const offline = await createHawser({ path });
  await offline.space(id)?.remove(ben.author);
  await offline[Symbol.asyncDispose]();
  await bens.kv.put("draft", "Oslo");
  await bens.synced();
  await cyds.synced();
  const before = await cyds.frontier();
  expect(cyds.kv.get("draft")).toBe("Oslo");

  const ada = await createHawser({ relay, path });
  const space = ada.space(id);
  if (space === undefined) throw new Error("the space is on the device");
  await space.synced();
  await cyds.synced();
  return { relay, ada, ben, cyd, space, bens, cyds, before };
}

async function closeAll(...devices: readonly Hawser[]): Promise<void> {
  for (const device of devices) await device[Symbol.asyncDispose]();
}

/** Resolves when a key has a value; what a device judges anew, its view folds in turn. */
async function untilValue(space: HawserSpace, key: string, value: unknown): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (space.kv.get(key) !== value) return;
      stop();
      resolve();
    };
    const stop = space.kv.subscribe(look);
    look();
  });
}

describe("what a removed member wrote meanwhile", () => {
  test("[NB-6] does not count, is listed with its reason, and counts once a manager accepts it", async () => {
    const { relay, ada, ben, cyd, space, cyds } = await removedMeanwhile();
    await untilValue(cyds, "draft", undefined);
    const [held, ...more] = await cyds.quarantine();
    expect(more).toEqual([]);
    expect(held).toMatchObject({ author: ben.author, cause: "ENDED", ruling: undefined });
    const removal = cyds.timeline().find(({ change }) => change === "remove");
    expect(held?.by).toEqual([removal?.op]);
    const ref = { logId: held!.logId, seq: held!.from };
    expect(await cyds.explain(ref)).toMatchObject({ reason: "CONCURRENTLY_ENDED" });

    // A writer decides nothing.
    await expect(cyds.accept(held!)).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    await space.accept(held!);
    await untilValue(space, "draft", "Oslo");
    await space.synced();
    await untilValue(cyds, "draft", "Oslo");
    expect(await cyds.quarantine()).toMatchObject([
      { ruling: { verdict: "accept", author: ada.author } },
    ]);

    await space.reject(held!);
    await untilValue(space, "draft", undefined);
    await space.synced();
    await untilValue(cyds, "draft", undefined);
    expect(await cyds.explain(ref)).toMatchObject({ judgement: "reject", reason: "RULED_OUT" });
    await closeAll(ada, ben, cyd);
    await relay.close();
  });
});

describe("why and when", () => {
  test("[NB-4] answers now and for the past, in sentences", async () => {
    const { relay, ada, ben, cyd, cyds, before } = await removedMeanwhile();
    const names = new Map<string, string>([
      [ada.author, "Ada"],
      [ben.author, "Ben"],
    ]);
    const nameOf = (id: string): string => names.get(id) ?? "somebody";
    const now = cyds.why(ben.author, "write", { nameOf });
    expect(now?.allowed).toBe(false);
    expect(now?.sentences[0]).toBe("Ben may not write.");
    expect(now?.sentences[1]).toMatch(/^Ada removed Ben \(20/);
    const then = cyds.why(ben.author, "write", { at: before, nameOf });
    expect(then?.allowed).toBe(true);
    expect(then?.sentences.at(-1)).toMatch(/^Ben joined by an invite with write/);
    expect(cyds.why(ben.author, "write", { at: await cyds.frontier() })?.allowed).toBe(false);
    await closeAll(ada, ben, cyd);
    await relay.close();
  });

  test("the timeline has every change, with whether it counts", async () => {
    const { relay, ada, ben, cyd, space, cyds } = await removedMeanwhile();
    const items = cyds.timeline();
    expect(items[0]).toMatchObject({ change: "create", author: ada.author });
    const removal = items.find(({ change }) => change === "remove");
    expect(removal).toMatchObject({
      author: ada.author,
      members: [ben.author],
      status: { state: "effective" },
    });
    await space.synced();
    await cyds.synced();
    expect(cyds.timeline()).toEqual(space.timeline());
    await closeAll(ada, ben, cyd);
    await relay.close();
  });
});
