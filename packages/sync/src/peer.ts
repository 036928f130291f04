/**
 * The peer object: one store, many connections (docs/spec/3-sync.md §2). Layer 4; everything that
 * touches the outside is injected.
 */
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import {
  type ForkProof,
  type LogHead,
  type LogId,
  type LogStore,
  type Topic,
  verifyForkProof,
} from "@hawser/log";
import { type BroadcastListener, createBroadcasts } from "./broadcasts.ts";
import {
  createBodyFetcher,
  type BodyListener,
  type PieceOptions,
  type PiecesOutcome,
} from "./body-fetcher.ts";
import { createClaims } from "./claims.ts";
import { featuresKnown } from "./codes.ts";
import { SyncError } from "./errors.ts";
import { watchHeads } from "./head-watcher.ts";
import {
  bodyBytesDefault,
  channelBindingBytesMax,
  identitiesMax,
  outboxBytesDefault,
  outboxBytesMin,
  rangeBytesDefault,
  rangeBytesMax,
  reconcileLogsDefault,
  windowBytesDefault,
  windowBytesMin,
} from "./limits.ts";
import { createMachine } from "./machine.ts";
import { explainLocal } from "./report.ts";
import type { MachineOptions, MachineSeed } from "./machine-types.ts";
import {
  runSession,
  type RunningSession,
  type SessionListener,
  type SyncSession,
} from "./session.ts";
import type { SessionHost } from "./session-effects.ts";
import { createTopicSessions } from "./topic-sessions.ts";
import type {
  BodySource,
  Connection,
  ExplainCode,
  Ingest,
  LogRef,
  PieceRequest,
  SyncIdentity,
  SyncTopic,
  Timers,
} from "./types.ts";

export interface SyncPeerDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly timers: Timers;
  /** Verifies, authorises and stores what peers send. Called one range at a time per session. */
  readonly ingest: Ingest;
  /** Bodies that peers may ask for; default: none is served. */
  readonly bodies?: BodySource;
  /**
   * A peer sent the proof that a log of this topic forked, and it is stored: whoever judges entries
   * judges those of the topic again.
   */
  onFork?(topic: Topic): Promise<void>;
  /** Progress, access or sync state of a session changed. Must not throw. */
  onSessionChange?(session: SyncSession): void;
  /** 1 to 4 keys to prove to each new connection, the device key first. */
  identities(): readonly SyncIdentity[];
  /** The topics this side takes part in; read at each new connection and at `topicsChanged`. */
  topics(): readonly SyncTopic[];
}

export interface SyncPeerOptions {
  /** Range bytes a peer may have on the way to us; default 4 MiB, at least 256 KiB. */
  readonly windowBytes?: number;
  /** Largest range put together in memory; default 16 MiB, at most 64 MiB. */
  readonly rangeBytes?: number;
  /** Bytes that wait for a slow peer before its session ends; default 32 MiB, at least 4 MiB. */
  readonly outboxBytes?: number;
  /** Default 10 s. */
  readonly handshakeMs?: number;
  /** Default 20 s; a peer silent for three of them is gone. */
  readonly heartbeatMs?: number;
  /** Entries taken from one peer per topic and session; default 10 million. */
  readonly topicEntries?: number;
  /** Range bytes taken from one peer per topic and session; default 4 GiB. */
  readonly topicBytes?: number;
  /** Bytes of bodies sent to one peer in a session; default 16 GiB. */
  readonly bodyBytes?: number;
  /**
   * Topics of this many logs and more are reconciled by fingerprints of their parts, which costs as
   * much as they differ; smaller ones by listing their logs, which is a round trip less. Default 64.
   */
  readonly reconcileLogs?: number;
  /**
   * `forward`: what one peer broadcasts goes on to the other peers of that topic, as a relay does it.
   * Default `take`: it is for this device alone.
   */
  readonly broadcasts?: "take" | "forward";
}

