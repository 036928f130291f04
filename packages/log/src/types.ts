/**
 * The words of the log layer (docs/spec/2-log.md). Layer 3; pure, no platform globals.
 * Ids are lower-case hex strings with a brand, because they are map keys; bytes appear in codecs.
 */
import type { Brand } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";

/** deriveKey("hawser log v1", topic ‖ domain(16, left-padded) ‖ author), 64 hex characters. */
export type LogId = string & Brand<"LogId">;
/** 32-byte sync scope in hex: the LK1 group of every entry in it. Secret where it is sensitive. */
export type Topic = string & Brand<"Topic">;
/** The hash of an entry's point in hex. */
export type EntryId = string & Brand<"EntryId">;

/** Everything the entries of one log have in common, and therefore never repeat. */
export interface LogContext {
  readonly topic: Topic;
  /** 1–16 ASCII characters, such as "hawser.data". */
  readonly domain: string;
  readonly author: AuthorId;
}

/** µs since the Unix epoch; injected. */
export interface Clock {
  nowMicros(): number;
}

/** An entry of another log that this entry has seen. */
export interface Dep {
  /** seq of the entry pointed at, in its own log. */
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** A payload kept outside the entry. */
export interface DetachedBody {
  readonly byteCount: number;
  readonly hash: Uint8Array;
}

/** What an author writes; the log adds place, links, stamp and signature. */
export interface EntryDraft {
  readonly data: Uint8Array;
  /** LK1 path components; default none. */
  readonly path?: readonly Uint8Array[];
  /** Sorted by hash bytes, unique, at most 64. */
  readonly deps?: readonly Dep[];
  readonly body?: DetachedBody;
}

/** A decoded entry at its place in a log. */
export interface Entry {
  readonly logId: LogId;
  readonly seq: number;
  /** BLAKE3 of the point, 32 bytes. */
  readonly hash: Uint8Array;
  /** Hybrid logical clock, µs, < 2^53. */
  readonly stamp: number;
  readonly deps: readonly Dep[];
  readonly path: readonly Uint8Array[];
  readonly data: Uint8Array;
  readonly body: DetachedBody | undefined;
  /** Present on keypoints. */
  readonly signature: Uint8Array | undefined;
}

/** Consecutive entries of one log in compact form: what crosses the wire and lies on disk. */
export interface EncodedRange {
  readonly context: LogContext;
  /** seq of the first entry. */
  readonly from: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** Where a log stands: enough to verify or append its next entry. */
export interface ChainState {
  readonly context: LogContext;
  readonly logId: LogId;
  /** Count of entries; the next seq. */
  readonly height: number;
  /** Hash of entry height − 1; `undefined` when empty. */
  readonly hash: Uint8Array | undefined;
  /** Stamp of entry height − 1; 0 when empty. */
  readonly stamp: number;
  /** Entries that later skip links may still point at, seq ascending; O(log height) of them. */
  readonly skips: readonly { readonly seq: number; readonly hash: Uint8Array }[];
}

/** Where decoding of a range may start: the place before one of its entries. */
export interface RangeMark {
  /** State before the entry; its height is the entry's seq. */
  readonly state: ChainState;
  /** Where the entry starts in the range's bytes. */
  readonly offset: number;
  /** Path of the entry before within the range; none at the start of the range. */
  readonly path: readonly Uint8Array[];
}

declare const verified: unique symbol;

/** A range whose every entry hangs on a signature that was checked (or was just made). */
export interface VerifiedRange extends EncodedRange {
  readonly [verified]: true;
  /** False for a local tail that waits for its checkpoint; such a range never leaves the device. */
  readonly signed: boolean;
  readonly before: ChainState;
  readonly after: ChainState;
  readonly entries: readonly Entry[];
  /** One mark every 64 entries, the first at the start. */
  readonly marks: readonly RangeMark[];
}

export interface LogHead extends ChainState {
  /** Entries up to the last signed one: what may be announced to peers. */
  readonly signedHeight: number;
  readonly signedHash: Uint8Array | undefined;
  /** Entries from this seq on are quarantined, because a fork proof exists. */
  readonly forkedAt: number | undefined;
  /** Entries before this seq may be missing. */
  readonly prunedTo: number;
}

/** `logId → height`: "everything up to here". */
export type Frontier = ReadonlyMap<LogId, number>;

/**
 * Two branches of one log; anybody can check them (docs/spec/2-log.md §9). Each branch is a link
 * path: points back to back, a signed one first, each linked by the one before it, the last one at
 * `seq`. The two last ones differ and have the same backlink.
 */
export interface ForkProof {
  readonly context: LogContext;
  /** The first seq at which the branches differ. */
  readonly seq: number;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
}
