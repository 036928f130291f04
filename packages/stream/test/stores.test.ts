import { describe, expect, test } from "vitest";
import { createMemoryBytes, type ByteStore } from "@hawser/stream";
import {
  byteStoreCases,
  createByteMedium,
  type ByteMedium,
  type ByteStoreHarness,
} from "@hawser/stream/testing";
import { asyncChunks } from "./stores-helpers.ts";

function mediumHarness(): ByteStoreHarness {
  let medium: ByteMedium = createByteMedium();
  return {
    open: async (bytes) => {
      medium = createByteMedium({ bytes });
      return medium.open();
    },
    reopen: async (store) => {
      await store.close();
      medium.restart();
      return medium.open();
    },
    second: async () => medium.open(),
    reader: async () => medium.open({ readOnly: true }),
  };
}

describe("the memory store keeps the contract", () => {
  const harness: ByteStoreHarness = { open: async (bytes) => createMemoryBytes({ bytes }) };
  const offered = byteStoreCases.filter(({ needs }) => needs.every((need) => need === "writing"));
  for (const { name, run } of offered) {
    test(`[IW-bytestore] memory: ${name}`, () => run(harness));
  }
});

describe("the medium of the tests keeps the contract", () => {
  for (const { name, run, needs } of byteStoreCases) {
    const row = needs.includes("second") ? "[IW-two-writers]" : "[IW-bytestore]";
    test(`${row} medium: ${name}`, () => run(mediumHarness()));
  }
});

/** Breaks a store in one way. */
type Break = (store: ByteStore) => ByteStore;

describe("the cases can fail", () => {
  const breaks: readonly (readonly [string, Break])[] = [
    ["gives a byte too many", (s) => ({ ...s, read: (o, n) => s.read(o, n + 1) })],
    [
      "ignores the expected size",
      (s) => ({ ...s, append: async (_, p) => s.append(await s.size(), p) }),
    ],
    ["forgets a part", (s) => ({ ...s, append: (size) => s.append(size, []) })],
    ["grows by truncate", (s) => ({ ...s, truncate: async () => undefined })],
    [
      "lives after close",
      (s) => ({ ...s, close: async () => undefined, [Symbol.asyncDispose]: async () => undefined }),
    ],
  ];
  for (const [name, broken] of breaks) {
    test(`[IW-bytestore] a store that ${name} is found`, async () => {
      const harness: ByteStoreHarness = {
        open: async (bytes) => broken(createMemoryBytes({ bytes })),
      };
      const cases = byteStoreCases.filter(({ needs }) => needs.every((need) => need === "writing"));
      const settled = await Promise.allSettled(cases.map(({ run }) => run(harness)));
      expect(settled.some(({ status }) => status === "rejected")).toBe(true);
    });
  }
});

describe("a store of limited size", () => {
  test("[IW-bytestore] memory: writes what fits, then says that it is full", async () => {
    await using store = createMemoryBytes({ bytesMax: 10 });
    const appending = store.append(0, asyncChunks(new Uint8Array(30).fill(7), 4));
    await expect(appending).rejects.toMatchObject({ code: "BYTES_FULL" });
    expect(store.contents()).toEqual(new Uint8Array(10).fill(7));
    await store.truncate(0);
    expect(await store.append(0, [new Uint8Array(10)])).toBe(10);
  });
});

describe("the faults of the medium", () => {
  test("[IW-bytestore] a torn write ends the power until the restart, which loses the rest", async () => {
    const medium = createByteMedium({ bytes: new Uint8Array(4) });
    const store = await medium.open();
    await store.append(4, [new Uint8Array(4)]);
    await store.flush();
    medium.faults.tornAtSize = 11;
    const torn = store.append(8, [new Uint8Array(2), new Uint8Array(9)]);
    await expect(torn).rejects.toMatchObject({ code: "BYTES_IO" });
    await expect(store.size()).rejects.toMatchObject({ code: "BYTES_IO" });
    await expect(medium.open()).rejects.toMatchObject({ code: "BYTES_IO" });
    delete medium.faults.tornAtSize;
    medium.restart({ keptBytes: 2 });
    await expect(store.read(0, 1)).rejects.toMatchObject({ code: "BYTES_IO" });
    expect(await (await medium.open()).size()).toBe(10);
  });

  test("[IW-bytestore] what was not flushed is lost in a crash", async () => {
    const medium = createByteMedium();
    const store = await medium.open();
    await store.append(0, [new Uint8Array(5)]);
    await store.flush();
    medium.faults.failFlushes = true;
    await store.append(5, [new Uint8Array(5)]);
    await expect(store.flush()).rejects.toMatchObject({ code: "BYTES_IO" });
    medium.restart();
    expect(medium.contents().length).toBe(5);
  });

  test("[IW-bytestore] a failed write leaves the store usable; short and failed reads show", async () => {
    const medium = createByteMedium({ bytes: new Uint8Array(8) });
    const store = await medium.open();
    medium.faults.failAtSize = 9;
    await expect(store.append(8, [new Uint8Array(4)])).rejects.toMatchObject({ code: "BYTES_IO" });
    await store.truncate(8);
    medium.faults.readBytesMax = 3;
    expect((await store.read(0, 8)).length).toBe(3);
    medium.faults.failReads = true;
    await expect(store.read(0, 8)).rejects.toMatchObject({ code: "BYTES_IO" });
    expect(medium.calls.map(({ operation }) => operation)).toEqual(["truncate", "read", "read"]);
  });

  test("[IW-bytestore] a delay holds an operation back", async () => {
    const medium = createByteMedium({ bytes: new Uint8Array(8) });
    const store = await medium.open();
    const gate = Promise.withResolvers<void>();
    medium.faults.delay = () => gate.promise;
    let isDone = false;
    const reading = store.read(0, 4).then(() => (isDone = true));
    await Promise.resolve();
    expect(isDone).toBe(false);
    gate.resolve();
    expect(await reading).toBe(true);
  });
});
