/**
 * Taking ranges and fork proofs from the peer (docs/spec/3-sync.md §7). Layer 4; pure.
 */
import { concatBytes } from "@hawser/codec";
import { logIdOf, type ForkProof, type LogId } from "@hawser/log";
import { forkProofsPerTopicMax, gapsInARowMax } from "./limits.ts";
import type { Assembly, ForkAssembly, InFlight, InLog, TopicState, Turn } from "./machine-types.ts";
import type { ForkMessage, ForkMoreMessage, MoreMessage, RangeMessage } from "./message.ts";
import {
  acknowledgeKnown,
  askAgain,
  fetchBranch,
  giveUp,
  reviewLog,
  setStatus,
} from "./step-compare.ts";
import { topicOfPeer } from "./step-topics.ts";
import { close, isOtherHead, isVisible, progressed, send } from "./turn.ts";
import type { IngestOutcome } from "./types.ts";

/** Fork proofs kept for logs that have not arrived yet. */
const forksWaitingMax = 16;

/** A range, or its first part. */
export function onRange(turn: Turn, message: RangeMessage, frameBytes: number): void {
  const { state } = turn;
  if (!takeCredit(turn, frameBytes)) return;
  if (state.assembly !== undefined && !state.assembly.discard) {
    return close(turn, "SYNC_BAD_MESSAGE");
  }
  if (message.byteCount > turn.deps.options.rangeBytes) return close(turn, "SYNC_OVER_LIMIT");
  if (message.topicNumber >= state.peerNumberNext) return close(turn, "SYNC_BAD_MESSAGE");
  const topic = topicOfPeer(turn, message.topicNumber);
  const log = topic?.in.logs[message.logNumber];
  // Without a frontier since the topic was shared anew, this is a late part of the time before.
  if (log === undefined && topic !== undefined && topic.in.generation > 0) {
    return close(turn, "SYNC_BAD_MESSAGE");
  }
  const isWelcome = topic !== undefined && log !== undefined && admit(turn, topic, log, message);
  state.assembly = {
    topic: topic?.topic,
    logId: log?.logId,
    from: message.from,
    count: message.count,
    byteCount: message.byteCount,
    parts: [],
    size: 0,
    discard: !isWelcome,
  };
  addPart(turn, state.assembly, message.bytes);
}

/** The next part of the range begun before. */
export function onMore(turn: Turn, message: MoreMessage, frameBytes: number): void {
  const { assembly } = turn.state;
  if (!takeCredit(turn, frameBytes)) return;
  if (assembly === undefined) return close(turn, "SYNC_BAD_MESSAGE");
  addPart(turn, assembly, message.bytes);
}

function takeCredit(turn: Turn, frameBytes: number): boolean {
  turn.state.granted -= frameBytes;
  if (turn.state.granted >= 0) return true;
  close(turn, "SYNC_CREDIT");
  return false;
}

/** False when the range is to be dropped: not wanted, not ours to keep, or over budget. */
function admit(turn: Turn, topic: TopicState, log: InLog, message: RangeMessage): boolean {
  const isTaken =
    log.status === "fetching" ||
    log.status === "branch" ||
    log.status === "same" ||
    log.status === "ahead" ||
    log.status === "waiting";
  if (!isTaken) return false;
  const { options } = turn.deps;
  if (
    topic.entriesTaken + message.count > options.topicEntries ||
    topic.bytesTaken + message.byteCount > options.topicBytes
  ) {
    giveUp(turn, topic, log, "overBudget");
    return false;
  }
  topic.entriesTaken += message.count;
  topic.bytesTaken += message.byteCount;
  return true;
}

function addPart(turn: Turn, assembly: Assembly, bytes: Uint8Array): void {
  const { state } = turn;
  assembly.size += bytes.length;
  if (assembly.size > assembly.byteCount) return close(turn, "SYNC_BAD_MESSAGE");
  if (!assembly.discard) {
    assembly.parts.push(bytes);
    state.inFlightBytes += bytes.length;
  }
  if (assembly.size < assembly.byteCount) return;
  state.assembly = undefined;
  if (!assembly.discard) complete(turn, assembly);
}

