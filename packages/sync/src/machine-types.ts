/**
 * Events, effects and state of the machine (docs/spec/3-sync.md §2). Layer 4; types only.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EncodedRange, ForkProof, LogHead, LogId, Topic } from "@hawser/log";
import type { Role } from "./handshake.ts";
import type { Ack, AskMessage, ForkMessage, Split, Want } from "./message.ts";
import type {
  BodyPlace,
  IngestOutcome,
  OfferedLog,
  PieceRead,
  SyncCloseCode,
  SyncIdentity,
  TopicAccess,
} from "./types.ts";

/** One topic as its owner sees it at a moment; the runner takes it from a `SyncTopic`. */
export interface TopicSnapshot {
  readonly topic: Topic;
  /** 32 bytes each, newest first, at most 4. */
  readonly followKeys: readonly Uint8Array[];
  /** The most that any identity the peer proved may have without a follow key. */
  readonly identityAccess: TopicAccess;
  readonly controlDomains: readonly string[];
  /** Which logs are taken, but for those of control domains; all when absent. */
  readonly wants?: (log: OfferedLog) => boolean;
}

/** What became of a read of the store. */
export type RangeRead =
  | { readonly status: "read"; readonly count: number; readonly bytes: Uint8Array }
  /** Our entry before `from` is not the one the peer holds. */
  | { readonly status: "diverged" }
  /** Entries from `from` on are gone; the log starts at `prunedTo`. */
  | { readonly status: "pruned"; readonly prunedTo: number }
  /** The next signed part is over the size the peer puts together. */
  | { readonly status: "tooLarge" };

/** What happens to a machine. */
export type SyncEvent =
  | { readonly type: "start" }
  | { readonly type: "frame"; readonly frame: Uint8Array }
  /** A frame left for the connection. */
  | { readonly type: "sent"; readonly byteCount: number }
  | { readonly type: "topics"; readonly topics: readonly TopicSnapshot[] }
  | {
      readonly type: "heads";
      readonly topic: Topic;
      readonly heads: readonly LogHead[];
      readonly forks: readonly ForkProof[];
    }
  /** New durable heads, from whatever source. */
  | { readonly type: "committed"; readonly topic: Topic; readonly heads: readonly LogHead[] }
  | {
      readonly type: "range";
      readonly topic: Topic;
      readonly logId: LogId;
      readonly from: number;
      readonly read: RangeRead;
    }
  | { readonly type: "ingested"; readonly id: number; readonly outcome: IngestOutcome }
  /** This session may fetch these logs; no other session of this device does. */
  | { readonly type: "claimed"; readonly topic: Topic; readonly logIds: readonly LogId[] }
  /** What decides about refused logs has changed. */
  | { readonly type: "retry"; readonly topic: Topic }
  /** A fork proof became known and is stored. */
  | {
      readonly type: "fork";
      readonly topic: Topic;
      readonly logId: LogId;
      readonly proof: ForkProof;
    }
  /** To be said to the peer, if it may hear it and can take it now. */
  | ({ readonly type: "broadcast" } & Broadcast)
  /** Points are wanted of the peer; each `id` once. */
  | ({ readonly type: "ask" } & AskOrder)
  /** What `readPiece` found. */
  | { readonly type: "pieceRead"; readonly askNumber: number; readonly read: PieceRead }
  /** A body has come, or will not come any more. */
  | { readonly type: "bodyHere"; readonly topic: Topic; readonly name: Uint8Array }
  /** The peer's fork proof does not verify. */
  | { readonly type: "forkInvalid" }
  | { readonly type: "timer"; readonly name: TimerName }
  | { readonly type: "disconnected"; readonly cause?: unknown }
  | { readonly type: "failed"; readonly cause: unknown }
  | { readonly type: "close" };

/** Something for whoever takes part in a topic now. */
export interface Broadcast {
  readonly topic: Topic;
  readonly bytes: Uint8Array;
  /** A relay had it from somebody else. */
  readonly isForwarded: boolean;
}

/** Points of a body that one session is to fetch. */
export interface AskOrder {
  readonly id: number;
  readonly topic: Topic;
  readonly name: Uint8Array;
  readonly depth: number;
  readonly first: number;
  /** What the points must hash to, in order: 1 to 16. */
  readonly hashes: readonly Uint8Array[];
}

/** How an ask ended: all points came, or none more will. */
export type AskEnd =
  | "done"
  | "none"
  | "later"
  /** A point is not what was asked for. */
  | "bad"
  /** Nothing came for too long. */
  | "silent";

export type TimerName = "handshake" | "heartbeat" | "broadcast";

