/**
 * A device's disk over the memory store. Commits take time; a crash leaves what was acknowledged, and
 * of what was under way a beginning: whole batches, as the contract of LogStore has it. (Half-written
 * batches are the file store's to mend: `file-disk.ts`.) The disk may be full, or answer with an error
 * after it has stored.
 */
import type { Crypto } from "@hawser/crypto";
import {
  createMemoryStore,
  type CommitBatch,
  type CommitOutcome,
  type LogStore,
  type StoredRange,
} from "@hawser/log";
import type { Draws } from "./draws.ts";
import type { Owner, Schedule } from "./schedule.ts";

/** What goes wrong on a disk now. */
export interface DiskFaults {
  /** Commits fail and store nothing. */
  isFull: boolean;
  /** Chance that a commit is stored and answered with an error. */
  lostAnswerChance: number;
  /** A commit takes 0 to this many ms. */
  delayMsMax: number;
}

/** A disk that outlives the programs on it. */
export interface Disk {
  readonly faults: DiskFaults;
  /** Opens the store for a program; it goes dead with its owner. */
  open(owner: Owner): Promise<LogStore>;
  /** The power went: what was under way is there or not. The owner is dead already. */
  crash(): Promise<void>;
  /** Errors answered so far. */
  errorCount(): number;
  /** Commits under way. */
  busyCount(): number;
}

/** What a disk is made of. */
export interface DiskDeps {
  readonly crypto: Crypto;
  readonly schedule: Schedule;
  readonly draws: Draws;
}

/** Bugs to plant: a disk that does not keep its word. */
export interface DiskBugs {
  /** A crash takes the last acknowledged commit along. */
  readonly losesLast?: boolean;
  /** Commits are answered this many ms before they are durable. */
  readonly earlyMs?: number;
}

/** A disk without errors and without delay. */
export function calmDisk(): DiskFaults {
  return { isFull: false, lostAnswerChance: 0, delayMsMax: 0 };
}

/** An error as a file system gives it. */
export function diskError(code: "ENOSPC" | "EIO"): Error {
  return Object.assign(new Error(`the simulated disk: ${code}`), { code });
}

interface Job {
  readonly run: () => Promise<void>;
  readonly owner: Owner;
}

/** A memory store that outlives crashes. */
export function createMemoryDisk(deps: DiskDeps, bugs: DiskBugs = {}): Disk {
  const { crypto, schedule, draws } = deps;
  const faults = calmDisk();
  let inner = createMemoryStore({ crypto });
  // Only kept where a bug needs it: what is durable, batch by batch.
  const journal: { readonly batch: CommitBatch; readonly durableAtMs: number }[] = [];
  const isBuggy = bugs.losesLast === true || bugs.earlyMs !== undefined;
  const jobs: Job[] = [];
  let isRunning = false;
  let errors = 0;

  const apply = async (batch: CommitBatch): Promise<CommitOutcome> => {
    const outcome = await inner.commit(batch);
    const durableAtMs = schedule.nowMs() + (bugs.earlyMs ?? 0);
    if (isBuggy && outcome.ok) journal.push({ batch, durableAtMs });
    return outcome;
  };
  const next = (): void => {
    const job = jobs[0];
    if (isRunning || job === undefined) return;
    isRunning = true;
    schedule.after(job.owner, draws.between(0, faults.delayMsMax), () => void finish(job));
  };
  const finish = async (job: Job): Promise<void> => {
    if (jobs[0] !== job) return;
    await job.run();
    jobs.shift();
    isRunning = false;
    next();
  };
  const commit = (owner: Owner, batch: CommitBatch): Promise<CommitOutcome> =>
    new Promise((resolve, reject) => {
      const run = async (): Promise<void> => {
        if (faults.isFull) {
          errors += 1;
          reject(diskError("ENOSPC"));
          return;
        }
        const outcome = await apply(batch);
        if (!owner.isAlive) return;
        if (!draws.chance(faults.lostAnswerChance)) return resolve(outcome);
        errors += 1;
        reject(diskError("EIO"));
      };
      jobs.push({ run, owner });
      next();
    });
  return {
    faults,
    open: async (owner) => mortal(inner, owner, (batch) => commit(owner, batch)),
    crash: async () => {
      const torn = jobs.splice(0, draws.below(jobs.length + 1));
      jobs.length = 0;
      isRunning = false;
      for (const job of torn) await job.run();
      if (!isBuggy) return;
      const now = schedule.nowMs();
      const kept = journal.filter(({ durableAtMs }) => durableAtMs <= now);
      if (bugs.losesLast === true) kept.pop();
      journal.splice(0, journal.length, ...kept);
      inner = createMemoryStore({ crypto });
      for (const { batch } of kept) await inner.commit(batch);
    },
    errorCount: () => errors,
    busyCount: () => jobs.length,
  };
}

/** A store that answers nothing any more once its owner is dead, as nothing is left to hear it. */
export function mortal(
  inner: LogStore,
  owner: Owner,
  commit: (batch: CommitBatch) => Promise<CommitOutcome>,
): LogStore {
  const live = async <Value>(ask: () => Promise<Value>): Promise<Value> => {
    if (!owner.isAlive) return never();
    try {
      const value = await ask();
      return owner.isAlive ? value : never();
    } catch (error) {
      if (!owner.isAlive) return never();
      throw error;
    }
  };
  async function* each<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
    for await (const item of items) {
      if (!owner.isAlive) await never();
      yield item;
    }
  }
  return {
    ...inner,
    commit: (batch) => live(() => commit(batch)),
    head: (logId) => live(() => inner.head(logId)),
    heads: (topic) => live(() => inner.heads(topic)),
    topics: () => live(() => inner.topics()),
    ranges: (logId, options) => each(inner.ranges(logId, options)),
    entries: (logId, options) => each(inner.entries(logId, options)),
    stateAt: (logId, height) => live(() => inner.stateAt(logId, height)),
    findSigned: (hash) => live(() => inner.findSigned(hash)),
    received: (topic, cursor, options) => each(inner.received(topic, cursor, options)),
    onCommit: (listener) =>
      inner.onCommit((ranges: readonly StoredRange[]) => {
        if (owner.isAlive) listener(ranges);
      }),
    forkProofs: (logId) => live(() => inner.forkProofs(logId)),
    prune: (logId, seq) => live(() => inner.prune(logId, seq)),
    get: (key) => live(() => inner.get(key)),
    list: (prefix) => live(() => inner.list(prefix)),
    stats: () => live(() => inner.stats()),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function never<Value>(): Promise<Value> {
  return new Promise(() => {});
}