/** Hands a whole range to ingest. */
function complete(turn: Turn, assembly: Assembly): void {
  const { state } = turn;
  const topic = assembly.topic === undefined ? undefined : state.topics.get(assembly.topic);
  const log = topic?.in.logs[topic.in.numbers.get(assembly.logId ?? ("" as LogId)) ?? -1];
  if (topic === undefined || log === undefined) {
    state.inFlightBytes -= assembly.size;
    return;
  }
  const { from, count, parts } = assembly;
  const single = parts.length === 1 ? parts[0] : undefined;
  const bytes = single ?? concatBytes(...parts);
  const id = state.ingestNext++;
  state.inFlight.set(id, {
    topic: topic.topic,
    logId: log.logId,
    from,
    count,
    byteCount: assembly.size,
  });
  const context = { topic: topic.topic, domain: log.domain, author: log.author };
  turn.effects.push({ type: "ingest", id, range: { context, from, count, bytes } });
  // The peer has what it sends: it is never sent back.
  log.shown = Math.max(log.shown, from + count);
}

/** What became of a range. */
export function onIngested(turn: Turn, id: number, outcome: IngestOutcome): void {
  const { state } = turn;
  const flight = state.inFlight.get(id);
  if (flight === undefined) return;
  state.inFlight.delete(id);
  state.inFlightBytes -= flight.byteCount;
  progressed(turn);
  if (outcome.status === "bad") {
    turn.effects.push({ type: "badRange", logId: flight.logId, seq: outcome.seq });
    return close(turn, "SYNC_BAD_RANGE");
  }
  if (outcome.status === "stored") {
    state.entriesReceived += flight.count;
    state.gained = true;
  }
  const topic = state.topics.get(flight.topic);
  const log = topic?.in.logs[topic.in.numbers.get(flight.logId) ?? -1];
  if (topic === undefined || log === undefined) return;
  if (log.status === "hidden" || log.status === "unwanted") return;
  settle(turn, topic, log, { flight, outcome });
}

function settle(
  turn: Turn,
  topic: TopicState,
  log: InLog,
  ingested: { readonly flight: InFlight; readonly outcome: IngestOutcome },
): void {
  const { flight, outcome } = ingested;
  const end = flight.from + flight.count;
  switch (outcome.status) {
    case "stored":
      log.gaps = 0;
      if (end > log.height) {
        log.height = end;
        log.hash = undefined;
      }
      // It turned out to go on where ours ends.
      if (log.status === "branch" && end >= log.height) {
        log.branchSeen = true;
        setStatus(turn, topic, log, "same");
      }
      return reviewLog(turn, topic, log.logId);
    case "known":
      return settleKnown(turn, topic, log, end);
    case "gap":
      return settleGap(turn, topic, log);
    case "forked":
      return settleForked(turn, topic, log, { end, proof: outcome.proof });
    case "refused":
      return giveUp(turn, topic, log, "refused", outcome.reason);
    case "bad":
      return;
  }
}

/** The rest of a control log's branch is taken too: others may have built on it. */
function settleForked(
  turn: Turn,
  topic: TopicState,
  log: InLog,
  { end, proof }: { readonly end: number; readonly proof: ForkProof },
): void {
  if (isNewFork(topic, log.logId, proof.seq)) {
    turn.effects.push({ type: "checkFork", topic: topic.topic, logId: log.logId, proof });
  }
  const isControl = topic.snapshot.controlDomains.includes(log.domain);
  if (isControl && log.status === "branch" && end < log.height) return;
  if (isControl && log.status !== "branch" && !log.branchSeen) return fetchBranch(turn, topic, log);
  log.branchSeen = true;
  giveUp(turn, topic, log, "forked");
}

