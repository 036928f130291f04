/**
 * The front door. Layer 8; the one layer of the libraries that may reach for the platform: a clock,
 * random numbers, timers, files and sockets are chosen here and handed down.
 */
import type { Level, Need } from "@hawser/auth";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Kv } from "@hawser/kv";
import type { Clock, Frontier, LogStore, StoreStats } from "@hawser/log";
import type {
  BodyFetch,
  DamagedSpace,
  EntryRange,
  EphemeralChannel,
  NameOf,
  QuarantinedRange,
  Space,
  SpaceExplanation,
  SpaceWhy,
  TimelineItem,
} from "@hawser/space";
import type { Connection, SyncProgress, SyncTopic, Timers } from "@hawser/sync";
import type { EventDraft, EventRef } from "@hawser/view";

/** How to reach one relay. `createRelayClient(url)` makes one; tests use a relay in memory. */
export interface RelayClient {
  /** What invites carry so that others find the relay; empty for a relay that has no address. */
  readonly addresses: readonly string[];
  /** The relay's own key bundle, encoded. */
  bundle(options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  /** Hands over a hosting request that is sealed to that bundle. */
  host(request: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>;
  connect(options: { readonly signal: AbortSignal }): Promise<Connection>;
  /**
   * A pipe in which devices signal for direct connections (docs/spec/transport-webrtc.md §2);
   * `undefined` for a relay that carries none.
   */
  readonly signal?: (options: { readonly signal: AbortSignal }) => Promise<Connection>;
}

/** What a direct transport gets of a device. */
export interface DirectHost {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Topics whose other members may be reached. */
  topics(): readonly SyncTopic[];
  /** Relays that carry signals. */
  relays(): readonly {
    readonly address: string;
    readonly signal: NonNullable<RelayClient["signal"]>;
  }[];
  /** Takes a connection to another device over. */
  attach(connection: Connection): void;
}

/** A way to other devices that does without relays but to signal; `webRtc()` makes one. */
export interface DirectTransport {
  start(host: DirectHost): DirectConnections;
}

/** The direct connections of a device. */
export interface DirectConnections extends AsyncDisposable {
  /** Topics, keys or relays changed. */
  changed(): void;
  /** Devices that are connected now. */
  peerCount(): number;
}

export interface HawserOptions {
  /**
   * A SQLite file, or in a browser the name of an IndexedDB database; made when missing. Default:
   * memory, gone when the program ends.
   */
  readonly path?: string;
  /** A store of one's own instead of `path`. */
  readonly store?: LogStore;
  /** A WebSocket URL, or a client. Default: none; spaces then live on this device. */
  readonly relay?: string | RelayClient;
  /**
   * Which detached bodies are fetched: `"read"` (default) those that are read, `"never"` none,
   * `{ upToBytes }` besides all of up to so many bytes, as soon as their entries are here.
   */
  readonly fetchBodies?: BodyFetch;
  /**
   * Connects to other members without a relay in between, beside the relay: `webRtc()` of
   * `@hawser/transport-webrtc`. Default: none.
   */
  readonly direct?: DirectTransport;
  /** The device's secret (32 bytes) at first start. Default: made at random, kept in the store. */
  readonly secret?: Uint8Array;
  /** A crypto object of one's own, for example one that counts. */
  readonly crypto?: Crypto;
}

export interface InviteOptions {
  /** What the joiner may do; default "write". */
  readonly level?: Level;
  /** How many devices may join by the link; default 1. */
  readonly uses?: number;
  /** Seconds from now until the link stops working; default 7 days. */
  readonly expiresInSeconds?: number;
}

/** How to join by a link. */
export interface JoinOptions {
  readonly signal?: AbortSignal;
  /** The space of this person's account: all its devices join, present and future (`account.space`). */
  readonly as?: Space;
}

export interface SpaceMember {
  readonly author: AuthorId;
  readonly level: Level;
  readonly isSelf: boolean;
  /** True for relays this device handed the space to. */
  readonly isRelay: boolean;
}

/** What every view of a space is made from, chosen and wired for the platform. */
export interface SpaceViewDeps {
  readonly source: Space;
  /** Who writes here. */
  readonly author: AuthorId;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The presence of the space: cursors and the like. */
  readonly channel: EphemeralChannel;
  /** Ends the current task, so that a page can paint. */
  readonly yieldToHost: () => Promise<void>;
}

/** An encrypted space, ready to use. */
export interface HawserSpace extends AsyncDisposable {
  /** Multibase text; secret to those who are not members. */
  readonly id: string;
  /** The key-value map of the space. */
  readonly kv: Kv;
  /** The layer below, for everything that this one leaves out. */
  readonly space: Space;
  /**
   * For further views over the same entries: `createDocs(trip.deps, …)`, `createYjsProvider(trip.deps)`,
   * `createAutomergeStorage(trip.deps)`, `createRecords(trip.deps)`, `openView(trip.deps, view)`.
   */
  readonly deps: SpaceViewDeps;
  /**
   * Who is there now, and where their cursors are: sealed messages to the devices that may read and
   * are connected to the same relays or to this device. Never stored; lost to whoever is not there and
   * when many are sent. All listeners of a space hear the same, so what is sent should say what it is.
   */
  readonly presence: EphemeralChannel;
  members(): readonly SpaceMember[];
  /** A link that lets another device join. Hand it over on a channel you trust. */
  invite(options?: InviteOptions): Promise<string>;
  /** Removes a member and rotates the key in one step. */
  remove(author: AuthorId): Promise<void>;
  leave(successor?: AuthorId): Promise<void>;
  append(drafts: readonly EventDraft[]): Promise<readonly EventRef[]>;
  /** The body of an event, or `undefined` while it is not here or cannot be opened. */
  read(ref: EventRef): Promise<Uint8Array | undefined>;
  /**
   * Resolves when every entry here is at the relay and every entry there is here and folded in.
   * Rejects with HAWSER_NO_ACCESS when this device is no longer a member, HAWSER_NO_RELAY without one.
   */
  synced(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Resolves when `kv` shows every event that is here and counts. What `kv` lacks before may be on its
   * way: after a start, or when a removal changed what counts.
   */
  caughtUp(options?: { readonly signal?: AbortSignal }): Promise<void>;
  progress(): SyncProgress;
  /**
   * Why somebody may or may not do something, in sentences and as the chain of operations: now, or
   * at a frontier that `frontier` gave earlier. `undefined` when `at` is ahead of this device.
   */
  why(
    author: AuthorId,
    need: Need,
    options?: { readonly at?: Frontier; readonly nameOf?: NameOf },
  ): WhyAnswer | undefined;
  /** How much of every log is here: a point in time to ask `why` about later. */
  frontier(): Promise<Frontier>;
  /** Every change of membership, causes first: who, whom, when (a claim), and whether it counts. */
  timeline(): readonly TimelineItem[];
  /** Entries that do not count: of people who were removed meanwhile, or of forked logs. */
  quarantine(): Promise<readonly QuarantinedRange[]>;
  /**
   * Lets quarantined entries count on every device. Managers only. Errors: SPACE_NO_ACCESS,
   * SPACE_NOT_QUARANTINED, SPACE_ENTRY_UNKNOWN.
   */
  accept(entries: EventRef | EntryRange): Promise<void>;
  /** Keeps quarantined entries out, or takes an `accept` back. Errors like `accept`. */
  reject(entries: EventRef | EntryRange): Promise<void>;
  /** Why an entry is not here, does not count or cannot be read. */
  explain(ref: EventRef): Promise<SpaceExplanation>;
  /** Resolves once this device has lost its access. */
  readonly accessLost: Promise<void>;
}

/** An answer to `why`. */
export interface WhyAnswer extends SpaceWhy {
  /** For people: the conclusion, then a sentence for each operation of the chain. */
  readonly sentences: readonly string[];
}

export interface Traffic {
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** How the connection to one relay stands. */
export interface RelayState {
  /** Its base URL; empty for a relay that has none. */
  readonly address: string;
  readonly isConnected: boolean;
  /** The code with which this device hung up on a relay that broke the rules, until it is back. */
  readonly misbehaviour: string | undefined;
}

/** One device with its spaces. */
export interface Hawser extends AsyncDisposable {
  /** The device's public key. */
  readonly author: AuthorId;
  create(): Promise<HawserSpace>;
  /** Resolves when a member has answered with the keys. Errors: the SPACE_LINK_… and SPACE_INVITE_… codes. */
  join(link: string, options?: JoinOptions): Promise<HawserSpace>;
  spaces(): readonly HawserSpace[];
  /** A space by its id. */
  space(id: string): HawserSpace | undefined;
  /** Spaces of this device whose local state is damaged; the others work. None: an empty list. */
  damaged(): readonly DamagedSpace[];
  /** The relays this device keeps a connection to. */
  relays(): readonly RelayState[];
  /** Resolves when the state of a relay, or what it serves, changed. Rejects when `signal` aborts. */
  relaysChanged(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Devices that are connected directly now; 0 without the option `direct`. */
  directPeers(): number;
  traffic(): Traffic;
  stats(): Promise<StoreStats>;
  /** Everything the device holds, as logs: for listings and checks. It is closed with the device. */
  readonly store: LogStore;
}
