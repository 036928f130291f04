/**
 * The writer of one log: places drafts, stamps them, signs as seldom as it may, commits
 * (docs/spec/2-log.md §4, §11). Layer 3; clock, store and crypto are injected.
 */
import { equalBytes, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Path } from "@hawser/packet";
import { buildRange, checkDraft, type StampedDraft } from "./build.ts";
import { emptyChain } from "./chain.ts";
import { hexBytes } from "./context.ts";
import { LogError } from "./errors.ts";
import {
  appendBytesMax,
  appendEntriesMax,
  commitBytesGoal,
  commitEntriesMax,
  integerMax,
  queueMaxDefault,
  unsignedBytesMax,
  unsignedEntriesMax,
} from "./limits.ts";
import { advanceHead } from "./log-index.ts";
import { createPointWriter } from "./point-writer.ts";
import type { CommitOutcome, KvWrite, LogStore } from "./store.ts";
import type {
  ChainState,
  Clock,
  Entry,
  EntryDraft,
  LogContext,
  LogHead,
  LogId,
  VerifiedRange,
} from "./types.ts";
import { equalStates } from "./verify.ts";

/** Path of a checkpoint entry: one component, FF "checkpoint". */
export const checkpointPath: Path = [new Uint8Array([0xff, ...utf8("checkpoint")])];

/** Drafts, or a function that makes them once their place is known. */
export type Drafts = readonly EntryDraft[] | ((seq: number) => readonly EntryDraft[]);

/** When entries are signed: with the commit, or by a later entry or checkpoint. */
export type SignMode = "now" | "deferred";

export interface LogWriterDeps {
  readonly store: Pick<LogStore, "commit" | "head" | "get">;
  readonly crypto: Pick<Crypto, "hash" | "deriveKey" | "publicKey" | "signPoint">;
  readonly clock: Clock;
}

export interface LogWriterOptions {
  readonly context: LogContext;
  /** 32-byte secret of the context's author; copied, and zeroed on close. */
  readonly secret: Uint8Array;
  /** Default `"now"`. */
  readonly sign?: SignMode;
  /** Appends that may wait; default 10,000. */
  readonly queueMax?: number;
}

export interface AppendOptions {
  /** Key-value writes that become durable with the entries, or not at all. */
  readonly writes?: readonly KvWrite[];
  /** Default: the writer's mode. */
  readonly sign?: SignMode;
}

/** Appends to one log, one after another. One writer a log and store. */
export interface LogWriter extends AsyncDisposable {
  readonly context: LogContext;
  readonly logId: LogId;
  /** The head after the last commit; `undefined` while the log is empty. */
  readonly head: LogHead | undefined;
  /**
   * Appends entries and resolves to them when they are durable. Appends that wait together are
   * committed together and share one signature. A builder is called once, with the seq of its first
   * entry. Bytes of drafts must not change afterwards: entries refer to them.
   *
   * Throws LogError: LOG_DATA_TOO_LARGE, LOG_DEPS_INVALID, LOG_PATH_INVALID, LOG_BODY_INVALID,
   * LOG_STAMP, LOG_QUEUE_FULL, LOG_FORKED, LOG_HEAD_MOVED, LOG_STORE_FAILED, LOG_CLOSED. What a
   * builder throws is thrown as it is. After any of them the writer can be used on, if it is open.
   */
  append(drafts: Drafts, options?: AppendOptions): Promise<readonly Entry[]>;
  /** Signs the tail, if there is one: by an entry without data. Resolves to the head. */
  checkpoint(): Promise<LogHead | undefined>;
  /** Tells a stamp of an entry that was seen: later entries are stamped after it. */
  observe(stamp: number): void;
  /** Finishes what waits, zeroes the secret. Idempotent. */
  close(): Promise<void>;
}