/** Two sources may send the same; another branch that turns out known is a contradiction. */
function settleKnown(turn: Turn, topic: TopicState, log: InLog, end: number): void {
  if (log.status === "branch") {
    if (end < log.height) return;
    log.branchSeen = true;
    const isOther = isOtherHead(log, topic.heads.get(log.logId));
    if (isOther && topic.forks.has(log.logId)) return giveUp(turn, topic, log, "forked");
    if (isOther) return giveUp(turn, topic, log, "refused", "DIVERGED");
    return setStatus(turn, topic, log, "same");
  }
  const have = topic.heads.get(log.logId)?.signedHeight ?? 0;
  if (end <= have) acknowledgeKnown(turn, topic, log);
}

/** The range starts after our head: asked for again from there, but not for ever. */
function settleGap(turn: Turn, topic: TopicState, log: InLog): void {
  log.gaps += 1;
  if (log.gaps > gapsInARowMax) return giveUp(turn, topic, log, "refused", "GAP");
  if (log.status !== "fetching") setStatus(turn, topic, log, "fetching");
  askAgain(turn, topic, log);
}

/** A fork proof of the peer, or its first part. */
export function onForkMessage(turn: Turn, topic: TopicState, message: ForkMessage): void {
  topic.in.forkCount += 1;
  if (turn.state.forkAssembly !== undefined) return close(turn, "SYNC_BAD_MESSAGE");
  if (topic.in.forkCount > forkProofsPerTopicMax) return close(turn, "SYNC_OVER_LIMIT");
  const assembly = { topic: topic.topic, head: message, parts: [], size: 0 };
  turn.state.forkAssembly = assembly;
  addForkPart(turn, assembly, message.bytes);
}

/** The next part of a fork proof. */
export function onForkMore(turn: Turn, message: ForkMoreMessage): void {
  const { forkAssembly } = turn.state;
  // The first part may have gone with a topic that was left meanwhile.
  if (forkAssembly !== undefined) addForkPart(turn, forkAssembly, message.bytes);
}

function addForkPart(turn: Turn, assembly: ForkAssembly, bytes: Uint8Array): void {
  const { byteCount } = assembly.head;
  assembly.size += bytes.length;
  if (assembly.size > byteCount) return close(turn, "SYNC_BAD_MESSAGE");
  assembly.parts.push(bytes);
  if (assembly.size < byteCount) return;
  turn.state.forkAssembly = undefined;
  const topic = turn.state.topics.get(assembly.topic);
  if (topic !== undefined) takeFork(turn, topic, assembly);
}

function takeFork(turn: Turn, topic: TopicState, assembly: ForkAssembly): void {
  const { author, domain, seq, firstByteCount } = assembly.head;
  if (!isVisible(topic, domain)) return;
  const context = { topic: topic.topic, domain, author };
  const logId = logIdOf(turn.deps.crypto, context);
  if (!isNewFork(topic, logId, seq)) return;
  const all = concatBytes(...assembly.parts);
  const a = all.subarray(0, firstByteCount);
  const proof = { context, seq, a, b: all.subarray(firstByteCount) };
  if (topic.heads.has(logId)) {
    turn.effects.push({ type: "checkFork", topic: topic.topic, logId, proof });
    return;
  }
  const waiting = topic.in.forksWaiting.get(logId);
  const hasRoom = waiting !== undefined || topic.in.forksWaiting.size < forksWaitingMax;
  if (hasRoom && (waiting === undefined || seq < waiting.seq)) {
    topic.in.forksWaiting.set(logId, proof);
  }
}

/** Of two proofs the one with the smaller seq counts: everybody ends up with the same. */
function isNewFork(topic: TopicState, logId: LogId, seq: number): boolean {
  const known = topic.forks.get(logId);
  return known === undefined || seq < known.seq;
}

/** Grants credit for what was taken in, in steps that are worth a message. */
export function grantCredit(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== "open") return;
  const { windowBytes, rangeBytes } = turn.deps.options;
  const target = Math.min(windowBytes, windowBytes + rangeBytes - state.inFlightBytes);
  const byteCount = target - state.granted;
  if (byteCount < windowBytes / 4) return;
  state.granted = target;
  send(turn, { type: "credit", byteCount });
}
