/** A relay: store, spaces, sync, HTTP and WebSocket put together. Layer 9. */
import { once } from "node:events";
import type { Server } from "node:http";
import { isIPv6 } from "node:net";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import type { Connection, SyncSession } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { countSignatures, type SignatureCounts } from "./counting.ts";
import { openData, type Data } from "./data.ts";
import { drawRetryAfter, sayGoodbye, stopServer } from "./drain.ts";
import { RelayError, type RelayAnswerCode } from "./errors.ts";
import { openFollower, type Follower } from "./follower.ts";
import { createHosting, type Hosting } from "./hosting.ts";
import { createHttpServer } from "./http.ts";
import { createRateLimit } from "./limits.ts";
import { createMailboxes, type Mailboxes } from "./mailboxes.ts";
import { serveMetrics, type MetricsServer } from "./metrics-server.ts";
import { checkOptions, type RelayOptions, type RelaySettings } from "./options.ts";
import { createRelayMetrics, type LimitName, type RelayMetrics } from "./relay-metrics.ts";
import { openReaders } from "./readers.ts";
import { syncPath } from "./routes.ts";
import { createSignalRooms } from "./signal-rooms.ts";
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
  /** Where `/metrics` is on a port of its own: that port. */
  readonly metricsPort: number | undefined;
  /** Now, or as it was when the relay closed. */
  stats(): Promise<RelayStats>;
  /** Stops accepting, ends the sessions, then closes the store. Idempotent. */
  close(): Promise<void>;
}

const loopbackHosts: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);
/** Sockets beside the WebSockets, for short requests. */
const plainSocketsMax = 256;
const plainSocketsPerAddressMax = 128;
const hourMs = 60 * 60 * 1_000;
const minuteMs = 60 * 1_000;
const mailboxLifeMs: number = 10 * minuteMs;
/** How long a request for a message is held; proxies rarely cut one off below that. */
const mailboxWaitMs = 20_000;
/** Rooms for signals hold nothing but their members, and those are counted as connections. */
const signalLimits = { roomsMax: 10_000, membersMax: 32 };

