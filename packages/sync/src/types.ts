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
}

/** Timers, injected. */
export interface Timers {
  /** Calls back once after `delayMs`; returns the cancel function. */
  after(delayMs: number, callback: () => void): () => void;
}

/** How much of a topic a peer may be served. */
export type TopicAccess = "none" | "control" | "full";

/** One topic this side takes part in. Read afresh at each proof, so rotations show at once. */
export interface SyncTopic {
  readonly topic: Topic;
  /** Current follow keys (32 bytes each, one per maximal epoch), newest first, at most 4. */
  followKeys(): readonly Uint8Array[];
  /** What the owner of a proven identity may have without the current follow key. */
  accessOf(identity: AuthorId): TopicAccess;
  /** Domains that `control` access covers. */
  readonly controlDomains: readonly string[];
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

export interface SyncProgress {
  readonly entriesReceived: number;
  readonly entriesToReceive: number;
  readonly entriesSent: number;
  readonly entriesToSend: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
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
  | "PRESENT";

export interface LogRef {
  readonly topic: Topic;
  readonly logId: LogId;
}
