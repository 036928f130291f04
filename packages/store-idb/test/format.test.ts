/** The tables of docs/spec/store-idb.md §2, read past the store: a silent change of them fails here. */
import { IDBFactory } from "fake-indexeddb";
import { toHex } from "@hawser/codec";
import { extendLog, testCrypto, testLog } from "@hawser/log/testing";
import { createIdbStore } from "@hawser/store-idb";
import { expect, test } from "vitest";
import { fakePlatform } from "./support/fake-platform.ts";

interface RawRequest<Result = unknown> {
  readonly result: Result;
  onsuccess: (() => void) | null;
}

/** What is looked at of an object store. */
interface RawTable {
  readonly keyPath: unknown;
  readonly indexNames: Iterable<string>;
  index(name: string): { keyPath: unknown; unique: boolean; multiEntry: boolean };
  getAll(): RawRequest;
  getAllKeys(): RawRequest;
}

interface RawDatabase {
  readonly version: number;
  readonly objectStoreNames: Iterable<string>;
  transaction(name: string): { objectStore(name: string): RawTable };
  close(): void;
}

interface RawFactory {
  open(name: string): RawRequest<RawDatabase>;
}

function valueOf<Result>(request: RawRequest<Result>): Promise<Result> {
  return new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
}

/** All keys and records of a database, bytes as hex. */
async function dump(factory: RawFactory, name: string): Promise<Record<string, unknown>> {
  const database = await valueOf(factory.open(name));
  const tables: Record<string, unknown> = { version: database.version };
  for (const table of database.objectStoreNames) {
    const store = database.transaction(table).objectStore(table);
    const indexes = [...store.indexNames].map((index) => {
      const { keyPath, unique, multiEntry } = store.index(index);
      return [index, keyPath, unique, multiEntry];
    });
    const found = await Promise.all([valueOf(store.getAllKeys()), valueOf(store.getAll())]);
    const [keys, records] = found.map(plain);
    tables[table] = { keyPath: store.keyPath, indexes, keys, records };
  }
  database.close();
  return tables;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof ArrayBuffer) return toHex(new Uint8Array(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
}

const topic = "687376c930d7020a32f04c396fc2e5eab49cd09a738fa03d573033416a6a47ce";
const logId = "8ae81f33828606754b5d2e9cd40fa7182d6c1b5b45ab339fabaeb7f0649bc691";

test("the example of the specification lies in the tables as it is written there", async () => {
  const factory = new IDBFactory();
  const platform = fakePlatform({ indexedDB: factory });
  const store = await createIdbStore({ crypto: testCrypto, platform }, { name: "example" });
  const log = testLog(1);
  const drafts = (...texts: string[]): { data: Uint8Array }[] =>
    texts.map((text) => ({ data: new TextEncoder().encode(text) }));
  const stamp = 1_700_000_000_000_000;
  const first = extendLog(log, log.start, drafts("one", "two", "three"), { stamp });
  const second = extendLog(log, first.after, drafts("four"), { sign: false });
  const writes = [{ key: "k", value: new Uint8Array([1, 2]) }];
  await store.commit({ ranges: [first], writes });
  await store.commit({ ranges: [second] });
  await store.close();
  const counters = { cursor: 2, logs: 1, entries: 4, ranges: 2, rangeBytes: 162, dataBytes: 15 };
  const place = { logId, topic, markedAt: 0 };
  expect(await dump(factory, "example")).toEqual({
    version: 1,
    counters: { keyPath: null, indexes: [], keys: ["all"], records: [counters] },
    forks: { keyPath: null, indexes: [], keys: [], records: [] },
    kv: { keyPath: null, indexes: [], keys: ["k"], records: ["0102"] },
    logs: {
      keyPath: "logId",
      indexes: [["topic", ["topic", "logId"], false, false]],
      keys: [logId],
      records: [
        {
          ...place,
          state: expect.stringMatching(/^6873.*8e46$/),
          signedHeight: 3,
          signedHash: expect.stringMatching(/^a93c.*6eca$/),
          prunedTo: 0,
        },
      ],
    },
    ranges: {
      keyPath: ["cursor", "size", "dataBytes"],
      indexes: [
        ["place", ["logId", "first"], true, false],
        ["received", ["topic", "cursor"], false, false],
        ["signed", "signed", false, true],
      ],
      keys: [
        [1, 155, 11],
        [2, 7, 4],
      ],
      records: [
        {
          ...place,
          cursor: 1,
          size: 155,
          dataBytes: 11,
          first: 0,
          count: 3,
          bytes: expect.stringMatching(/^018080f9c0c1c48203036f6e65e88c.*811d$/),
          signed: [94_317_338_419_361, 186_076_707_678_362],
        },
        {
          ...place,
          cursor: 2,
          size: 7,
          dataBytes: 4,
          first: 3,
          count: 1,
          bytes: "000104666f7572",
          signed: [],
        },
      ],
    },
  });
});
