/**
 * Relays: one connection to each that is kept up, and the spaces handed to them.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import { parseBundle, verifyBundle, type KeyBundle } from "@hawser/keys";
import type { LogStore, Topic } from "@hawser/log";
import type { Space } from "@hawser/space";
import type { Connection, SyncCloseCode, SyncPeer, SyncSession } from "@hawser/sync";
import { createDialler, platformTimers, type Dialler } from "@hawser/transport-ws";
import { isHosted, saveHosted } from "./device-store.ts";
import { HawserError } from "./errors.ts";
import { systemRandom } from "./platform.ts";
import type { RelayClient, RelayState, Traffic } from "./types.ts";

export interface Relays extends AsyncDisposable {
  readonly isEmpty: boolean;
  /**
   * Starts to keep a connection to a relay up. Spaces are handed only to relays that the device's
   * owner chose (`isOwn`): what somebody else's link names must not learn of them.
   */
  add(client: RelayClient, options: { readonly isOwn: boolean }): void;
  clients(): readonly RelayClient[];
  /** Where others find a space: the owner's relays, and those that serve the space now. */
  addresses(topic: Topic): readonly string[];
  isRelay(author: AuthorId): boolean;
  /** Sessions that are open now. */
  sessions(): readonly SyncSession[];
  /** How each connection stands. */
  states(): readonly RelayState[];
  /** Why this device hung up on a relay that broke the rules, while none serves it honestly. */
  misbehaviour(): string | undefined;
  /** Resolves when a session opens or closes, a space was handed over, or access changed. */
  changed(signal: AbortSignal | undefined): Promise<void>;
  /** Ends every session, so that each begins anew with the identities and keys of now. */
  redial(): Promise<void>;
  /** Makes every relay follow the space; relays that are away take it when they are back. */
  host(space: Space): Promise<void>;
  traffic(): Traffic;
}

export interface RelaysDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly peer: () => SyncPeer;
  /** Spaces this device manages. */
  readonly managed: () => readonly Space[];
}

interface Link {
  readonly client: RelayClient;
  readonly dialler: Dialler;
  /** The device's owner chose it; spaces are handed to no other. */
  isOwn: boolean;
  session: SyncSession | undefined;
  /** The code with which this device ended the last session for cause. */
  misbehaviour: SyncCloseCode | undefined;
}

/** Endings that are nobody's fault: everything else that we end, the relay gave cause for. */
const innocentCodes: ReadonlySet<SyncCloseCode> = new Set([
  "SYNC_DONE",
  "SYNC_CONNECTION_LOST",
  "SYNC_HANDSHAKE_TIMEOUT",
  "SYNC_IDLE",
  "SYNC_SLOW",
  "SYNC_LOCAL_FAILURE",
]);

