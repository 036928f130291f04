/** What a system under test does, and what is measured of it. */

/** One measured sync, both sides in one process. */
export interface SyncRun {
  readonly entries: number;
  readonly logs: number;
  /** Until the receiver has everything; what is sent afterwards counts as bytes. */
  readonly seconds: number;
  /** Processor time of both sides, all threads. */
  readonly cpuSeconds: number;
  /** Bytes both sides sent. */
  readonly wireBytes: number;
  /** Bytes of the entries that the receiver lacked. */
  readonly payloadBytes: number;
}

/** How much is to be synced. */
export interface SyncShape {
  readonly logs: number;
  /** Entries of each log before the sync that is measured. */
  readonly entriesPerLog: number;
}

/** A system that syncs logs of 200-byte entries between two peers in this process. */
export interface SyncSystem {
  /** Makes one log; each call of the result syncs it to a peer that has nothing. */
  initial(entries: number): Promise<() => Promise<SyncRun>>;
  /** Logs that both sides have, of which ten gained one entry each while they were apart. */
  incremental(shape: SyncShape): Promise<SyncRun>;
}

/** The best of so many rounds counts: the machine may be shared. */
export const roundsMax = 3;

/** Entries that are new in an incremental sync. */
export const freshCount = 10;
