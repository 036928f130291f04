/** A relay: store, spaces, sync, HTTP and WebSocket put together. Layer 9. */
import { once } from "node:events";
import type { Server } from "node:http";
import { isIPv6 } from "node:net";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { createSpaces, rawQuota, type AdmissionRequest, type Spaces } from "@hawser/space";
import { createSyncPeer, type Connection, type SyncPeer } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { countSignatures, type SignatureCounts } from "./counting.ts";
import { openData, type Data } from "./data.ts";
import { RelayError } from "./errors.ts";
import { createHosting, isFull } from "./hosting.ts";
import { createHttpServer } from "./http.ts";
import { openIdentity } from "./identity.ts";
import { createRateLimit } from "./limits.ts";
import { createMailboxes } from "./mailboxes.ts";
import { checkOptions, type RelayOptions, type RelaySettings } from "./options.ts";
import { openUsageBook, withQuota, type UsageBook } from "./usage.ts";
import { serveWebSockets } from "./web-socket.ts";

/** Figures of a relay: counts and sizes, nothing else is known to it. */
export interface RelayStats {
  /** Spaces hosted. */
  readonly topics: number;
  readonly logs: number;
  readonly entries: number;
  /** Compact bytes of all entries. */
  readonly rangeBytes: number;
  /** Bytes of sealed data in them. */
  readonly dataBytes: number;
  /** Bytes of the database files; 0 in memory. */
  readonly diskBytes: number;
  /** WebSockets open now. */
  readonly connections: number;
  /** Signatures made and checked since the start. */
  readonly signed: number;
  readonly checked: number;
}

/** A running relay. */
export interface Relay extends AsyncDisposable {
  /** `ws://host:port`; clients append `/v1/…`. */
  readonly url: string;
  /** Its public key: what members add to a space with level `pull`. */
  readonly author: AuthorId;
  /** Now, or as it was when the relay closed. */
  stats(): Promise<RelayStats>;
  /** Stops accepting, ends the sessions, then closes the store. Idempotent. */
  close(): Promise<void>;
}

/** Range bytes on the way from one peer; a relay has many. */
const windowBytes = 1024 * 1024;
/** Sockets beside the WebSockets, for short requests. */
const plainSocketsMax = 256;
const hourMs = 60 * 60 * 1_000;
const minuteMs = 60 * 1_000;
const mailboxLifeMs: number = 10 * minuteMs;
/** How long a request for a message is held; proxies rarely cut one off below that. */
const mailboxWaitMs = 20_000;
/** How long clients may take to say goodbye before they are cut off. */
const drainMsMax = 3_000;

/**
 * Starts a relay and resolves when it listens. Throws RelayError, SqliteStoreError (among them
 * `STORE_NEWER_FORMAT`) and SpaceError `SPACE_STATE_VERSION`, `SPACE_STATE_CORRUPT`.
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const settings = checkOptions(options);
  const counted = countSignatures(options.crypto ?? (await createCrypto()));
  const data = openData(counted.crypto, settings.data);
  try {
    const follower = await openFollower(settings, counted.crypto, data);
    try {
      return await serve(settings, { data, follower, counts: counted.counts });
    } catch (error) {
      await follower.close();
      throw error;
    }
  } catch (error) {
    await data.close();
    throw error;
  }
}

/** The part of a relay that needs no network: spaces, quotas, sync. */
interface Follower {
  readonly spaces: Spaces;
  readonly usage: UsageBook;
  readonly peer: SyncPeer;
  /** Ends sessions and whatever they still store. The store stays open. */
  close(): Promise<void>;
}

