/**
 * One session: a machine and what it acts on (docs/spec/3-sync.md §2). Layer 4.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  type EncodedRange,
  type ForkProof,
  type LogHead,
  type LogId,
  type LogStore,
  type Topic,
} from "@hawser/log";
import type { Claimant, Claims } from "./claims.ts";
import { SyncError } from "./errors.ts";
import { frameBytesMax } from "./limits.ts";
import type { Machine } from "./machine.ts";
import type {
  MachineSeed,
  MachineState,
  SyncEffect,
  SyncEvent,
  TimerName,
  TopicSnapshot,
} from "./machine-types.ts";
import { explainHere, explainThere, isSettled, progressOf, reportOf } from "./report.ts";
import { readRange } from "./range-reader.ts";
import type {
  Connection,
  ExplainCode,
  Ingest,
  LogRef,
  SyncClosed,
  SyncProgress,
  SyncReport,
  SyncTopic,
  Timers,
  TopicAccess,
} from "./types.ts";

/** What the two sides of a topic let each other have. */
export interface SessionAccess {
  /** What the peer gets from us. */
  readonly given: TopicAccess;
  /** What we get from the peer. */
  readonly received: TopicAccess;
}

/** A session with one peer over one connection. */
export interface SyncSession {
  /** Identities the peer proved, its device key first; empty until then. */
  identities(): readonly AuthorId[];
  /** Resolves, never rejects, when the session is over. */
  readonly closed: Promise<SyncClosed>;
  progress(): SyncProgress;
  /** Calls back after progress, access or sync state changed; returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /**
   * Resolves when, at one moment, both sides hold the same of every shared topic, or said why not:
   * see the report. Rejects with SYNC_CLOSED when the session ends before, SYNC_ABORTED on signal.
   */
  synced(options?: { readonly signal?: AbortSignal }): Promise<SyncReport>;
  /** `undefined` while the topic is not shared (yet). */
  access(topic: Topic): SessionAccess | undefined;
  /** Ends the session; resolves when its connection is closed. */
  close(): Promise<void>;
}

/** What a peer object shares with its sessions. */
export interface SessionHost {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly timers: Timers;
  readonly ingest: Ingest;
  readonly machine: Machine;
  readonly claims: Claims;
  topics(): readonly SyncTopic[];
  /** Resolves once all commits so far were told to the sessions. */
  settled(): Promise<void>;
  /** Has a fork proof verified and stored, then tells all sessions. False: it does not verify. */
  takeFork(logId: LogId, proof: ForkProof): Promise<boolean>;
  onBadRange(session: RunningSession, place: { readonly logId: LogId; readonly seq: number }): void;
  onClosed(session: RunningSession): void;
}

/** A session as its peer object sees it. */
export interface RunningSession {
  readonly session: SyncSession;
  topicsChanged(): void;
  committed(topic: Topic, heads: readonly LogHead[]): void;
  retry(topic: Topic): void;
  forked(topic: Topic, logId: LogId, proof: ForkProof): void;
  failed(cause: unknown): void;
  explain(
    ref: LogRef,
    seq: number,
    head: LogHead | undefined,
  ): { readonly here: ExplainCode; readonly there: ExplainCode };
}

/** Ranges of a session that wait for ingest, in order. */
interface IngestJob {
  readonly id: number;
  readonly range: EncodedRange;
}

const accessRank: { readonly [Level in TopicAccess]: number } = { none: 0, control: 1, full: 2 };

