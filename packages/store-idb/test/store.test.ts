/** What this store adds to the contract, on fake-indexeddb: tabs, faults, eviction, slices. */
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import type { LogStore, StoredRange } from "@hawser/log";
import {
  extendLog,
  logStoreScaleCases,
  testCrypto,
  testDrafts,
  testLog,
} from "@hawser/log/testing";
import {
  createIdbStore,
  deleteIdbStore,
  type IdbFactory,
  type IdbPlatform,
  type IdbStore,
  type IdbStoreOptions,
} from "@hawser/store-idb";
import { describe, expect, test } from "vitest";
import { fakePlatform, memoryMarker } from "./support/fake-platform.ts";
import { failingWrites } from "./support/faults.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const log = testLog(1);
const { logId } = log.start;

async function open(
  platform: IdbPlatform,
  options: Partial<IdbStoreOptions> = {},
  report?: (error: unknown) => void,
): Promise<IdbStore> {
  const deps = { crypto: testCrypto, platform, ...(report === undefined ? {} : { report }) };
  return await createIdbStore(deps, { name: "store", ...options });
}

const withCode = (code: string): unknown => expect.objectContaining({ code });

/** A platform whose channels connect the stores that share it, also when told by hand. */
function connected(platform: IdbPlatform): IdbPlatform {
  const listeners = new Set<() => void>();
  const openChannel: IdbPlatform["openChannel"] = (_, onTold) => {
    listeners.add(onTold);
    return {
      tell: () => {
        for (const listener of listeners) if (listener !== onTold) listener();
      },
      close: () => void listeners.delete(onTold),
    };
  };
  return { ...platform, openChannel };
}

/** Listens, and resolves when ranges up to a cursor were told. */
function listen(store: LogStore): { cursors: number[]; until(cursor: number): Promise<void> } {
  const cursors: number[] = [];
  const waiting = new Map<number, () => void>();
  store.onCommit((ranges: readonly StoredRange[]) => {
    for (const { cursor } of ranges) {
      cursors.push(cursor);
      waiting.get(cursor)?.();
    }
  });
  return {
    cursors,
    until: (cursor) =>
      new Promise((resolve) => {
        if (cursors.includes(cursor)) resolve();
        else waiting.set(cursor, resolve);
      }),
  };
}

describe("LogStore contract at size", () => {
  for (const { name, run } of logStoreScaleCases.slice(1)) {
    test(name, { timeout: 60_000 }, () => run({ open: () => open(fakePlatform()) }));
  }
});

describe("tabs", () => {
  test("listeners hear of every tab's ranges once, in order of cursor", async () => {
    const platform = connected(fakePlatform());
    const stores = [await open(platform), await open(platform)];
    const heard = stores.map(listen);
    await Promise.all(
      stores.map(async (store, number) => {
        let state = testLog(number).start;
        for (let count = 0; count < 30; count++) {
          const range = extendLog(testLog(number), state, testDrafts(1));
          expect(await store.commit({ ranges: [range] })).toMatchObject({ ok: true });
          state = range.after;
        }
      }),
    );
    const expected = Array.from({ length: 60 }, (_, at) => at + 1);
    for (const { cursors, until } of heard) {
      await until(60);
      expect(cursors).toEqual(expected);
    }
    for (const store of stores) await store.close();
  });

  test("what a page missed while nobody told it comes with its next commit", async () => {
    const platform = fakePlatform({ openChannel: () => undefined });
    const [store, other] = [await open(platform), await open(platform)];
    const { cursors, until } = listen(store);
    const first = extendLog(log, log.start, testDrafts(2));
    await other.commit({ ranges: [first] });
    expect(cursors).toEqual([]);
    await store.commit({ ranges: [extendLog(log, first.after, testDrafts(1))] });
    await until(2);
    expect(cursors).toEqual([1, 2]);
    await store.close();
    await other.close();
  });

  test("a page that is shown again looks for what it missed", async () => {
    let show = (): void => {};
    const onShown: IdbPlatform["onShown"] = (wake) => {
      show = wake;
      return () => {};
    };
    const platform = fakePlatform({ openChannel: () => undefined, onShown });
    const store = await open(platform);
    const other = await open({ ...platform, onShown: () => () => {} });
    const { cursors, until } = listen(store);
    await other.commit({ ranges: [extendLog(log, log.start, testDrafts(2))] });
    show();
    await until(1);
    expect(cursors).toEqual([1]);
    await store.close();
    await other.close();
  });

  test("a prune by one tab is seen by the other, also by a reader under way", async () => {
    const platform = fakePlatform();
    const [store, other] = [await open(platform), await open(platform)];
    let state = log.start;
    for (let count = 0; count < 300; count++) {
      const range = extendLog(log, state, testDrafts(1));
      await store.commit({ ranges: [range] });
      state = range.after;
    }
    const seqs: number[] = [];
    for await (const { seq } of store.entries(logId)) {
      seqs.push(seq);
      if (seq === 5) expect(await other.prune(logId, 250)).toBe(250);
    }
    expect(seqs.at(-1)).toBe(299);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(await store.prune(logId, 100)).toBe(250);
    expect((await store.stateAt(logId, 260))?.height).toBe(260);
    expect(await store.stateAt(logId, 249)).toBeUndefined();
    expect((await store.stats()).entries).toBe(50);
    await store.close();
    await other.close();
  });
});