/** What the runner has to do. */
export type SyncEffect =
  | { readonly type: "send"; readonly frame: Uint8Array }
  /** Answer with `topics`. */
  | { readonly type: "readTopics"; readonly identities: readonly AuthorId[] }
  /** Both sides take part in the topic now: `heads`, `committed`, `retry` and `fork` are for it. */
  | { readonly type: "share"; readonly topic: Topic }
  /** One of them no longer does. */
  | { readonly type: "unshare"; readonly topic: Topic }
  /** Answer with `heads`. */
  | { readonly type: "readHeads"; readonly topic: Topic }
  /** Answer with `range`: from `from`, up to a signed entry, at most `to`. */
  | ReadRangeEffect
  /** Answer with `ingested`, in order. */
  | { readonly type: "ingest"; readonly id: number; readonly range: EncodedRange }
  /** Answer with `claimed`, for each log once no other session holds a claim on it. */
  | { readonly type: "claim"; readonly topic: Topic; readonly logIds: readonly LogId[] }
  | { readonly type: "release"; readonly logId: LogId }
  /** Verify, store, then tell every session by `fork`; `forkInvalid` when it does not verify. */
  | {
      readonly type: "checkFork";
      readonly topic: Topic;
      readonly logId: LogId;
      readonly proof: ForkProof;
    }
  /** The peer said it. */
  | ({ readonly type: "broadcast" } & Broadcast)
  /** Answer with `pieceRead`. */
  | ({ readonly type: "readPiece"; readonly askNumber: number } & BodyPlace)
  /** The peer serves bodies of the topic from now on. */
  | { readonly type: "servesBodies"; readonly topic: Topic }
  /** A point that was asked for, as it must be. */
  | { readonly type: "piece"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "askEnded"; readonly id: number; readonly end: AskEnd }
  /** It is worth asking the peer again for what it did not have. */
  | { readonly type: "have"; readonly topic: Topic; readonly name: Uint8Array }
  | { readonly type: "badRange"; readonly logId: LogId; readonly seq: number }
  | { readonly type: "startTimer"; readonly name: TimerName; readonly delayMs: number }
  | { readonly type: "stopTimer"; readonly name: TimerName }
  /** Progress, access or sync state changed. */
  | { readonly type: "progress" }
  | {
      readonly type: "close";
      readonly code: SyncCloseCode;
      readonly by: "local" | "remote" | "connection";
      readonly cause?: unknown;
    };

export interface ReadRangeEffect {
  readonly type: "readRange";
  readonly topic: Topic;
  readonly logId: LogId;
  readonly from: number;
  readonly to: number;
  /** Stop at the first signed entry after this many bytes. */
  readonly bytesGoal: number;
  /** The peer's limit. */
  readonly bytesMax: number;
  /** Start of the hash the peer has at `from − 1`, when that must be compared. */
  readonly hashStart: Uint8Array | undefined;
}

export interface MachineOptions {
  /** Window of range bytes granted to the peer. */
  readonly windowBytes: number;
  /** Largest range put together. */
  readonly rangeBytes: number;
  /** Bytes waiting to be sent before a session ends with SYNC_SLOW. */
  readonly outboxBytes: number;
  readonly handshakeMs: number;
  readonly heartbeatMs: number;
  /** Entries taken from one peer per topic and session. */
  readonly topicEntries: number;
  /** Range bytes taken from one peer per topic and session. */
  readonly topicBytes: number;
  /** Bytes of bodies sent to the peer. */
  readonly bodyBytes: number;
  /** Feature bits offered; bits this code does not know change nothing. */
  readonly features: number;
  /** From this many logs on a topic is reconciled, below it frontiers are exchanged. */
  readonly reconcileLogs: number;
}

export interface MachineDeps {
  readonly crypto: Crypto;
  readonly options: MachineOptions;
}

/** What is drawn or read before a machine starts. */
export interface MachineSeed {
  readonly nonce: Uint8Array;
  readonly paddingSeed: Uint8Array;
  readonly identities: readonly SyncIdentity[];
  readonly channelBinding: Uint8Array;
}

/** A log as we announced it to the peer. */
export interface OutLog {
  readonly number: number;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly domain: string;
  readonly control: boolean;
  /** Height in the announcement. */
  announced: number;
  /** Signed height we hold now. */
  height: number;
  /** The peer said what it wants. */
  answered: boolean;
  wanted: boolean;
  /** One past the last entry given to the connection. */
  sentTo: number;
  /** One past the last entry the peer stored. */
  acked: number;
  /** Hash the peer claims at `sentTo − 1`, to be compared before the next read. */
  hashStart: Uint8Array | undefined;
  /** The next signed part is larger than the peer takes. */
  tooLarge: boolean;
  /** The peer holds another branch. */
  diverged: boolean;
}

