/**
 * Commits in the order they came, those that wait together as one group: one transaction, and one
 * sync of the disk, for all of them. Layer 4.
 */
import type { CommitBatch, CommitOutcome } from "@hawser/log";
import { PostgresStoreError } from "./errors.ts";
import type { GroupOutcome } from "./plan.ts";

/** Batches of one group, and compact bytes after which it takes no further one. */
const groupBatchesMax = 256;
const groupBytesMax: number = 4 * 1024 * 1024;

interface Waiting {
  readonly batch: CommitBatch;
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
  commitGroup: (batches: readonly CommitBatch[]) => Promise<GroupOutcome>,
  waitingMax: number,
): CommitQueue {
  const waiting: Waiting[] = [];
  let running: Promise<void> | undefined;

  const commitAlone = async ({ batch, resolve, reject }: Waiting): Promise<void> => {
    await commitGroup([batch]).then(({ outcomes: [outcome] }) => {
      if (outcome !== undefined) resolve(outcome);
    }, reject);
  };

  const commitTogether = async (group: readonly Waiting[]): Promise<void> => {
    try {
      const { outcomes } = await commitGroup(group.map(({ batch }) => batch));
      group.forEach(({ resolve }, index) => {
        const outcome = outcomes[index];
        if (outcome !== undefined) resolve(outcome);
      });
    } catch (error) {
      // One batch that the database refuses must not take the others with it.
      if (group.length > 1 && hadNoEffect(error)) for (const one of group) await commitAlone(one);
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
        return Promise.reject(new PostgresStoreError("STORE_QUEUE_FULL", message));
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

function hadNoEffect(error: unknown): boolean {
  return error instanceof PostgresStoreError && error.code === "STORE_WRITE_FAILED";
}

/** Callers may reuse their buffers as soon as they were given back control. */
function ownBatch(batch: CommitBatch): CommitBatch {
  const { ranges = [], writes = [], forks = [] } = batch;
  return {
    ranges: ranges.map((range) => ({ ...range, bytes: range.bytes.slice() })),
    writes: writes.map(({ key, value }) => ({ key, value: value?.slice() })),
    forks: forks.map((proof) => ({ ...proof, a: proof.a.slice(), b: proof.b.slice() })),
  };
}

function takeGroup(waiting: Waiting[]): readonly Waiting[] {
  let byteCount = 0;
  let count = 0;
  for (const { batch } of waiting) {
    const { ranges = [], writes = [] } = batch;
    for (const range of ranges) byteCount += range.bytes.length;
    for (const { value } of writes) byteCount += value?.length ?? 0;
    if (count > 0 && (byteCount > groupBytesMax || count >= groupBatchesMax)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
