/** Archives of test devices, and devices that come out of them. */
import { concatBytes, toHex } from "@hawser/codec";
import { createMemoryStore, type LogStore } from "@hawser/log";
import {
  exportArchive,
  importArchive,
  type ArchiveKey,
  type ExportOptions,
  type ImportOptions,
  type ImportReport,
} from "@hawser/space/archive";
import { createSyncPeer, type SyncPeer, type SyncSession } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { seededRandom } from "./help.ts";
import type { TestDevice, World } from "./world.ts";

/** The key of test archives; passwords would cost seconds. */
export const archiveKey: ArchiveKey = { key: new Uint8Array(32).fill(9) };

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return concatBytes(...all);
}

/** The archive of a device as it is now. */
export function archiveOf(
  world: World,
  { store, author, secret }: TestDevice,
  options: Partial<ExportOptions> = {},
): Promise<Uint8Array> {
  const { crypto, clock } = world;
  const random = seededRandom(77);
  const deps = { store, crypto, clock, random, identity: { author, secret } };
  return collect(exportArchive(deps, { key: archiveKey, ...options }).bytes);
}

/** Takes an archive into a store, in pieces of odd sizes. */
export function takeIn(
  world: World,
  store: LogStore,
  file: Uint8Array,
  options: Partial<ImportOptions> & { readonly identity?: TestDevice } = {},
): Promise<ImportReport> {
  const { identity, ...rest } = options;
  const deps = { store, crypto: world.crypto, random: seededRandom(78) };
  const own = identity && { author: identity.author, secret: identity.secret };
  return importArchive(own === undefined ? deps : { ...deps, identity: own }, pieces(file), {
    key: archiveKey,
    ...rest,
  });
}

function* pieces(file: Uint8Array): Generator<Uint8Array> {
  for (let start = 0, size = 1; start < file.length; start += size, size = (size * 7) % 9_001) {
    yield file.subarray(start, start + size);
  }
}

/** The device that comes out of an archive, on a store of its own. */
export async function restore(
  world: World,
  device: TestDevice,
  file: Uint8Array,
): Promise<TestDevice> {
  const store = createMemoryStore({ crypto: world.crypto });
  await takeIn(world, store, file);
  return startOn(world, device, store);
}

/** A device on a store, while another instance of it may live on. */
export function startOn(world: World, device: TestDevice, store: LogStore): Promise<TestDevice> {
  const spaces = { ...device.spaces, close: () => Promise.resolve() };
  return world.restart({ ...device, store, spaces });
}

/** All entries of a store, by log, as bytes. */
export async function logsOf(store: LogStore): Promise<ReadonlyMap<string, string>> {
  const logs = new Map<string, string>();
  for (const topic of await store.topics()) {
    for (const { logId, signedHeight } of await store.heads(topic)) {
      const hashes: string[] = [];
      for await (const entry of store.entries(logId, { to: signedHeight })) {
        hashes.push(toHex(entry.hash));
      }
      logs.set(logId, hashes.join(" "));
    }
  }
  return logs;
}

/** A peer of a device with everything wired as an app wires it. */
export function peerOf(world: World, device: TestDevice): SyncPeer {
  const { crypto, timers } = world;
  const peer = createSyncPeer({
    store: device.store,
    crypto,
    timers,
    random: seededRandom(device.name.charCodeAt(0)),
    ingest: (range) => device.spaces.ingest(range),
    onFork: (topic) => device.spaces.recheck(topic),
    onSessionChange: (session) => device.spaces.compare(session),
    identities: () => device.spaces.identities(),
    topics: () => device.spaces.topics(),
  });
  device.spaces.onTopicsChanged(() => peer.topicsChanged());
  return peer;
}

/** Connects two devices for a while. */
export async function meet(world: World, a: TestDevice, b: TestDevice): Promise<void> {
  const peers = [peerOf(world, a), peerOf(world, b)] as const;
  const pair = createMemoryPair();
  const sessions: readonly SyncSession[] = [peers[0].attach(pair.a), peers[1].attach(pair.b)];
  await world.pass(8_000);
  for (const session of sessions) await session.close();
  for (const peer of peers) await peer[Symbol.asyncDispose]();
}