export type InStatus =
  /** The peer has no access to this log here, so we ask it for nothing. */
  | "hidden"
  /** The peer sends it unasked, and what comes is dropped: it has yet to hear of us. */
  | "pushed"
  /** The topic's owner does not want it. */
  | "unwanted"
  | "same"
  /** We hold more. */
  | "ahead"
  /** Another session fetches it. */
  | "waiting"
  | "fetching"
  /** Heads differ at one height: fetching the other branch from its start. */
  | "branch"
  | "pruned"
  | "refused"
  | "forked"
  | "overBudget";

/** A log as the peer announced it to us. */
export interface InLog {
  readonly number: number;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly domain: string;
  height: number;
  /** One past the last entry the peer sent: it has that, whatever we made of it. */
  shown: number;
  prunedTo: number;
  hash: Uint8Array | undefined;
  status: InStatus;
  /** Why, when refused. */
  reason: string | undefined;
  /** The peer got a first want or pushes by itself. */
  answered: boolean;
  claimed: boolean;
  /** Signed height we held at the last heartbeat. */
  heldAtBeat: number;
  /** Heartbeats in a row, while claimed, in which none of its entries was stored. */
  stalledBeats: number;
  /** Height in our last want or ack. */
  acked: number;
  gaps: number;
  /** The peer's branch of a forked log was sent to its end. */
  branchSeen: boolean;
  /** Entries still to come, as counted in the session's total. */
  due: number;
}

/** One topic of ours in this session. */
export interface TopicState {
  readonly topic: Topic;
  snapshot: TopicSnapshot;
  readonly ownNumber: number;
  readonly ownHash: Uint8Array;
  /** Key of the hash the peer would announce. */
  readonly peerHashKey: string;
  /** The peer's number, while it takes part too. */
  peerNumber: number | undefined;
  proofCounter: number;
  peerProof: { readonly counter: number; readonly macs: readonly Uint8Array[] } | undefined;
  given: TopicAccess;
  /** The peer serves bodies of it, and the owner was told. */
  servesBodies: boolean;
  headsState: "unread" | "reading" | "ready";
  readonly heads: Map<LogId, LogHead>;
  readonly forks: Map<LogId, ForkProof>;
  out: OutSide;
  in: InSide;
  /** Since our last summary, until one side announces by frontier after all. */
  recon: Reconciliation | undefined;
  summariesTaken: number;
  /** How often the peer made us begin anew of late: falls with each heartbeat. */
  restarts: number;
  /** Fork proofs told to the peer in this session. */
  forksTold: number;
  entriesTaken: number;
  bytesTaken: number;
}

export interface OutSide {
  generation: number;
  /** What the last frontier was made for. */
  access: TopicAccess | undefined;
  answers: number;
  readonly logs: OutLog[];
  readonly numbers: Map<LogId, number>;
  /** Logs that were never announced, since the peer holds the same up to this height. */
  readonly level: Map<LogId, number>;
  /** Seqs of the proofs told, by log. */
  readonly forksSent: Map<LogId, number>;
  unansweredControl: number;
  unansweredData: number;
  /** Wanted logs that are not yet stored over there. */
  open: number;
}

export interface InSide {
  generation: number;
  access: TopicAccess | undefined;
  answers: number;
  complete: boolean;
  readonly logs: InLog[];
  readonly numbers: Map<LogId, number>;
  /** Logs that the peer holds up to this height, and did not announce. */
  readonly level: Map<LogId, number>;
  /** What the peer offered to reconcile, until that is taken up or has become void. */
  summary: { readonly count: number; readonly fingerprint: Uint8Array } | undefined;
  /** Proofs for logs that are not here yet. */
  readonly forksWaiting: Map<LogId, ForkProof>;
  forkCount: number;
  /** Logs that still come. */
  open: number;
  /** Gathered in one step, sent at its end. */
  wants: Want[];
  acks: Ack[];
  claims: LogId[];
}

/** Logs as they stand at one moment, in the order of their ids. */
export interface ItemSet {
  readonly logIds: readonly LogId[];
  readonly heights: readonly number[];
  /** 72 bytes each: id, height, head hash. */
  readonly bytes: Uint8Array;
}

