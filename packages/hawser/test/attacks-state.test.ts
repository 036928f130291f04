/** Stores and keys that are gone, copied or another's, tried on the front door. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { createMemoryStore, ingestRange, type LogStore } from "@hawser/log";
import { afterAll, describe, expect, test, vi } from "vitest";

const scratch = await mkdtemp(join(tmpdir(), "hawser-state-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
const crypto = createNobleCrypto();

/** A store that outlives the device that closes it. */
function keptStore(): LogStore {
  return { ...createMemoryStore({ crypto }), close: () => Promise.resolve() };
}

async function accountIn(store: LogStore): Promise<{ author: string; id: string }> {
  const device = await createHawser({ store, crypto });
  const space = await device.create();
  await space.kv.put("note", "still here");
  const account = { author: device.author, id: space.id };
  await device[Symbol.asyncDispose]();
  return account;
}

async function noteOf(device: Hawser, id: string): Promise<unknown> {
  const space = device.space(id);
  await space?.kv.ready;
  return space?.kv.get("note");
}

const secretKey = "hawser/secret";

describe("keys and data that lost each other", () => {
  test("[ATK-jazz3199] data whose key is gone is an error, and the key opens it when it is found", async () => {
    const store = keptStore();
    const { author, id } = await accountIn(store);
    const secret = (await store.get(secretKey))!;
    await store.commit({ writes: [{ key: secretKey, value: undefined }] });
    const before = await store.list("");
    const wrong = { code: "HAWSER_WRONG_SECRET" };
    await expect(createHawser({ store, crypto })).rejects.toMatchObject(wrong);
    // Another device's key opens nothing and takes nothing over.
    const others = new Uint8Array(32).fill(9);
    const refused = createHawser({ store, crypto, secret: others });
    await expect(refused).rejects.toMatchObject({ code: "SPACE_STATE_CORRUPT" });
    expect(await store.list("")).toEqual(before);
    await using device = await createHawser({ store, crypto, secret });
    expect(device.author).toBe(author);
    expect(await noteOf(device, id)).toBe("still here");
  });

  test("[ATK-jazz3199] a key that outlived its data opens an empty device of the same name, and works", async () => {
    const first = keptStore();
    const { author } = await accountIn(first);
    const secret = (await first.get(secretKey))!;
    const store = keptStore();
    const device = await createHawser({ store, crypto, secret });
    expect(device.author).toBe(author);
    expect(device.spaces()).toEqual([]);
    const space = await device.create();
    await space.kv.put("note", "new");
    await device[Symbol.asyncDispose]();
    await using again = await createHawser({ store, crypto });
    expect(again.author).toBe(author);
    expect(await noteOf(again, space.id)).toBe("new");
  });

  test("[ATK-jazz3199] a store of one device never opens by the key of another", async () => {
    const store = keptStore();
    const { id } = await accountIn(store);
    const secret = new Uint8Array(32).fill(9);
    const refused = createHawser({ store, crypto, secret });
    await expect(refused).rejects.toMatchObject({ code: "HAWSER_WRONG_SECRET" });
    await using device = await createHawser({ store, crypto });
    expect(await noteOf(device, id)).toBe("still here");
  });
});

describe("storage that is not there", () => {
  test.each(["get", "list", "commit"] as const)(
    "[ATK-evolu705] a store whose %s fails is that error, and no new account",
    async (method) => {
      const whole = keptStore();
      const { author, id } = await accountIn(whole);
      const before = await whole.list("");
      const broken = new Error("no such storage in private mode");
      const store: LogStore = { ...whole, [method]: () => Promise.reject(broken) };
      // A device that is there opens without a write; a new one cannot be made.
      const empty = { ...keptStore(), [method]: () => Promise.reject(broken) };
      await expect(createHawser({ store: empty, crypto })).rejects.toBe(broken);
      if (method !== "commit") {
        await expect(createHawser({ store, crypto })).rejects.toBe(broken);
      }
      expect(await whole.list("")).toEqual(before);
      await using device = await createHawser({ store: whole, crypto });
      expect(device.author).toBe(author);
      expect(await noteOf(device, id)).toBe("still here");
    },
  );

  test("[ATK-evolu705] a file that is damaged, or no database, is named and left as it is", async () => {
    const path = join(scratch, "damaged.sqlite");
    const device = await createHawser({ path });
    await device[Symbol.asyncDispose]();
    const bytes = await readFile(path);
    bytes.fill(0x5a, 0, 64);
    await writeFile(path, bytes);
    await expect(createHawser({ path })).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    expect(await readFile(path)).toEqual(bytes);
  });

  test("[ATK-automerge1443] one damaged space is listed as damaged; the device's others open", async () => {
    const store = keptStore();
    const { id } = await accountIn(store);
    const device = await createHawser({ store, crypto });
    const second = await device.create();
    await second.kv.put("note", "the other");
    const { topic } = second.space;
    await device[Symbol.asyncDispose]();
    const value = new Uint8Array(60);
    await store.commit({ writes: [{ key: `space/${topic}/keys`, value }] });
    await using again = await createHawser({ store, crypto });
    expect(again.damaged()).toMatchObject([{ topic, error: { code: "SPACE_STATE_CORRUPT" } }]);
    expect(again.space(second.id)).toBeUndefined();
    expect(await noteOf(again, id)).toBe("still here");
    await again.space(id)?.kv.put("note", "and goes on");
    expect(await noteOf(again, id)).toBe("and goes on");
  });
});

