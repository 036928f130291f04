/** How the conformance cases get at stores. */
import type { Clock, PacketStore } from "@hawser/query";

/** The store under test. */
export interface PacketStoreHarness {
  /** A fresh, empty store whose receive stamps come from `clock`. */
  open(clock: Clock): Promise<PacketStore>;
  /** Closes a store of `open` and opens what it kept; absent for stores that keep nothing. */
  reopen?(store: PacketStore, clock: Clock): Promise<PacketStore>;
}

/** One promise of the contract. */
export interface PacketStoreCase {
  readonly name: string;
  /** Whether the case reopens stores: skip it for a store that keeps nothing. */
  readonly needsReopen?: true;
  /** Rejects when the store breaks the promise. */
  run(harness: PacketStoreHarness): Promise<void>;
}