/**
 * Starts a relay and resolves when it listens. Throws RelayError, SqliteStoreError (among them
 * `STORE_NEWER_FORMAT`) and SpaceError `SPACE_STATE_VERSION`, `SPACE_STATE_CORRUPT`.
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const settings = checkOptions(options);
  const counted = countSignatures(options.crypto ?? (await createCrypto()));
  const data = await openData(counted.crypto, settings);
  const metrics = createRelayMetrics(settings.nowMs);
  try {
    const follower = await openFollower(settings, { crypto: counted.crypto, data, metrics });
    try {
      const { crypto, counts } = counted;
      return await serve(settings, { crypto, data, follower, metrics, counts });
    } catch (error) {
      await follower.close();
      throw error;
    }
  } catch (error) {
    await data.close();
    throw error;
  }
}

async function serve(
  settings: RelaySettings,
  parts: {
    readonly crypto: Crypto;
    readonly data: Data;
    readonly follower: Follower;
    readonly metrics: RelayMetrics;
    readonly counts: () => SignatureCounts;
  },
): Promise<Relay> {
  const { crypto, data, follower, metrics } = parts;
  const { limits, nowMs, trustProxy, onFailure, random, logger } = settings;
  const timers = platformTimers;
  let closing: Promise<void> | undefined;
  let lastStats: RelayStats | undefined;
  const isClosing = (): boolean => closing !== undefined;

  const hosting = tellingOthers(createHosting(follower.spaces), data);
  const sessions = new Set<SyncSession>();
  const retryAfter = (): string => drawRetryAfter(random);
  const rate = (max: number, windowMs: number) => createRateLimit({ max, windowMs, nowMs });
  const hostRequests = rate(limits.hostRequestsPerHourMax, hourMs);
  const connects = rate(limits.connectsPerMinuteMax, minuteMs);
  const pairRequests = rate(limits.pairRequestsPerMinuteMax, minuteMs);
  const mailboxes = openMailboxes(settings, data);
  const scrape = { render: metrics.render, token: settings.metrics.token };
  const onRefusal = (code: RelayAnswerCode, path = syncPath): void => {
    metrics.refused(code, limitOf(path));
    logger.debug("refused", { code });
  };
  const shared = { isClosing, onRefusal, retryAfter };
  const readers = await openReaders(settings, { crypto, data, follower, isClosing });
  const limitedParts = { hostRequests, mailboxes, pairRequests, readers };
  const routeParts = { hosting, onFailure, scrape, crypto, ...limitedParts };
  const server = createHttpServer(
    { ...shared, ...routeParts },
    {
      trustProxy,
      socketsMax: limits.connectionsMax + plainSocketsMax,
      socketsPerAddressMax: limits.connectionsPerAddressMax + plainSocketsPerAddressMax,
    },
  );
  const attach = (connection: Connection): void => {
    const session = follower.peer.attach(metrics.measureConnection(connection));
    const sinceMs = nowMs();
    sessions.add(session);
    follower.retention?.attached(session);
    metrics.sessionOpened();
    void session.closed.then((closed) => {
      const { code, by, cause } = closed;
      sessions.delete(session);
      metrics.sessionClosed(closed);
      logger.debug("session_closed", {
        code,
        by,
        seconds: Math.round((nowMs() - sinceMs) / 1_000),
      });
      if (code === "SYNC_LOCAL_FAILURE") onFailure(cause);
    });
  };
  const live = data.cluster?.live;
  const onSignal = (to: string, bytes: Uint8Array): void =>
    live?.say({ kind: "signal", to, bytes });
  const signalRooms = createSignalRooms({ ...signalLimits, timers, nowMs, onSignal });
  live?.listen(({ kind, to, bytes }) => {
    if (kind === "signal") signalRooms.hear(to, bytes);
  });
  const attachSignals = (connection: Connection): void => void signalRooms.serve(connection);
  const webSockets = serveWebSockets(
    { server, connects, attach, attachSignals, ...shared },
    {
      trustProxy,
      connectionsMax: limits.connectionsMax,
      connectionsPerAddressMax: limits.connectionsPerAddressMax,
    },
  );
  metrics.expose({
    sessions: () => webSockets.count(),
    topics: () => follower.spaces.list().length,
    storedBytes: () => follower.usage.total().bytes,
    storedEntries: () => follower.usage.total().entries,
    ingesting: () => follower.ingesting(),
    isLeader: () => data.cluster?.isLeader() ?? true,
    rssBytes: () => process.memoryUsage.rss(),
    cpuSeconds: () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
  });
  let metricsServer: MetricsServer | undefined;
  try {
    await listen(server, settings);
    metricsServer = await openMetricsServer(settings, server, metrics);
  } catch (error) {
    await readers.stop();
    throw error;
  }

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
    const { drainMs } = settings;
    logger.info("draining", { sessions: sessions.size });
    mailboxes.stop();
    signalRooms.stop();
    const terminateWebSockets = (): void => webSockets.terminate();
    const stopped = stopServer(server, { timers, drainMs, terminateWebSockets });
    await sayGoodbye([...sessions], { timers, random, windowMs: drainMs / 2 });
    await hosting.idle();
    await readers.stop();
    await follower.close();
    await stopped;
    metricsServer?.close();
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
    metricsPort: metricsServer?.port,
    stats: async () => lastStats ?? readStats(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Hosting whose new spaces the other nodes hear of. */
function tellingOthers(hosting: Hosting, { cluster }: Data): Hosting {
  if (cluster === undefined) return hosting;
  return {
    ...hosting,
    host: async (request) => {
      const outcome = await hosting.host(request);
      if (outcome === "hosted") cluster.tellSpaces();
      return outcome;
    },
  };
}

function openMailboxes({ limits, nowMs, random }: RelaySettings, { cluster }: Data): Mailboxes {
  const options = {
    countMax: limits.mailboxesMax,
    lifeMs: mailboxLifeMs,
    waitMs: mailboxWaitMs,
    waitingMax: plainSocketsMax / 2,
    nowMs,
    random,
    after: platformTimers.after,
  };
  return cluster === undefined ? createMailboxes(options) : cluster.mailboxes.open(options);
}

function limitOf(path: string): LimitName {
  if (path === syncPath) return "connects";
  if (path === "/v1/host") return "hostRequests";
  return path.startsWith("/v1/pair") ? "pairRequests" : "other";
}

async function openMetricsServer(
  settings: RelaySettings,
  server: Server,
  { render }: RelayMetrics,
): Promise<MetricsServer | undefined> {
  const { port, host = "127.0.0.1", token } = settings.metrics;
  if (port === undefined) return undefined;
  // Nothing in the figures names a space, but how busy a relay is need not be public.
  if (token === undefined && !loopbackHosts.has(host)) settings.logger.warn("metrics_open");
  try {
    return await serveMetrics(render, { host, port, token });
  } catch (error) {
    server.close();
    throw error;
  }
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
