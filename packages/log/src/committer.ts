/**
 * The part of a writer that makes one commit after another: which appends go together, where they
 * are placed, what is signed (docs/spec/2-log.md §2, §11). Layer 3.
 */
import { utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Path } from "@hawser/packet";
import { buildRange, checkDraft, type StampedDraft } from "./build.ts";
import { stateOf } from "./chain.ts";
import { LogError } from "./errors.ts";
import { advanceHead } from "./log-index.ts";
import {
  appendBytesMax,
  appendEntriesMax,
  commitBytesGoal,
  commitEntriesMax,
  integerMax,
  unsignedBytesMax,
} from "./limits.ts";
import { createPointWriter, type PointWriter } from "./point-writer.ts";
import type { CommitOutcome, KvWrite, LogStore } from "./store.ts";
import type {
  ChainState,
  Clock,
  Entry,
  EntryDraft,
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

/** An append or, without drafts, a checkpoint that waits. */
export interface Job {
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

/** What a committer works with. */
export interface CommitterDeps {
  readonly store: Pick<LogStore, "commit" | "head" | "get">;
  readonly crypto: Pick<Crypto, "hash" | "signPoint">;
  readonly clock: Clock;
}

/** Where a committer starts. */
export interface CommitterStart {
  /** The log without entries. */
  readonly start: ChainState;
  /** Owned by the writer, which zeroes it. */
  readonly secret: Uint8Array;
  readonly head: LogHead | undefined;
}

/** Extends one log. `commit` must not be called again before it has settled. */
export class Committer {
  readonly #deps: CommitterDeps;
  readonly #start: ChainState;
  readonly #secret: Uint8Array;
  readonly #points: PointWriter;
  #head: LogHead | undefined;
  #observed = 0;
  /** True after a commit whose outcome is unknown: then the store's word is taken. */
  #unsure = false;
  /** Compact bytes after the last signed entry, or more. An opened log has none: its tail is signed. */
  #unsignedBytes = 0;

  constructor(deps: CommitterDeps, { start, secret, head }: CommitterStart) {
    this.#deps = deps;
    this.#start = start;
    this.#secret = secret;
    this.#head = head;
    this.#points = createPointWriter(start.context);
  }

  /** The head after the last commit. */
  get head(): LogHead | undefined {
    return this.#head;
  }

  /** Later stamps are greater than this one. What is no stamp is passed over. */
  observe(stamp: number): void {
    if (Number.isSafeInteger(stamp) && stamp > this.#observed) this.#observed = stamp;
  }

  /** Takes jobs from the front of `jobs`, as many as one commit holds, and settles them. */
  async commit(jobs: Job[]): Promise<void> {
    try {
      await this.#refresh();
    } catch (error) {
      // What waits was written without knowing of this.
      for (const job of jobs.splice(0)) job.reject(error);
      return;
    }
    const drafts: EntryDraft[] = [];
    const placed = placeJobs(jobs, this.#head?.height ?? 0, drafts);
    try {
      if (placed.length > 0) await this.#write(placed, drafts);
    } catch (error) {
      for (const { job } of placed) job.reject(error);
    }
  }

  /** Reads the head again. Throws if it is not where it was left, or must not be extended. */
  async #refresh(): Promise<void> {
    const { store } = this.#deps;
    const { logId } = this.#start;
    const current = await store.head(logId);
    const moved = !this.#unsure && !equalStates(current ?? this.#start, this.#head ?? this.#start);
    this.#head = current;
    this.#unsure = false;
    if (current?.forkedAt !== undefined) {
      throw new LogError("LOG_FORKED", `the log was forked at entry ${current.forkedAt}`);
    }
    if (moved) {
      throw new LogError("LOG_HEAD_MOVED", `the log is at ${current?.height ?? 0} by other hands`);
    }
    if (hasTail(current) && (await store.get(conflictKey(logId))) !== undefined) {
      throw new LogError("LOG_FORKED", "the log's unsigned tail was continued elsewhere");
    }
  }

  async #write(placed: readonly PlacedJob[], drafts: EntryDraft[]): Promise<void> {
    const signLast = this.#mustSign(placed, drafts);
    if (signLast && drafts.length === 0 && hasTail(this.#head)) drafts.push(checkpointDraft);
    const range = this.#build(drafts, signLast);
    // Before the commit: if its answer is lost, they may be there all the same.
    this.#unsignedBytes += compactBytes(drafts);
    await this.#commitRange(
      range,
      placed.flatMap(({ job }) => job.writes),
    );
    if (!hasTail(this.#head)) this.#unsignedBytes = 0;
    const entries = range?.entries ?? [];
    for (const { job, from, to } of placed) job.resolve(entries.slice(from, to));
  }

  /** Whether this commit must end with a signature. */
  #mustSign(placed: readonly PlacedJob[], drafts: readonly EntryDraft[]): boolean {
    if (placed.some(({ job }) => job.sign === "now")) return true;
    return this.#unsignedBytes + compactBytes(drafts) > unsignedBytesMax;
  }

  #build(drafts: readonly EntryDraft[], signLast: boolean): VerifiedRange | undefined {
    if (drafts.length === 0) return undefined;
    const before = this.#head === undefined ? this.#start : stateOf(this.#head);
    const stamp = this.#firstStamp(drafts.length);
    const last = drafts.length - 1;
    const stamped = drafts.map((draft, index): StampedDraft => ({
      draft,
      stamp: stamp + index,
      signed: before.height + index === 0 || (index === last && signLast),
    }));
    const { crypto } = this.#deps;
    return buildRange({ crypto, secret: this.#secret, points: this.#points }, before, stamped);
  }

  /** The first stamp for `count` entries: after everything that was seen. */
  #firstStamp(count: number): number {
    const now = Math.floor(this.#deps.clock.nowMicros());
    const stamp = Math.max(now, (this.#head?.stamp ?? 0) + 1, this.#observed + 1);
    if (!Number.isSafeInteger(now) || now < 0 || stamp > integerMax - count) {
      throw new LogError("LOG_STAMP", `no stamp below 2^53 is left after ${stamp}`);
    }
    return stamp;
  }

  async #commitRange(range: VerifiedRange | undefined, writes: readonly KvWrite[]): Promise<void> {
    if (range === undefined && writes.length === 0) return;
    this.#unsure = true;
    let outcome: CommitOutcome;
    try {
      const ranges = range === undefined ? [] : [range];
      outcome = await this.#deps.store.commit({ ranges, writes });
    } catch (error) {
      throw new LogError("LOG_STORE_FAILED", "the store did not commit", { cause: error });
    }
    this.#unsure = false;
    if (!outcome.ok) {
      this.#head = outcome.head;
      throw new LogError("LOG_HEAD_MOVED", "the log was extended by other hands meanwhile");
    }
    if (range !== undefined) this.#head = advanceHead(this.#head, range);
  }
}

const checkpointDraft: EntryDraft = { data: new Uint8Array(0), path: checkpointPath };

/** Whether a log ends unsigned. */
export function hasTail(head: LogHead | undefined): boolean {
  return head !== undefined && head.signedHeight < head.height;
}

/** About what drafts take in compact form, and never less. */
function compactBytes(drafts: readonly EntryDraft[]): number {
  let byteCount = 0;
  for (const { data, deps = [], path = [] } of drafts) {
    byteCount += data.length + entryBytes + deps.length * depBytes;
    for (const component of path) byteCount += 1 + component.length;
  }
  return byteCount;
}

/** Flags, stamp delta, counts, lengths and a body of an entry. */
const entryBytes = 64;
/** A varint of at most 8 bytes and a hash. */
const depBytes = 40;

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
      byteCount += compactBytes(own);
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
  if (own.length > appendEntriesMax || compactBytes(own) > appendBytesMax) {
    throw new LogError("LOG_DATA_TOO_LARGE", "one append holds at most 65,536 entries and 4 MiB");
  }
  for (const draft of own) checkDraft(draft);
  return own;
}
