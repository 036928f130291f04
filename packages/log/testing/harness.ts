/** How the conformance cases get at stores. */
import type { LogStore } from "@hawser/log";

/** The store under test. */
export interface StoreHarness {
  /** A fresh, empty store. */
  open(): Promise<LogStore>;
  /** Closes a store of `open` and opens what it kept; absent for stores that keep nothing. */
  reopen?(store: LogStore): Promise<LogStore>;
  /** Bytes of memory in use after a collection; without it nobody looks. */
  memoryBytes?(): number;
  /** How much a store may grow by a million small entries, in bytes; default 192 MiB. */
  readonly memoryGrowthBytesMax?: number;
}

/** One promise of the contract. */
export interface LogStoreCase {
  readonly name: string;
  /** Whether the case reopens stores: skip it for a store that keeps nothing. */
  readonly needsReopen?: true;
  /** Rejects when the store breaks the promise. */
  run(harness: StoreHarness): Promise<void>;
}
