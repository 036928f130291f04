/**
 * Which session is asked for which points of bodies (docs/spec/3-sync.md §7.2). Shared by all sessions
 * of a peer object. Layer 4.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { SyncError } from "./errors.ts";
import { askCountMax, askDepthMax, askFanOut, asksOpenMax, pieceRequestsMax } from "./limits.ts";
import type { AskEnd } from "./machine-types.ts";
import type { RunningSession } from "./session.ts";
import type { PieceRequest } from "./types.ts";

/** `whole`: every point came. `nobody`: each peer that is there was asked for what is left. */
export type PiecesOutcome = "whole" | "nobody";

/** How long a request stands. */
export interface PieceOptions {
  readonly signal?: AbortSignal;
  /**
   * `wait` (default): for peers while none serves bodies of the topic, and for what a peer says is on
   * its way. `none`: for nobody.
   */
  readonly patience?: "wait" | "none";
  /** Asked before others: whoever wrote the body has it, as a rule. */
  readonly prefer?: AuthorId;
  /** Peers that are asked before it counts as `nobody`; default all that are there. */
  readonly peersMax?: number;
}

/** Hears that a peer that serves bodies of a topic has come, or has got some. */
export type BodyListener = (topic: Topic, peer: AuthorId | undefined) => void;

export interface BodyFetcher {
  fetch(
    request: PieceRequest,
    take: (bytes: Uint8Array) => void,
    options: PieceOptions,
  ): Promise<PiecesOutcome>;
  listen(listener: BodyListener): () => void;
  /** What sessions tell. */
  took(session: RunningSession, id: number, bytes: Uint8Array): void;
  ended(session: RunningSession, id: number, end: AskEnd): void;
  heard(session: RunningSession, topic: Topic, name: Uint8Array): void;
  serves(session: RunningSession, topic: Topic): void;
  left(session: RunningSession): void;
  close(): void;
}

/** A request that is not done. */
interface Job {
  readonly request: PieceRequest;
  /** Topic and name. */
  readonly body: string;
  readonly take: (bytes: Uint8Array) => void;
  readonly isPatient: boolean;
  readonly prefer: AuthorId | undefined;
  readonly peersMax: number;
  readonly finish: (outcome: PiecesOutcome | SyncError) => void;
  /** Points that came. */
  taken: number;
  /** The ask that is out for it. */
  asking: { readonly id: number; readonly session: RunningSession } | undefined;
  /** What sessions said that did not give the point at `at`: others may have brought it since. */
  readonly refused: Map<RunningSession, { readonly at: number; readonly end: "none" | "later" }>;
}

/** What is known of a session as a source of bodies. */
interface Source {
  /** Points it may be asked for at once: it doubles with each ask that went well. */
  run: number;
  /** Asks that are out for jobs. */
  open: number;
}

/** Lies that are remembered: a peer is not asked again for a body that it lied about. */
const liesMax = 1_024;

