/**
 * Asking for a status and answering requests, over a store (docs/spec/conventions.md §3.3–3.4).
 * Layer 4; clock and timers are injected.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { BytesOrText, Packet } from "@hawser/packet";
import type { PacketStore, StoredPacket, Timers } from "@hawser/query";
import { ConventionsError } from "./errors.ts";
import { newestAt, newestBelow, newestStamp, toBytes, type Place } from "./place.ts";
import {
  buildStatusReply,
  buildStatusRequest,
  defaultInstance,
  reachesInstance,
  readStatus,
  statusPlace,
  type StatusReply,
  type StatusRequest,
  type StatusSubject,
} from "./status.ts";

export interface StatusDeps {
  readonly store: PacketStore;
  readonly crypto: Pick<Crypto, "hash">;
  /** µs since the Unix epoch. */
  readonly nowMicros: () => number;
  readonly timers: Timers;
}

export interface WatchStatusOptions {
  /** How long a request is waited for, and how old a request or reply may be; default 5 s. */
  readonly timeoutMicros?: number;
  readonly signal?: AbortSignal;
}

/** How long a request holds unless somebody says otherwise. */
export const statusTimeoutMicros = 5_000_000;
/** Fresh packets of one author at one place that are looked at, and replies that may wait. */
const repliesMax = 256;

/**
 * Replies about `subject`: recent ones first, then new ones, until the newest request is older than
 * the timeout. It asks only when nobody asked the same in that time. Break out of the loop to stop;
 * an aborted signal ends it as well. Throws CONVENTIONS_STATUS for a subject that fits no path.
 */
export async function* watchStatus(
  deps: StatusDeps,
  subject: StatusSubject,
  options: WatchStatusOptions = {},
): AsyncGenerator<StatusReply, void, undefined> {
  const { store, timers, nowMicros } = deps;
  const timeoutMicros = options.timeoutMicros ?? statusTimeoutMicros;
  const inbox = createInbox();
  const onAdd = (packets: readonly StoredPacket[]): void => {
    for (const { packet } of packets) inbox.offer(freshReply(deps, subject, packet, timeoutMicros));
  };
  const stop = (): void => inbox.end();
  const isAborted = (): boolean => options.signal?.aborted === true;
  // Heard from now on and read below: a reply in between comes twice and is given once.
  const unsubscribe = store.onAdd(onAdd);
  options.signal?.addEventListener("abort", stop);
  let cancel = (): void => undefined;
  try {
    if (isAborted()) return;
    const recent = await recentStatus(deps, subject, timeoutMicros);
    if (isAborted()) return;
    for (const reply of recent.replies) inbox.offer(reply);
    const askedAt = recent.askedAt ?? (await ask(deps, subject));
    const leftMicros = Number(askedAt) + timeoutMicros - nowMicros();
    cancel = timers.after(clampedMs(leftMicros), stop);
    for (let reply = await inbox.next(); reply !== undefined; reply = await inbox.next()) {
      yield reply;
    }
  } finally {
    cancel();
    unsubscribe();
    options.signal?.removeEventListener("abort", stop);
  }
}

/** Milliseconds that a timer takes: never early, and at most 2^31 − 1, some 24 days. */
function clampedMs(micros: number): number {
  return Math.min(Math.max(0, Math.ceil(micros / 1000)), 2 ** 31 - 1);
}

/** Answers requests until it is stopped. */
export interface StatusAnswerer extends AsyncDisposable {
  /** Resolves after `stop`; rejects with CONVENTIONS_STATUS_ANSWER when `answer` failed. */
  readonly ended: Promise<void>;
  /** Stops after the reply under way. Idempotent. */
  stop(): void;
}

/** What to say now. */
export type AnswerStatus = () =>
  | { readonly state: "ok" | "error"; readonly detail?: BytesOrText }
  | Promise<{ readonly state: "ok" | "error"; readonly detail?: BytesOrText }>;

/**
 * Writes a first reply, then one for each new request that reaches this instance (default
 * `"default"`). Requests that come while a reply is written share the next one. Only packets of the
 * private group, this domain, group and object type are requests. Rejects as `buildStatusReply`,
 * and with CONVENTIONS_STATUS_ANSWER when `answer` fails.
 */
export async function answerStatus(
  deps: StatusDeps,
  subject: StatusSubject,
  answer: AnswerStatus,
): Promise<StatusAnswerer> {
  const { store, crypto, nowMicros } = deps;
  const own = { ...subject, instance: subject.instance ?? defaultInstance };
  const everyInstance = withoutInstance(subject);
  const instance = toBytes(own.instance);
  let isStopped = false;
  let isRunning = false;
  // The first reply is due without a request.
  let isDue = true;
  let previous: Packet<"verified"> | undefined;
  const ended = createDeferred();

  const reply = async (): Promise<void> => {
    const said = await asked(answer);
    const draft = { ...said, stamp: BigInt(nowMicros()) };
    const packet = buildStatusReply(
      crypto,
      own,
      previous === undefined ? draft : { ...draft, previous },
    );
    await store.add([packet]);
    previous = packet;
  };
  /** One reply after another, as long as there were requests meanwhile. */
  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      while (isDue && !isStopped) {
        isDue = false;
        await reply();
      }
    } finally {
      isRunning = false;
    }
    if (isStopped) ended.resolve();
  };
  const unsubscribe = store.onAdd((packets) => {
    const isAsked = packets.some(({ packet }) => {
      const request = freshRequest(deps, everyInstance, packet, statusTimeoutMicros);
      return request !== undefined && reachesInstance(request.instance, instance);
    });
    if (!isAsked || isStopped) return;
    isDue = true;
    if (!isRunning) run().catch(fail);
  });
  const fail = (error: unknown): void => {
    isStopped = true;
    unsubscribe();
    ended.reject(error);
  };
  const stop = (): void => {
    isStopped = true;
    unsubscribe();
    if (!isRunning) ended.resolve();
  };
  try {
    await run();
  } catch (error) {
    fail(error);
    throw error;
  }
  return {
    ended: ended.promise,
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      await ended.promise;
    },
  };
}

