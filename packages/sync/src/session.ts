/**
 * One session: a machine and what it acts on (docs/spec/3-sync.md §2). Layer 4.
 */
import type { AuthorId } from "@hawser/crypto";
import type { ForkProof, LogHead, LogId, Topic } from "@hawser/log";
import { SyncError } from "./errors.ts";
import { createEventLoop, type EventLoop } from "./event-loop.ts";
import { createIngestQueue } from "./ingest-queue.ts";
import type { AskEnd, AskOrder, Broadcast, MachineSeed } from "./machine-types.ts";
import { createOutbox } from "./outbox.ts";
import {
  explainHere,
  explainThere,
  isSettled,
  progressOf,
  reportOf,
  standingOf,
  type TopicStanding,
} from "./report.ts";
import {
  performEffect,
  readTopics,
  type SessionHost,
  type SessionParts,
} from "./session-effects.ts";
import { createSessionTimers } from "./session-timers.ts";
import { servesBodies } from "./step-bodies.ts";
import type {
  Connection,
  ExplainCode,
  LogRef,
  SyncClosed,
  SyncProgress,
  SyncReport,
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
  /**
   * How single logs of a topic stand against what the peer announced of them; `undefined` until it
   * has announced all it lets us know of and nothing of that is still on its way.
   */
  standing(topic: Topic, logIds: readonly LogId[]): TopicStanding | undefined;
  /** Ends the session; resolves when its connection is closed. */
  close(): Promise<void>;
}

/** A session as its peer object sees it. */
export interface RunningSession {
  readonly session: SyncSession;
  topicsChanged(): void;
  committed(topic: Topic, heads: readonly LogHead[]): void;
  retry(topic: Topic): void;
  forked(topic: Topic, logId: LogId, proof: ForkProof): void;
  failed(cause: unknown): void;
  broadcast(broadcast: Broadcast): void;
  /** Whether the peer serves bodies of the topic, and may know that we ask. */
  servesBodies(topic: Topic): boolean;
  /** Asks of ours that were given up here, and that the peer has not ended. */
  asksStuck(): number;
  ask(order: AskOrder): void;
  bodyHere(topic: Topic, name: Uint8Array): void;
  explain(
    ref: LogRef,
    seq: number,
    head: LogHead | undefined,
  ): { readonly here: ExplainCode; readonly there: ExplainCode };
}

/** What a session tells the peer object it belongs to. */
export interface SessionListener {
  onBadRange(session: RunningSession, place: { readonly logId: LogId; readonly seq: number }): void;
  /** The peer, which proved full access to the topic, said it. */
  onBroadcast(session: RunningSession, broadcast: Broadcast): void;
  /** A point of an ask of this session, and how the ask ended. */
  onPiece(session: RunningSession, id: number, bytes: Uint8Array): void;
  onAskEnded(session: RunningSession, id: number, end: AskEnd): void;
  onHave(session: RunningSession, topic: Topic, name: Uint8Array): void;
  onServesBodies(session: RunningSession, topic: Topic): void;
  /** Both sides take part in the topic now, or no longer do. */
  onShare(session: RunningSession, topic: Topic): void;
  onUnshare(session: RunningSession, topic: Topic): void;
  onClosed(session: RunningSession): void;
  /** Progress, access or sync state changed. */
  onChange(session: RunningSession): void;
}