describe("a database that is not there, or not ours", () => {
  test("without IndexedDB the error says so", async () => {
    const platform = fakePlatform({ indexedDB: undefined });
    await expect(open(platform)).rejects.toEqual(withCode("STORE_UNAVAILABLE"));
    await expect(deleteIdbStore("store", platform)).rejects.toEqual(withCode("STORE_UNAVAILABLE"));
    await expect(createIdbStore({ crypto: testCrypto }, { name: "store" })).rejects.toEqual(
      withCode("STORE_UNAVAILABLE"),
    );
  });

  test("a browser that forbids it is told from one that has none by its reason", async () => {
    const forbidding: IdbFactory = {
      open: () => {
        throw new DOMException("no", "SecurityError");
      },
      deleteDatabase: () => {
        throw new DOMException("no", "SecurityError");
      },
    };
    const failure = await open(fakePlatform({ indexedDB: forbidding })).catch(
      (error: unknown) => error,
    );
    expect(failure).toEqual(withCode("STORE_UNAVAILABLE"));
    expect(String(failure)).toContain("SecurityError");
  });

  test("an opening that takes too long is given up, and what comes late is closed", async () => {
    const platform = fakePlatform();
    const store = await open(platform);
    await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
    await store.close();
    const after: IdbPlatform["after"] = (_, work) => {
      work();
      return () => {};
    };
    await expect(open({ ...platform, after })).rejects.toEqual(withCode("STORE_BLOCKED"));
    // Were the late connection open still, it would hold up the deletion.
    await deleteIdbStore("store", platform);
  });

  test("a newer format and another program's database are left as they are", async () => {
    const platform = fakePlatform();
    const factory = new IDBFactory();
    const make = (name: string, version: number): Promise<void> =>
      new Promise((resolve) => {
        const request = factory.open(name, version);
        request.addEventListener("upgradeneeded", () => {
          request.result.createObjectStore("theirs");
        });
        request.addEventListener("success", () => {
          request.result.close();
          resolve();
        });
      });
    await make("newer", 2);
    await make("foreign", 1);
    const theirs = { ...platform, indexedDB: factory };
    await expect(open(theirs, { name: "newer" })).rejects.toEqual(withCode("STORE_NEWER_FORMAT"));
    await expect(open(theirs, { name: "foreign" })).rejects.toEqual(
      withCode("STORE_FOREIGN_DATABASE"),
    );
  });

  test("an evicted database is told at each start until the caller begins anew", async () => {
    const platform = fakePlatform();
    const store = await open(platform);
    await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
    await store.close();
    const evicted = { ...platform, indexedDB: new IDBFactory() };
    for (let start = 0; start < 3; start++) {
      await expect(open(evicted)).rejects.toEqual(withCode("STORE_EVICTED"));
    }
    const anew = await open(evicted, { existing: "optional" });
    expect(await anew.get("a")).toBeUndefined();
    await anew.close();
  });

  test("a database in which nothing was ever committed is not missed", async () => {
    const platform = fakePlatform();
    await (await open(platform)).close();
    await (await open({ ...platform, indexedDB: new IDBFactory() })).close();
  });

  test("one that was deleted on purpose is not missed either", async () => {
    const platform = fakePlatform();
    const reports: unknown[] = [];
    const store = await open(platform, {}, (error) => void reports.push(error));
    await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
    await deleteIdbStore("store", platform);
    expect(reports).toEqual([withCode("STORE_EVICTED")]);
    await expect(store.get("a")).rejects.toEqual(withCode("STORE_EVICTED"));
    await store.close();
    await expect(store.get("a")).rejects.toEqual(withCode("STORE_CLOSED"));
    await (await open(platform)).close();
  });

  test("a caller that knows better is believed, whatever the marker says", async () => {
    const platform = fakePlatform({ marker: undefined });
    await expect(open(platform, { existing: "required" })).rejects.toEqual(
      withCode("STORE_EVICTED"),
    );
    await (await open(platform)).close();
    await (await open(platform, { existing: "required" })).close();
  });

  test("a marker that throws, as where storage is forbidden, stops nothing", async () => {
    const fail = (): never => {
      throw new DOMException("no", "SecurityError");
    };
    const platform = fakePlatform({ marker: { has: fail, set: fail, remove: fail } });
    const store = await open(platform);
    await store.commit({ ranges: [extendLog(log, log.start, testDrafts(1))] });
    expect((await store.head(logId))?.height).toBe(1);
    await store.close();
    await deleteIdbStore("store", platform);
  });

  test("a database from before the marker is marked when it is opened", async () => {
    const names = new Set<string>();
    const platform = fakePlatform({ marker: undefined });
    const store = await open(platform);
    await store.commit({ ranges: [extendLog(log, log.start, testDrafts(1))] });
    await store.close();
    await (await open({ ...platform, marker: memoryMarker(names) })).close();
    expect([...names]).toEqual(["store"]);
  });
});

