/**
 * What sync needs from the layers around it (docs/spec/3-sync.md). Layer 4; the machine is pure,
 * the session runner gets store, clock, timers and random injected.
 */
import type { AuthorId } from "@hawser/crypto";
import type { EncodedRange, ForkProof, LogId, Topic } from "@hawser/log";

/** A frame pipe to one peer. Frames arrive whole and in order; at most 256 KiB each. */
export interface Connection {
  /** Resolves when the pipe can take more (backpressure). Rejects with SYNC_CONNECTION_LOST. */
  send(frame: Uint8Array): Promise<void>;
  /** Ends when the pipe closes; may be iterated once. */
  readonly frames: AsyncIterable<Uint8Array>;
  /** Idempotent. `reason` is a short code the other side may see. */
  close(reason?: string): void;
  /**
   * Up to 64 bytes that both ends of an authenticated pipe know and nobody else can bring about
   * (a TLS exporter, a Noise handshake hash). They become part of the transcript.
   */
  readonly channelBinding?: Uint8Array;
}

/** Timers, injected. */
export interface Timers {
  /** Calls back once after `delayMs`; returns the cancel function. */
  after(delayMs: number, callback: () => void): () => void;
}

/** How much of a topic a peer may be served. */
export type TopicAccess = "none" | "control" | "full";

/** A key this side can prove: its device key, and for a joiner the one-time key of the invite. */
export interface SyncIdentity {
  readonly id: AuthorId;
  /** `crypto.signTagged(label, bytes, secret)`: the secret itself stays with its owner. */
  sign(label: string, bytes: Uint8Array): Uint8Array;
}

/** One topic this side takes part in. Read afresh at each proof, so rotations show at once. */
export interface SyncTopic {
  readonly topic: Topic;
  /** Current follow keys (32 bytes each, one per maximal epoch), newest first, at most 4. */
  followKeys(): readonly Uint8Array[];
  /** What the owner of a proven identity may have without the current follow key. */
  accessOf(identity: AuthorId): TopicAccess;
  /** Domains that `control` access covers. */
  readonly controlDomains: readonly string[];
  /**
   * Whether this side takes a log of the topic from its peers; default all. Logs of control domains
   * are taken in any case. What is here already stays and is served. Asked when a log is announced
   * and at `topicsChanged`: to fill in what was left out, return true and call that.
   */
  wants?(log: OfferedLog): boolean;
}

/** A log that a peer announced. */
export interface OfferedLog {
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly domain: string;
}

/** What became of a range that a peer sent. */
export type IngestOutcome =
  | { readonly status: "stored"; readonly height: number }
  | { readonly status: "known" }
  /** The range starts after our head: ask for the gap. */
  | { readonly status: "gap"; readonly height: number }
  | { readonly status: "forked"; readonly proof: ForkProof }
  /** Not ours to keep (unknown author, over quota): the log is skipped, the connection stays. */
  | { readonly status: "refused"; readonly reason: string }
  /** Does not verify: the peer loses its connection. */
  | { readonly status: "bad"; readonly reason: string; readonly seq: number };

/** Verify → authorise → store, provided by the layer that owns the topic. */
export interface Ingest {
  (range: EncodedRange): Promise<IngestOutcome>;
}

/** Where a point of a body stands (docs/spec/3-sync.md §7.2). */
export interface BodyPlace {
  readonly topic: Topic;
  /** Hash that an entry of the topic names: of a root, or of a packet that stands alone. */
  readonly name: Uint8Array;
  /** Links between the named point and this one: 0 is the named one itself; at most 4. */
  readonly depth: number;
  /** Index among all points at that depth: link `index mod 1,024` of the point `⌊index ÷ 1,024⌋` above. */
  readonly index: number;
}

/** A point of a body, or why there is none. */
export type PieceRead =
  /** Bytes of the LK1 point, which hash to its name: at most 65,536. */
  | { readonly status: "here"; readonly bytes: Uint8Array }
  /** Not here, or nothing of this topic names it: whoever asks hears no difference. */
  | { readonly status: "none" }
  /** Not here yet, and on its way: `onHere` will tell. */
  | { readonly status: "later" };

