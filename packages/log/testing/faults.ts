/**
 * A LogStore that fails or waits on demand, around any other: for tests of what stands above it.
 */
import type { CommitBatch, LogStore } from "@hawser/log";

/** What happens to commits. A hook that rejects makes the commit reject. */
export interface CommitFaults {
  /** Runs before the commit: rejecting means that nothing was stored. May wait. */
  before?(batch: CommitBatch): Promise<void>;
  /** Runs after the commit: rejecting means that it was stored and the answer was lost. */
  after?(batch: CommitBatch): Promise<void>;
}

/** The store with faults. Hooks may be put in and taken out of `faults` at any time. */
export function withFaults(store: LogStore, faults: CommitFaults): LogStore {
  return {
    ...store,
    commit: async (batch) => {
      await faults.before?.(batch);
      const outcome = await store.commit(batch);
      await faults.after?.(batch);
      return outcome;
    },
  };
}