async function asked(
  answer: AnswerStatus,
): Promise<{ readonly state: "ok" | "error"; readonly detail?: BytesOrText }> {
  try {
    return await answer();
  } catch (cause) {
    throw new ConventionsError("CONVENTIONS_STATUS_ANSWER", "the status could not be told", {
      cause,
    });
  }
}

async function ask(deps: StatusDeps, subject: StatusSubject): Promise<bigint> {
  const request = buildStatusRequest(deps.crypto, subject, BigInt(deps.nowMicros()));
  await deps.store.add([request]);
  return request.stamp;
}

/** Fresh replies in the store, and when the same was asked last. */
async function recentStatus(
  deps: StatusDeps,
  subject: StatusSubject,
  timeoutMicros: number,
): Promise<{ readonly replies: readonly StatusReply[]; readonly askedAt: bigint | undefined }> {
  const replies: StatusReply[] = [];
  let askedAt: bigint | undefined;
  for await (const packet of recentPackets(deps, subject)) {
    const reply = freshReply(deps, subject, packet, timeoutMicros);
    if (reply !== undefined) replies.push(reply);
    const request = freshRequest(deps, withoutInstance(subject), packet, timeoutMicros);
    if (request === undefined || !covers(request, subject)) continue;
    if (askedAt === undefined || packet.stamp > askedAt) askedAt = packet.stamp;
  }
  replies.sort((a, b) => Number(a.packet.stamp - b.packet.stamp));
  return { replies, askedAt };
}

/** The newest packets of each author and instance at the paths of a subject. */
async function* recentPackets(
  { store, nowMicros }: StatusDeps,
  subject: StatusSubject,
): AsyncGenerator<Packet<"verified">, void, undefined> {
  const notAfter = newestStamp(nowMicros());
  const all = statusPlace(withoutInstance(subject));
  const read = async function* (place: Place, depth: number): AsyncGenerator<Packet<"verified">> {
    const query = { depth, notAfter, max: repliesMax };
    for await (const packets of newestBelow(store, place, query)) yield* packets;
  };
  yield* read(all, 3);
  if (subject.instance === undefined) yield* read(all, 4);
  else yield* await newestAt(store, statusPlace(subject), { notAfter, max: repliesMax });
}

/** A request about all instances asks for each; one for another instance does not ask for ours. */
function covers(request: StatusRequest, subject: StatusSubject): boolean {
  if (request.instance === undefined) return true;
  return subject.instance !== undefined && equalBytes(request.instance, toBytes(subject.instance));
}

function freshReply(
  deps: StatusDeps,
  subject: StatusSubject,
  packet: Packet<"verified">,
  timeoutMicros: number,
): StatusReply | undefined {
  const read = readStatus(subject, packet);
  if (!read.ok || read.value.kind !== "reply") return undefined;
  return isFresh(deps, packet, timeoutMicros) ? read.value : undefined;
}

function freshRequest(
  deps: StatusDeps,
  subject: StatusSubject,
  packet: Packet<"verified">,
  timeoutMicros: number,
): StatusRequest | undefined {
  const read = readStatus(subject, packet);
  if (!read.ok || read.value.kind !== "request") return undefined;
  return isFresh(deps, packet, timeoutMicros) ? read.value : undefined;
}

/** Not older than the timeout, and not from a future that would keep a watch open. */
function isFresh(deps: StatusDeps, packet: Packet, timeoutMicros: number): boolean {
  const now = deps.nowMicros();
  return packet.stamp > BigInt(now - timeoutMicros) && packet.stamp <= newestStamp(now);
}

function withoutInstance(subject: StatusSubject): StatusSubject {
  return { domain: subject.domain, group: subject.group, objectType: subject.objectType };
}

/** Replies that wait for their reader: each once, the oldest dropped when too many wait. */
function createInbox(): {
  offer(reply: StatusReply | undefined): void;
  next(): Promise<StatusReply | undefined>;
  end(): void;
} {
  const waiting: StatusReply[] = [];
  const seen = new Set<string>();
  let isEnded = false;
  let wake = (): void => undefined;
  return {
    offer(reply) {
      if (reply === undefined || isEnded) return;
      const id = toHex(reply.packet.hash);
      if (seen.has(id)) return;
      seen.add(id);
      waiting.push(reply);
      if (waiting.length > repliesMax) waiting.shift();
      wake();
    },
    async next() {
      while (waiting.length === 0 && !isEnded) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift();
    },
    end() {
      isEnded = true;
      wake();
    },
  };
}

function createDeferred(): {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
} {
  let resolve = (): void => undefined;
  let reject = (_error: unknown): void => undefined;
  const promise = new Promise<void>((onValue, onError) => {
    resolve = () => onValue();
    reject = onError;
  });
  // Whoever awaits `ended` hears of it; a caller that does not must not crash the program.
  promise.catch(() => undefined);
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) };
}
