/**
 * PacketStore: the contract of every store of loose packets (docs/spec/query.md §7). Layer 3.
 * Adapters keep three orders (tree, hash, receive); reading, counting and watching are done once,
 * above them. `testing/` holds the conformance cases.
 */
import type { Packet } from "@hawser/packet";

export interface StoredPacket {
  readonly packet: Packet<"verified">;
  /** Unique and increasing µs: the place in receive order, and a watcher's resume point. */
  readonly recv: number;
}

/** One row of the tree order: enough to test without loading the packet. */
export interface TreeRow {
  /** `group32 ‖ domain16 ‖ depth1 ‖ unrooted path ‖ public key 32` (zeros when unsigned). */
  readonly key: Uint8Array;
  readonly stamp: bigint;
  readonly hash: Uint8Array;
  readonly recv: number;
  readonly linkCount: number;
  readonly dataBytes: number;
}

export interface AddOutcome {
  /** In the order given: the receive stamp, and whether the packet was new. */
  readonly packets: readonly { readonly recv: number; readonly isNew: boolean }[];
}

/** A consistent snapshot is not promised between two calls; each call sees whole batches. */
export interface PacketStore extends AsyncDisposable {
  /** All or none; durable when it resolves. The first packet (and its net header) wins. */
  add(packets: readonly Packet<"verified">[]): Promise<AddOutcome>;
  get(hash: Uint8Array): Promise<StoredPacket | undefined>;
  /** The newest receive stamp; 0 when empty. */
  lastRecv(): Promise<number>;
  /**
   * Up to `max` rows in (key, stamp, hash) order from `from` on, inclusive, or before it, exclusive
   * and descending. Rows of one key are in stamp order.
   */
  treeRows(
    from: { readonly key: Uint8Array; readonly stamp: bigint; readonly hash: Uint8Array },
    options: { readonly max: number; readonly descending?: boolean },
  ): Promise<readonly TreeRow[]>;
  /** Up to `max` packets by hash: `from` inclusive ascending, or exclusive and descending. */
  byHash(
    from: Uint8Array | undefined,
    options: { readonly max: number; readonly descending?: boolean },
  ): Promise<readonly StoredPacket[]>;
  /** Up to `max` packets by receive stamp within [low, high], ascending or descending. */
  byRecv(
    bounds: { readonly low: number; readonly high: number },
    options: { readonly max: number; readonly descending?: boolean },
  ): Promise<readonly StoredPacket[]>;
  /** Calls back after each add with the packets that were new; returns the unsubscribe function. */
  onAdd(listener: (packets: readonly StoredPacket[]) => void): () => void;
  /** Idempotent. Later calls reject with QueryError STORE_CLOSED. */
  close(): Promise<void>;
}
