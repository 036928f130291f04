/**
 * Broadcasts: for whoever is there now, and kept by nobody (docs/spec/3-sync.md §7.1). Layer 4; pure.
 */
import { featureBits } from "./codes.ts";
import {
  broadcastBurstBytes,
  broadcastOutboxBytesMax,
  broadcastOverheadBytes,
  broadcastRefillBytes,
  broadcastRefillMs,
} from "./limits.ts";
import type { Broadcast, TopicState, Turn } from "./machine-types.ts";
import type { BroadcastMessage } from "./message.ts";
import { close, send } from "./turn.ts";

/** Sends it, unless the peer may not hear it or does not keep up: then it is lost. */
export function sayBroadcast(turn: Turn, { topic: id, bytes, isForwarded }: Broadcast): void {
  const { state } = turn;
  const topic = state.topics.get(id);
  if (state.phase !== "open" || !hasBroadcasts(turn) || topic === undefined) return;
  if (topic.peerNumber === undefined || topic.given !== "full") return;
  if (state.outboxBytes > broadcastOutboxBytesMax) return;
  const cost = costOf(bytes);
  if (state.broadcastsOut < cost) return;
  state.broadcastsOut -= cost;
  refillLater(turn);
  send(turn, { type: "broadcast", topicNumber: topic.ownNumber, isForwarded, bytes });
}

/** Passes on what the peer says, as long as it may say it and does not say too much. */
export function onBroadcast(turn: Turn, topic: TopicState, message: BroadcastMessage): void {
  const { state } = turn;
  if (!hasBroadcasts(turn)) return close(turn, "SYNC_BAD_MESSAGE");
  // Not an error: our keys may have changed while it was on its way.
  if (topic.given !== "full") return;
  const { bytes, isForwarded } = message;
  const cost = costOf(bytes);
  if (state.broadcastsIn < cost) return;
  state.broadcastsIn -= cost;
  refillLater(turn);
  turn.effects.push({ type: "broadcast", topic: topic.topic, bytes, isForwarded });
}

/** Some time has passed: more may be said, and heard. */
export function refillBroadcasts(turn: Turn): void {
  const { state } = turn;
  state.isRefilling = false;
  state.broadcastsOut = refilled(state.broadcastsOut);
  state.broadcastsIn = refilled(state.broadcastsIn);
  refillLater(turn);
}

/** Runs the timer only while there is something to fill, so a silent session has none. */
function refillLater(turn: Turn): void {
  const { state } = turn;
  const isFull =
    state.broadcastsOut === broadcastBurstBytes && state.broadcastsIn === broadcastBurstBytes;
  if (isFull || state.isRefilling) return;
  state.isRefilling = true;
  turn.effects.push({ type: "startTimer", name: "broadcast", delayMs: broadcastRefillMs });
}

function refilled(bytes: number): number {
  return Math.min(broadcastBurstBytes, bytes + broadcastRefillBytes);
}

function costOf(bytes: Uint8Array): number {
  return bytes.length + broadcastOverheadBytes;
}

function hasBroadcasts(turn: Turn): boolean {
  return (turn.state.features & featureBits.broadcast) !== 0;
}
