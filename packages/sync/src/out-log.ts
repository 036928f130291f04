/**
 * Book-keeping of the logs we announced: positions, queue, counts (docs/spec/3-sync.md §7). Layer 4;
 * pure.
 */
import { equalBytes } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import type { OutLog, OutSide, TopicState, Turn } from "./machine-types.ts";
import { progressed } from "./turn.ts";

export function freshOut(): OutSide {
  return {
    generation: 0,
    access: undefined,
    answers: 0,
    logs: [],
    numbers: new Map(),
    level: new Map(),
    forksSent: new Map(),
    unansweredControl: 0,
    unansweredData: 0,
    open: 0,
  };
}

/** First 16 bytes of a head's hash. */
export function hashStartOf(hash: Uint8Array): Uint8Array {
  return hash.subarray(0, 16);
}

/** Changes a log and keeps the counts that hang on it right. */
export function reckonOut(turn: Turn, topic: TopicState, log: OutLog, change: () => void): void {
  count(turn, topic, log, -1);
  change();
  count(turn, topic, log, 1);
  progressed(turn);
}

function count(turn: Turn, topic: TopicState, log: OutLog, sign: 1 | -1): void {
  const { out } = topic;
  if (!log.answered) {
    if (log.control) out.unansweredControl += sign;
    else out.unansweredData += sign;
  }
  if (!log.wanted || log.tooLarge || log.acked >= log.height) return;
  out.open += sign;
  turn.state.entriesToSend += sign * (log.height - log.acked);
}

/** Moves a log's position to where the peer says, or shows, that it is. */
export function setSent(
  turn: Turn,
  topic: TopicState,
  log: OutLog,
  position: { readonly sentTo: number; readonly hashStart: Uint8Array | undefined },
): void {
  reckonOut(turn, topic, log, () => {
    log.sentTo = position.sentTo;
    log.hashStart = position.hashStart;
    log.acked = Math.max(log.acked, position.sentTo);
  });
}

/** Goes back to the start of a log. */
export function rewind(turn: Turn, topic: TopicState, log: OutLog): void {
  reckonOut(turn, topic, log, () => {
    log.acked = 0;
    log.sentTo = 0;
    log.hashStart = undefined;
  });
}

/**
 * Compares our head with the hash the peer claims at the same height. Equal heights of other entries
 * are a fork: our branch from its start shows the peer where they part. Once a session.
 */
export function compareHeads(
  turn: Turn,
  topic: TopicState,
  log: OutLog,
  hashStart: Uint8Array,
): void {
  const hash = topic.heads.get(log.logId)?.signedHash;
  if (hash === undefined || log.diverged) return;
  if (equalBytes(hash.subarray(0, hashStart.length), hashStart)) return;
  log.diverged = true;
  rewind(turn, topic, log);
  enqueue(turn, log);
}

/** Queues a log when it is wanted and there is more of it. */
export function enqueue(turn: Turn, log: OutLog): void {
  const { state } = turn;
  if (!log.wanted || log.tooLarge || log.sentTo >= log.height) return;
  (log.control ? state.controlQueue : state.dataQueue).add(log);
}

/** Takes every log of a topic out of the queues, and stops a range that is half sent. */
export function clearOut(turn: Turn, topic: TopicState): void {
  const { state } = turn;
  for (const log of topic.out.logs) {
    reckonOut(turn, topic, log, () => {
      log.wanted = false;
    });
    state.controlQueue.delete(log);
    state.dataQueue.delete(log);
  }
  dropSending(turn, topic.topic);
}

function dropSending(turn: Turn, topic: Topic): void {
  if (turn.state.sending?.topic === topic) turn.state.sending = undefined;
}