describe("writes that fail", () => {
  test("without room the error names the remedy, nothing is lost, and the store goes on", async () => {
    const faults = failingWrites(new IDBFactory());
    const platform = fakePlatform({ indexedDB: faults.factory });
    const store = await open(platform);
    const first = extendLog(log, log.start, testDrafts(2));
    const second = extendLog(log, first.after, testDrafts(2));
    await store.commit({ ranges: [first] });
    faults.failWith(new DOMException("full", "QuotaExceededError"));
    const failure = await store.commit({ ranges: [second] }).catch((error: unknown) => error);
    expect(failure).toEqual(withCode("STORE_WRITE_FAILED"));
    expect(String(failure)).toMatch(/no more room.*free space/);
    expect((await store.head(logId))?.height).toBe(2);
    faults.failWith(undefined);
    expect(await store.commit({ ranges: [second] })).toEqual({ ok: true, cursor: 2 });
    expect((await store.stats()).entries).toBe(4);
    await store.close();
  });

  test("[ATK-bimootb1555] another reason is not taken for a full disk", async () => {
    const faults = failingWrites(new IDBFactory());
    const store = await open(fakePlatform({ indexedDB: faults.factory }));
    await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
    faults.failWith(new DOMException("too large", "DataError"));
    const failure = await store
      .commit({ writes: [{ key: "b", value: bytes(2) }] })
      .catch((error: unknown) => error);
    expect(failure).toEqual(withCode("STORE_WRITE_FAILED"));
    expect(String(failure)).toContain("DataError");
    expect(String(failure)).not.toContain("room");
    expect(await store.get("a")).toEqual(bytes(1));
    await store.close();
  });

  test("one batch too many does not take those with it that wait beside it", async () => {
    const faults = failingWrites(new IDBFactory());
    const store = await open(fakePlatform({ indexedDB: faults.factory }));
    faults.failWith(new DOMException("full", "QuotaExceededError"), "big");
    const write = (key: string): Promise<unknown> =>
      store.commit({ writes: [{ key, value: bytes(1) }] }).catch((error: unknown) => error);
    const outcomes = await Promise.all(["a", "big", "c"].map(write));
    expect(outcomes[1]).toEqual(withCode("STORE_WRITE_FAILED"));
    expect((await store.list("")).map(({ key }) => key)).toEqual(["a", "c"]);
    await store.close();
  });

  test("more commits than may wait are refused at once", async () => {
    const store = await open(fakePlatform(), { waitingMax: 2 });
    const write = (): Promise<unknown> =>
      store.commit({ writes: [{ key: "a", value: bytes(1) }] }).catch((error: unknown) => error);
    const outcomes = await Promise.all([write(), write(), write()]);
    expect(outcomes[2]).toEqual(withCode("STORE_QUEUE_FULL"));
    expect(outcomes.slice(0, 2)).toEqual([
      { ok: true, cursor: 0 },
      { ok: true, cursor: 0 },
    ]);
    await store.close();
  });

  test("commits use the durability that was asked for, one transaction for those that wait", async () => {
    const faults = failingWrites(new IDBFactory());
    for (const [durability, expected] of [
      [undefined, "strict"],
      ["full", "strict"],
      ["normal", "relaxed"],
    ] as const) {
      const options = { name: String(durability), ...(durability && { durability }) };
      const store = await open(fakePlatform({ indexedDB: faults.factory }), options);
      faults.transactions.length = 0;
      const one = (key: string): Promise<unknown> =>
        store.commit({ writes: [{ key, value: bytes(1) }] });
      await Promise.all([one("a"), one("b")]);
      await one("c");
      expect(faults.transactions).toEqual([expected, expected]);
      await store.close();
    }
  });
});

