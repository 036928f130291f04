/**
 * What the store tells: heads, commits, forks (docs/spec/3-sync.md §6–7). Layer 4; pure.
 */
import { type ForkProof, logIdOf, type LogHead, type LogId } from "@hawser/log";
import type { TopicState, Turn } from "./machine-types.ts";
import { clearOut, freshOut } from "./out-log.ts";
import { growLog, isNewToPeer, tellFork, tellNew } from "./step-announce.ts";
import {
  clearIn,
  fetchBranch,
  freshIn,
  giveUp,
  lacksBranch,
  reviewIn,
  reviewLog,
} from "./step-compare.ts";
import { publish } from "./step-publish.ts";
import { isOtherHead, isReconciling, progressed } from "./turn.ts";

/** True when `head` is newer than what is known, or tells more of the same height. */
function isNews(known: LogHead | undefined, head: LogHead): boolean {
  return known === undefined || head.height >= known.height;
}

/** The heads of a topic, read from the store. */
export function onHeads(
  turn: Turn,
  topic: TopicState,
  heads: readonly LogHead[],
  forks: readonly ForkProof[],
): void {
  if (topic.headsState !== "reading") return;
  topic.headsState = "ready";
  // A commit that happened during the read may have been told before: never go back.
  for (const head of heads) {
    if (isNews(topic.heads.get(head.logId), head)) topic.heads.set(head.logId, head);
  }
  for (const proof of forks) {
    const logId = logIdOf(turn.deps.crypto, proof.context);
    if (proof.seq <= (topic.forks.get(logId)?.seq ?? proof.seq)) topic.forks.set(logId, proof);
  }
  publish(turn, topic);
  reviewIn(turn, topic);
  progressed(turn);
}

/** New durable heads: pushed to the peer unless it has them, and acknowledged where it sent them. */
export function onCommitted(turn: Turn, topic: TopicState, heads: readonly LogHead[]): void {
  if (topic.peerNumber === undefined) return;
  const fresh: LogHead[] = [];
  for (const head of heads) {
    if (!isNews(topic.heads.get(head.logId), head)) continue;
    topic.heads.set(head.logId, head);
    if (topic.headsState !== "ready") continue;
    const number = topic.out.numbers.get(head.logId);
    const log = number === undefined ? undefined : topic.out.logs[number];
    if (log !== undefined) growLog(turn, topic, log, head);
    // While sets are compared it is not known what the peer has: see `catchUp`.
    else if (!isReconciling(topic) && isNewToPeer(topic, head)) fresh.push(head);
    reviewLog(turn, topic, head.logId);
    const waiting = topic.in.forksWaiting.get(head.logId);
    if (waiting !== undefined) {
      topic.in.forksWaiting.delete(head.logId);
      turn.effects.push({
        type: "checkFork",
        topic: topic.topic,
        logId: head.logId,
        proof: waiting,
      });
    }
  }
  tellNew(turn, topic, fresh);
  progressed(turn);
}

/** A proof that is stored here: nothing more of that log is fetched past it, and the peer hears. */
export function onFork(turn: Turn, topic: TopicState, logId: LogId, proof: ForkProof): void {
  if (topic.peerNumber === undefined) return;
  const known = topic.forks.get(logId);
  if (known === undefined || proof.seq <= known.seq) topic.forks.set(logId, proof);
  const head = topic.heads.get(logId);
  const forkedAt = Math.min(head?.forkedAt ?? proof.seq, proof.seq);
  if (head !== undefined) topic.heads.set(logId, { ...head, forkedAt });
  tellFork(turn, topic, logId);
  const number = topic.in.numbers.get(logId);
  const log = number === undefined ? undefined : topic.in.logs[number];
  if (log === undefined || topic.headsState !== "ready") return;
  if (log.status === "hidden" || log.status === "unwanted") return;
  const now = topic.heads.get(logId);
  if (log.status !== "refused" && log.status !== "overBudget" && lacksBranch(topic, log, now)) {
    return fetchBranch(turn, topic, log);
  }
  const isPast = (head?.signedHeight ?? 0) > forkedAt;
  if (isPast && (log.height > (head?.signedHeight ?? 0) || isOtherHead(log, head))) {
    giveUp(turn, topic, log, "forked");
  }
}

/** Forgets both frontiers of a topic that is no longer shared. */
export function dropFrontiers(turn: Turn, topic: TopicState): void {
  clearOut(turn, topic);
  clearIn(turn, topic);
  topic.out = freshOut();
  topic.in = freshIn();
  topic.recon = undefined;
  topic.forksTold = 0;
}
