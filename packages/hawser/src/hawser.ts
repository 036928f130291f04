/**
 * createHawser: one device. Chooses platform parts, opens the store, wires spaces, sync and relays.
 */
import { openSqlite } from "#sqlite";
import { createCrypto, type Crypto } from "@hawser/crypto";
import { createMemoryStore, type LogStore } from "@hawser/log";
import { parseInviteLink, type Space } from "@hawser/space";
import { saveRelays } from "./device-store.ts";
import { HawserError } from "./errors.ts";
import { appSpaces, assemble, closeParts, keepParts, wrap, type Parts } from "./parts.ts";
import { createRelayClient } from "./relay-client.ts";
import type { Hawser, HawserOptions, HawserSpace, JoinOptions } from "./types.ts";

/** How long `join` waits for a relay and a member before it gives up. */
const joinMsMax = 120_000;

/**
 * Opens a device: the one in the store, or a new one. Errors: HAWSER_WRONG_SECRET, the STORE_… codes
 * and SPACE_STATE_….
 */
export async function createHawser(options: HawserOptions = {}): Promise<Hawser> {
  const crypto = options.crypto ?? (await createCrypto());
  const store = await openStore(options, crypto);
  try {
    const parts = await assemble(store, crypto, options);
    return keepParts(createDevice(parts), parts);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The store that was given, or the file, or memory. */
export async function openStore(
  options: Pick<HawserOptions, "store" | "path">,
  crypto: Crypto,
): Promise<LogStore> {
  if (options.store !== undefined) return options.store;
  if (options.path === undefined) return createMemoryStore({ crypto });
  return await openSqlite(crypto, options.path);
}

function createDevice(parts: Parts): Hawser {
  const { spaces, relays } = parts;
  let isClosed = false;
  const assertOpen = (): void => {
    if (isClosed) throw new HawserError("HAWSER_CLOSED", "the device is closed");
  };
  return {
    author: spaces.author,
    create: async () => {
      assertOpen();
      // Whoever was let in earlier stands: an ex-manager must not take the founder down with it.
      const space = await spaces.create({ policy: "senior-wins" });
      await relays.host(space);
      return required(wrap(parts, space));
    },
    join: async (link, options = {}) => {
      assertOpen();
      return await join(parts, link, options);
    },
    spaces: () => appSpaces(parts),
    space: (id) => appSpaces(parts).find((space) => space.id === id),
    damaged: () => spaces.damaged(),
    relays: () => relays.states(),
    relaysChanged: (changeOptions = {}) => relays.changed(changeOptions.signal),
    directPeers: () => parts.direct?.peerCount() ?? 0,
    traffic: () => relays.traffic(),
    stats: () => parts.store.stats(),
    store: parts.store,
    [Symbol.asyncDispose]: async () => {
      if (isClosed) return;
      isClosed = true;
      await closeParts(parts);
    },
  };
}

function required(space: HawserSpace | undefined): HawserSpace {
  if (space !== undefined) return space;
  throw new Error("a space this device founded or joined has an id");
}

async function join(parts: Parts, link: string, { signal, as }: JoinOptions): Promise<HawserSpace> {
  const { id, addresses } = parseInviteLink(parts.crypto, link);
  const stale = parts.open.get(id);
  const comesBack = stale !== undefined && stale.space.status().state !== "active";
  const usable = addresses.filter((address) => /^wss?:\/\//.test(address));
  for (const address of usable) parts.relays.add(createRelayClient(address), { isOwn: false });
  if (parts.relays.isEmpty) {
    throw new HawserError("HAWSER_NO_RELAY", "neither the link nor this device names a relay");
  }
  const space = await parts.spaces.join(link, as === undefined ? {} : { as });
  // Identities are proven to new connections only (docs/spec/3-sync.md §4). Without the one-time key
  // of the link, a relay that hears of a rotation first has nothing for the keys in the link.
  const direct = parts.peer.peers().flatMap(({ sessions }) => sessions);
  await Promise.all([parts.relays.redial(), ...direct.map((session) => session.close())]);
  const limit = AbortSignal.timeout(joinMsMax);
  const over = new AbortController();
  const ends = [limit, over.signal, ...(signal === undefined ? [] : [signal])];
  const waiting = AbortSignal.any(ends);
  void watchRefusal(parts, space, waiting).then((isRefused) => {
    if (isRefused) over.abort(inviteRefused());
  });
  try {
    await space.ready({ signal: waiting });
  } catch (error) {
    if (!limit.aborted) throw error;
    const reached = parts.relays.sessions().length > 0;
    const message = reached ? "no member has answered yet" : "no relay of the link answers";
    const code = reached ? "HAWSER_NO_ACCESS" : "HAWSER_RELAY_UNREACHABLE";
    throw new HawserError(code, message, { cause: error });
  } finally {
    over.abort();
  }
  // Only now: a link that led nowhere leaves no address behind.
  await saveRelays(
    parts.store,
    usable.map((address) => ({ address, isOwn: false })),
  );
  if (comesBack) {
    // What was lost stays lost for its holder; who comes back gets a space of its own.
    parts.open.delete(id);
    await stale[Symbol.asyncDispose]();
  }
  return required(wrap(parts, space));
}

/** How long every relay must refuse a joiner before that is believed: proofs take a few messages. */
const refusalMsMin = 4_000;

/** True once all connected relays have given nothing of the space for a while; false at the end. */
async function watchRefusal(parts: Parts, space: Space, signal: AbortSignal): Promise<boolean> {
  const isRefused = (): boolean => {
    const sessions = parts.relays.sessions();
    const known = sessions.flatMap((session) => session.access(space.topic) ?? []);
    return known.length > 0 && known.every(({ received }) => received === "none");
  };
  while (!signal.aborted) {
    if (isRefused()) {
      const pause = AbortSignal.any([signal, AbortSignal.timeout(refusalMsMin)]);
      await new Promise((resolve) => {
        pause.addEventListener("abort", resolve, { once: true });
      });
      if (!signal.aborted && isRefused()) return true;
    } else await parts.relays.changed(signal).catch(() => undefined);
  }
  return false;
}

function inviteRefused(): HawserError {
  const message = "the relay does not accept the invite: used, taken back, too old, or unknown";
  return new HawserError("HAWSER_INVITE_REFUSED", message);
}