describe("a connection that the browser ends", () => {
  /** What an engine that crashed does to each connection. */
  const crash = (faults: ReturnType<typeof failingWrites>): void => {
    const last = faults.opened.at(-1);
    if (last !== undefined) forceCloseDatabase(last);
  };

  test("is made again where the database is still there, and nothing is lost", async () => {
    const faults = failingWrites(new IDBFactory());
    const reports: unknown[] = [];
    const platform = fakePlatform({ indexedDB: faults.factory });
    const store = await open(platform, {}, (error) => void reports.push(error));
    let state = log.start;
    for (let count = 0; count < 5; count++) {
      const range = extendLog(log, state, testDrafts(2));
      expect(await store.commit({ ranges: [range] })).toMatchObject({ ok: true });
      state = range.after;
      crash(faults);
      expect((await store.head(logId))?.height).toBe(state.height);
    }
    expect(faults.opened.length).toBe(6);
    expect(reports).toEqual([]);
    await store.close();
  });

  test("is the end of the store where the database is gone; told once", async () => {
    const faults = failingWrites(new IDBFactory());
    const reports: unknown[] = [];
    const platform = { ...fakePlatform({ indexedDB: faults.factory }), marker: undefined };
    const store = await open(platform, {}, (error) => void reports.push(error));
    await store.commit({ ranges: [extendLog(log, log.start, testDrafts(2))] });
    platform.indexedDB = new IDBFactory();
    crash(faults);
    for (let count = 0; count < 3; count++) {
      await expect(store.head(logId)).rejects.toEqual(withCode("STORE_EVICTED"));
      await expect(store.commit({})).rejects.toEqual(withCode("STORE_EVICTED"));
    }
    expect(reports).toEqual([withCode("STORE_EVICTED")]);
    await store.close();
  });
});

