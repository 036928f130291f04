/**
 * The parts of a device: store, spaces, sync and relays wired together. Internal; what the entry
 * points of this package share.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import { createBodyDepot, createSpaces, type Space, type Spaces } from "@hawser/space";
import { createSyncPeer, type SyncPeer } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { loadAccountTopic, loadRelays, loadSecret, saveRelays } from "./device-store.ts";
import { HawserError } from "./errors.ts";
import { systemClock, systemRandom } from "./platform.ts";
import { createRelayClient } from "./relay-client.ts";
import { createRelays, type Relays } from "./relays.ts";
import { createHawserSpace } from "./space.ts";
import type { DirectConnections, Hawser, HawserOptions, HawserSpace } from "./types.ts";

/** What a device is made of. */
export interface Parts {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly spaces: Spaces;
  readonly peer: SyncPeer;
  readonly relays: Relays;
  /** Ways to other devices beside the relays. */
  direct: DirectConnections | undefined;
  readonly open: Map<string, HawserSpace>;
  /** The topic of the account: its space is no app's. `@hawser/hawser/account` opens it. */
  account: string | undefined;
}

const partsOfDevice = new WeakMap<Hawser, Parts>();

/** Remembers what a device is made of. */
export function keepParts(hawser: Hawser, parts: Parts): Hawser {
  partsOfDevice.set(hawser, parts);
  return hawser;
}

/** What a device is made of. Throws HAWSER_CLOSED for an object that `createHawser` did not make. */
export function partsOf(hawser: Hawser): Parts {
  const parts = partsOfDevice.get(hawser);
  if (parts !== undefined) return parts;
  throw new HawserError("HAWSER_CLOSED", "not a device that createHawser has opened");
}

/** Ends everything, the store last. */
export async function closeParts(parts: Parts): Promise<void> {
  for (const space of parts.open.values()) await space[Symbol.asyncDispose]();
  await parts.direct?.[Symbol.asyncDispose]();
  await parts.relays[Symbol.asyncDispose]();
  await parts.peer[Symbol.asyncDispose]();
  await parts.spaces.close();
  await parts.store.close();
}

/**
 * Puts a device together over a store. `prekeySecret` is for a key that has no store of its own. Throws
 * like `createHawser`.
 */
export async function assemble(
  store: LogStore,
  crypto: Crypto,
  options: HawserOptions,
  prekeySecret?: Uint8Array,
): Promise<Parts> {
  const { secret, confirm } = await loadSecret(store, systemRandom, options.secret);
  // Safe: 32 bytes in hex name an author.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const timers = platformTimers;
  const { fetchBodies = "read" } = options;
  const bodies = createBodyDepot({ store, crypto }, { fetch: fetchBodies });
  const spaces = await createSpaces({
    bodies,
    store,
    crypto,
    clock: systemClock,
    random: systemRandom,
    timers,
    identity: { author, secret },
    ...(prekeySecret === undefined ? {} : { prekeySecret }),
  });
  await confirm();
  const peer = createSyncPeer({
    store,
    crypto,
    random: systemRandom,
    timers,
    ingest: (range) => spaces.ingest(range),
    bodies: bodies.source,
    onFork: (topic) => spaces.recheck(topic),
    onSessionChange: (session) => spaces.compare(session),
    identities: () => spaces.identities(),
    topics: () => spaces.topics(),
  });
  bodies.fetchFrom(peer);
  spaces.onTopicsChanged(() => {
    peer.topicsChanged();
    parts.direct?.changed();
    // Spaces may come by themselves, through a group that this device is in.
    for (const space of spaces.list()) if (space.status().state === "active") wrap(parts, space);
  });
  const relays = createRelays({ store, crypto, peer: () => peer, managed: () => managed(spaces) });
  const open = new Map<string, HawserSpace>();
  const account = await loadAccountTopic(store);
  const direct = undefined;
  const parts: Parts = { store, crypto, spaces, peer, relays, direct, open, account };
  for (const space of spaces.list()) wrap(parts, space);
  await connectRelays(parts, options);
  parts.direct = startDirect(parts, options);
  return parts;
}

function startDirect(parts: Parts, { direct }: HawserOptions): DirectConnections | undefined {
  const { crypto, spaces, peer, relays } = parts;
  return direct?.start({
    crypto,
    random: systemRandom,
    topics: () => spaces.topics(),
    relays: () =>
      relays.clients().flatMap(({ addresses: [address = "memory"], signal }) => {
        return signal === undefined ? [] : [{ address, signal }];
      }),
    attach: (connection) => void peer.attach(connection),
  });
}

/** Spaces whose relays this device may choose. */
function managed(spaces: Spaces): readonly Space[] {
  return spaces.list().filter((space) => {
    const isOwn = space.id !== undefined && space.access()?.level === "manage";
    return isOwn && space.status().state === "active";
  });
}

async function connectRelays(parts: Parts, options: HawserOptions): Promise<void> {
  const { relay } = options;
  const stored = await loadRelays(parts.store);
  if (typeof relay === "string") {
    // Made before anything is saved: an address that is none must not come back at the next start.
    parts.relays.add(createRelayClient(relay), { isOwn: true });
    await saveRelays(parts.store, [{ address: relay, isOwn: true }]);
  }
  for (const { address, isOwn } of stored) parts.relays.add(createRelayClient(address), { isOwn });
  if (typeof relay === "object") parts.relays.add(relay, { isOwn: true });
}

/** The spaces that apps see. */
export function appSpaces({ open, account }: Parts): readonly HawserSpace[] {
  return [...open.values()].filter(({ space }) => space.topic !== account);
}

/** The one wrapper of a space; followers have no id and none. */
export function wrap(parts: Parts, space: Space): HawserSpace | undefined {
  const { id } = space;
  if (id === undefined) return undefined;
  const known = parts.open.get(id);
  if (known !== undefined) return known;
  const { store, crypto, relays, peer } = parts;
  const wrapped = createHawserSpace({ space, id, store, crypto, relays, peer });
  parts.open.set(id, wrapped);
  return wrapped;
}
