/**
 * What we let the peer know of a topic's logs, and keep it told (docs/spec/3-sync.md §6). Layer 4;
 * pure.
 */
import { concatBytes } from "@hawser/codec";
import type { ForkProof, LogHead, LogId } from "@hawser/log";
import {
  forkBytesMax,
  forkPartBytesMax,
  forkProofsPerTopicMax,
  itemsPerMessageMax,
  logsPerTopicMax,
} from "./limits.ts";
import type { OutLog, TopicState, Turn } from "./machine-types.ts";
import type { LogAnnouncement } from "./message.ts";
import { compareHeads, enqueue, hashStartOf, reckonOut, setSent } from "./out-log.ts";
import { isOtherHead, isReconciling, isVisible, isVisibleTo, send } from "./turn.ts";
/** Heads that the peer may know of. */
export function visibleHeads(topic: TopicState): readonly LogHead[] {
  return [...topic.heads.values()].filter(
    (head) => head.signedHeight > 0 && isVisible(topic, head.context.domain),
  );
}

/** Those of them that it was not told of, and does not hold just as we do. */
export function untoldHeads(topic: TopicState): readonly LogHead[] {
  const { numbers, level } = topic.out;
  return visibleHeads(topic).filter(({ logId }) => !numbers.has(logId) && !level.has(logId));
}

/** What a frontier is: see its flags in docs/spec/3-sync.md §3. */
export interface FrontierKind {
  readonly first: boolean;
  readonly last: boolean;
  readonly eager: boolean;
}

/** Announces `heads`, control domains first, and numbers them. */
export function sendFrontier(
  turn: Turn,
  topic: TopicState,
  heads: readonly LogHead[],
  kind: FrontierKind,
): void {
  const logs = inAnnouncementOrder(topic, heads).slice(0, logsPerTopicMax - topic.out.logs.length);
  let start = 0;
  do {
    const part = logs.slice(start, start + itemsPerMessageMax);
    send(turn, {
      type: "frontier",
      topicNumber: topic.ownNumber,
      generation: topic.out.generation,
      answers: topic.out.answers,
      access: topic.given,
      first: kind.first && start === 0,
      last: kind.last && start + itemsPerMessageMax >= logs.length,
      eager: kind.eager,
      logs: part.map(announcementOf),
    });
    for (const head of part) addOutLog(turn, topic, head);
    start += itemsPerMessageMax;
  } while (start < logs.length);
}

