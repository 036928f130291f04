/** The words of the key-value view (docs/spec/7-views.md §6). Layer 7. */
import type { CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";

/** A value: null, boolean, safe integer, string, bytes, or an array of these. */
export type KvValue = CborValue;

/** `value: undefined` deletes. */
export interface KvPut {
  readonly key: string;
  readonly value: KvValue | undefined;
}

/** One visible version of a key. */
export interface KvVersion {
  /** `undefined` for a tombstone. */
  readonly value: KvValue | undefined;
  readonly author: AuthorId;
  /** µs; when the author wrote it, by the hybrid clock. */
  readonly stamp: number;
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