/** A peer with the sessions that stand to it now. */
export interface PeerInfo {
  /** Its device key. */
  readonly id: AuthorId;
  /** Every identity it proved in any of the sessions. */
  readonly identities: readonly AuthorId[];
  readonly sessions: readonly SyncSession[];
}

/** Where an entry stands between a peer and us. */
export interface Explanation {
  /** PRESENT when the entry is in our store, else why it is not. */
  readonly here: ExplainCode;
  /** PRESENT when the peer has it, else why it has not. */
  readonly there: ExplainCode;
}

export interface SyncPeer extends AsyncDisposable {
  /** Starts a session over a connection, whichever side opened it. Throws SYNC_CLOSED. */
  attach(connection: Connection): SyncSession;
  /** Tells every session that topics, keys or rights changed; refused logs are asked for again. */
  topicsChanged(): void;
  /**
   * Says something to whoever takes part in a topic now: all peers with full access, and those behind
   * the relays among them. Never stored, never repeated: it is lost to whoever is not there, to peers
   * whose pipe is behind, and when more is said than a session carries (docs/spec/3-sync.md §7.1). Seal
   * it first. At most 17,408 bytes, else SYNC_FRAME_TOO_LARGE.
   */
  broadcast(topic: Topic, bytes: Uint8Array): void;
  /**
   * Calls back with what peers broadcast, once each; returns the unsubscribe function. Whoever holds
   * a follow key can say anything. Must not throw.
   */
  onBroadcast(listener: BroadcastListener): () => void;
  /**
   * Fetches points of a body from whoever has them (docs/spec/3-sync.md §7.2); several requests at
   * once go to several peers. `take` gets each point in order, checked against its hash. Waits while
   * no peer serves bodies of the topic, and while one says that they are on their way. `nobody`: every
   * peer that is connected was asked, or lied about this body before. Rejects with SYNC_ABORTED,
   * SYNC_CLOSED, and with SYNC_TOO_MANY_REQUESTS when 1,024 wait.
   */
  fetchPieces(
    request: PieceRequest,
    take: (bytes: Uint8Array) => void,
    options?: PieceOptions,
  ): Promise<PiecesOutcome>;
  /**
   * Calls back with a topic and a device key when a peer that serves bodies of the topic has come, or has
   * got some. Must not throw.
   */
  onBodies(listener: BodyListener): () => void;
  /** Peers with at least one session, ordered by id. */
  peers(): readonly PeerInfo[];
  /** Where an entry stands between us and the peer with that device key. */
  explain(ref: LogRef, seq: number, peer: AuthorId): Promise<Explanation>;
  /** Ends every session. Idempotent; resolves when the connections are closed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Bad ranges that `explain` remembers. */
const badRangesMax = 64;

/**
 * A peer over `deps.store`. Throws SYNC_BAD_OPTION. Dispose it to end all its sessions; the store
 * stays open, it belongs to the caller.
 */
export function createSyncPeer(deps: SyncPeerDeps, options: SyncPeerOptions = {}): SyncPeer {
  const { store, crypto } = deps;
  const running = new Set<RunningSession>();
  const sharing = createTopicSessions();
  const badRanges = createBadRanges();
  let isClosed = false;

  const each = (act: (session: RunningSession) => void): void => {
    for (const session of running) act(session);
  };
  const broadcasts = createBroadcasts(
    { crypto, sessions: sharing.of },
    { mode: options.broadcasts ?? "take" },
  );
  const fetcher = createBodyFetcher({ sessions: sharing.of });
  const stopHearing = deps.bodies?.onHere((topic, name) => {
    for (const session of sharing.of(topic)) session.bodyHere(topic, name);
  });
  const watcher = watchHeads(store, {
    onHeads: (topic, heads) => {
      const mayAdmit = holdsControl(deps.topics(), topic, heads);
      for (const session of sharing.of(topic)) {
        session.committed(topic, heads);
        if (mayAdmit) session.retry(topic);
      }
    },
    onFailure: (cause) => each((session) => session.failed(cause)),
  });
  const host: SessionHost = {
    store,
    crypto,
    timers: deps.timers,
    ingest: deps.ingest,
    bodies: deps.bodies,
    machine: createMachine({ crypto, options: machineOptions(options) }),
    claims: createClaims(),
    topics: () => deps.topics(),
    settled: () => watcher.settled(),
    takeFork: async (logId, proof) => {
      if (!verifyForkProof({ crypto }, proof).ok) return false;
      const kept = await keepFork(store, logId, proof);
      if (kept === undefined) return true;
      const { topic } = kept.context;
      await deps.onFork?.(topic);
      for (const session of sharing.of(topic)) session.forked(topic, logId, kept);
      return true;
    },
  };
  const listener: SessionListener = {
    onBadRange: ({ session }, place) => badRanges.add(session.identities()[0], place),
    onShare: sharing.add,
    onUnshare: sharing.remove,
    onPiece: fetcher.took,
    onAskEnded: fetcher.ended,
    onHave: fetcher.heard,
    onServesBodies: fetcher.serves,
    onClosed: (session) => {
      running.delete(session);
      sharing.removeAll(session);
      fetcher.left(session);
    },
    onBroadcast: broadcasts.heard,
    onChange: ({ session }) => deps.onSessionChange?.(session),
  };

  return {
    attach: (connection) => {
      if (isClosed) throw new SyncError("SYNC_CLOSED", "the sync peer is closed");
      const session = runSession(host, listener, { connection, seed: drawSeed(deps, connection) });
      running.add(session);
      return session.session;
    },
    topicsChanged: () => {
      each((session) => session.topicsChanged());
      for (const { topic } of deps.topics()) {
        for (const session of sharing.of(topic)) session.retry(topic);
      }
    },
    broadcast: (topic, bytes) => {
      if (isClosed) return;
      broadcasts.say(topic, bytes);
    },
    onBroadcast: broadcasts.listen,
    fetchPieces: (request, take, fetchOptions = {}) => fetcher.fetch(request, take, fetchOptions),
    onBodies: fetcher.listen,
    peers: () => groupByPeer([...running].map(({ session }) => session)),
    explain: async (ref, seq, peer) => {
      const head = await store.head(ref.logId);
      const found = [...running].filter(({ session }) => session.identities()[0] === peer);
      const answers = found.map((session) => session.explain(ref, seq, head));
      const fallback = explainAlone(head, seq, badRanges.seqOf(peer, ref.logId));
      return answers.find((answer) => answer.there === "PRESENT") ?? answers[0] ?? fallback;
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      watcher.stop();
      stopHearing?.();
      fetcher.close();
      await Promise.all([...running].map(({ session }) => session.close()));
    },
  };
}

/** True when one of the heads belongs to a log that may change who is admitted. */
function holdsControl(
  topics: readonly SyncTopic[],
  topic: Topic,
  heads: readonly LogHead[],
): boolean {
  const own = topics.find((candidate) => candidate.topic === topic);
  return heads.some((head) => own?.controlDomains.includes(head.context.domain) === true);
}

/**
 * The proof that is kept of a log: the one with the smaller seq, so that devices that heard of several
 * forks agree from where on the log is forked. None of a log that is not here.
 */
async function keepFork(
  store: LogStore,
  logId: LogId,
  proof: ForkProof,
): Promise<ForkProof | undefined> {
  const [known] = await store.forkProofs(logId);
  if (known !== undefined && known.seq <= proof.seq) return known;
  if ((await store.head(logId)) === undefined) return undefined;
  await store.commit({ forks: [proof] });
  return proof;
}

/** The first bad seq that each peer sent of a log, for the last `badRangesMax` of them. */
interface BadRanges {
  add(peer: AuthorId | undefined, place: { readonly logId: LogId; readonly seq: number }): void;
  seqOf(peer: AuthorId, logId: LogId): number | undefined;
}

function createBadRanges(): BadRanges {
  const seqs = new Map<string, number>();
  return {
    add: (peer, { logId, seq }) => {
      if (peer === undefined) return;
      const key = `${peer} ${logId}`;
      seqs.delete(key);
      seqs.set(key, seq);
      const [oldest] = seqs.keys();
      if (seqs.size > badRangesMax && oldest !== undefined) seqs.delete(oldest);
    },
    seqOf: (peer, logId) => seqs.get(`${peer} ${logId}`),
  };
}

/** What can be said of an entry without a session to the peer. */
function explainAlone(
  head: LogHead | undefined,
  seq: number,
  badSeq: number | undefined,
): Explanation {
  const isBad = badSeq !== undefined && seq >= badSeq;
  const here = explainLocal(head, seq) ?? (isBad ? "BAD_SIGNATURE" : "NOT_ANNOUNCED");
  return { here, there: "NOT_ANNOUNCED" };
}

function groupByPeer(sessions: readonly SyncSession[]): readonly PeerInfo[] {
  const sessionsById = new Map<AuthorId, SyncSession[]>();
  for (const session of sessions) {
    const [id] = session.identities();
    if (id === undefined) continue;
    sessionsById.set(id, [...(sessionsById.get(id) ?? []), session]);
  }
  return [...sessionsById]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, own]) => ({
      id,
      identities: [...new Set(own.flatMap((session) => session.identities()))],
      sessions: own,
    }));
}