export function createRelays(deps: RelaysDeps): Relays {
  const links = new Map<string, Link>();
  const authors = new Set<AuthorId>();
  const stop = new AbortController();
  let change = Promise.withResolvers<void>();
  let bytesSent = 0;
  let bytesReceived = 0;

  const tell = (): void => {
    change.resolve();
    change = Promise.withResolvers<void>();
  };

  const count = (connection: Connection): Connection => ({
    ...connection,
    frames: countedFrames(connection.frames, (byteCount) => {
      bytesReceived += byteCount;
    }),
    send: (frame) => {
      bytesSent += frame.length;
      return connection.send(frame);
    },
    close: (reason) => connection.close(reason),
  });

  // One after another: two hand-overs of one space must not add the relay twice.
  let handOvers: Promise<unknown> = Promise.resolve();
  const handOver = (client: RelayClient, space: Space): Promise<void> => {
    const result = handOvers.then(() => handOverNow(client, space));
    handOvers = result.catch(() => undefined);
    return result;
  };

  const handOverNow = async (client: RelayClient, space: Space): Promise<void> => {
    const { signal } = stop;
    const bundle = checkBundle(deps.crypto, await client.bundle({ signal }));
    authors.add(bundle.author);
    if (await isHosted(deps.store, space.topic, bundle.author)) return;
    await announce(space, client.addresses);
    if (space.access(bundle.author) === undefined) await space.add(bundle, "pull");
    await client.host(space.hosting(bundle, client.addresses), { signal });
    await saveHosted(deps.store, space.topic, bundle.author);
    tell();
  };

  const use = async (link: Link, connection: Connection): Promise<void> => {
    // What a relay refuses now it may take later; the spaces it has are synced all the same.
    for (const space of link.isOwn ? deps.managed() : []) {
      await handOver(link.client, space).catch(() => undefined);
    }
    const session = deps.peer().attach(count(connection));
    link.session = session;
    // The relay gets another chance; when it lies again, the code is back before the session ends.
    link.misbehaviour = undefined;
    const unsubscribe = session.onChange(() => {
      const [relay] = session.identities();
      if (relay !== undefined) authors.add(relay);
      tell();
    });
    tell();
    const { code, by } = await session.closed;
    unsubscribe();
    link.session = undefined;
    if (by === "local" && !innocentCodes.has(code)) link.misbehaviour = code;
    tell();
  };

  const add = (client: RelayClient, { isOwn }: { readonly isOwn: boolean }): void => {
    const name = client.addresses[0] ?? "memory";
    const known = links.get(name);
    if (known !== undefined) {
      known.isOwn ||= isOwn;
      return;
    }
    const link: Link = {
      client,
      isOwn,
      session: undefined,
      misbehaviour: undefined,
      dialler: createDialler(
        {
          connect: (signal) => client.connect({ signal }),
          use: (connection) => use(link, connection),
          timers: platformTimers,
          random: systemRandom,
        },
        { delayMsMax: 15_000 },
      ),
    };
    links.set(name, link);
    tell();
  };

  return {
    get isEmpty() {
      return links.size === 0;
    },
    add,
    clients: () => [...links.values()].map(({ client }) => client),
    addresses: (topic) =>
      [...links.values()]
        .filter(({ isOwn, session }) => isOwn || session?.access(topic) !== undefined)
        .flatMap(({ client }) => client.addresses),
    isRelay: (author) => authors.has(author),
    sessions: () => [...links.values()].flatMap((link) => link.session ?? []),
    states: () =>
      [...links.values()].map(({ client, session, misbehaviour }) => ({
        address: client.addresses[0] ?? "",
        isConnected: session !== undefined,
        misbehaviour,
      })),
    misbehaviour: () => {
      const all = [...links.values()];
      const codes = all.flatMap((link) => link.misbehaviour ?? []);
      return codes.length === all.length ? codes[0] : undefined;
    },
    redial: async () => {
      await Promise.all([...links.values()].flatMap((link) => link.session?.close() ?? []));
    },
    changed: (signal) => abortable(change.promise, signal),
    host: async (space) => {
      for (const link of links.values()) {
        if (!link.isOwn) continue;
        // A relay that is away takes the space when its connection is back: see `use`.
        await handOver(link.client, space).catch((error: unknown) => {
          if (isRefusal(error)) throw error;
        });
      }
    },
    traffic: () => ({ bytesSent, bytesReceived }),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      for (const link of links.values()) {
        await link.session?.close();
        await link.dialler[Symbol.asyncDispose]();
      }
      tell();
    },
  };
}

/** A year; a device that is in use hands its spaces over again before that. */
const announcedSeconds: number = 365 * 24 * 3_600;

/** A relay is one more address of this device's logs (TH-039). */
async function announce(space: Space, addresses: readonly string[]): Promise<void> {
  const known = space.addresses().filter(({ author }) => author === space.author);
  for (const address of addresses) {
    if (known.some((one) => one.address === address)) continue;
    await space.announceAddress(address, announcedSeconds);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof HawserError && error.code === "HAWSER_RELAY_REFUSED";
}

async function* countedFrames(
  frames: AsyncIterable<Uint8Array>,
  count: (byteCount: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const frame of frames) {
    count(frame.length);
    yield frame;
  }
}

/** The relay's bundle is checked like any other: it is signed by the relay's own key. */
function checkBundle(crypto: Crypto, bytes: Uint8Array): KeyBundle {
  const parsed = parseBundle(bytes);
  const verdict = parsed.ok ? verifyBundle(crypto, parsed.bundle, parsed.bundle.author) : parsed;
  if (verdict.ok) return verdict.bundle;
  throw new HawserError("HAWSER_RELAY_UNREACHABLE", "the relay's key bundle does not verify");
}

/** The promise, or a rejection with the signal's reason when that comes first. */
async function abortable(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  await Promise.race([promise, aborted.promise]);
  // An app may pass one signal for all its life.
  signal.removeEventListener("abort", onAbort);
  signal.throwIfAborted();
}
