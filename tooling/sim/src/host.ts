/**
 * One device or relay: the real store adapter, spaces, sync and key-value views, wired as an app wires
 * them, on a disk that outlives its crashes. A *life* is one run of the program.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { createKv, type Kv } from "@hawser/kv";
import type { EncodedRange, LogId, LogStore, Topic } from "@hawser/log";
import { createSpaces, type Space, type Spaces } from "@hawser/space";
import {
  createSyncPeer,
  type Ingest,
  type IngestOutcome,
  type SyncPeer,
  type SyncTopic,
  type Timers,
} from "@hawser/sync";
import type { EventSource } from "@hawser/view";
import type { Disk, DiskBugs } from "./disk.ts";
import { createOwner, type Owner, type Schedule } from "./schedule.ts";

/** A running program. */
export interface Life {
  readonly owner: Owner;
  readonly store: LogStore;
  readonly spaces: Spaces;
  readonly peer: SyncPeer;
  /** Views of the spaces this device reads. */
  readonly views: ReadonlyMap<Topic, Kv>;
  /** Errors the disk had answered when the program started. */
  readonly errorsBefore: number;
}

/** A device or relay. */
export interface Host {
  readonly name: string;
  readonly role: "device" | "relay";
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly disk: Disk;
  /** How its clock differs from true time. */
  readonly clock: { offsetMicros: number; rate: number };
  /** False once it was made to cheat: nothing is promised to it any more. */
  isHonest: boolean;
  /** Logs a relay announces and never sends, until it is started anew. */
  readonly withheld: Set<LogId>;
  life: Life | undefined;
  /** Programs started so far. */
  lives: number;
}

/** Where a planted bug changes the parts of a host; each wraps a real part. */
export interface Bug {
  readonly disk?: DiskBugs;
  readonly crypto?: (crypto: Crypto) => Crypto;
  readonly ingest?: (ingest: Ingest, spaces: Spaces) => Ingest;
  readonly topics?: (topics: readonly SyncTopic[]) => readonly SyncTopic[];
  readonly source?: (source: EventSource) => EventSource;
  readonly spaceTimers?: (timers: Timers) => Timers;
  readonly syncStore?: (store: LogStore) => LogStore;
}

/** What hosts live in. */
export interface HostDeps {
  readonly crypto: Crypto;
  readonly schedule: Schedule;
  readonly seed: number;
  /** True time, µs. */
  readonly trueMicros: () => number;
  readonly bug: Bug;
  /** Topics of a host changed, in the life that says so. */
  readonly onTopics: (host: Host, life: Life) => void;
  /** A host took in a range that a peer sent, or did not. */
  readonly onIngest: (host: Host, range: EncodedRange, outcome: IngestOutcome) => void;
}

/** A host that is switched off. */
export function createHost(
  deps: HostDeps,
  facts: { readonly name: string; readonly role: Host["role"]; readonly disk: Disk },
): Host {
  const { crypto, seed } = deps;
  const secret = seededRandom(`identity ${seed} ${facts.name}`)(32);
  // Safe: 32 bytes in hex name an author.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const clock = { offsetMicros: 0, rate: 1 };
  return {
    ...facts,
    author,
    secret,
    clock,
    isHonest: true,
    withheld: new Set(),
    life: undefined,
    lives: 0,
  };
}

/** Starts the program. Rejects as the store and the spaces do. */
export async function boot(deps: HostDeps, host: Host): Promise<Life> {
  const { schedule, bug } = deps;
  host.lives += 1;
  const owner = createOwner(`${host.name}.${host.lives}`);
  const errorsBefore = host.disk.errorCount();
  const store = await host.disk.open(owner);
  const crypto = bug.crypto?.(deps.crypto) ?? deps.crypto;
  const timers: Timers = { after: (ms, callback) => schedule.after(owner, ms, callback) };
  const clock = { nowMicros: () => microsOf(deps, host) };
  const identity = { author: host.author, secret: host.secret };
  const random = seededRandom(`${deps.seed} ${owner.name}`);
  const spaceTimers = bug.spaceTimers?.(timers) ?? timers;
  const options = { acceptGroupOffers: true };
  const base = { store, crypto, clock, random, identity };
  const spaces = await createSpaces({ ...base, timers: spaceTimers }, options);
  const ingest: Ingest = async (range) => {
    const outcome = await spaces.ingest(range);
    if (owner.isAlive) deps.onIngest(host, range, outcome);
    return outcome;
  };
  const peer = createSyncPeer({
    store: withholding(bug.syncStore?.(store) ?? store, host.withheld),
    crypto,
    random,
    timers,
    ingest: bug.ingest?.(ingest, spaces) ?? ingest,
    onFork: (topic) => spaces.recheck(topic),
    onSessionChange: (session) => spaces.compare(session),
    identities: () => spaces.identities(),
    topics: () => bug.topics?.(spaces.topics()) ?? spaces.topics(),
  });
  const views = new Map<Topic, Kv>();
  const life: Life = { owner, store, spaces, peer, views, errorsBefore };
  const openViews = (): void => {
    for (const space of spaces.list()) {
      if (space.id === undefined || views.has(space.topic)) continue;
      views.set(space.topic, createKv({ source: bug.source?.(space) ?? space }));
    }
  };
  spaces.onTopicsChanged(() => {
    peer.topicsChanged();
    openViews();
    deps.onTopics(host, life);
  });
  openViews();
  return life;
}

/** A store as peers see it: logs that are withheld have heads and no entries. */
function withholding(store: LogStore, withheld: ReadonlySet<LogId>): LogStore {
  return {
    ...store,
    ranges: (logId, options) =>
      store.ranges(logId, withheld.has(logId) ? { from: 0, to: 0 } : options),
  };
}

/** Ends the program without a word: nothing of it happens any more. */
export function kill(host: Host): void {
  if (host.life !== undefined) host.life.owner.isAlive = false;
  host.life = undefined;
  host.withheld.clear();
}

/** What the host's clock shows, µs. */
function microsOf({ trueMicros }: HostDeps, { clock }: Host): number {
  return Math.floor(trueMicros() * 1 + clock.offsetMicros + elapsed(trueMicros) * (clock.rate - 1));
}

/** µs since the runs' common start. */
function elapsed(trueMicros: () => number): number {
  return trueMicros() - startMicros;
}

/** True time at the start of every run, µs since 1970. */
export const startMicros = 1_794_000_000_000_000;

/** The space of a topic on a running host. */
export function spaceOf(host: Host, topic: Topic): Space | undefined {
  return host.life?.spaces.list().find((space) => space.topic === topic);
}

/** Did the disk answer with an error since the program started? */
export function hadDiskError(host: Host): boolean {
  return host.life !== undefined && host.disk.errorCount() > host.life.errorsBefore;
}
