/**
 * The writer of one log: places drafts, stamps them, signs as seldom as it may, commits
 * (docs/spec/2-log.md §4, §11). Layer 3; clock, store and crypto are injected.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { emptyChain } from "./chain.ts";
import { Committer, hasTail, type Drafts, type Job, type SignMode } from "./committer.ts";
import { hexBytes } from "./context.ts";
import { LogError } from "./errors.ts";
import { queueMaxDefault } from "./limits.ts";
import type { KvWrite, LogStore } from "./store.ts";
import type { Clock, Entry, LogContext, LogHead, LogId } from "./types.ts";

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
  const core = new Committer(deps, { start, secret, head: await store.head(start.logId) });
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