/** Starts a session; it runs until the connection or either side ends it. */
export function runSession(
  host: SessionHost,
  connection: Connection,
  seed: MachineSeed,
): RunningSession {
  let state: MachineState = host.machine.initial(seed);
  const events: SyncEvent[] = [];
  let isStepping = false;
  const stops = new Map<TimerName, () => void>();
  const listeners = new Set<() => void>();
  const outbox = createOutbox({ connection, timers: host.timers }, (event) => dispatch(event));
  const ingestJobs: IngestJob[] = [];
  let isIngesting = false;
  const closed = Promise.withResolvers<SyncClosed>();
  let ended: SyncClosed | undefined;

  // Events queue up while one is handled: effects may bring forth events at once.
  const dispatch = (event: SyncEvent): void => {
    events.push(event);
    if (isStepping) return;
    isStepping = true;
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) {
        const stepped = host.machine.step(state, next);
        state = stepped.state;
        for (const effect of stepped.effects) perform(effect);
      }
    } finally {
      isStepping = false;
    }
  };
  const claimant: Claimant = {
    granted: (topic, logIds) => dispatch({ type: "claimed", topic, logIds }),
  };
  /** Runs `work`; a failure is ours and ends this session alone. */
  const attempt = (work: () => Promise<void>): void => {
    work().catch((cause: unknown) => dispatch({ type: "failed", cause }));
  };

  const ingestAll = async (): Promise<void> => {
    for (let job = ingestJobs.shift(); job !== undefined; job = ingestJobs.shift()) {
      // Once the session is over, nothing of it is stored any more.
      if (ended !== undefined) break;
      const outcome = await host.ingest(job.range);
      dispatch({ type: "ingested", id: job.id, outcome });
    }
  };
  const startIngest = (): void => {
    if (isIngesting) return;
    isIngesting = true;
    attempt(async () => {
      try {
        await ingestAll();
      } finally {
        isIngesting = false;
      }
      if (ingestJobs.length > 0) startIngest();
    });
  };
  const readHeads = async (topic: Topic): Promise<void> => {
    const heads = await host.store.heads(topic);
    const forks: ForkProof[] = [];
    for (const head of heads) {
      if (head.forkedAt === undefined) continue;
      const [proof] = await host.store.forkProofs(head.logId);
      if (proof !== undefined) forks.push(proof);
    }
    dispatch({ type: "heads", topic, heads, forks });
  };
  const readTopics = (): void => {
    try {
      dispatch({ type: "topics", topics: snapshotTopics(host.topics(), state.peerIdentities) });
    } catch (cause) {
      dispatch({ type: "failed", cause });
    }
  };

  const perform = (effect: SyncEffect): void => {
    switch (effect.type) {
      case "send":
        return outbox.push(effect.frame);
      case "readTopics":
        return readTopics();
      case "readHeads":
        return attempt(() => readHeads(effect.topic));
      case "readRange":
        return attempt(async () => {
          const read = await readRange(host.store, effect);
          const { topic, logId, from } = effect;
          dispatch({ type: "range", topic, logId, from, read });
        });
      case "ingest":
        ingestJobs.push({ id: effect.id, range: effect.range });
        return startIngest();
      case "claim":
        return host.claims.claim(claimant, effect.topic, effect.logIds);
      case "release":
        return host.claims.release(claimant, effect.logId);
      case "checkFork":
        return attempt(async () => {
          if (!(await host.takeFork(effect.logId, effect.proof))) dispatch({ type: "forkInvalid" });
        });
      case "badRange":
        return host.onBadRange(running, effect);
      case "startTimer":
        return startTimer(effect.name, effect.delayMs);
      case "stopTimer":
        return stopTimer(effect.name);
      case "progress":
        return notify();
      case "close":
        return finish(effect);
    }
  };
  const startTimer = (name: TimerName, delayMs: number): void => {
    stopTimer(name);
    stops.set(
      name,
      host.timers.after(delayMs, () => {
        stops.delete(name);
        dispatch({ type: "timer", name });
      }),
    );
  };
  const stopTimer = (name: TimerName): void => {
    stops.get(name)?.();
    stops.delete(name);
  };
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const finish = (effect: SyncEffect & { readonly type: "close" }): void => {
    const { code, by } = effect;
    ended = { code, by, ...(effect.cause === undefined ? {} : { cause: effect.cause }) };
    host.claims.releaseAll(claimant);
    ingestJobs.length = 0;
    host.onClosed(running);
    outbox.end(code, () => closed.resolve(ended ?? { code, by }));
    notify();
  };

  const session: SyncSession = {
    identities: () => state.peerIdentities,
    closed: closed.promise,
    progress: () => progressOf(state),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    synced: async (options = {}) => {
      await host.settled();
      await waitUntilSettled(options.signal);
      return reportOf(state);
    },
    access: (topic) => {
      const found = state.topics.get(topic);
      if (found?.peerNumber === undefined) return undefined;
      return { given: found.given, received: found.in.access ?? "none" };
    },
    close: async () => {
      dispatch({ type: "close" });
      await closed.promise;
    },
  };
  const waitUntilSettled = (signal: AbortSignal | undefined): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (ended !== undefined) {
        reject(new SyncError("SYNC_CLOSED", `the session ended: ${ended.code}`));
      } else if (signal?.aborted === true) {
        reject(new SyncError("SYNC_ABORTED", "the wait was aborted", { cause: signal.reason }));
      } else if (isSettled(state)) {
        resolve();
      }
    };
    listeners.add(check);
    signal?.addEventListener("abort", check);
    check();
    return promise.finally(() => {
      listeners.delete(check);
      signal?.removeEventListener("abort", check);
    });
  };

  const running: RunningSession = {
    session,
    topicsChanged: () => {
      if (state.phase === "open") readTopics();
    },
    committed: (topic, heads) => dispatch({ type: "committed", topic, heads }),
    retry: (topic) => dispatch({ type: "retry", topic }),
    forked: (topic, logId, proof) => dispatch({ type: "fork", topic, logId, proof }),
    failed: (cause) => dispatch({ type: "failed", cause }),
    explain: (ref, seq, head) => ({
      here: explainHere(state, ref, seq, head),
      there: explainThere(state, ref, seq, head),
    }),
  };

  const readFrames = async (): Promise<void> => {
    try {
      for await (const frame of connection.frames) {
        dispatch({ type: "frame", frame });
        if (ended !== undefined) break;
      }
      dispatch({ type: "disconnected" });
    } catch (cause) {
      dispatch({ type: "disconnected", cause });
    }
  };
  dispatch({ type: "start" });
  // Never rejects: every failure becomes an event.
  void readFrames();
  return running;
}

