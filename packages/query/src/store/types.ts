/**
 * PacketStore: the contract of every store of loose packets (docs/spec/query.md §7). Layer 3.
 * Adapters keep three orders (tree, hash, receive); reading, counting and watching are done once,
 * above them. `testing/` holds the conformance cases.
 */
import type { Packet } from "@hawser/packet";

/** µs since the Unix epoch, a safe integer; injected. */
export interface Clock {
  nowMicros(): number;
}

/** Timers; injected. */
export interface Timers {
  /** Calls back once after `delayMs` (at most 2^31 − 1); returns the cancel function. */
  after(delayMs: number, callback: () => void): () => void;
}

export interface StoredPacket {
  readonly packet: Packet<"verified">;
  /** Unique and increasing µs: the place in receive order, and a watcher's resume point. */
  readonly recv: number;
}

/** A place in tree order, whether or not a row lies there. */
export interface TreePlace {
  /** Bytes to compare with `TreeRow.key`; of any length. */
  readonly key: Uint8Array;
  /** u64. */
  readonly stamp: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** One row of the tree order: enough to test without loading the packet. */
export interface TreeRow extends TreePlace {
  /** `group32 ‖ domain16 ‖ depth1 ‖ unrooted path ‖ public key 32` (zeros when unsigned). */
  readonly key: Uint8Array;
  readonly recv: number;
  readonly linkCount: number;
  readonly dataBytes: number;
}

/** How much of an order to read at once, and which way. */
export interface PageOptions {
  /** At least 1. */
  readonly max: number;
  readonly descending?: boolean;
}

export interface AddOutcome {
  /** In the order given: the receive stamp, and whether the packet was new. */
  readonly packets: readonly { readonly recv: number; readonly isNew: boolean }[];
}

/**
 * A consistent snapshot is not promised between two calls; each call sees whole batches. Nothing is
 * ever removed, so whoever leaves out what was received after a `lastRecv` has a snapshot.
 */
export interface PacketStore extends AsyncDisposable {
  /**
   * All or none; durable when it resolves. The first packet (and its net header) wins: one whose
   * hash is known, from before or from earlier in the batch, changes nothing. New packets get
   * receive stamps in the order given: the clock's time, or one more than the newest stamp where the
   * clock has not passed it. The bytes are copied before `add` returns. Rejects with QueryError
   * STORE_CLOSED and STORE_CLOCK, and with the adapter's own errors.
   */
  add(packets: readonly Packet<"verified">[]): Promise<AddOutcome>;
  get(hash: Uint8Array): Promise<StoredPacket | undefined>;
  /** The newest receive stamp; 0 when empty. */
  lastRecv(): Promise<number>;
  /**
   * Up to `max` rows in (key, stamp, hash) order from `from` on, inclusive, or before it, exclusive
   * and descending. Rows of one key are in stamp order. Fewer than `max` only at the end. Datapoints
   * and error points have no row.
   */
  treeRows(from: TreePlace, options: PageOptions): Promise<readonly TreeRow[]>;
  /**
   * Up to `max` packets by hash: `from` inclusive ascending, or exclusive and descending;
   * `undefined` for the first, or the last. Fewer than `max` only at the end.
   */
  byHash(from: Uint8Array | undefined, options: PageOptions): Promise<readonly StoredPacket[]>;
  /**
   * Up to `max` packets by receive stamp within [low, high], ascending or descending. Fewer than
   * `max` only at the end.
   */
  byRecv(
    bounds: { readonly low: number; readonly high: number },
    options: PageOptions,
  ): Promise<readonly StoredPacket[]>;
  /**
   * Calls back after each add with the packets that were new; returns the unsubscribe function.
   * Tells of adds through this object only, not of those of another process.
   */
  onAdd(listener: (packets: readonly StoredPacket[]) => void): () => void;
  /** Idempotent. Later calls reject with QueryError STORE_CLOSED. */
  close(): Promise<void>;
}
