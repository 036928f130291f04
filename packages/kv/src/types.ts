/** The words of the key-value view (docs/spec/7-views.md §6). Layer 7. */
import type { CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EventRef } from "@hawser/view";

/** A value: null, boolean, safe integer, string, bytes, or an array of these. */
export type KvValue = CborValue;

/** `value: undefined` deletes. */
export interface KvPut {
  readonly key: string;
  readonly value: KvValue | undefined;
  /**
   * How long the value lives, 1 to 3,155,760,000,000 ms (100 years), from the stamp of the put on.
   * Default: for ever. Of no meaning for a delete.
   */
  readonly ttlMs?: number;
}

/** One visible version of a key. */
export interface KvVersion {
  /** With what was added to it; `undefined` for a tombstone. Also there when it has expired. */
  readonly value: KvValue | undefined;
  /** Who put it; of a counter that nobody ever put, who added last. */
  readonly author: AuthorId;
  /** µs; when the author wrote it, by the hybrid clock. */
  readonly stamp: number;
  /** µs since the epoch from which on it reads as absent; `undefined`: never. */
  readonly expiresAt: number | undefined;
}

export interface KvPair {
  readonly key: string;
  readonly value: KvValue;
}

export interface KvRangeOptions {
  /** Only keys that start with it. */
  readonly prefix?: string;
  /** First key wanted. */
  readonly from?: string;
  /** First key no longer wanted. */
  readonly to?: string;
  /** At most so many pairs. */
  readonly limit?: number;
  /** Last key first. */
  readonly reverse?: boolean;
}

export interface KvChange {
  readonly key: string;
  /** `undefined` when the key is now absent. */
  readonly value: KvValue | undefined;
}

/** An event that a key's value rests on. */
export interface KvOrigin<Authority> extends EventRef {
  readonly kind: "put" | "delete" | "increment";
  readonly author: AuthorId;
  /** µs; when the author wrote it, by the hybrid clock. */
  readonly stamp: number;
  /** What was put, or how much was added; `undefined` of a delete. */
  readonly value: KvValue | undefined;
  readonly expiresAt: number | undefined;
  /** It makes the value that is shown; otherwise one of its conflicts. */
  readonly isShown: boolean;
  /** What the caller's `authority` said of the event. */
  readonly authority: Authority | undefined;
}

/** Why a key reads as it does. */
export interface KvExplanation<Authority> {
  readonly key: string;
  /** As `get` gives it. */
  readonly value: KvValue | undefined;
  /** `unknown`: nobody ever wrote it. */
  readonly state: "value" | "deleted" | "expired" | "unknown";
  /** In total order. */
  readonly origins: readonly KvOrigin<Authority>[];
}