/** Bodies that this side serves, provided by the layer that owns the topics. */
export interface BodySource {
  /**
   * One point, for a peer with full access to the topic. Must find it by going down from `name`, which
   * an entry of the topic must name: else a stranger to a body could ask whether it is here.
   */
  read(place: BodyPlace): Promise<PieceRead>;
  /**
   * Calls back when a named point or a whole body has come, or will not come any more after `later`;
   * returns the unsubscribe function.
   */
  onHere(listener: (topic: Topic, name: Uint8Array) => void): () => void;
}

/** Points of a body that are wanted. */
export interface PieceRequest {
  readonly topic: Topic;
  readonly name: Uint8Array;
  readonly depth: number;
  /** Index of the first. */
  readonly first: number;
  /** What the points hash to, in order: 1 to 16. */
  readonly hashes: readonly Uint8Array[];
}

/** Why a session ended. Codes are API: never renamed, never reused (docs/spec/3-sync.md §8). */
export type SyncCloseCode =
  /** A side was done: closed or disposed by its owner. */
  | "SYNC_DONE"
  /** The connection went away. */
  | "SYNC_CONNECTION_LOST"
  /** A frame that does not parse, or a message that its sender may not send now. */
  | "SYNC_BAD_MESSAGE"
  /** No common protocol version. */
  | "SYNC_VERSION"
  /** An identity proof does not verify. */
  | "SYNC_BAD_IDENTITY"
  /** The peer is this very device, or sends our own hello back. */
  | "SYNC_SELF"
  /** The peer sent more range bytes than it was granted. */
  | "SYNC_CREDIT"
  /** The peer announces more topics, logs or proofs than a session holds. */
  | "SYNC_OVER_LIMIT"
  /** A range does not verify. */
  | "SYNC_BAD_RANGE"
  /** The handshake took too long. */
  | "SYNC_HANDSHAKE_TIMEOUT"
  /** Nothing was heard of the peer for too long. */
  | "SYNC_IDLE"
  /** The peer does not take what it asked for. */
  | "SYNC_SLOW"
  /** Our own store, ingest or topic owner failed: the fault is here. */
  | "SYNC_LOCAL_FAILURE";

/** How a session ended. */
export interface SyncClosed {
  readonly code: SyncCloseCode;
  /** Which side ended it. */
  readonly by: "local" | "remote" | "connection";
  /** What failed here, with SYNC_LOCAL_FAILURE and SYNC_CONNECTION_LOST. */
  readonly cause?: unknown;
}

export interface SyncProgress {
  readonly entriesReceived: number;
  readonly entriesToReceive: number;
  readonly entriesSent: number;
  readonly entriesToSend: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

/** How one shared topic stands when a session has nothing left to do. */
export interface TopicReport {
  readonly topic: Topic;
  /** What we let the peer have. */
  readonly given: TopicAccess;
  /** What the peer lets us have. */
  readonly received: TopicAccess;
  /** Logs of the peer that are not taken here: refused, forked, pruned there or over budget. */
  readonly skippedHere: number;
  /** Logs of the peer that the topic's owner does not want: see `SyncTopic.wants`. */
  readonly leftOut: number;
  /** Logs of ours that the peer does not take. */
  readonly skippedThere: number;
}

export interface SyncReport {
  /** Every shared topic is open both ways and every log of it stands equal on both sides. */
  readonly complete: boolean;
  /** Shared topics, ordered by topic. */
  readonly topics: readonly TopicReport[];
}

/** Why an entry is not at a peer, or not here. */
export type ExplainCode =
  | "NOT_ANNOUNCED"
  | "REFUSED"
  | "MISSING_DEP"
  | "BAD_SIGNATURE"
  | "MISSING_EPOCH"
  | "OVER_BUDGET"
  | "PRUNED"
  | "HELD_FOR_CLOCK"
  | "FORKED"
  | "NO_ACCESS"
  | "IN_FLIGHT"
  | "NOT_WANTED"
  | "PRESENT";

export interface LogRef {
  readonly topic: Topic;
  readonly logId: LogId;
}
