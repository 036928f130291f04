/** Two devices of one encrypted space, each on a SQLite file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto, type Random } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { createSpaces, type Space, type Spaces } from "@hawser/space";
import { createSqliteStore } from "@hawser/store-sqlite";

export const random: Random = (byteCount) =>
  globalThis.crypto.getRandomValues(new Uint8Array(byteCount));

export const timers = {
  after: (delayMs: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Lets timers and appends run. */
export const breathe = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Device {
  readonly store: LogStore;
  readonly spaces: Spaces;
}

/** A space on one device, and a way to bring it to a second. */
export interface Scene {
  readonly crypto: Crypto;
  readonly space: Space;
  /** Brings everything to the second device, verified and stored; resolves to its space. */
  second(): Promise<Space>;
  /** Payload and overhead of the data log as stored. */
  logBytes(): Promise<number>;
  /** What stands for entries that compaction dropped, as stored. */
  keptBytes(): Promise<number>;
  close(): Promise<void>;
}

export async function createScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  const crypto = await createCrypto();
  const open = async (name: string): Promise<Device> => {
    const path = join(folder, `${name}.sqlite`);
    const store = createSqliteStore({ crypto }, { path, durability: "normal" });
    const secret = random(32);
    // Safe: 64 hex characters.
    const author = toHex(crypto.publicKey(secret)) as AuthorId;
    const clock = { nowMicros: () => Date.now() * 1_000 };
    const deps = { store, crypto, clock, random, timers, identity: { author, secret } };
    return { store, spaces: await createSpaces(deps, { answerDelayMs: 0 }) };
  };
  const first = await open("first");
  const other = await open("second");
  const space = await first.spaces.create();
  const [bundle] = await other.spaces.bundles();
  if (bundle === undefined) throw new Error("a device has no bundle");
  await space.add(bundle, "write");
  const otherSpace = await other.spaces.accept(space.offer(bundle));

  return {
    crypto,
    space,
    second: async () => {
      await carry(first, other, space);
      await otherSpace.ready();
      return otherSpace;
    },
    logBytes: async () => {
      let byteCount = 0;
      for (const { logId, context } of await first.store.heads(space.topic)) {
        if (context.domain !== "hawser.data") continue;
        for await (const range of first.store.ranges(logId)) byteCount += range.bytes.length;
      }
      return byteCount;
    },
    keptBytes: async () => {
      const kept = await first.store.get(`cache/${space.topic}/compacted`);
      return kept?.length ?? 0;
    },
    close: async () => {
      for (const { spaces, store } of [first, other]) {
        await spaces.close();
        await store.close();
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function carry(from: Device, to: Device, { topic }: Space): Promise<void> {
  const heads = [...(await from.store.heads(topic))].sort((a, b) =>
    a.context.domain < b.context.domain ? -1 : 1,
  );
  for (const { logId, signedHeight } of heads) {
    const known = (await to.store.head(logId))?.height ?? 0;
    if (known >= signedHeight) continue;
    for await (const range of from.store.ranges(logId, { from: known, to: signedHeight })) {
      const outcome = await to.spaces.ingest(range);
      if (outcome.status !== "stored") throw new Error(`not stored: ${outcome.status}`);
    }
  }
}