/** Topics as they are now, for a peer with these identities. */
function snapshotTopics(
  topics: readonly SyncTopic[],
  identities: readonly AuthorId[],
): readonly TopicSnapshot[] {
  return topics.map((topic) => {
    let identityAccess: TopicAccess = "none";
    for (const identity of identities) {
      const access = topic.accessOf(identity);
      if (accessRank[access] > accessRank[identityAccess]) identityAccess = access;
    }
    return {
      topic: topic.topic,
      followKeys: topic.followKeys(),
      identityAccess,
      controlDomains: topic.controlDomains,
    };
  });
}

interface Outbox {
  push(frame: Uint8Array): void;
  /** Closes the connection after what is queued went out, or at once when it cannot. */
  end(code: string, done: () => void): void;
}

/** How long a farewell may take before the connection is closed over it. */
const farewellMsMax = 1_000;

/** Sends frames one after another; tells the machine as the connection takes them. */
function createOutbox(
  deps: { readonly connection: Connection; readonly timers: Timers },
  dispatch: (event: SyncEvent) => void,
): Outbox {
  const frames: Uint8Array[] = [];
  let isSending = false;
  let ending: { readonly code: string; readonly done: () => void } | undefined;
  let stopTimer = (): void => {};

  const finish = (): void => {
    const end = ending;
    if (end === undefined) return;
    ending = undefined;
    stopTimer();
    deps.connection.close(end.code);
    end.done();
  };
  const sendAll = async (): Promise<void> => {
    try {
      for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
        await deps.connection.send(frame);
        dispatch({ type: "sent", byteCount: frame.length });
      }
    } catch (cause) {
      frames.length = 0;
      dispatch({ type: "disconnected", cause });
    }
    isSending = false;
    finish();
  };
  return {
    push: (frame) => {
      if (frame.length > frameBytesMax) {
        throw new SyncError("SYNC_FRAME_TOO_LARGE", "a frame is over 256 KiB");
      }
      frames.push(frame);
      if (isSending) return;
      isSending = true;
      void sendAll();
    },
    end: (code, done) => {
      ending = { code, done };
      // Of what still waits, only the farewell is worth sending.
      frames.splice(0, frames.length - 1);
      if (!isSending) return finish();
      stopTimer = deps.timers.after(farewellMsMax, finish);
    },
  };
}
