/**
 * Hawser: logs in stores, synced by the real session over memory frames; verified and stored on the
 * other side. Encrypted: a space of two devices; stored, and read as well.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, createCrypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  ingestRange,
  type LogId,
  logIdOf,
  type LogStore,
  type Topic,
} from "@hawser/log";
import type { Space } from "@hawser/space";
import { createWorld, type Device } from "@hawser/space/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { createSyncPeer, type SyncPeer, type SyncPeerDeps, type SyncTopic } from "@hawser/sync";
import { createMemoryPair, createSeededRandom, createVirtualTimers } from "@hawser/sync/testing";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entriesData, entryBytes } from "./data.ts";
import { startStopwatch } from "./stopwatch.ts";
import { freshCount, roundsMax, type SyncRun, type SyncSystem } from "./types.ts";

const crypto = await createCrypto();
// Safe: 32 bytes in hex.
const topic = toHex(crypto.hash(utf8("bench topic"))) as Topic;
const followKey = crypto.hash(utf8("bench follow key"));
const shared: SyncTopic = {
  topic,
  followKeys: () => [followKey],
  accessOf: () => "none",
  controlDomains: [],
};
const batchSize = 1_000;

/** µs that always move on. */
let stampMicros = 1_790_000_000_000_000;
const clock = { nowMicros: () => ++stampMicros };

function secretOf(name: string): Uint8Array {
  return crypto.hash(utf8(name));
}

function authorOf(secret: Uint8Array): AuthorId {
  // Safe: 32 bytes in hex.
  return toHex(crypto.publicKey(secret)) as AuthorId;
}

async function appendTo(store: LogStore, log: number, from: number, count: number): Promise<void> {
  const secret = secretOf(`author ${log}`);
  const context = { topic, domain: "hawser.data", author: authorOf(secret) };
  await using writer = await createLogWriter({ store, crypto, clock }, { context, secret });
  for (let done = 0; done < count; done += batchSize) {
    const batch = entriesData(from + done, Math.min(batchSize, count - done));
    await writer.append(batch.map((data) => ({ data })));
  }
}

let peerCount = 0;

function peerOf(
  name: string,
  deps: Partial<SyncPeerDeps> & { readonly store: LogStore },
): SyncPeer {
  const { store } = deps;
  const secret = secretOf(name);
  return createSyncPeer({
    crypto,
    random: createSeededRandom(++peerCount),
    timers: createVirtualTimers(),
    ingest: async (range) => {
      const outcome = await ingestRange({ store, crypto }, range);
      if (outcome.status === "conflict" || outcome.status === "held") {
        return { status: "refused", reason: outcome.status };
      }
      return outcome;
    },
    identities: () => [
      { id: authorOf(secret), sign: (label, bytes) => crypto.signTagged(label, bytes, secret) },
    ],
    topics: () => [shared],
    ...deps,
  });
}

