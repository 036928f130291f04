/**
 * Taking in what gossip brings (docs/spec/transport-libp2p.md §5): bounded, opened, verified and
 * stored before it is passed on. Layer 5.
 */
import { fromUtf8, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  type EncodedRange,
  isLogContext,
  type LogContext,
  type LogId,
  logIdOf,
  readEntryPacket,
  type Topic,
} from "@hawser/log";
import { parsePacket, verifyPacket } from "@hawser/packet";
import type { IngestOutcome } from "@hawser/sync";
import type { PeerId } from "@libp2p/interface";
import type { Budgets } from "./budget.ts";
import type { GossipDeps, GossipVerdict } from "./gossip-types.ts";
import { createHeldRanges, type HeldRange } from "./held-ranges.ts";
import { gossipBytesMax, seenMessagesMax, waitingMessagesMax } from "./limits.ts";

/** A name that is listened to, and what it stands for. */
export interface Subscription {
  readonly name: string;
  readonly topic: Topic;
  readonly followKey: Uint8Array;
}

/** What a message turned out to be. */
export type MessageKind =
  | "stored"
  | "known"
  | "behind"
  | "repeated"
  | "overBudget"
  | "foreign"
  | "bad"
  | "refused";

export interface Receiver {
  validate(subscription: Subscription, peer: PeerId, data: Uint8Array): Promise<GossipVerdict>;
  /** Entries of a log became durable, whoever brought them. */
  committed(logId: LogId): void;
  stop(): void;
}

interface ReceiverParts {
  readonly deps: GossipDeps;
  readonly budgets: Budgets;
  onMessage(kind: MessageKind): void;
  onFailure(cause: unknown): void;
  onBehind(context: LogContext, height: number, peer: PeerId): void;
}

/** In an object, so that nobody who waits for it waits as long as a range is held. */
interface Judged {
  readonly verdict: GossipVerdict | Promise<GossipVerdict>;
}

