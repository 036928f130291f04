/**
 * For stores whose commits take a while: batches in the order they came, those that wait together as
 * one group: one transaction, and one sync of the disk, for all of them.
 */
import type { CommitBatch, CommitOutcome } from "./store.ts";

/** Batches of one group, and bytes after which it takes no further one. */
const groupBatchesMax = 256;
const groupBytesMax: number = 4 * 1024 * 1024;

/** What a store does with its batches. */
export interface CommitQueueDeps<OwnBatch> {
  /** A copy: callers may reuse their buffers as soon as they were given back control. */
  own(batch: CommitBatch): OwnBatch;
  /** One transaction; never called while an earlier call is under way. An outcome for each batch. */
  commit(group: readonly OwnBatch[]): Promise<readonly CommitOutcome[]>;
  /** Whether a failed transaction left nothing behind, so that its batches may be tried one by one. */
  hadNoEffect(error: unknown): boolean;
  /** The error for a batch while so many wait that no more are taken. */
  fullError(waiting: number): Error;
}

/** Commits that wait. */
export interface CommitQueue {
  /** Rejects with `fullError`, or as its group does. */
  add(batch: CommitBatch): Promise<CommitOutcome>;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

interface Waiting<OwnBatch> {
  readonly batch: OwnBatch;
  readonly byteCount: number;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** A queue in front of a store's transactions, of `waitingMax` batches at most. */
export function createCommitQueue<OwnBatch>(
  deps: CommitQueueDeps<OwnBatch>,
  waitingMax: number,
): CommitQueue {
  const waiting: Waiting<OwnBatch>[] = [];
  let running: Promise<void> | undefined;

  const commitTogether = async (group: readonly Waiting<OwnBatch>[]): Promise<void> => {
    try {
      const outcomes = await deps.commit(group.map(({ batch }) => batch));
      group.forEach(({ resolve }, index) => {
        const outcome = outcomes[index];
        if (outcome !== undefined) resolve(outcome);
      });
    } catch (error) {
      // One batch that the store refuses must not take the others with it.
      const isDivisible = group.length > 1 && deps.hadNoEffect(error);
      if (isDivisible) for (const one of group) await commitTogether([one]);
      else for (const { reject } of group) reject(error);
    }
  };

  const run = async (): Promise<void> => {
    // One turn later, so that commits made in the same turn share the transaction.
    await Promise.resolve();
    while (waiting.length > 0) await commitTogether(takeGroup(waiting));
    running = undefined;
  };

  return {
    add: (batch) => {
      if (waiting.length >= waitingMax) return Promise.reject(deps.fullError(waiting.length));
      return new Promise((resolve, reject) => {
        const byteCount = bytesOf(batch);
        waiting.push({ batch: deps.own(batch), byteCount, resolve, reject });
        running ??= run();
      });
    },
    drained: async () => {
      await running;
    },
  };
}

function bytesOf({ ranges = [], writes = [] }: CommitBatch): number {
  let byteCount = 0;
  for (const { bytes } of ranges) byteCount += bytes.length;
  for (const { value } of writes) byteCount += value?.length ?? 0;
  return byteCount;
}

function takeGroup<OwnBatch>(waiting: Waiting<OwnBatch>[]): readonly Waiting<OwnBatch>[] {
  let byteCount = 0;
  let count = 0;
  for (const one of waiting) {
    byteCount += one.byteCount;
    if (count > 0 && (byteCount > groupBytesMax || count >= groupBatchesMax)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