/** Starts a session; it runs until the connection or either side ends it. */
export function runSession(
  host: SessionHost,
  listener: SessionListener,
  pipe: { readonly connection: Connection; readonly seed: MachineSeed },
): RunningSession {
  const { connection, seed } = pipe;
  const ending = createEnding();
  const changes = createChanges();
  const loop = createEventLoop(host.machine, seed, (effect) => performEffect(parts, effect));
  const parts: SessionParts = {
    host,
    loop,
    outbox: createOutbox({ connection, timers: host.timers }, (event) => loop.dispatch(event)),
    timers: createSessionTimers(host.timers, (name) => loop.dispatch({ type: "timer", name })),
    claimant: {
      granted: (topic, logIds) => loop.dispatch({ type: "claimed", topic, logIds }),
    },
    queue: createIngestQueue(host.ingest, {
      onOutcome: (id, outcome) => loop.dispatch({ type: "ingested", id, outcome }),
      onFailure: (cause) => loop.dispatch({ type: "failed", cause }),
    }),
    onBroadcast: (broadcast) => listener.onBroadcast(running, broadcast),
    onPiece: (id, bytes) => listener.onPiece(running, id, bytes),
    onAskEnded: (id, end) => listener.onAskEnded(running, id, end),
    onHave: (topic, name) => listener.onHave(running, topic, name),
    onServesBodies: (topic) => listener.onServesBodies(running, topic),
    onShare: (topic) => {
      // The step that ended the session may have gone on.
      if (ending.why() === undefined) listener.onShare(running, topic);
    },
    onUnshare: (topic) => listener.onUnshare(running, topic),
    onProgress: () => {
      changes.tell();
      listener.onChange(running);
    },
    onBadRange: (place) => listener.onBadRange(running, place),
    onClose: ({ code, by, cause }) => {
      ending.set({ code, by, ...(cause === undefined ? {} : { cause }) });
      host.claims.releaseAll(parts.claimant);
      parts.queue.end();
      listener.onClosed(running);
      parts.outbox.end(code, () => ending.reached());
      changes.tell();
    },
  };
  const running: RunningSession = {
    session: openSession(parts, changes, ending),
    topicsChanged: () => {
      if (loop.state().phase === "open") readTopics(parts);
    },
    committed: (topic, heads) => loop.dispatch({ type: "committed", topic, heads }),
    retry: (topic) => loop.dispatch({ type: "retry", topic }),
    forked: (topic, logId, proof) => loop.dispatch({ type: "fork", topic, logId, proof }),
    servesBodies: (topic) => servesBodies(loop.state(), topic),
    asksStuck: () => [...loop.state().asksOut.values()].filter((ask) => ask.isDropped).length,
    ask: (order) => loop.dispatch({ type: "ask", ...order }),
    bodyHere: (topic, name) => loop.dispatch({ type: "bodyHere", topic, name }),
    broadcast: (broadcast) => loop.dispatch({ type: "broadcast", ...broadcast }),
    failed: (cause) => loop.dispatch({ type: "failed", cause }),
    explain: (ref, seq, head) => ({
      here: explainHere(loop.state(), ref, seq, head),
      there: explainThere(loop.state(), ref, seq, head),
    }),
  };
  loop.dispatch({ type: "start" });
  // Never rejects: every failure becomes an event.
  void readFrames(connection, loop, ending);
  return running;
}

/** The part of a session that its user sees. */
function openSession(parts: SessionParts, changes: Changes, ending: Ending): SyncSession {
  const { host, loop } = parts;
  return {
    identities: () => loop.state().peerIdentities,
    closed: ending.closed,
    progress: () => progressOf(loop.state()),
    onChange: changes.listen,
    synced: async (options = {}) => {
      await host.settled();
      await waitUntilSettled({ loop, changes, ending, signal: options.signal });
      return reportOf(loop.state());
    },
    access: (topic) => {
      const found = loop.state().topics.get(topic);
      if (found?.peerNumber === undefined) return undefined;
      return { given: found.given, received: found.in.access ?? "none" };
    },
    standing: (topic, logIds) => standingOf(loop.state(), topic, logIds),
    close: async () => {
      loop.dispatch({ type: "close" });
      await ending.closed;
    },
  };
}

async function readFrames(connection: Connection, loop: EventLoop, ending: Ending): Promise<void> {
  try {
    for await (const frame of connection.frames) {
      loop.dispatch({ type: "frame", frame });
      if (ending.why() !== undefined) break;
    }
    loop.dispatch({ type: "disconnected" });
  } catch (cause) {
    loop.dispatch({ type: "disconnected", cause });
  }
}

/** How a session ended, and that its connection is closed. */
interface Ending {
  set(closed: SyncClosed): void;
  why(): SyncClosed | undefined;
  reached(): void;
  readonly closed: Promise<SyncClosed>;
}

function createEnding(): Ending {
  const { promise, resolve } = Promise.withResolvers<SyncClosed>();
  let why: SyncClosed | undefined;
  return {
    set: (closed) => {
      why = closed;
    },
    why: () => why,
    reached: () => {
      if (why !== undefined) resolve(why);
    },
    closed: promise,
  };
}

/** Listeners of a session. */
interface Changes {
  readonly tell: () => void;
  readonly listen: (listener: () => void) => () => void;
}

function createChanges(): Changes {
  const listeners = new Set<() => void>();
  return {
    tell: () => {
      for (const listener of listeners) listener();
    },
    listen: (listener) => {
      // A function of its own, so that one listener may be added twice.
      const own = (): void => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
  };
}

function waitUntilSettled(parts: {
  readonly loop: EventLoop;
  readonly changes: Changes;
  readonly ending: Ending;
  readonly signal: AbortSignal | undefined;
}): Promise<void> {
  const { loop, changes, ending, signal } = parts;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const check = (): void => {
    const closed = ending.why();
    if (closed !== undefined) {
      reject(new SyncError("SYNC_CLOSED", `the session ended: ${closed.code}`));
    } else if (signal?.aborted === true) {
      reject(new SyncError("SYNC_ABORTED", "the wait was aborted", { cause: signal.reason }));
    } else if (isSettled(loop.state())) {
      resolve();
    }
  };
  const stop = changes.listen(check);
  signal?.addEventListener("abort", check);
  check();
  return promise.finally(() => {
    stop();
    signal?.removeEventListener("abort", check);
  });
}