async function openFollower(
  settings: RelaySettings,
  crypto: Crypto,
  data: Data,
): Promise<Follower> {
  const { store } = data;
  const { random, clock, limits, onFailure } = settings;
  const timers = platformTimers;
  const identity = await openIdentity({ store, crypto, random });
  const usage = await openUsageBook({ store, timers, limits, onFailure });
  const deps = { store, crypto, clock, random, timers, identity };
  const admitSpace = (): string | undefined =>
    isFull(spaces.list().length, usage.total().bytes, limits) ? "the relay is full" : undefined;
  // Nobody is let in to a raw space, so no author may use up what the space may store.
  const overQuota = rawQuota();
  const admit = (request: AdmissionRequest): string | undefined =>
    overQuota(request) ?? usage.admit(request);
  const spaces = await createSpaces(deps, { admit, admitSpace });
  const { ingest, idle } = withQuota(spaces.ingest, usage);
  const { identities, topics } = spaces;
  const peer = createSyncPeer(
    {
      store,
      crypto,
      random,
      timers,
      ingest,
      onFork: (topic) => spaces.recheck(topic),
      // A store that came out of an archive writes only after a peer said how far its own logs go.
      onSessionChange: (session) => spaces.compare(session),
      identities,
      topics,
    },
    { windowBytes, topicEntries: limits.topicEntriesMax, topicBytes: limits.topicBytesMax },
  );
  const unsubscribe = spaces.onTopicsChanged(() => peer.topicsChanged());
  return {
    spaces,
    usage,
    peer,
    close: async () => {
      unsubscribe();
      await peer[Symbol.asyncDispose]();
      await idle();
      await spaces.close();
      await usage.save();
      usage.stop();
    },
  };
}

async function serve(
  settings: RelaySettings,
  parts: {
    readonly data: Data;
    readonly follower: Follower;
    readonly counts: () => SignatureCounts;
  },
): Promise<Relay> {
  const { data, follower } = parts;
  const { limits, nowMs, trustProxy, onFailure } = settings;
  let closing: Promise<void> | undefined;
  let lastStats: RelayStats | undefined;
  const isClosing = (): boolean => closing !== undefined;

  const hosting = createHosting(follower.spaces);
  const rate = (max: number, windowMs: number) => createRateLimit({ max, windowMs, nowMs });
  const hostRequests = rate(limits.hostRequestsPerHourMax, hourMs);
  const connects = rate(limits.connectsPerMinuteMax, minuteMs);
  const pairRequests = rate(limits.pairRequestsPerMinuteMax, minuteMs);
  const mailboxes = createMailboxes({
    countMax: limits.mailboxesMax,
    lifeMs: mailboxLifeMs,
    waitMs: mailboxWaitMs,
    waitingMax: plainSocketsMax / 2,
    nowMs,
    random: settings.random,
    after: platformTimers.after,
  });
  const server = createHttpServer(
    { hosting, hostRequests, mailboxes, pairRequests, isClosing, onFailure },
    { trustProxy, socketsMax: limits.connectionsMax + plainSocketsMax },
  );
  const attach = (connection: Connection): void => {
    const session = follower.peer.attach(connection);
    void session.closed.then(({ code, cause }) => {
      if (code === "SYNC_LOCAL_FAILURE") onFailure(cause);
    });
  };
  const webSockets = serveWebSockets(
    { server, connects, attach, isClosing },
    {
      trustProxy,
      connectionsMax: limits.connectionsMax,
      connectionsPerAddressMax: limits.connectionsPerAddressMax,
    },
  );
  await listen(server, settings);

  const readStats = async (): Promise<RelayStats> => {
    const { logs, entries, rangeBytes, dataBytes, diskBytes = 0 } = await data.store.stats();
    const topics = follower.spaces.list().length;
    const connections = webSockets.count();
    return {
      topics,
      logs,
      entries,
      rangeBytes,
      dataBytes,
      diskBytes,
      connections,
      ...parts.counts(),
    };
  };
  const shut = async (): Promise<void> => {
    mailboxes.stop();
    const stopped = stopServer(server, () => webSockets.terminate());
    await hosting.idle();
    await follower.close();
    await stopped;
    lastStats = await readStats();
    await data.close();
  };
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };

  return {
    url: urlOf(server, settings.host),
    author: follower.spaces.author,
    stats: async () => lastStats ?? readStats(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: Server, { host, port }: RelaySettings): Promise<void> {
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (cause) {
    const message = `cannot listen on ${host} port ${port}`;
    throw new RelayError("RELAY_LISTEN_FAILED", message, { cause });
  }
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return `ws://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Resolves when every socket is gone, the slow ones by force. */
async function stopServer(server: Server, terminateWebSockets: () => void): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const stopTimer = platformTimers.after(drainMsMax, () => {
    terminateWebSockets();
    server.closeAllConnections();
  });
  await closed;
  stopTimer();
}