/** The items of a set whose ids share their first `depth` bits. */
export interface Part {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/** Comparing two sets of logs in turns (docs/spec/3-sync.md §6.1). */
export interface Reconciliation {
  /** `offered`: our summary is out. `open`: both are, and differ. `done`: nothing is left. */
  phase: "offered" | "open" | "done";
  readonly key: Uint8Array;
  items: ItemSet;
  readonly fingerprint: Uint8Array;
  /** Children of the splits of our last turn, which the peer's turn answers. */
  asked: readonly (readonly Part[])[];
  /** Parts that the peer's turn may split: at first the whole set. */
  splittable: Part[];
  /** Parts of which the peer's turn lists what it has. */
  listed: Part[];
  /** The peer's turn so far. */
  marksTaken: number;
  readonly splits: Split[];
  splitsTaken: number;
  isOwnTurn: boolean;
  /** A turn of ours, and one of the peer's, was without a split: then no more will come. */
  ownFinal: boolean;
  peerFinal: boolean;
}

/** A range that comes in several frames. */
export interface Assembly {
  readonly topic: Topic | undefined;
  readonly logId: LogId | undefined;
  readonly from: number;
  readonly count: number;
  readonly byteCount: number;
  parts: Uint8Array[];
  size: number;
  /** Its topic or log is gone: bytes are counted and dropped. */
  discard: boolean;
}

/** A fork proof that comes in several frames. */
export interface ForkAssembly {
  readonly topic: Topic;
  readonly head: ForkMessage;
  readonly parts: Uint8Array[];
  size: number;
}

/** A range on its way out in several frames. */
export interface Sending {
  readonly topic: Topic;
  readonly generation: number;
  readonly logNumber: number;
  readonly from: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  offset: number;
}

/** An ask of ours that the peer has not ended. */
export interface AskOut {
  readonly order: AskOrder;
  /** Points that came. */
  taken: number;
  /** What still comes of it is counted and passed over. */
  isDropped: boolean;
  quietBeats: number;
}

/** An ask of the peer that we have not ended. */
export interface AskIn {
  readonly number: number;
  readonly topic: Topic | undefined;
  readonly message: AskMessage;
  /** Points that were sent. */
  sent: number;
}

export interface InFlight {
  readonly topic: Topic;
  readonly logId: LogId;
  readonly from: number;
  readonly count: number;
  readonly byteCount: number;
}

/**
 * The state of one connection. `step` consumes the state it is given and returns it changed: a copy
 * per step would make a topic of n logs cost n² (docs/spec/3-sync.md §2).
 */
export interface MachineState {
  phase: "new" | "hello" | "identities" | "open" | "closed";
  readonly seed: MachineSeed;
  ownHello: Uint8Array;
  ownIdentities: Uint8Array;
  peerNonce: Uint8Array;
  peerRangeBytes: number;
  features: number;
  role: Role;
  transcript: Uint8Array;
  session: Uint8Array;
  peerIdentities: readonly AuthorId[];

  readonly topics: Map<Topic, TopicState>;
  topicsAnnounced: boolean;
  ownNumberNext: number;
  paddingNext: number;
  /** Counters of the session, not of a topic: a topic that comes back cannot meet old numbers. */
  generationLast: number;
  proofLast: number;
  /** Live hashes of the peer and their numbers. */
  readonly peerHashes: Map<string, number>;
  readonly peerNumbers: Map<number, string>;
  peerNumberNext: number;
  peerTopicsComplete: boolean;
  /** Shared topics by the peer's number. */
  readonly topicByPeerNumber: Map<number, Topic>;

  /** Range bytes the peer lets us send. */
  credit: number;
  /** Range bytes we let the peer send. */
  granted: number;
  /** Range bytes received and not yet ingested. */
  inFlightBytes: number;
  readonly inFlight: Map<number, InFlight>;
  ingestNext: number;
  assembly: Assembly | undefined;
  forkAssembly: ForkAssembly | undefined;
  sending: Sending | undefined;
  reading: boolean;
  readonly controlQueue: Set<OutLog>;
  readonly dataQueue: Set<OutLog>;
  readonly topicOfOutLog: WeakMap<OutLog, Topic>;
  outboxBytes: number;

  /** Bytes of broadcasts that may be said now, and that may be heard. */
  broadcastsOut: number;
  broadcastsIn: number;
  isRefilling: boolean;

  readonly asksOut: Map<number, AskOut>;
  asksSent: number;
  /** In the order in which they came. */
  readonly asksIn: AskIn[];
  asksTaken: number;
  isReadingPiece: boolean;
  bodyBytesSent: number;
  /** What the peer asked for in vain, by topic and name, the oldest first. */
  readonly bodiesDue: Set<string>;

  heard: boolean;
  taken: boolean;
  /** An entry of the peer was stored since the last heartbeat. */
  gained: boolean;
  silentBeats: number;
  stuckBeats: number;

  entriesReceived: number;
  entriesToReceive: number;
  entriesSent: number;
  entriesToSend: number;
  bytesReceived: number;
  bytesSent: number;
  progressed: boolean;
}

/** One step in progress. */
export interface Turn {
  readonly deps: MachineDeps;
  readonly state: MachineState;
  readonly effects: SyncEffect[];
  /** Topics with wants, acks or claims to send at the end of the step. */
  readonly touched: Set<TopicState>;
}