/** Takes messages in one after another. */
export function createReceiver(parts: ReceiverParts): Receiver {
  const { deps, budgets, onMessage } = parts;
  const { crypto, store } = deps;
  const seen = createRecentSet(seenMessagesMax);
  const passedOn = createRecentSet(seenMessagesMax);
  let waitingCount = 0;
  let last: Promise<unknown> = Promise.resolve();
  let isStopped = false;

  const verdict = (kind: MessageKind, result: GossipVerdict): GossipVerdict => {
    onMessage(kind);
    return result;
  };
  /** What fails here is our own fault, and is held against nobody. */
  const failed = (cause: unknown): GossipVerdict => {
    parts.onFailure(cause);
    return verdict("refused", "ignore");
  };
  /** One at a time. */
  const inTurn = <Result>(job: () => Promise<Result>): Promise<Result> => {
    const result = last.then(job);
    last = result.catch(() => {});
    return result;
  };
  /** Each state of a log is passed on once, however often it is sealed anew. */
  const passOnce = async (range: EncodedRange): Promise<GossipVerdict> => {
    const logId = logIdOf(crypto, range.context);
    const end = range.from + range.count;
    if ((await store.head(logId))?.height !== end) return "ignore";
    return passedOn.add(`${logId} ${end}`) ? "accept" : "ignore";
  };
  const judge = async (outcome: IngestOutcome, range: EncodedRange): Promise<GossipVerdict> => {
    switch (outcome.status) {
      case "stored":
        passedOn.add(`${logIdOf(crypto, range.context)} ${range.from + range.count}`);
        return verdict("stored", "accept");
      case "known":
        return verdict("known", await passOnce(range));
      case "bad":
        return verdict("bad", "reject");
      case "gap":
        return verdict("behind", "ignore");
      // Proofs of forks travel by sync; who may write may change while this is on its way.
      case "forked":
      case "refused":
        return verdict("refused", "ignore");
    }
  };
  const tryRange = async (held: HeldRange): Promise<GossipVerdict | undefined> => {
    const outcome = await deps.ingest(held.range);
    return outcome.status === "gap" ? undefined : judge(outcome, held.range);
  };
  const giveUp = (held: HeldRange): GossipVerdict => {
    const { context, from, count } = held.range;
    parts.onBehind(context, from + count, held.peer);
    return verdict("behind", "ignore");
  };
  const held = createHeldRanges({
    timers: deps.timers,
    giveUp,
    tryAgain: tryRange,
    inTurn,
    failed,
  });

  const takeRange = (range: EncodedRange, peer: PeerId): Promise<Judged> => {
    const item: HeldRange = { logId: logIdOf(crypto, range.context), range, peer };
    return inTurn(async () => ({ verdict: (await tryRange(item)) ?? held.add(item) }));
  };
  const takePacket = async (
    subscription: Subscription,
    packet: Uint8Array,
    peer: PeerId,
  ): Promise<GossipVerdict> => {
    const told = readAnnouncement(deps, subscription.topic, packet);
    if (told === undefined) return verdict("bad", "reject");
    const logId = logIdOf(crypto, told.context);
    if (((await store.head(logId))?.height ?? 0) >= told.height) return verdict("known", "ignore");
    parts.onBehind(told.context, told.height, peer);
    // It is signed and tells of one state of one log: that is passed on once.
    const isNew = passedOn.add(`${logId} ${told.height} announced`);
    return verdict("behind", isNew ? "accept" : "ignore");
  };
  const take = async (
    subscription: Subscription,
    peer: PeerId,
    data: Uint8Array,
  ): Promise<Judged> => {
    const digest = toHex(crypto.hash(data));
    if (seen.has(digest)) return { verdict: verdict("repeated", "ignore") };
    const content = deps.open(subscription.followKey, data);
    if (content === undefined) return { verdict: verdict("foreign", "reject") };
    seen.add(digest);
    if (content.kind === "packet") {
      return { verdict: await takePacket(subscription, content.packet, peer) };
    }
    const { range } = content;
    const isOurs = range.context.topic === subscription.topic && isLogContext(range.context);
    if (!isOurs || range.count < 1) return { verdict: verdict("foreign", "reject") };
    return takeRange(range, peer);
  };
  /** Takes a place among those who wait, until the message was looked at. */
  const takeInTime = async (
    subscription: Subscription,
    peer: PeerId,
    data: Uint8Array,
  ): Promise<Judged> => {
    waitingCount++;
    try {
      return await take(subscription, peer, data);
    } catch (cause) {
      return { verdict: failed(cause) };
    } finally {
      waitingCount--;
    }
  };
  return {
    validate: async (subscription, peer, data) => {
      if (isStopped) return "ignore";
      if (data.length < 1 || data.length > gossipBytesMax) return verdict("foreign", "reject");
      const isWithin = budgets.take(peer.toString(), data.length);
      if (!isWithin || waitingCount >= waitingMessagesMax) return verdict("overBudget", "ignore");
      const judged = await takeInTime(subscription, peer, data);
      return judged.verdict;
    },
    committed: (logId) => held.committed(logId),
    stop: () => {
      isStopped = true;
      held.stop();
    },
  };
}

/** The log and height that a signed packet of the topic proves. */
function readAnnouncement(
  { crypto }: Pick<GossipDeps, "crypto">,
  topic: Topic,
  bytes: Uint8Array,
): { readonly context: LogContext; readonly height: number } | undefined {
  const parsed = parsePacket(bytes);
  if (!parsed.ok || parsed.rest.length > 0) return undefined;
  const { packet } = parsed;
  if (packet.publicKey === undefined || packet.signature === undefined) return undefined;
  const domain = fromUtf8(packet.domain.subarray(packet.domain.findIndex((byte) => byte !== 0)));
  if (domain === undefined) return undefined;
  // Safe: a public key has 32 bytes.
  const context: LogContext = { topic, domain, author: toHex(packet.publicKey) as AuthorId };
  if (!isLogContext(context)) return undefined;
  const linked = readEntryPacket(crypto, context, packet);
  if (linked === undefined || !verifyPacket(crypto, packet).ok) return undefined;
  return { context, height: linked.entry.seq + 1 };
}

interface RecentSet {
  has(key: string): boolean;
  /** Whether it is new. */
  add(key: string): boolean;
}

/** The last `countMax` keys that were added. */
function createRecentSet(countMax: number): RecentSet {
  const keys = new Set<string>();
  return {
    has: (key) => keys.has(key),
    add: (key) => {
      if (keys.has(key)) return false;
      keys.add(key);
      const [oldest] = keys;
      if (keys.size > countMax && oldest !== undefined) keys.delete(oldest);
      return true;
    },
  };
}