/** Fresh randomness and the identities to prove to one connection. */
function drawSeed(deps: SyncPeerDeps, connection: Connection): MachineSeed {
  const identities = deps.identities();
  const ids = new Set(identities.map((identity) => identity.id));
  if (ids.size === 0 || identities.length > identitiesMax || ids.size !== identities.length) {
    throw new SyncError("SYNC_BAD_OPTION", `identities: expected 1 to ${identitiesMax}, distinct`);
  }
  const channelBinding = connection.channelBinding ?? new Uint8Array(0);
  if (channelBinding.length > channelBindingBytesMax) {
    throw new SyncError("SYNC_BAD_OPTION", "channel binding: at most 64 bytes");
  }
  return { nonce: deps.random(32), paddingSeed: deps.random(32), identities, channelBinding };
}

function machineOptions(options: SyncPeerOptions): MachineOptions {
  const full: MachineOptions = {
    windowBytes: options.windowBytes ?? windowBytesDefault,
    rangeBytes: options.rangeBytes ?? rangeBytesDefault,
    outboxBytes: options.outboxBytes ?? outboxBytesDefault,
    handshakeMs: options.handshakeMs ?? 10_000,
    heartbeatMs: options.heartbeatMs ?? 20_000,
    topicEntries: options.topicEntries ?? 10_000_000,
    topicBytes: options.topicBytes ?? 4 * 1024 ** 3,
    bodyBytes: options.bodyBytes ?? bodyBytesDefault,
    features: featuresKnown,
    reconcileLogs: options.reconcileLogs ?? reconcileLogsDefault,
  };
  for (const [name, value] of Object.entries(full)) {
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw new SyncError("SYNC_BAD_OPTION", `${name}: expected a positive integer`);
    }
  }
  if (full.windowBytes < windowBytesMin || full.windowBytes > 2 ** 30) {
    throw new SyncError("SYNC_BAD_OPTION", "windowBytes: expected 256 KiB to 1 GiB");
  }
  if (full.outboxBytes < outboxBytesMin) {
    throw new SyncError("SYNC_BAD_OPTION", "outboxBytes: at least 4 MiB");
  }
  if (full.rangeBytes > rangeBytesMax) {
    throw new SyncError("SYNC_BAD_OPTION", "rangeBytes: at most 64 MiB");
  }
  return full;
}