/** Syncs two peers; both are closed afterwards. */
async function syncPeers(
  open: () => readonly [SyncPeer, SyncPeer],
  atEnd: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Pick<SyncRun, "seconds" | "cpuSeconds" | "wireBytes">> {
  let wireBytes = 0;
  const watch = startStopwatch();
  const pair = createMemoryPair((frame) => {
    wireBytes += frame.length;
  });
  const [from, to] = open();
  const sessions = [from.attach(pair.a), to.attach(pair.b)];
  await Promise.all(sessions.map((session) => session.synced()));
  await atEnd();
  const run = { seconds: watch.seconds(), cpuSeconds: watch.cpuSeconds(), wireBytes };
  await Promise.all([from, to].map((peer) => peer[Symbol.asyncDispose]()));
  return run;
}

/** Plain logs; the receiver's store is what `open` gives. */
function createPlain(open: () => LogStore): SyncSystem {
  const sync = (source: LogStore, target: LogStore) =>
    syncPeers(() => [peerOf("from", { store: source }), peerOf("the other", { store: target })]);
  return {
    initial: async (entries) => {
      const source = createMemoryStore({ crypto });
      await appendTo(source, 0, 0, entries);
      return async () => {
        const target = open();
        const run = await sync(source, target);
        const stored = (await target.stats()).entries;
        await target.close();
        if (stored !== entries) throw new Error(`${stored} of ${entries} entries arrived`);
        return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
      };
    },
    incremental: async ({ logs, entriesPerLog }) => {
      const source = createMemoryStore({ crypto });
      for (let log = 0; log < logs; log++) {
        await appendTo(source, log, log * entriesPerLog, entriesPerLog);
      }
      const target = open();
      await sync(source, target);
      for (let log = 0; log < freshCount; log++) {
        await appendTo(source, log, logs * entriesPerLog + log, 1);
      }
      const run = await sync(source, target);
      const stored = (await target.stats()).entries;
      await target.close();
      if (stored !== logs * entriesPerLog + freshCount) throw new Error("entries are missing");
      return { ...run, entries: freshCount, logs, payloadBytes: freshCount * entryBytes };
    },
  };
}

/** Logs without encryption, into memory. */
export function createMemorySystem(): Promise<SyncSystem> {
  return Promise.resolve(createPlain(() => createMemoryStore({ crypto })));
}

/** Logs without encryption, into SQLite on disk. */
export async function createSqliteSystem(): Promise<SyncSystem & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  let fileCount = 0;
  const open = (): LogStore =>
    createSqliteStore(
      { crypto },
      { path: join(folder, `${fileCount++}.sqlite`), durability: "normal" },
    );
  return {
    ...createPlain(open),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Events that come out of a space, until they are as many as wanted. */
async function readAll(space: Space, wanted: number): Promise<number> {
  let count = 0;
  for await (const { events } of space.batches()) {
    count += events.length;
    if (count >= wanted) break;
  }
  return count;
}

/** A device that is in the space and has none of the entries. */
interface Receiver {
  readonly device: Device;
  readonly space: Space;
}

interface SpaceLog {
  readonly ada: Device;
  readonly logId: LogId;
  readonly entries: number;
  readonly isRead: boolean;
}

function deviceOf({ spaces, store, author }: Device): SyncPeer {
  return peerOf(author, {
    store,
    ingest: (range) => spaces.ingest(range),
    identities: () => spaces.identities(),
    topics: () => spaces.topics(),
  });
}

/** Syncs the space to the next receiver. */
async function syncSpace(
  { ada, logId, entries, isRead }: SpaceLog,
  receivers: Receiver[],
): Promise<SyncRun> {
  const receiver = receivers.shift();
  if (receiver === undefined) throw new Error("nobody is left to sync to");
  const { device, space } = receiver;
  let readCount = 0;
  const run = await syncPeers(
    () => [deviceOf(ada), deviceOf(device)],
    async () => {
      if (isRead) readCount = await readAll(space, entries);
    },
  );
  const stored = (await device.store.head(logId))?.height ?? 0;
  if (stored < entries || (isRead && readCount !== entries)) {
    throw new Error(`${stored} of ${entries} entries arrived, ${readCount} were read`);
  }
  return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
}

/** Devices of one space; the receiver reads everything when `isRead`. */
function createEncrypted(isRead: boolean): SyncSystem {
  const incremental = (): never => {
    throw new Error("one space has few logs: measured with plain ones");
  };
  return {
    initial: async (entries) => {
      const world = await createWorld();
      const ada = await world.device("ada");
      const space = await ada.spaces.create();
      const links: string[] = [];
      for (let round = 0; round < roundsMax; round++) {
        links.push(await space.invite({ level: "write" }));
      }
      let round = 0;
      const join = async (): Promise<Receiver> => {
        const device = await world.device(`reader ${round}`);
        const joined = await device.spaces.join(links[round++] ?? "");
        await world.settle(ada, device);
        return { device, space: joined };
      };
      // Who joins rotates keys: all of them are there before the first entry.
      const receivers: Receiver[] = [];
      while (receivers.length < roundsMax) receivers.push(await join());
      for (let done = 0; done < entries; done += batchSize) {
        const batch = entriesData(done, Math.min(batchSize, entries - done));
        await space.append(batch.map((body) => ({ type: "line", body })));
      }
      const context = { topic: space.topic, domain: "hawser.data", author: ada.author };
      return () => syncSpace({ ada, logId: logIdOf(crypto, context), entries, isRead }, receivers);
    },
    incremental,
  };
}

/** A space: verified, judged and stored, as a device does while nobody looks. */
export function createSpaceSystem(): Promise<SyncSystem> {
  return Promise.resolve(createEncrypted(false));
}

/** A space: also opened and handed out as events. */
export function createReadSpaceSystem(): Promise<SyncSystem> {
  return Promise.resolve(createEncrypted(true));
}
