/**
 * Claims of logs that do not come (docs/spec/3-sync.md §6). Layer 4; pure.
 */
import type { LogId } from "@hawser/log";
import { stalledBeatsMax } from "./limits.ts";
import type { InLog, TopicState, Turn } from "./machine-types.ts";

/**
 * At a heartbeat: lets other sessions ask for logs that this peer took the want of and does not send.
 * Only stored entries are progress, not what is announced or half here. While other logs do come, the
 * line may just be slow: then the later half goes, so that two peers work from both ends.
 */
export function passStalled(turn: Turn): void {
  const { state } = turn;
  const isMoving = state.gained;
  state.gained = false;
  const inFlight = new Set<LogId>();
  for (const flight of state.inFlight.values()) inFlight.add(flight.logId);
  for (const topic of state.topics.values()) {
    const stalled = topic.in.logs.filter((log) => log.claimed && isStalled(topic, log, inFlight));
    const keptCount = isMoving ? Math.floor(stalled.length / 2) : 0;
    for (const log of stalled.slice(keptCount)) release(turn, log);
  }
}

/** Counts one more heartbeat of a log that this session fetches. */
function isStalled(topic: TopicState, log: InLog, inFlight: ReadonlySet<LogId>): boolean {
  const held = topic.heads.get(log.logId)?.signedHeight ?? 0;
  // What waits for our own store is no fault of the peer.
  const isMoving = held > log.heldAtBeat || inFlight.has(log.logId);
  log.heldAtBeat = held;
  log.stalledBeats = isMoving ? 0 : log.stalledBeats + 1;
  return log.stalledBeats >= stalledBeatsMax;
}

function release(turn: Turn, log: InLog): void {
  log.claimed = false;
  turn.effects.push({ type: "release", logId: log.logId });
}
