/**
 * Commits in the order they came, those that wait together as one group: one transaction, and one
 * sync of the disk, for all of them. Layer 4.
 */
import type { CommitBatch, CommitOutcome, ForkProof, KvWrite } from "@hawser/log";
import { IdbStoreError } from "./errors.ts";
import { newRange, ownBytes, type NewRange } from "./records.ts";

/** Batches of one group, and bytes after which it takes no further one. */
const groupBatchesMax = 256;
const groupBytesMax: number = 4 * 1024 * 1024;

/** A batch in copies: callers may reuse their buffers as soon as they were given back control. */
export interface OwnBatch {
  readonly ranges: readonly NewRange[];
  readonly writes: readonly KvWrite[];
  readonly forks: readonly ForkProof[];
  readonly byteCount: number;
}

interface Waiting {
  readonly batch: OwnBatch;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Commits that wait. */
export interface CommitQueue {
  /** Rejects with STORE_QUEUE_FULL, or as the group does. */
  add(batch: CommitBatch): Promise<CommitOutcome>;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

/** A queue in front of `commitGroup`, which is never called while an earlier call is under way. */
export function createCommitQueue(
  commitGroup: (batches: readonly OwnBatch[]) => Promise<readonly CommitOutcome[]>,
  waitingMax: number,
): CommitQueue {
  const waiting: Waiting[] = [];
  let running: Promise<void> | undefined;

  const commitTogether = async (group: readonly Waiting[]): Promise<void> => {
    try {
      const outcomes = await commitGroup(group.map(({ batch }) => batch));
      group.forEach(({ resolve }, index) => {
        const outcome = outcomes[index];
        if (outcome !== undefined) resolve(outcome);
      });
    } catch (error) {
      // A failed transaction has no effect. One batch too many must not take the others with it.
      if (group.length > 1) for (const one of group) await commitTogether([one]);
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
      if (waiting.length >= waitingMax) {
        const message = `${waiting.length} commits wait already`;
        return Promise.reject(new IdbStoreError("STORE_QUEUE_FULL", message));
      }
      return new Promise((resolve, reject) => {
        waiting.push({ batch: ownBatch(batch), resolve, reject });
        running ??= run();
      });
    },
    drained: async () => {
      await running;
    },
  };
}

function ownBatch({ ranges = [], writes = [], forks = [] }: CommitBatch): OwnBatch {
  let byteCount = 0;
  for (const { bytes } of ranges) byteCount += bytes.length;
  for (const { value } of writes) byteCount += value?.length ?? 0;
  return {
    ranges: ranges.map(newRange),
    writes: writes.map(({ key, value }) => ({ key, value: value && ownBytes(value) })),
    forks: forks.map((proof) => ({ ...proof, a: ownBytes(proof.a), b: ownBytes(proof.b) })),
    byteCount,
  };
}

function takeGroup(waiting: Waiting[]): readonly Waiting[] {
  let byteCount = 0;
  let count = 0;
  for (const { batch } of waiting) {
    byteCount += batch.byteCount;
    if (count > 0 && (byteCount > groupBytesMax || count >= groupBatchesMax)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