export function createBodyFetcher(deps: {
  sessions(topic: Topic): Iterable<RunningSession>;
}): BodyFetcher {
  const jobs = new Set<Job>();
  const jobsById = new Map<number, Job>();
  const sources = new Map<RunningSession, Source>();
  const lies = new Set<string>();
  const listeners = new Set<{ readonly call: BodyListener }>();
  let idNext = 0;
  let isClosed = false;

  const sourceOf = (session: RunningSession): Source => {
    const known = sources.get(session) ?? { run: 1, open: 0 };
    sources.set(session, known);
    return known;
  };
  const tell = ({ session }: RunningSession, topic: Topic): void => {
    for (const { call } of listeners) call(topic, session.identities()[0]);
  };
  const end = (job: Job, outcome: PiecesOutcome | SyncError): void => {
    if (!jobs.delete(job)) return;
    // Its ask, if one is out, still takes up a place at the session until it ends.
    job.finish(outcome);
  };

  const isLiar = (session: RunningSession, job: Job): boolean =>
    lies.size > 0 && lies.has(lieKey(session, job));

  /** Asks the least busy session that may have it; ends the job when none is left. */
  const advance = (job: Job): void => {
    if (!jobs.has(job) || job.asking !== undefined) return;
    const { topic } = job.request;
    let best: { readonly session: RunningSession; readonly rank: number } | undefined;
    let isHopeful = false;
    let isAlone = true;
    for (const session of deps.sessions(topic)) {
      if (!session.servesBodies(topic)) continue;
      isAlone = false;
      const stuck = session.asksStuck();
      if (stuck >= asksOpenMax || isLiar(session, job)) continue;
      const refusal = job.refused.get(session);
      const isRefused = refusal?.at === job.taken;
      if (!isRefused || (job.isPatient && refusal.end === "later")) isHopeful = true;
      // Asks that were given up take up a place, too, until the peer ends them.
      const load = sourceOf(session).open + stuck;
      if (isRefused || load >= asksOpenMax) continue;
      const isPreferred = session.session.identities()[0] === job.prefer;
      const rank = isPreferred ? load - asksOpenMax : load;
      if (best === undefined || rank < best.rank) best = { session, rank };
    }
    // Who once gave nothing and is asked for a later point counts once.
    const isNew = best !== undefined && !job.refused.has(best.session);
    if (isNew && job.refused.size >= job.peersMax) return end(job, "nobody");
    if (best !== undefined) return ask(job, best.session);
    if (isAlone ? !job.isPatient : !isHopeful) end(job, "nobody");
  };

  const ask = (job: Job, session: RunningSession): void => {
    const { topic, name, depth, first, hashes } = job.request;
    const id = idNext++;
    const source = sourceOf(session);
    const wanted = hashes.slice(job.taken, job.taken + source.run);
    source.open += 1;
    job.asking = { id, session };
    jobsById.set(id, job);
    session.ask({ id, topic, name, depth, first: first + job.taken, hashes: wanted });
  };

  const advanceAll = (): void => {
    for (const job of jobs) advance(job);
  };

  /** What an ask's end says of the session. */
  const judge = (job: Job, session: RunningSession, how: AskEnd): void => {
    const source = sourceOf(session);
    if (how === "done") source.run = Math.min(askCountMax, source.run * 2);
    else job.refused.set(session, { at: job.taken, end: how === "later" ? "later" : "none" });
    if (how !== "bad") return;
    source.run = 1;
    lies.add(lieKey(session, job));
    const [oldest] = lies;
    if (lies.size > liesMax && oldest !== undefined) lies.delete(oldest);
  };

  return {
    fetch: (request, take, options) => {
      const { signal, patience = "wait", prefer, peersMax = Infinity } = options;
      checkRequest(request);
      if (isClosed) return Promise.reject(new SyncError("SYNC_CLOSED", "the sync peer is closed"));
      if (signal?.aborted === true) return Promise.reject(aborted(signal));
      if (jobs.size >= pieceRequestsMax) {
        return Promise.reject(
          new SyncError("SYNC_TOO_MANY_REQUESTS", "too many requests for bodies"),
        );
      }
      const { promise, resolve, reject } = Promise.withResolvers<PiecesOutcome>();
      const stop = (): void => {
        if (signal !== undefined) end(job, aborted(signal));
      };
      const finish = (outcome: PiecesOutcome | SyncError): void => {
        signal?.removeEventListener("abort", stop);
        if (typeof outcome === "string") resolve(outcome);
        else reject(outcome);
      };
      const body = bodyKey(request.topic, request.name);
      const isPatient = patience === "wait";
      const start = {
        isPatient,
        prefer,
        peersMax,
        taken: 0,
        asking: undefined,
        refused: new Map(),
      };
      const job: Job = { request, body, take, finish, ...start };
      jobs.add(job);
      signal?.addEventListener("abort", stop);
      advance(job);
      return promise;
    },
    listen: (call) => {
      const own = { call };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    took: (_session, id, bytes) => {
      const job = jobsById.get(id);
      if (job === undefined || !jobs.has(job)) return;
      job.taken += 1;
      job.take(bytes);
    },
    ended: (session, id, how) => {
      const job = jobsById.get(id);
      jobsById.delete(id);
      sourceOf(session).open -= 1;
      if (job !== undefined) {
        job.asking = undefined;
        judge(job, session, how);
        if (job.taken === job.request.hashes.length) end(job, "whole");
      }
      // A place at the session is free again, for any job.
      advanceAll();
    },
    heard: (session, topic, name) => {
      const body = bodyKey(topic, name);
      for (const job of jobs) if (job.body === body) job.refused.delete(session);
      advanceAll();
      tell(session, topic);
    },
    serves: (session, topic) => {
      for (const job of jobs) if (job.request.topic === topic) advance(job);
      tell(session, topic);
    },
    left: (session) => {
      sources.delete(session);
      for (const [id, job] of jobsById) {
        if (job.asking?.session !== session) continue;
        jobsById.delete(id);
        job.asking = undefined;
      }
      for (const job of jobs) job.refused.delete(session);
      advanceAll();
    },
    close: () => {
      isClosed = true;
      for (const job of jobs) end(job, new SyncError("SYNC_CLOSED", "the sync peer is closed"));
    },
  };
}

/** By the peer's key, not its session: connecting anew makes nobody honest. */
function lieKey({ session }: RunningSession, { body }: Job): string {
  return `${session.identities()[0] ?? ""} ${body}`;
}

function bodyKey(topic: Topic, name: Uint8Array): string {
  return `${topic} ${toHex(name)}`;
}

function aborted(signal: AbortSignal): SyncError {
  return new SyncError("SYNC_ABORTED", "the request was aborted", { cause: signal.reason });
}

function checkRequest({ name, depth, first, hashes }: PieceRequest): void {
  const isCount = hashes.length > 0 && hashes.length <= askCountMax;
  const isDepth = Number.isInteger(depth) && depth >= 0 && depth <= askDepthMax;
  const isPlace = isDepth && Number.isSafeInteger(first) && first >= 0;
  const isHashes = name.length === 32 && hashes.every((hash) => hash.length === 32);
  if (isCount && isHashes && isPlace && first + hashes.length <= askFanOut ** depth) return;
  throw new SyncError("SYNC_BAD_OPTION", "a request for points: no such place, count or hash");
}
