/**
 * Questions to a machine's state: progress, in sync or not, why an entry is not there
 * (docs/spec/3-sync.md §7, §10). Layer 4; pure.
 */
import type { LogHead, LogId, Topic } from "@hawser/log";
import type { InLog, MachineState, OutLog, TopicState } from "./machine-types.ts";
import { isReconciling, isVisibleTo } from "./turn.ts";
import type { ExplainCode, LogRef, SyncProgress, SyncReport, TopicReport } from "./types.ts";

export function progressOf(state: MachineState): SyncProgress {
  return {
    entriesReceived: state.entriesReceived,
    entriesToReceive: state.entriesToReceive,
    entriesSent: state.entriesSent,
    entriesToSend: state.entriesToSend,
    bytesReceived: state.bytesReceived,
    bytesSent: state.bytesSent,
  };
}

/** True when nothing is on its way or due, in either direction. */
export function isSettled(state: MachineState): boolean {
  if (state.phase !== "open" || !state.topicsAnnounced || !state.peerTopicsComplete) return false;
  if (state.inFlight.size > 0 || state.assembly !== undefined) return false;
  for (const topic of state.topics.values()) {
    if (topic.peerNumber !== undefined && !isTopicSettled(topic)) return false;
  }
  return true;
}

function isTopicSettled(topic: TopicState): boolean {
  const { out } = topic;
  const theirs = topic.in;
  if (topic.headsState !== "ready" || topic.peerProof === undefined) return false;
  if (out.access !== topic.given || out.answers !== topic.peerProof.counter) return false;
  if (!theirs.complete || theirs.answers !== topic.proofCounter) return false;
  if (isReconciling(topic) || theirs.open > 0 || out.open > 0) return false;
  // A peer answers only for logs that it would let us know of, too.
  if (theirs.access === "none") return true;
  if (out.unansweredControl > 0) return false;
  return theirs.access === "control" || out.unansweredData === 0;
}

/** What a settled session amounts to. */
export function reportOf(state: MachineState): SyncReport {
  const topics: TopicReport[] = [];
  for (const topic of state.topics.values()) {
    if (topic.peerNumber === undefined) continue;
    const skippedHere = topic.in.logs.filter(isSkippedHere).length;
    const skippedThere = topic.out.logs.filter(isSkippedThere).length + countUntold(topic);
    topics.push({
      topic: topic.topic,
      given: topic.given,
      received: topic.in.access ?? "none",
      skippedHere,
      leftOut: topic.in.logs.filter((log) => log.status === "unwanted").length,
      skippedThere,
    });
  }
  topics.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  const complete = topics.every(
    (topic) =>
      topic.given === "full" &&
      topic.received === "full" &&
      topic.skippedHere === 0 &&
      topic.leftOut === 0 &&
      topic.skippedThere === 0,
  );
  return { complete, topics };
}

function isSkippedHere(log: InLog): boolean {
  return (
    log.status === "pruned" ||
    log.status === "refused" ||
    log.status === "forked" ||
    log.status === "overBudget"
  );
}

/** Logs that the peer may know of and was never told: more than a session announces. */
function countUntold(topic: TopicState): number {
  const { numbers, level } = topic.out;
  let count = 0;
  for (const [logId, head] of topic.heads) {
    if (head.signedHeight === 0 || numbers.has(logId) || level.has(logId)) continue;
    // What the peer announced just so, it need not be told.
    if (topic.in.numbers.has(logId)) continue;
    const { controlDomains } = topic.snapshot;
    if (isVisibleTo(topic.given, controlDomains, head.context.domain)) count += 1;
  }
  return count;
}

function isSkippedThere(log: OutLog): boolean {
  return log.answered && (!log.wanted || log.tooLarge || log.diverged);
}

/** A log against what a peer announced of it. */
export interface LogStanding {
  /** Signed height that the peer announced; 0 when it did not name the log. */
  readonly announced: number;
  /** Whether all of that is here, and is what was announced. */
  readonly here: boolean;
}

/** What a peer announced of some logs of a topic. */
export interface TopicStanding {
  /** What both sides let each other have of the topic. */
  readonly access: "control" | "full";
  /** In the order in which the logs were asked for. */
  readonly logs: readonly LogStanding[];
}