test("what waits to be committed is a copy, and takes a large buffer's part along alone", async () => {
  const store = await open(fakePlatform());
  const buffer = new Uint8Array(1_000_000).fill(5);
  const value = buffer.subarray(10, 13);
  const range = extendLog(log, log.start, testDrafts(3));
  const { hash } = range.after;
  const committed = store.commit({ ranges: [range], writes: [{ key: "a", value }] });
  buffer.fill(9);
  range.bytes.fill(9);
  await committed;
  const kept = await store.get("a");
  expect(kept).toEqual(bytes(5, 5, 5));
  expect(kept?.buffer.byteLength).toBe(3);
  for await (const entry of store.entries(logId, { from: 2 })) expect(entry.hash).toEqual(hash);
  await store.close();
});

test("a page of ranges is bounded by its bytes before it is loaded", async () => {
  const faults = failingWrites(new IDBFactory());
  const store = await open(fakePlatform({ indexedDB: faults.factory }));
  let state = log.start;
  for (let count = 0; count < 5; count++) {
    const drafts = Array.from({ length: 7 }, () => ({ data: new Uint8Array(60_000).fill(count) }));
    const range = extendLog(log, state, drafts);
    await store.commit({ ranges: [range] });
    state = range.after;
  }
  faults.pages.length = 0;
  for await (const _ of store.ranges(logId));
  expect(faults.pages).toEqual([2, 2, 1]);
  await store.close();
});

test("a loss that several come across is reported once", async () => {
  const reports: unknown[] = [];
  const platform = connected(fakePlatform());
  const channels: (() => void)[] = [];
  const openChannel: IdbPlatform["openChannel"] = (_, onTold) => {
    channels.push(onTold);
    return undefined;
  };
  const heard = { ...platform, openChannel };
  const store = await open(heard, {}, (error) => void reports.push(error));
  await store.commit({ writes: [{ key: "a", value: bytes(1) }] });
  await deleteIdbStore("store", platform);
  for (const tell of channels) tell();
  await expect(store.get("a")).rejects.toEqual(withCode("STORE_EVICTED"));
  await store.close();
  expect(reports).toEqual([withCode("STORE_EVICTED")]);
});

test("long reads pause every 64 entries, wherever they start", async () => {
  let pauses = 0;
  const pause = async (): Promise<void> => void (pauses += 1);
  const store = await open(fakePlatform({ pause }));
  await store.commit({ ranges: [extendLog(log, log.start, testDrafts(1_000))] });
  let entries = 0;
  for await (const _ of store.entries(logId)) entries += 1;
  expect([entries, pauses]).toEqual([1_000, 15]);
  expect((await store.stateAt(logId, 999))?.height).toBe(999);
  expect(pauses).toBe(30);
  await store.close();
});

test("what the browser says of its storage can be seen, and its silence too", async () => {
  let isPersistent = false;
  const storage = {
    persisted: async () => isPersistent,
    persist: async () => (isPersistent = true),
    estimate: async () => ({ usage: 5, quota: 9, usageDetails: { indexedDB: 3 } }),
  };
  const store = await open(fakePlatform({ storage }), { persistence: "leave" });
  expect((await store.storage()).persistence).toBe("best-effort");
  expect(await store.requestPersistence()).toBe("persistent");
  const seen = { persistence: "persistent", usageBytes: 5, quotaBytes: 9, databaseBytes: 3 };
  expect(await store.storage()).toEqual(seen);
  expect((await store.stats()).diskBytes).toBe(3);
  await store.close();
  const fail = (): never => {
    throw new TypeError("not in this context");
  };
  for (const silent of [undefined, {}, { persisted: fail, persist: fail, estimate: fail }]) {
    const quiet = await open(fakePlatform({ storage: silent }));
    expect((await quiet.storage()).persistence).toBe("unknown");
    expect(await quiet.requestPersistence()).toBe("unknown");
    expect((await quiet.stats()).diskBytes).toBeUndefined();
    await quiet.close();
  }
});