describe("restores", () => {
  async function pair(store: LogStore) {
    const relay = await createMemoryRelay();
    const ada = await createHawser({ relay, store, crypto });
    const ben = await createHawser({ relay, crypto });
    const trip = await ada.create();
    const shared = await ben.join(await trip.invite());
    return { relay, ada, ben, trip, shared };
  }

  async function backupOf(store: LogStore): Promise<LogStore> {
    const copy = keptStore();
    for (const topic of await store.topics()) {
      for await (const range of store.received(topic, 0)) {
        await ingestRange({ store: copy, crypto }, range);
      }
    }
    await copy.commit({ writes: await store.list("") });
    return copy;
  }

  async function both(one: HawserSpace, other: HawserSpace): Promise<void> {
    await one.synced();
    await other.synced();
  }

  test("[ATK-submersion1340] what is put back after a restore stays: no tombstone from before undoes it", async () => {
    const store = keptStore();
    const { relay, ada, ben, trip, shared } = await pair(store);
    await trip.kv.put("a", "from the backup");
    await trip.kv.put("b", "from the backup");
    await both(trip, shared);
    const backup = await backupOf(store);
    await shared.kv.del("a");
    await trip.kv.del("b");
    await both(shared, trip);
    await both(trip, shared);
    await ada[Symbol.asyncDispose]();
    const restored = await createHawser({ relay, store: backup, crypto });
    const again = restored.space(trip.id)!;
    await again.synced();
    // The restore alone resurrects nothing; putting back is a word of its own.
    expect([again.kv.get("a"), again.kv.get("b")]).toEqual([undefined, undefined]);
    await again.kv.put("a", "put back");
    await again.kv.put("b", "put back");
    await both(again, shared);
    expect([shared.kv.get("a"), shared.kv.get("b")]).toEqual(["put back", "put back"]);
    await shared.kv.put("c", "and life goes on");
    await both(shared, again);
    expect([...again.kv.range()].map(({ key }) => key)).toEqual(["a", "b", "c"]);
    for (const thing of [restored, ben]) await thing[Symbol.asyncDispose]();
    await relay.close();
  });
});

describe("two copies of a package in one process", () => {
  test("[ATK-yjs438] a store, a crypto and errors of another copy serve as one's own", async () => {
    const first = await import("@hawser/log");
    vi.resetModules();
    const second = await import("@hawser/log");
    const door = await import("@hawser/hawser");
    expect(second.LogError).not.toBe(first.LogError);
    const store = { ...first.createMemoryStore({ crypto }), close: () => Promise.resolve() };
    const device = await door.createHawser({ store, crypto });
    const space = await device.create();
    await space.kv.put("note", "by both copies");
    // What the other copy throws is told by its code.
    const moved = new first.LogError("LOG_HEAD_MOVED", "by the other copy");
    let failures = 1;
    const { commit } = store;
    const flaky: LogStore = {
      ...store,
      commit: (batch) =>
        batch.ranges !== undefined && failures-- > 0 ? Promise.reject(moved) : commit(batch),
    };
    await device[Symbol.asyncDispose]();
    await using again = await door.createHawser({ store: flaky, crypto });
    const reopened = again.space(space.id)!;
    await reopened.kv.ready;
    expect(reopened.kv.get("note")).toBe("by both copies");
    failures = 1;
    await reopened.kv.put("note", "once more").catch(() => undefined);
    await reopened.kv.put("note", "after all");
    expect(reopened.kv.get("note")).toBe("after all");
    // Entries that one copy verified are the same entries for the other.
    for (const { logId } of await store.heads(reopened.space.topic)) {
      for await (const range of store.ranges(logId)) {
        const outcome = await second.ingestRange({ store, crypto }, range);
        expect(outcome.status, toHex(range.bytes.subarray(0, 4))).toBe("known");
      }
    }
  });

  test("[ATK-yjs438] no source tells objects of another package apart by their class", async () => {
    const root = new URL("../../", import.meta.url);
    const owned = [
      "auth",
      "crypto",
      "hawser",
      "keys",
      "kv",
      "log",
      "packet",
      "space",
      "sync",
      "view",
    ];
    const found: string[] = [];
    for (const name of owned) {
      const folder = new URL(`${name}/src/`, root);
      const own = await readFile(new URL("errors.ts", folder), "utf8").catch(() => "");
      for (const file of await readdir(folder, { recursive: true })) {
        if (!file.endsWith(".ts")) continue;
        const text = await readFile(new URL(file, folder), "utf8");
        for (const [, named] of text.matchAll(/instanceof (\w+)/g)) {
          const isBuiltIn = ["Error", "Uint8Array", "ArrayBuffer", "DOMException"].includes(named!);
          const isOwn = own.includes(`class ${named} `) || text.includes(`class ${named} `);
          if (!isBuiltIn && !isOwn) found.push(`${name}/${file}: ${named}`);
        }
      }
    }
    expect(found).toEqual([]);
  });
});
