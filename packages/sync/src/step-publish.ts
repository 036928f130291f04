/**
 * When the peer is told what of a topic's logs, and in which form (docs/spec/3-sync.md §6, §6.1).
 * Layer 4; pure.
 */
import { restartsMax, restartsPerBeat } from "./limits.ts";
import type { TopicState, Turn } from "./machine-types.ts";
import { clearOut, freshOut } from "./out-log.ts";
import { sendFrontier, tellFork, untoldHeads } from "./step-announce.ts";
import { mayOffer, offer } from "./step-reconcile.ts";
import { close, isReconciling } from "./turn.ts";
import type { TopicAccess } from "./types.ts";

const accessRank: { readonly [Level in TopicAccess]: number } = { none: 0, control: 1, full: 2 };

/** Brings what the peer was told in line with what it may know now. */
export function publish(turn: Turn, topic: TopicState): void {
  if (topic.headsState !== "ready" || topic.peerProof === undefined) return;
  const before = topic.out.access;
  if (before === topic.given && topic.out.answers === topic.peerProof.counter) return;
  const isLess = before === undefined || accessRank[topic.given] < accessRank[before];
  // Sets that are being compared are those of the access before.
  const isFirst = isLess || (before !== topic.given && isReconciling(topic));
  if (isFirst) restartOut(turn, topic);
  if (turn.state.phase === "closed") return;
  topic.out.access = topic.given;
  topic.out.answers = topic.peerProof.counter;
  if (isFirst && mayOffer(turn, topic)) offer(turn, topic);
  else announce(turn, topic, isFirst);
  for (const logId of topic.forks.keys()) tellFork(turn, topic, logId);
}

/**
 * Voids what was announced; the peer forgets it with the next frontier or summary. All logs are listed
 * or hashed then, and a proof by which that happens is cheap: a peer may not make us do it for ever.
 */
function restartOut(turn: Turn, topic: TopicState): void {
  topic.restarts += 1;
  if (topic.restarts > restartsMax) return close(turn, "SYNC_OVER_LIMIT");
  clearOut(turn, topic);
  topic.out = { ...freshOut(), generation: ++turn.state.generationLast };
  topic.recon = undefined;
}

/** Some time has passed: a topic may be begun anew again. */
export function forgiveRestarts(turn: Turn): void {
  for (const topic of turn.state.topics.values()) {
    topic.restarts = Math.max(0, topic.restarts - restartsPerBeat);
  }
}

function announce(turn: Turn, topic: TopicState, first: boolean): void {
  const isOpen = isReconciling(topic);
  // What the peer offered is void: our frontier tells it so.
  if (first) topic.in.summary = undefined;
  const heads = isOpen ? [] : untoldHeads(topic);
  sendFrontier(turn, topic, heads, { first, last: !isOpen, eager: false });
}
