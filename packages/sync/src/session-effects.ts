/**
 * What the effects of a machine do to the world around it (docs/spec/3-sync.md §2). Layer 4.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { ForkProof, LogId, LogStore, Topic } from "@hawser/log";
import type { Claimant, Claims } from "./claims.ts";
import type { EventLoop } from "./event-loop.ts";
import type { IngestQueue } from "./ingest-queue.ts";
import type { Machine } from "./machine.ts";
import type {
  AskEnd,
  Broadcast,
  ReadRangeEffect,
  SyncEffect,
  TopicSnapshot,
} from "./machine-types.ts";
import type { Outbox } from "./outbox.ts";
import { readRange } from "./range-reader.ts";
import type { SessionTimers } from "./session-timers.ts";
import type { BodyPlace, BodySource, Ingest, SyncTopic, Timers, TopicAccess } from "./types.ts";

/** What a peer object shares with its sessions. */
export interface SessionHost {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly timers: Timers;
  readonly ingest: Ingest;
  readonly bodies: BodySource | undefined;
  readonly machine: Machine;
  readonly claims: Claims;
  topics(): readonly SyncTopic[];
  /** Resolves once all commits so far were told to the sessions. */
  settled(): Promise<void>;
  /** Has a fork proof verified and stored, then tells all sessions. False: it does not verify. */
  takeFork(logId: LogId, proof: ForkProof): Promise<boolean>;
}

/** What one session acts on. */
export interface SessionParts {
  readonly host: SessionHost;
  readonly loop: EventLoop;
  readonly outbox: Outbox;
  readonly timers: SessionTimers;
  readonly claimant: Claimant;
  readonly queue: IngestQueue;
  readonly onBroadcast: (broadcast: Broadcast) => void;
  readonly onPiece: (id: number, bytes: Uint8Array) => void;
  readonly onAskEnded: (id: number, end: AskEnd) => void;
  readonly onHave: (topic: Topic, name: Uint8Array) => void;
  readonly onServesBodies: (topic: Topic) => void;
  readonly onShare: (topic: Topic) => void;
  readonly onUnshare: (topic: Topic) => void;
  readonly onProgress: () => void;
  readonly onBadRange: (place: { readonly logId: LogId; readonly seq: number }) => void;
  readonly onClose: (effect: SyncEffect & { readonly type: "close" }) => void;
}

/** Does what an effect says; answers come as events, later or at once. */
export function performEffect(parts: SessionParts, effect: SyncEffect): void {
  const { host } = parts;
  switch (effect.type) {
    case "send":
      return parts.outbox.push(effect.frame);
    case "readTopics":
      return readTopics(parts);
    case "share":
      return parts.onShare(effect.topic);
    case "unshare":
      return parts.onUnshare(effect.topic);
    case "readHeads":
      return attempt(parts, () => readHeads(parts, effect.topic));
    case "readRange":
      return attempt(parts, () => answerRange(parts, effect));
    case "ingest":
      return parts.queue.push(effect.id, effect.range);
    case "claim":
      return host.claims.claim(parts.claimant, effect.topic, effect.logIds);
    case "release":
      return host.claims.release(parts.claimant, effect.logId);
    case "checkFork":
      return attempt(parts, async () => {
        const holds = await host.takeFork(effect.logId, effect.proof);
        if (!holds) parts.loop.dispatch({ type: "forkInvalid" });
      });
    case "broadcast":
      return parts.onBroadcast(effect);
    case "readPiece":
      return attempt(parts, () => answerPiece(parts, effect.askNumber, effect));
    case "piece":
      return parts.onPiece(effect.id, effect.bytes);
    case "askEnded":
      return parts.onAskEnded(effect.id, effect.end);
    case "servesBodies":
      return parts.onServesBodies(effect.topic);
    case "have":
      return parts.onHave(effect.topic, effect.name);
    case "badRange":
      return parts.onBadRange(effect);
    case "startTimer":
      return parts.timers.start(effect.name, effect.delayMs);
    case "stopTimer":
      return parts.timers.stop(effect.name);
    case "progress":
      return parts.onProgress();
    case "close":
      return parts.onClose(effect);
  }
}

/** Runs `work`; a failure is ours and ends this session alone. */
function attempt(parts: SessionParts, work: () => Promise<void>): void {
  work().catch((cause: unknown) => parts.loop.dispatch({ type: "failed", cause }));
}

/** Tells the machine what our topics are now. */
export function readTopics(parts: SessionParts): void {
  const { host, loop } = parts;
  try {
    const topics = snapshotTopics(host.topics(), loop.state().peerIdentities);
    loop.dispatch({ type: "topics", topics });
  } catch (cause) {
    loop.dispatch({ type: "failed", cause });
  }
}

const accessRank: { readonly [Level in TopicAccess]: number } = { none: 0, control: 1, full: 2 };

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
      ...(topic.wants === undefined ? {} : { wants: (log) => topic.wants?.(log) ?? true }),
    };
  });
}

async function readHeads({ host, loop }: SessionParts, topic: Topic): Promise<void> {
  const heads = await host.store.heads(topic);
  const forks: ForkProof[] = [];
  for (const head of heads) {
    if (head.forkedAt === undefined) continue;
    const [proof] = await host.store.forkProofs(head.logId);
    if (proof !== undefined) forks.push(proof);
  }
  loop.dispatch({ type: "heads", topic, heads, forks });
}

async function answerRange(parts: SessionParts, effect: ReadRangeEffect): Promise<void> {
  const read = await readRange(parts.host.store, effect);
  const { topic, logId, from } = effect;
  parts.loop.dispatch({ type: "range", topic, logId, from, read });
}

async function answerPiece(
  { host, loop }: SessionParts,
  askNumber: number,
  { topic, name, depth, index }: BodyPlace,
): Promise<void> {
  const read = await host.bodies?.read({ topic, name, depth, index });
  loop.dispatch({ type: "pieceRead", askNumber, read: read ?? { status: "none" } });
}