function inAnnouncementOrder(topic: TopicState, heads: readonly LogHead[]): readonly LogHead[] {
  const rank = (head: LogHead): number =>
    topic.snapshot.controlDomains.includes(head.context.domain) ? 0 : 1;
  return [...heads].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      compareText(a.context.domain, b.context.domain) ||
      compareText(a.context.author, b.context.author),
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function announcementOf(head: LogHead): LogAnnouncement {
  return {
    author: head.context.author,
    domain: head.context.domain,
    height: head.signedHeight,
    prunedTo: Math.min(head.prunedTo, head.signedHeight),
    hash: head.signedHash,
  };
}

function addOutLog(turn: Turn, topic: TopicState, head: LogHead): OutLog {
  const { author, domain } = head.context;
  const log: OutLog = {
    number: topic.out.logs.length,
    logId: head.logId,
    author,
    domain,
    control: topic.snapshot.controlDomains.includes(domain),
    announced: head.signedHeight,
    height: head.signedHeight,
    answered: false,
    wanted: false,
    sentTo: 0,
    acked: 0,
    hashStart: undefined,
    tooLarge: false,
    diverged: false,
  };
  topic.out.logs.push(log);
  topic.out.level.delete(head.logId);
  topic.out.numbers.set(head.logId, log.number);
  turn.state.topicOfOutLog.set(log, topic.topic);
  if (log.control) topic.out.unansweredControl += 1;
  else topic.out.unansweredData += 1;
  return log;
}

/** Says again where an announced log starts, after entries were pruned. */
export function announceAgain(turn: Turn, topic: TopicState, log: OutLog, prunedTo: number): void {
  const head = topic.heads.get(log.logId);
  if (head === undefined) return;
  const pruned = { ...head, prunedTo: Math.max(head.prunedTo, prunedTo) };
  topic.heads.set(log.logId, pruned);
  send(turn, {
    type: "frontier",
    topicNumber: topic.ownNumber,
    generation: topic.out.generation,
    answers: topic.out.answers,
    access: topic.given,
    first: false,
    last: !isReconciling(topic),
    eager: false,
    logs: [announcementOf(pruned)],
  });
}

/**
 * Sends the fork proof of a log the peer may know of: once, and again when the fork turns out to be
 * further back. The peer counts them, so there is an end to that.
 */
export function tellFork(turn: Turn, topic: TopicState, logId: LogId): void {
  const proof = topic.forks.get(logId);
  if (proof === undefined || topic.out.access === undefined) return;
  const told = topic.out.forksSent.get(logId);
  if (told !== undefined && told <= proof.seq) return;
  if (!isVisible(topic, proof.context.domain) || topic.forksTold >= forkProofsPerTopicMax) return;
  topic.out.forksSent.set(logId, proof.seq);
  topic.forksTold += 1;
  sendFork(turn, topic, proof);
}

function sendFork(turn: Turn, topic: TopicState, proof: ForkProof): void {
  const all = concatBytes(proof.a, proof.b);
  if (all.length > forkBytesMax) return;
  send(turn, {
    type: "fork",
    topicNumber: topic.ownNumber,
    author: proof.context.author,
    domain: proof.context.domain,
    seq: proof.seq,
    firstByteCount: proof.a.length,
    byteCount: all.length,
    bytes: all.subarray(0, forkPartBytesMax),
  });
  for (let start = forkPartBytesMax; start < all.length; start += forkPartBytesMax) {
    send(turn, { type: "forkMore", bytes: all.subarray(start, start + forkPartBytesMax) });
  }
}

/** A log the peer knows of got longer. */
export function growLog(turn: Turn, topic: TopicState, log: OutLog, head: LogHead): void {
  if (head.signedHeight <= log.height) return;
  reckonOut(turn, topic, log, () => {
    log.height = head.signedHeight;
    log.tooLarge = false;
  });
  raiseToKnown(turn, topic, log);
  const { hashStart } = log;
  if (hashStart !== undefined && log.sentTo === log.height) {
    compareHeads(turn, topic, log, hashStart);
  }
  enqueue(turn, log);
}

/** What the peer itself announced or sent, it has: it never gets that back. */
function raiseToKnown(turn: Turn, topic: TopicState, log: OutLog): void {
  const number = topic.in.numbers.get(log.logId);
  const known = number === undefined ? undefined : topic.in.logs[number];
  if (known === undefined) return;
  const sentTo = Math.max(known.height, known.shown);
  if (sentTo <= log.sentTo) return;
  // What the peer sent us, our own entries continue; what it merely announced has to be compared.
  const hash = known.height === sentTo ? known.hash : undefined;
  const hashStart = hash === undefined ? undefined : hashStartOf(hash);
  setSent(turn, topic, log, { sentTo, hashStart });
}

/** False also for a log that the peer itself announced this far: acks say enough about it. */
export function isNewToPeer(topic: TopicState, head: LogHead): boolean {
  if (topic.out.access === undefined || head.signedHeight === 0) return false;
  if (!isVisible(topic, head.context.domain)) return false;
  const number = topic.in.numbers.get(head.logId);
  const known = number === undefined ? undefined : topic.in.logs[number];
  if (known === undefined) return (topic.out.level.get(head.logId) ?? 0) < head.signedHeight;
  const atPeer = Math.max(known.height, known.shown);
  return atPeer < head.signedHeight || isOtherHead(known, head);
}

/** Announces logs that are new; where the peer is sure to take their entries, those follow at once. */
export function tellNew(turn: Turn, topic: TopicState, heads: readonly LogHead[]): void {
  const others: LogHead[] = [];
  const pushed: LogHead[] = [];
  for (const head of heads) {
    const list = isTakenUnasked(topic, head) ? pushed : others;
    list.push(head);
  }
  if (pushed.length > 0) pushNew(turn, topic, pushed);
  if (others.length === 0) return;
  sendFrontier(turn, topic, others, { first: false, last: true, eager: false });
}

/**
 * A peer that has not said what it holds, or may let us know nothing of it, drops what it did not
 * ask for. One that has yet to answer for control logs may not be able to judge other entries.
 */
function isTakenUnasked(topic: TopicState, { context: { domain } }: LogHead): boolean {
  const { controlDomains } = topic.snapshot;
  if (!isVisibleTo(topic.in.access ?? "none", controlDomains, domain)) return false;
  return controlDomains.includes(domain) || topic.out.unansweredControl === 0;
}

/** Starts to send logs without waiting for a want. */
function pushNew(turn: Turn, topic: TopicState, heads: readonly LogHead[]): void {
  const levels = heads.map((head) => topic.out.level.get(head.logId));
  sendFrontier(turn, topic, heads, { first: false, last: true, eager: true });
  for (const [index, head] of heads.entries()) {
    const log = topic.out.logs[topic.out.numbers.get(head.logId) ?? -1];
    if (log === undefined) continue;
    reckonOut(turn, topic, log, () => {
      log.answered = true;
      log.wanted = true;
    });
    // Where both stood level, our own entries go on.
    setSent(turn, topic, log, { sentTo: levels[index] ?? 0, hashStart: undefined });
    raiseToKnown(turn, topic, log);
    enqueue(turn, log);
  }
}
