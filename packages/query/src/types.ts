/**
 * The words of queries (docs/spec/query.md §5). Layer 3; pure.
 */
import type { Packet } from "@hawser/packet";

export type QueryMode =
  | "tree-asc"
  | "tree-desc"
  | "hash-asc"
  | "hash-desc"
  | "log-asc"
  | "log-desc";

/** Unsigned integers from `low` to `high`, both included. */
export interface IntegerBounds {
  readonly low: bigint;
  readonly high: bigint;
}

/** Fixed-size big-endian bytes from `low` to `high`, both included. */
export interface BytesBounds {
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

/**
 * Which 0-based counts of matches are accepted. A query is finished when a count passes `high`;
 * matches before `low` are counted and not given.
 */
export interface QueryLimits {
  /** All matches. */
  readonly all: IntegerBounds;
  /** Matches of the store pass. */
  readonly stored: IntegerBounds;
  /** Matches that arrive after the store pass. */
  readonly fresh: IntegerBounds;
  /** Matches per (group, domain, path, public key) of a tree pass. */
  readonly branch: IntegerBounds;
}

/** A query made ready: what an index scan needs, and a test for everything the index cannot say. */
export interface CompiledQuery {
  readonly mode: QueryMode;
  /** Identity of a watch; `undefined` when the query has none. */
  readonly qid: Uint8Array | undefined;
  readonly follow: boolean;
  readonly notifyClose: boolean;
  /** Receive stamps in µs. */
  readonly recv: IntegerBounds;
  readonly limits: QueryLimits;
  /** True where only linkpoints and keypoints can match: the tree index then holds all of it. */
  readonly linkpointsOnly: boolean;
  /** Bounds of what the indexes are ordered by; a field without rule has its widest bounds. */
  readonly bounds: {
    readonly group: BytesBounds;
    readonly domain: BytesBounds;
    readonly depth: IntegerBounds;
    readonly publicKey: BytesBounds;
    readonly stamp: IntegerBounds;
    readonly hash: BytesBounds;
  };
  /** Unrooted bytes that the path must start with (whole components); empty for any. */
  readonly pathPrefix: Uint8Array;
  /** Every rule about the packet itself: all fields but `recv` and the limits. */
  test(packet: Packet): boolean;
}
