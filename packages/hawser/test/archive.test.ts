/** A device in one file at the front door: it moves, and nothing forks or comes back. */
import { concatBytes } from "@hawser/codec";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { createCrypto } from "@hawser/crypto";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import {
  assumeOnlyCopy,
  backupDevice,
  restoredSpaces,
  restoreDevice,
  untilCompared,
  type ArchiveKey,
} from "@hawser/hawser/archive";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";
import { kvView } from "@hawser/kv";
import { compactView } from "@hawser/view";
import { afterEach, describe, expect, test } from "vitest";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const key: ArchiveKey = { key: new Uint8Array(32).fill(3) };

async function relayed(): Promise<MemoryRelay> {
  const relay = await createMemoryRelay();
  closing.push(() => relay.close());
  return relay;
}

async function open(relay: MemoryRelay | undefined, store?: LogStore): Promise<Hawser> {
  const hawser = await createHawser({ ...(relay && { relay }), ...(store && { store }) });
  closing.push(async () => hawser[Symbol.asyncDispose]());
  return hawser;
}

async function backup(
  hawser: Hawser,
  retire = false,
  pruned?: "refuse" | "leave",
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const options = { key, retire, ...(pruned && { pruned }) };
  for await (const piece of backupDevice(hawser, options).bytes) pieces.push(piece);
  return concatBytes(...pieces);
}

async function* once(file: Uint8Array): AsyncGenerator<Uint8Array> {
  yield file;
}

async function restored(relay: MemoryRelay | undefined, file: Uint8Array): Promise<Hawser> {
  const store = createMemoryStore({ crypto: await createCrypto() });
  await restoreDevice({ store, key, source: once(file) });
  return open(relay, store);
}

function spaceOf(hawser: Hawser, space: HawserSpace): HawserSpace {
  const found = hawser.space(space.id);
  if (found === undefined) throw new Error("no such space");
  return found;
}

describe("a device in one file", () => {
  test("[NB-9] [TH-131] an account moves with its spaces, and goes on over the relay", async () => {
    const relay = await relayed();
    const ada = await open(relay);
    const ben = await open(relay);
    const space = await ada.create();
    const second = await ada.create();
    const other = await ben.join(await space.invite());
    await space.kv.put("title", "one");
    await second.kv.put("title", "two");
    await other.kv.put("from ben", "hello");
    for (const each of [space, second, other, space]) await each.synced();
    const file = await backup(ada, true);
    const late = space.append([{ type: "note", body: new Uint8Array(1) }]);
    await expect(late).rejects.toMatchObject({ code: "SPACE_RETIRED" });
    const moved = await restored(relay, file);
    expect(moved.author).toBe(ada.author);
    const here = spaceOf(moved, space);
    await untilCompared(moved, { signal: AbortSignal.timeout(10_000) });
    await here.kv.put("title", "moved");
    await here.synced();
    await other.synced();
    expect(other.kv.get("title")).toBe("moved");
    expect(spaceOf(moved, second).kv.get("title")).toBe("two");
    expect(here.members().filter(({ isRelay }) => !isRelay)).toHaveLength(2);
  });

  test("[TH-131] [ATK-submersion1340] keys deleted since the archive stay deleted, and later values stand", async () => {
    const relay = await relayed();
    const ada = await open(relay);
    const ben = await open(relay);
    const space = await ada.create();
    const other = await ben.join(await space.invite());
    await space.kv.put("deleted by ada", "old");
    await space.kv.put("deleted by ben", "old");
    await space.kv.put("changed", "old");
    await space.synced();
    const file = await backup(ada);
    await space.kv.del("deleted by ada");
    await space.kv.put("changed", "new");
    await space.synced();
    await other.synced();
    await other.kv.del("deleted by ben");
    await other.synced();
    await space.synced();
    // The disk is lost; the copy from before comes back.
    await ada[Symbol.asyncDispose]();
    const back = await restored(relay, file);
    const here = spaceOf(back, space);
    await untilCompared(back, { signal: AbortSignal.timeout(10_000) });
    await here.synced();
    for (const each of [here, other]) {
      expect(each.kv.get("deleted by ada")).toBeUndefined();
      expect(each.kv.get("deleted by ben")).toBeUndefined();
      expect(each.kv.get("changed")).toBe("new");
    }
    await here.kv.put("again", "yes");
    await here.synced();
    await other.synced();
    expect(other.kv.get("again")).toBe("yes");
    expect(other.kv.get("deleted by ada")).toBeUndefined();
  });

  test("[TH-131] a compacted device says that no backup of it restores; left out, a relay gives the rest", async () => {
    const relay = await relayed();
    const ada = await open(relay);
    const space = await ada.create();
    for (let n = 0; n < 20; n++) await space.kv.put("counted", n);
    await space.kv.put("kept", "yes");
    await space.synced();
    const { prunedEntries } = await compactView({ source: space.space }, [kvView]);
    expect(prunedEntries).toBeGreaterThan(0);
    await expect(backup(ada)).rejects.toMatchObject({ code: "SPACE_ARCHIVE_PRUNED" });
    // Nor is the device retired for a file that is not made.
    await expect(backup(ada, true)).rejects.toMatchObject({ code: "SPACE_ARCHIVE_PRUNED" });
    await space.kv.put("counted", "still writing");
    await space.synced();
    const file = await backup(ada, false, "leave");
    await ada[Symbol.asyncDispose]();
    const back = await restored(relay, file);
    const here = spaceOf(back, space);
    await untilCompared(back, { signal: AbortSignal.timeout(20_000) });
    await here.synced();
    expect(here.kv.get("counted")).toBe("still writing");
    expect(here.kv.get("kept")).toBe("yes");
    await here.kv.put("counted", "restored");
    await here.synced();
    expect(here.kv.get("counted")).toBe("restored");
  });

  test("without a relay it waits, until the person says that there is no other copy", async () => {
    const ada = await open(undefined);
    const space = await ada.create();
    await space.kv.put("a", "1");
    const back = await restored(undefined, await backup(ada));
    const here = spaceOf(back, space);
    expect(restoredSpaces(back)).toEqual([space.id]);
    await expect(here.append([{ type: "note", body: new Uint8Array(1) }])).rejects.toMatchObject({
      code: "SPACE_RESTORED",
    });
    await expect(untilCompared(back)).rejects.toMatchObject({ code: "HAWSER_NO_RELAY" });
    await assumeOnlyCopy(back);
    expect(restoredSpaces(back)).toEqual([]);
    await here.kv.put("a", "2");
    expect(here.kv.get("a")).toBe("2");
  });

  test("a store that has a device gets the archive beside its own", async () => {
    const ada = await open(undefined);
    const space = await ada.create();
    await space.kv.put("a", "1");
    const file = await backup(ada);
    const store = createMemoryStore({ crypto: await createCrypto() });
    const first = await createHawser({ store: { ...store, close: () => Promise.resolve() } });
    const { author } = first;
    await first.create();
    await first[Symbol.asyncDispose]();
    const report = await restoreDevice({ store, key, source: once(file) });
    expect(report).toMatchObject({ complete: true, author: ada.author });
    const both = await open(undefined, store);
    expect(both.author).toBe(author);
    expect(both.spaces()).toHaveLength(2);
    const here = spaceOf(both, space);
    await here.kv.ready;
    await expect.poll(() => here.kv.get("a")).toBe("1");
    expect(here.members().map((member) => member.author)).toEqual([ada.author]);
  });
});
