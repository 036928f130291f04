/** The part of a relay that needs no network: spaces, quotas, sync. Layer 9. */
import type { Crypto } from "@hawser/crypto";
import type { StoredRange, Topic } from "@hawser/log";
import {
  createBodyDepot,
  createSpaces,
  rawQuota,
  type AdmissionRequest,
  type BodyDepot,
  type Spaces,
} from "@hawser/space";
import { broadcastBytesMax, createSyncPeer, type Ingest, type SyncPeer } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { createBodyBook } from "./body-quota.ts";
import type { Cluster } from "./cluster.ts";
import type { Data } from "./data.ts";
import { codeOf, RelayError } from "./errors.ts";
import { isFull } from "./hosting.ts";
import { openIdentity } from "./identity.ts";
import type { RelaySettings } from "./options.ts";
import type { LiveBus } from "./live-bus.ts";
import { withRecentRanges } from "./recent-ranges.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { createRetention, type Dropped, type Retention } from "./retention.ts";
import { createTurns } from "./turns.ts";
import { openUsageBook, withQuota, type UsageBook } from "./usage.ts";

/** Spaces at work on a store. */
export interface Follower {
  readonly spaces: Spaces;
  readonly usage: UsageBook;
  readonly peer: SyncPeer;
  /** Where something is dropped in time. */
  readonly retention: Retention | undefined;
  /** Ranges being verified and stored. */
  ingesting(): number;
  /** Ends sessions and whatever they still store. The store stays open. */
  close(): Promise<void>;
}

/** Range bytes on the way from one peer; a relay has many. */
const windowBytes = 1024 * 1024;
const controlDomain = "hawser.control";
const bundleLookMs = 60_000;
const bundleWaitMs = 200;
const bundleWaitsMax = 150;

/** Opens everything that the store holds. */
export async function openFollower(
  settings: RelaySettings,
  deps: { readonly crypto: Crypto; readonly data: Data; readonly metrics: RelayMetrics },
): Promise<Follower> {
  const { crypto, data, metrics } = deps;
  const { cluster } = data;
  const { random, clock, limits, onFailure } = settings;
  const store = withRecentRanges(metrics.measureStore(data.store));
  const timers = platformTimers;
  const open = () => openIdentity({ store, crypto, random });
  // Nodes that start together on an empty database agree on one identity.
  const identity = cluster === undefined ? await open() : await cluster.exclusively(open);
  const usage = await openUsageBook({ store, timers, limits, onFailure });
  const admitSpace = (): string | undefined =>
    isFull(spaces.list().length, usage.total().bytes, limits) ? "the relay is full" : undefined;
  // Nobody is let in to a raw space, so no author may use up what the space may store.
  const overQuota = rawQuota();
  const admit = (request: AdmissionRequest): string | undefined =>
    overQuota(request) ?? usage.admit(request);
  const isWriter = (): boolean => cluster?.isLeader() ?? true;
  const bodies = createBodyDepot(
    { store, crypto },
    { fetch: { upToBytes: limits.bodyBytesMax }, quota: createBodyBook(limits) },
  );
  const spaces = await createSpaces(
    { store, crypto, clock, random, timers, identity, isWriter, bodies },
    { admit, admitSpace },
  );
  const takeTurn = createTurns(settings.nowMs);
  const inTurn: Ingest = async (range) => {
    await takeTurn();
    return spaces.ingest(range);
  };
  const { ingest, idle, count } = withQuota(metrics.measureIngest(inTurn), usage);
  const { identities, topics } = spaces;
  const peer = createSyncPeer(
    {
      store,
      crypto,
      random,
      timers,
      ingest,
      bodies: bodies.source,
      onFork: (topic) => spaces.recheck(topic),
      // A store that came out of an archive writes only after a peer said how far its own logs go.
      onSessionChange: (session) => spaces.compare(session),
      identities,
      topics,
    },
    {
      windowBytes,
      topicEntries: limits.topicEntriesMax,
      topicBytes: limits.topicBytesMax,
      broadcasts: "forward",
    },
  );
  bodies.fetchFrom(peer);
  const unsubscribe = spaces.onTopicsChanged(() => peer.topicsChanged());
  const leaveLive = cluster === undefined ? undefined : shareBroadcasts(peer, cluster.live);
  const retention = openRetention(settings, { data, spaces, usage, metrics, bodies });
  const leave =
    cluster === undefined ? undefined : await followOthers({ cluster, spaces, data, settings });
  return {
    spaces,
    usage,
    peer,
    retention,
    ingesting: count,
    close: async () => {
      unsubscribe();
      leaveLive?.();
      retention?.stop();
      await leave?.();
      await peer[Symbol.asyncDispose]();
      await idle();
      await spaces.close();
      await usage.save();
      usage.stop();
    },
  };
}

