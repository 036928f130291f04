/**
 * LogStore: the contract every store adapter fulfils. `testing/` holds its conformance cases.
 * All methods reject with LogError STORE_CLOSED after close.
 */
import type {
  ChainState,
  EncodedRange,
  Entry,
  ForkProof,
  LogHead,
  LogId,
  Topic,
  VerifiedRange,
} from "./types.ts";

/** Put (`value`) or delete (`undefined`) one key of the store's small key-value space. */
export interface KvWrite {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Everything in one batch becomes durable together or not at all. */
export interface CommitBatch {
  /** Each must extend its log's head exactly; otherwise nothing of the batch is applied. */
  readonly ranges?: readonly VerifiedRange[];
  readonly writes?: readonly KvWrite[];
  /** Verified proofs. One is kept a log: that with the smallest seq, which is `forkedAt`. */
  readonly forks?: readonly ForkProof[];
}

export type CommitOutcome =
  | { readonly ok: true; readonly cursor: number }
  /** The head moved meanwhile: read it again, cut what is known, retry. */
  | { readonly ok: false; readonly reason: "STORE_HEAD_MOVED"; readonly head: LogHead | undefined };

/** A stored range with its place in local receive order. */
export interface StoredRange extends EncodedRange {
  readonly logId: LogId;
  /** Whether all of it hangs on a signature: its end is at most the log's `signedHeight`. */
  readonly signed: boolean;
  /** Strictly increasing across the whole store; a watcher's resume point. */
  readonly cursor: number;
}

export interface ReadOptions {
  /** First seq wanted; default 0. A stored range that starts earlier is cut to it. */
  readonly from?: number;
  /** One past the last seq wanted; default everything. */
  readonly to?: number;
  readonly signal?: AbortSignal;
}

export interface StoreStats {
  readonly logs: number;
  readonly entries: number;
  readonly ranges: number;
  /** Sum of compact bytes. */
  readonly rangeBytes: number;
  /** Sum of the entries' data bytes. */
  readonly dataBytes: number;
  /** Bytes on disk, or `undefined` for memory. */
  readonly diskBytes: number | undefined;
}

export interface LogStore extends AsyncDisposable {
  /** Resolves when the batch is durable in the store's mode. */
  commit(batch: CommitBatch): Promise<CommitOutcome>;
  head(logId: LogId): Promise<LogHead | undefined>;
  /** Heads of a topic, ordered by log id. */
  heads(topic: Topic): Promise<readonly LogHead[]>;
  topics(): Promise<readonly Topic[]>;
  /** Ranges of one log in seq order, in compact form, each cut so that it is self-contained. */
  ranges(logId: LogId, options?: ReadOptions): AsyncIterable<StoredRange>;
  /** Decoded entries of one log in seq order. */
  entries(logId: LogId, options?: ReadOptions): AsyncIterable<Entry>;
  /**
   * The state of a log when it had `height` entries: what verifies or rebuilds the entry at that
   * seq. `undefined` where the log is shorter or pruned beyond it.
   */
  stateAt(logId: LogId, height: number): Promise<ChainState | undefined>;
  /** A signed entry by its hash. */
  findSigned(
    hash: Uint8Array,
  ): Promise<{ readonly logId: LogId; readonly seq: number } | undefined>;
  /** Ranges of a topic in receive order after `cursor`: finite, a snapshot. */
  received(
    topic: Topic,
    cursor: number,
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterable<StoredRange>;
  /** Calls back after each commit that added ranges; returns the unsubscribe function. */
  onCommit(listener: (ranges: readonly StoredRange[]) => void): () => void;
  /** The proof with the smallest seq, or none. A proof may come before the log's first entry. */
  forkProofs(logId: LogId): Promise<readonly ForkProof[]>;
  /**
   * Drops entries before `seq`, whole ranges at a time, never unsigned ones. Returns the log's new
   * prunedTo; the state there stays known.
   */
  prune(logId: LogId, seq: number): Promise<number>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Pairs whose key starts with `prefix`, in key order (UTF-16 code units of ASCII keys). */
  list(prefix: string): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  stats(): Promise<StoreStats>;
  /** Idempotent. */
  close(): Promise<void>;
}