/** Logs of a topic against what the peer announced; `undefined` while that is not all known. */
export function standingOf(
  state: MachineState,
  name: Topic,
  logIds: readonly LogId[],
): TopicStanding | undefined {
  const topic = state.topics.get(name);
  if (state.phase !== "open" || topic?.peerNumber === undefined) return undefined;
  const { access, complete } = topic.in;
  if (!complete || topic.given === "none" || (access ?? "none") === "none") return undefined;
  if (
    isReconciling(topic) ||
    topic.in.open > 0 ||
    topic.headsState !== "ready" ||
    topic.in.answers !== topic.proofCounter
  )
    return undefined;
  const logs = logIds.map((logId) => {
    const log = topic.in.logs[topic.in.numbers.get(logId) ?? -1];
    // What stands level was compared and is here, although it was never named.
    if (log === undefined) return { announced: topic.in.level.get(logId) ?? 0, here: true };
    return { announced: log.height, here: log.status === "same" || log.status === "ahead" };
  });
  const isFull = topic.given === "full" && access === "full";
  return { access: isFull ? "full" : "control", logs };
}

/** Why an entry is not in our store, as far as this session knows. */
export function explainHere(
  state: MachineState,
  ref: LogRef,
  seq: number,
  head: LogHead | undefined,
): ExplainCode {
  const local = explainLocal(head, seq);
  if (local !== undefined) return local;
  const topic = state.topics.get(ref.topic);
  if (topic === undefined || topic.peerNumber === undefined) return "NOT_ANNOUNCED";
  const log = topic.in.logs[topic.in.numbers.get(ref.logId) ?? -1];
  if (log === undefined || log.height <= seq) return explainUnannounced(topic);
  return explainStatus(log);
}

/** What our own store says of an entry; `undefined` when it is not there. */
export function explainLocal(head: LogHead | undefined, seq: number): ExplainCode | undefined {
  if (head === undefined || seq >= head.height) return undefined;
  if (seq < head.prunedTo) return "PRUNED";
  return head.forkedAt !== undefined && seq >= head.forkedAt ? "FORKED" : "PRESENT";
}

function explainUnannounced(topic: TopicState): ExplainCode {
  return topic.in.access === "full" ? "NOT_ANNOUNCED" : "NO_ACCESS";
}

function explainStatus(log: InLog): ExplainCode {
  switch (log.status) {
    case "hidden":
      return "NO_ACCESS";
    case "unwanted":
      return "NOT_WANTED";
    case "pruned":
      return "PRUNED";
    case "forked":
      return "FORKED";
    case "overBudget":
      return "OVER_BUDGET";
    case "refused":
      return codeOfReason(log.reason);
    default:
      return "IN_FLIGHT";
  }
}

/** An ingest may give one of our codes as its reason; then that is the better answer. */
function codeOfReason(reason: string | undefined): ExplainCode {
  switch (reason) {
    case "MISSING_DEP":
    case "BAD_SIGNATURE":
    case "MISSING_EPOCH":
    case "OVER_BUDGET":
    case "HELD_FOR_CLOCK":
    case "FORKED":
    case "NO_ACCESS":
      return reason;
    default:
      return "REFUSED";
  }
}

/** Why an entry is not at the peer, as far as this session knows. */
export function explainThere(
  state: MachineState,
  ref: LogRef,
  seq: number,
  head: LogHead | undefined,
): ExplainCode {
  const topic = state.topics.get(ref.topic);
  if (topic === undefined || topic.peerNumber === undefined) return "NOT_ANNOUNCED";
  const theirs = topic.in.logs[topic.in.numbers.get(ref.logId) ?? -1];
  const log = topic.out.logs[topic.out.numbers.get(ref.logId) ?? -1];
  const level = topic.out.level.get(ref.logId) ?? topic.in.level.get(ref.logId) ?? 0;
  if (Math.max(log?.acked ?? 0, theirs?.height ?? 0, level) > seq) return "PRESENT";
  if (head === undefined || head.signedHeight <= seq) return "NOT_ANNOUNCED";
  if (!isVisibleTo(topic.given, topic.snapshot.controlDomains, head.context.domain)) {
    return "NO_ACCESS";
  }
  if (seq < head.prunedTo) return "PRUNED";
  if (log === undefined) return "NOT_ANNOUNCED";
  if (log.tooLarge) return "OVER_BUDGET";
  if (log.answered && !log.wanted) return head.forkedAt === undefined ? "REFUSED" : "FORKED";
  return "IN_FLIGHT";
}