/** What is broadcast at one node is heard at all. Returns what ends that. */
function shareBroadcasts(peer: SyncPeer, live: LiveBus): () => void {
  const endings = [
    peer.onBroadcast((topic, bytes) => live.say({ kind: "broadcast", to: topic, bytes })),
    live.listen(({ kind, to, bytes }) => {
      const isBroadcast = kind === "broadcast" && bytes.length > 0;
      // Safe: 64 hex characters, which only name a topic; one that is not here has no sessions.
      if (isBroadcast && bytes.length <= broadcastBytesMax) peer.broadcast(to as Topic, bytes);
    }),
  ];
  return () => {
    for (const end of endings) end();
  };
}

function openRetention(
  { retention, clock, logger, onFailure }: RelaySettings,
  parts: Pick<Follower, "spaces" | "usage"> & {
    readonly data: Data;
    readonly metrics: RelayMetrics;
    readonly bodies: BodyDepot;
  },
): Retention | undefined {
  const { data, spaces, usage, metrics, bodies } = parts;
  const { store, cluster } = data;
  if (retention.days === undefined && retention.idleDays === undefined) return undefined;
  const { topics } = spaces;
  const isWriter = (): boolean => cluster?.isLeader() ?? true;
  const onDropped = (dropped: Dropped): void => {
    logger.info("dropped", { ...dropped });
    metrics.dropped(dropped.entries);
  };
  const { dropBefore: dropBodies } = bodies;
  const base = { store, clock, usage, topics, dropBodies, isWriter, onDropped, onFailure };
  return createRetention({ ...base, timers: platformTimers }, retention);
}

interface NodeDeps {
  readonly cluster: Cluster;
  readonly spaces: Spaces;
  readonly data: Data;
  readonly settings: RelaySettings;
}

/** Takes in what other nodes store, and stands for election. Returns what ends that. */
async function followOthers({
  cluster,
  spaces,
  data,
  settings,
}: NodeDeps): Promise<() => Promise<void>> {
  const { onFailure, logger } = settings;
  let isStopped = false;
  let stopTimer = (): void => {};
  const attempt = (work: () => Promise<unknown>): void => {
    work().catch((cause: unknown) => {
      if (!isStopped) onFailure(cause);
    });
  };
  const unsubscribe = data.store.onCommit((ranges: readonly StoredRange[]) => {
    const control = ranges.filter(({ context }) => context.domain === controlDomain);
    if (control.length > 0) attempt(() => spaces.notice(control));
  });
  // Other nodes hand out what the store holds: so it is renewed here, in time.
  const keepBundle = (): void => {
    stopTimer();
    if (!cluster.isLeader() || isStopped) return;
    attempt(() => spaces.bundle());
    stopTimer = platformTimers.after(bundleLookMs, keepBundle);
  };
  const reload = createCoalesced(() => spaces.reload(), onFailure);
  const reloadNow = (): void => {
    if (!isStopped) reload.run();
  };
  await cluster.join({
    onElected: () => spaces.reload(),
    onLeading: (isLeader) => {
      logger.info(isLeader ? "leading" : "not_leading");
      if (isLeader) reloadNow();
      keepBundle();
    },
    onSpaces: reloadNow,
    onFailure,
  });
  await untilBundle(spaces);
  return async () => {
    isStopped = true;
    stopTimer();
    unsubscribe();
    await cluster.leave();
    await reload.idle();
  };
}

/** The first leader makes the relay's key bundle; the others wait for it once. */
async function untilBundle(spaces: Spaces): Promise<void> {
  for (let wait = 0; wait < bundleWaitsMax; wait++) {
    try {
      await spaces.bundle();
      return;
    } catch (error) {
      if (codeOf(error) !== "SPACE_STANDBY") throw error;
    }
    await new Promise<void>((resolve) => void platformTimers.after(bundleWaitMs, resolve));
    await spaces.reload();
  }
  throw new RelayError("RELAY_DATA_BUSY", "another node leads, and makes no key bundle");
}

/** Calls that come while one runs become one more. */
function createCoalesced(
  work: () => Promise<void>,
  onFailure: (cause: unknown) => void,
): { run(): void; idle(): Promise<void> } {
  let running: Promise<void> | undefined;
  let isWanted = false;
  const loop = async (): Promise<void> => {
    while (isWanted) {
      isWanted = false;
      await work().catch(onFailure);
    }
    running = undefined;
  };
  return {
    run: () => {
      isWanted = true;
      running ??= loop();
    },
    idle: async () => running,
  };
}
