/** Random calls on each store, beside an array that is the oracle. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMemoryBytes, type ByteStore } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { openS3Bytes, type S3Bytes } from "@hawser/stream/s3";
import { createByteMedium, createS3Emulation } from "@hawser/stream/testing";
import { createRandomBytes } from "./stores-helpers.ts";

type Step =
  | { readonly kind: "append"; readonly parts: readonly number[]; readonly wrongBy: number }
  | { readonly kind: "truncate"; readonly share: number }
  | { readonly kind: "read"; readonly share: number; readonly length: number }
  | { readonly kind: "reopen" }
  | { readonly kind: "compact" };

const share = fc.integer({ min: 0, max: 110 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      parts: fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 4 }),
      wrongBy: fc.constantFrom(0, 0, 0, 0, 1, -1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), share }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      share,
      length: fc.integer({ min: 0, max: 200 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "compact" as const }) },
);

interface Subject {
  open(): Promise<ByteStore>;
  reopen?(store: ByteStore): Promise<ByteStore>;
  compact?(store: ByteStore): Promise<unknown>;
}

async function checkSteps(subject: Subject, steps: readonly Step[]): Promise<void> {
  const random = createRandomBytes(7);
  let store = await subject.open();
  let model: readonly number[] = [];
  for (const each of steps) {
    switch (each.kind) {
      case "append":
        model = await checkAppend(store, model, each, random);
        break;
      case "truncate":
        model = await checkTruncate(store, model, each.share);
        break;
      case "read": {
        const offset = Math.floor((model.length * each.share) / 100);
        const expected = model.slice(offset, offset + each.length);
        expect([...(await store.read(offset, each.length))]).toEqual(expected);
        break;
      }
      case "reopen":
        await store.flush();
        store = (await subject.reopen?.(store)) ?? store;
        break;
      case "compact":
        await subject.compact?.(store);
        break;
    }
    expect(await store.size()).toBe(model.length);
  }
  expect([...(await store.read(0, 1_000_000))]).toEqual(model);
  await store.close();
}

async function checkAppend(
  store: ByteStore,
  model: readonly number[],
  { parts, wrongBy }: Step & { readonly kind: "append" },
  random: (byteCount: number) => Uint8Array,
): Promise<readonly number[]> {
  const bytes = parts.map((byteCount) => random(byteCount));
  const appending = store.append(Math.max(0, model.length + wrongBy), bytes);
  if (wrongBy !== 0 && model.length + wrongBy >= 0) {
    await expect(appending).rejects.toMatchObject({ code: "BYTES_MOVED" });
    return model;
  }
  const next = [...model, ...bytes.flatMap((part) => [...part])];
  expect(await appending).toBe(next.length);
  return next;
}

async function checkTruncate(
  store: ByteStore,
  model: readonly number[],
  percent: number,
): Promise<readonly number[]> {
  const size = Math.floor((model.length * percent) / 100);
  if (size > model.length) {
    await expect(store.truncate(size)).rejects.toMatchObject({ code: "BYTES_MISUSE" });
    return model;
  }
  await store.truncate(size);
  return model.slice(0, size);
}

let folder = "";
let fileCount = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hawser-model-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const subjects: Readonly<Record<string, () => Subject>> = {
  memory: () => ({ open: async () => createMemoryBytes() }),
  medium: () => {
    const medium = createByteMedium();
    const reopen = async (): Promise<ByteStore> => {
      medium.restart();
      return medium.open();
    };
    return { open: () => medium.open(), reopen };
  },
  file: () => {
    const path = join(folder, `${fileCount++}`);
    const reopen = async (store: ByteStore): Promise<ByteStore> => {
      await store.close();
      return openFileBytes(path);
    };
    return { open: () => openFileBytes(path, { mode: "create" }), reopen };
  },
  S3: () => {
    const account = { bucket: "b", accessKeyId: "K", secretAccessKey: "S" };
    const { fetch } = createS3Emulation(account);
    const { subtle } = globalThis.crypto;
    const deps = { fetch, clock: () => 1.7e15, random: createRandomBytes(3), subtle };
    const location = { ...account, endpoint: "http://s3.test", prefix: "p" };
    const stores = new WeakMap<ByteStore, S3Bytes>();
    const open = async (mode?: "create"): Promise<ByteStore> => {
      const options = mode === undefined ? {} : { mode };
      const store = await openS3Bytes(deps, location, { ...options, segmentBytes: 50 });
      stores.set(store, store);
      return store;
    };
    return {
      open: () => open("create"),
      reopen: () => open(),
      compact: async (store) => stores.get(store)?.compact(),
    };
  },
};

describe("any calls in any order", () => {
  for (const [name, create] of Object.entries(subjects)) {
    const row = name === "S3" ? "[IW-bytestore] [IW-cloud]" : "[IW-bytestore]";
    test(`${row} ${name}: the store is the array`, async () => {
      const runs = fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
        checkSteps(create(), steps),
      );
      await fc.assert(runs, { seed: 42, numRuns: 60 });
    });
  }
});