/** An append or, without drafts, a checkpoint that waits. */
interface Job {
  readonly drafts: Drafts | undefined;
  readonly writes: readonly KvWrite[];
  readonly sign: SignMode;
  readonly resolve: (entries: readonly Entry[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A job whose drafts have a place: entries [from, to) of the commit. */
interface PlacedJob {
  readonly job: Job;
  readonly from: number;
  readonly to: number;
}

/** Key under which `ingestRange` notes that the unsigned tail of a log was continued elsewhere. */
export function conflictKey(logId: LogId): string {
  return `log/conflict/${logId}`;
}

/**
 * Opens the writer of a log. A tail that a crash left unsigned is signed by a checkpoint at once.
 * Throws LOG_CONTEXT_INVALID, LOG_WRONG_KEY, and what `append` throws.
 */
export async function createLogWriter(
  deps: LogWriterDeps,
  options: LogWriterOptions,
): Promise<LogWriter> {
  const { crypto, store } = deps;
  const { context, queueMax = queueMaxDefault, sign = "now" } = options;
  const start = emptyChain(crypto, context);
  const secret = options.secret.slice();
  if (!equalBytes(crypto.publicKey(secret), hexBytes(context.author))) {
    secret.fill(0);
    throw new LogError("LOG_WRONG_KEY", "the secret is not that of the log's author");
  }
  const core = createCommitter(deps, start, secret, await store.head(start.logId));
  const jobs: Job[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  const drain = async (): Promise<void> => {
    while (jobs.length > 0) await core.commit(jobs);
    running = undefined;
  };
  const enqueue = (job: Omit<Job, "resolve" | "reject">): Promise<readonly Entry[]> => {
    if (closed) return Promise.reject(new LogError("LOG_CLOSED", "the writer is closed"));
    if (jobs.length >= queueMax) {
      return Promise.reject(new LogError("LOG_QUEUE_FULL", `${queueMax} appends wait already`));
    }
    return new Promise((resolve, reject) => {
      jobs.push({ ...job, resolve, reject });
      // A turn later, so that appends made together are committed together.
      running ??= Promise.resolve().then(drain);
    });
  };
  const checkpoint = async (): Promise<LogHead | undefined> => {
    await enqueue({ drafts: undefined, writes: [], sign: "now" });
    return core.head;
  };
  const close = async (): Promise<void> => {
    closed = true;
    await running;
    secret.fill(0);
  };
  if (hasTail(core.head)) {
    await checkpoint().catch(async (error: unknown) => {
      await close();
      throw error;
    });
  }
  return {
    context: start.context,
    logId: start.logId,
    get head() {
      return core.head;
    },
    append: (drafts, { writes = [], sign: mode = sign } = {}) =>
      enqueue({ drafts, writes, sign: mode }),
    checkpoint,
    observe: (stamp) => core.observe(stamp),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The part of a writer that runs one commit at a time. */
interface Committer {
  readonly head: LogHead | undefined;
  observe(stamp: number): void;
  /** Takes jobs from the front of `jobs`, as many as one commit holds, and settles them. */
  commit(jobs: Job[]): Promise<void>;
}

function createCommitter(
  { store, crypto, clock }: LogWriterDeps,
  start: ChainState,
  secret: Uint8Array,
  first: LogHead | undefined,
): Committer {
  const { context, logId } = start;
  const points = createPointWriter(context);
  let head = first;
  let observed = 0;
  /** True after a commit whose outcome is unknown: then the store's word is taken. */
  let unsure = false;
  /** Data bytes after the last signed entry, as far as this writer wrote them. */
  let unsignedBytes = 0;

  /** The first stamp for `count` entries: after everything that was seen. */
  const firstStamp = (count: number): number => {
    const now = Math.floor(clock.nowMicros());
    const stamp = Math.max(now, (head?.stamp ?? 0) + 1, observed + 1);
    if (!Number.isSafeInteger(now) || now < 0 || stamp > integerMax - count) {
      throw new LogError("LOG_STAMP", `no stamp below 2^53 is left after ${stamp}`);
    }
    return stamp;
  };

  /** Reads the head again. Throws if it is not where this writer left it, or must not be extended. */
  const refresh = async (): Promise<void> => {
    const current = await store.head(logId);
    const moved = !unsure && !equalStates(current ?? start, head ?? start);
    head = current;
    unsure = false;
    if (current?.forkedAt !== undefined) {
      throw new LogError("LOG_FORKED", `the log was forked at entry ${current.forkedAt}`);
    }
    if (moved) {
      throw new LogError("LOG_HEAD_MOVED", `the log is at ${current?.height ?? 0} by other hands`);
    }
    if (hasTail(current) && (await store.get(conflictKey(logId))) !== undefined) {
      throw new LogError(
        "LOG_FORKED",
        "the log was continued elsewhere before its tail was signed",
      );
    }
  };

  /** Whether this commit must end with a signature. */
  const mustSign = (placed: readonly PlacedJob[], drafts: readonly EntryDraft[]): boolean => {
    if (placed.some(({ job }) => job.sign === "now")) return true;
    const unsigned = (head?.height ?? 0) - (head?.signedHeight ?? 0) + drafts.length;
    return unsigned > unsignedEntriesMax || unsignedBytes + dataBytes(drafts) > unsignedBytesMax;
  };

  const build = (drafts: readonly EntryDraft[], signLast: boolean): VerifiedRange | undefined => {
    if (drafts.length === 0) return undefined;
    const height = head?.height ?? 0;
    const stamp = firstStamp(drafts.length);
    const last = drafts.length - 1;
    const stamped = drafts.map((draft, index): StampedDraft => ({
      draft,
      stamp: stamp + index,
      signed: height + index === 0 || (index === last && signLast),
    }));
    return buildRange({ crypto, secret, points }, head ?? start, stamped);
  };

  const commitRange = async (
    range: VerifiedRange | undefined,
    writes: readonly KvWrite[],
  ): Promise<void> => {
    if (range === undefined && writes.length === 0) return;
    unsure = true;
    let outcome: CommitOutcome;
    try {
      outcome = await store.commit({ ranges: range === undefined ? [] : [range], writes });
    } catch (error) {
      throw new LogError("LOG_STORE_FAILED", "the store did not commit", { cause: error });
    }
    unsure = false;
    if (!outcome.ok) {
      head = outcome.head;
      throw new LogError("LOG_HEAD_MOVED", "the log was extended by other hands meanwhile");
    }
    if (range !== undefined) head = advanceHead(head, range);
  };

  const write = async (placed: readonly PlacedJob[], drafts: EntryDraft[]): Promise<void> => {
    const signLast = mustSign(placed, drafts);
    if (signLast && drafts.length === 0 && hasTail(head)) drafts.push(checkpointDraft);
    const range = build(drafts, signLast);
    await commitRange(
      range,
      placed.flatMap(({ job }) => job.writes),
    );
    unsignedBytes = hasTail(head) ? unsignedBytes + dataBytes(drafts) : 0;
    const entries = range?.entries ?? [];
    for (const { job, from, to } of placed) job.resolve(entries.slice(from, to));
  };

  return {
    get head() {
      return head;
    },
    observe: (stamp) => {
      if (Number.isSafeInteger(stamp) && stamp > observed) observed = stamp;
    },
    commit: async (jobs) => {
      try {
        await refresh();
      } catch (error) {
        // What waits was written without knowing of this.
        for (const job of jobs.splice(0)) job.reject(error);
        return;
      }
      const drafts: EntryDraft[] = [];
      const placed = placeJobs(jobs, head?.height ?? 0, drafts);
      try {
        if (placed.length > 0) await write(placed, drafts);
      } catch (error) {
        for (const { job } of placed) job.reject(error);
      }
    },
  };
}

const checkpointDraft: EntryDraft = { data: new Uint8Array(0), path: checkpointPath };

function hasTail(head: LogHead | undefined): boolean {
  return head !== undefined && head.signedHeight < head.height;
}

function dataBytes(drafts: readonly EntryDraft[]): number {
  let byteCount = 0;
  for (const { data } of drafts) byteCount += data.length;
  return byteCount;
}

/**
 * Takes jobs from the front of the queue and collects their drafts, until a commit is full. A job
 * whose drafts are no good is rejected alone.
 */
function placeJobs(jobs: Job[], height: number, drafts: EntryDraft[]): PlacedJob[] {
  const placed: PlacedJob[] = [];
  let byteCount = 0;
  while (drafts.length < commitEntriesMax && byteCount < commitBytesGoal) {
    const job = jobs.shift();
    if (job === undefined) break;
    const from = drafts.length;
    try {
      const own = draftsOf(job, height + from);
      byteCount += dataBytes(own);
      for (const draft of own) drafts.push(draft);
      placed.push({ job, from, to: drafts.length });
    } catch (error) {
      job.reject(error);
    }
  }
  return placed;
}

function draftsOf({ drafts }: Job, seq: number): readonly EntryDraft[] {
  const own = typeof drafts === "function" ? drafts(seq) : (drafts ?? []);
  if (own.length > appendEntriesMax || dataBytes(own) > appendBytesMax) {
    throw new LogError("LOG_DATA_TOO_LARGE", "one append holds at most 65,536 entries and 4 MiB");
  }
  for (const draft of own) checkDraft(draft);
  return own;
}
