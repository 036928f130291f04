/**
 * What the peer announces: compared with what we hold, and asked for (docs/spec/3-sync.md §6).
 * Layer 4; pure.
 */
import { logIdOf, type LogHead, type LogId } from "@hawser/log";
import { logsPerTopicMax } from "./limits.ts";
import type { InLog, InSide, InStatus, TopicState, Turn } from "./machine-types.ts";
import type { FrontierMessage, LogAnnouncement, Want } from "./message.ts";
import { hashStartOf } from "./out-log.ts";
import { noteBodies } from "./step-bodies.ts";
import { chunked, close, isOtherHead, isVisible, progressed, send } from "./turn.ts";

export function freshIn(): InSide {
  return {
    generation: 0,
    access: undefined,
    answers: 0,
    complete: false,
    logs: [],
    numbers: new Map(),
    level: new Map(),
    summary: undefined,
    forksWaiting: new Map(),
    forkCount: 0,
    open: 0,
    wants: [],
    acks: [],
    claims: [],
  };
}

/** The peer's logs in a topic. */
export function onFrontier(turn: Turn, topic: TopicState, message: FrontierMessage): void {
  // A follow-up from before a side left the topic and came back: its first part went unheard.
  if (!message.first && topic.in.generation === 0) return;
  const isNext = message.first
    ? message.generation > topic.in.generation
    : message.generation === topic.in.generation;
  if (!isNext || message.answers > topic.proofCounter) return close(turn, "SYNC_BAD_MESSAGE");
  if (message.access === "none" && message.logs.length > 0) return close(turn, "SYNC_BAD_MESSAGE");
  if (message.first) restartIn(turn, topic, message.generation);
  topic.in.access = message.access;
  noteBodies(turn, topic);
  topic.in.answers = message.answers;
  topic.in.complete = message.last;
  for (const announcement of message.logs) {
    if (!takeAnnouncement(turn, topic, announcement, message.eager)) return;
  }
  progressed(turn);
}

/** Forgets what the peer announced: a new generation begins. */
export function restartIn(turn: Turn, topic: TopicState, generation: number): void {
  clearIn(turn, topic);
  topic.in = { ...freshIn(), generation, forkCount: topic.in.forkCount };
}

/** False when the session ended over it. */
function takeAnnouncement(
  turn: Turn,
  topic: TopicState,
  announcement: LogAnnouncement,
  eager: boolean,
): boolean {
  const { author, domain, height, prunedTo, hash } = announcement;
  const logId = logIdOf(turn.deps.crypto, { topic: topic.topic, domain, author });
  const number = topic.in.numbers.get(logId);
  let log = number === undefined ? undefined : topic.in.logs[number];
  const isLevel = topic.in.level.delete(logId);
  if (log === undefined) {
    log = addInLog(topic, { logId, author, domain });
    if (topic.in.logs.length > logsPerTopicMax) {
      close(turn, "SYNC_OVER_LIMIT");
      return false;
    }
  }
  log.height = height;
  log.prunedTo = prunedTo;
  log.hash = hash;
  const isTaken = topic.headsState === "ready" && isVisible(topic, domain);
  if (eager && !isTaken && log.status === "hidden") {
    // What follows is dropped, but the peer counts it as sent: it must be stopped or sent again.
    log.answered = true;
    setStatus(turn, topic, log, "pushed");
  }
  if (topic.headsState !== "ready") return true;
  if (eager && isTaken) {
    const have = topic.heads.get(logId)?.signedHeight ?? 0;
    if (have === 0 || isLevel) return followEager(turn, topic, log);
  }
  review(turn, topic, log);
  return true;
}

/** The entries follow by themselves, from where both sides stood level. */
function followEager(turn: Turn, topic: TopicState, log: InLog): true {
  log.answered = true;
  if (!isWanted(topic, log)) {
    leaveOut(turn, topic, log);
    return true;
  }
  const have = topic.heads.get(log.logId)?.signedHeight ?? 0;
  if (log.height <= have) {
    setStatus(turn, topic, log, log.height === have ? "same" : "ahead");
    review(turn, topic, log);
  } else if (isAffordable(turn, topic)) setStatus(turn, topic, log, "fetching");
  else giveUp(turn, topic, log, "overBudget");
  return true;
}

function addInLog(
  topic: TopicState,
  name: { readonly logId: LogId; readonly author: InLog["author"]; readonly domain: string },
): InLog {
  const log: InLog = {
    number: topic.in.logs.length,
    logId: name.logId,
    author: name.author,
    domain: name.domain,
    height: 0,
    shown: 0,
    prunedTo: 0,
    hash: undefined,
    status: "hidden",
    reason: undefined,
    answered: false,
    claimed: false,
    heldAtBeat: 0,
    stalledBeats: 0,
    acked: 0,
    gaps: 0,
    branchSeen: false,
    due: 0,
  };
  topic.in.logs.push(log);
  topic.in.numbers.set(name.logId, log.number);
  return log;
}

/** Compares every announced log with ours again: heads were read, or access changed. */
export function reviewIn(turn: Turn, topic: TopicState): void {
  if (topic.headsState !== "ready") return;
  for (const log of topic.in.logs) review(turn, topic, log);
}

/** As `reviewIn`, for one log. */
export function reviewLog(turn: Turn, topic: TopicState, logId: LogId): void {
  const number = topic.in.numbers.get(logId);
  const log = number === undefined ? undefined : topic.in.logs[number];
  if (log !== undefined) review(turn, topic, log);
}

/** Compares an announced log with ours and asks for what is missing. */
function review(turn: Turn, topic: TopicState, log: InLog): void {
  if (!isVisible(topic, log.domain)) return hide(turn, topic, log);
  if (!isWanted(topic, log)) return leaveOut(turn, topic, log);
  if (log.status === "refused" || log.status === "forked" || log.status === "overBudget") return;
  const head = topic.heads.get(log.logId);
  const have = head?.signedHeight ?? 0;
  if (lacksBranch(topic, log, head)) return fetchBranch(turn, topic, log);
  if (log.height > have) return reviewBehind(turn, topic, log, head);
  if (log.height === have && isOtherHead(log, head)) return reviewDiverged(turn, topic, log, head);
  if (log.status === "branch" && log.height === have) return;
  const isSubscribed = log.answered && !isIdle(log.status);
  setStatus(turn, topic, log, log.height === have ? "same" : "ahead");
  if (!isSubscribed) answer(turn, topic, log);
  else acknowledge(turn, topic, log);
}

function reviewBehind(turn: Turn, topic: TopicState, log: InLog, head: LogHead | undefined): void {
  const have = head?.signedHeight ?? 0;
  if (head?.forkedAt !== undefined && have > head.forkedAt) {
    return giveUp(turn, topic, log, "forked");
  }
  if (log.prunedTo > have) return giveUp(turn, topic, log, "pruned");
  if (!isAffordable(turn, topic)) return giveUp(turn, topic, log, "overBudget");
  if (log.status === "fetching" || log.status === "branch") {
    reckonIn(turn, topic, log, log.status);
    acknowledge(turn, topic, log);
    return;
  }
  if (log.status === "waiting") return reckonIn(turn, topic, log, "waiting");
  if (log.answered && (log.status === "same" || log.status === "ahead")) {
    // Subscribed: what the peer has more, it sends by itself.
    return setStatus(turn, topic, log, "fetching");
  }
  setStatus(turn, topic, log, "waiting");
  turn.touched.add(topic);
  topic.in.claims.push(log.logId);
}

function reviewDiverged(
  turn: Turn,
  topic: TopicState,
  log: InLog,
  head: LogHead | undefined,
): void {
  if (head?.forkedAt !== undefined) return giveUp(turn, topic, log, "forked");
  fetchBranch(turn, topic, log);
}

/** Asks for a log from its start, so that it is seen where the branches part. */
export function fetchBranch(turn: Turn, topic: TopicState, log: InLog): void {
  if (log.status === "branch") return;
  if (!isAffordable(turn, topic)) return giveUp(turn, topic, log, "overBudget");
  if (log.prunedTo > 0) return giveUp(turn, topic, log, "pruned");
  setStatus(turn, topic, log, "branch");
  want(turn, topic, log, "branch");
}

/**
 * Should the peer's branch be fetched although the fork is known? Once a session, of control logs:
 * others may have built on it. What ends like ours is no other branch.
 */
export function lacksBranch(topic: TopicState, log: InLog, head: LogHead | undefined): boolean {
  if (!topic.snapshot.controlDomains.includes(log.domain)) return false;
  if (head?.forkedAt === undefined || log.branchSeen || log.height <= head.forkedAt) return false;
  return log.height !== head.signedHeight || log.hash === undefined || isOtherHead(log, head);
}

/** This session may fetch these logs now. */
export function onClaimed(
  turn: Turn,
  topic: TopicState | undefined,
  logIds: readonly LogId[],
): void {
  for (const logId of logIds) {
    const log = topic?.in.logs[topic.in.numbers.get(logId) ?? -1];
    if (topic === undefined || log === undefined || log.status !== "waiting") {
      turn.effects.push({ type: "release", logId });
      continue;
    }
    log.claimed = true;
    log.heldAtBeat = topic.heads.get(logId)?.signedHeight ?? 0;
    log.stalledBeats = 0;
    setStatus(turn, topic, log, "fetching");
    answer(turn, topic, log);
  }
}

/** Asks again for logs that were refused. */
export function retryRefused(turn: Turn, topic: TopicState, isDue: (log: InLog) => boolean): void {
  for (const log of topic.in.logs) {
    if (log.status !== "refused" || !isDue(log)) continue;
    log.gaps = 0;
    setStatus(turn, topic, log, "hidden");
    review(turn, topic, log);
  }
}

/** Is the log one to take at all? Control logs are: they say who may write. */
function isWanted(topic: TopicState, log: InLog): boolean {
  const { wants, controlDomains } = topic.snapshot;
  if (wants === undefined || controlDomains.includes(log.domain)) return true;
  return wants({ logId: log.logId, author: log.author, domain: log.domain });
}

/** Passes over a log that its topic's owner does not want, and tells the peer so. */
function leaveOut(turn: Turn, topic: TopicState, log: InLog): void {
  if (log.status === "unwanted") return;
  setStatus(turn, topic, log, "unwanted");
  want(turn, topic, log, "stop");
}

/** Nothing is asked for, or nothing yet. */
function isIdle(status: InStatus): boolean {
  return status === "waiting" || status === "hidden" || status === "unwanted";
}

function hide(turn: Turn, topic: TopicState, log: InLog): void {
  if (log.status === "hidden") return;
  setStatus(turn, topic, log, "hidden");
  if (log.answered) want(turn, topic, log, "stop");
}

/** Skips a log, and tells the peer so. */
export function giveUp(
  turn: Turn,
  topic: TopicState,
  log: InLog,
  status: "pruned" | "refused" | "forked" | "overBudget",
  reason?: string,
): void {
  if (log.status === status) return;
  setStatus(turn, topic, log, status);
  log.reason = reason;
  want(turn, topic, log, "stop");
}

/** Tells where we are, so that the peer sends what follows. */
function answer(turn: Turn, topic: TopicState, log: InLog): void {
  const head = topic.heads.get(log.logId);
  const have = head?.signedHeight ?? 0;
  const isSame = have === log.height && log.hash !== undefined && !isOtherHead(log, head);
  if (isSame && !log.answered) want(turn, topic, log, "same");
  else want(turn, topic, log, log.answered ? "again" : "after", head);
  progressed(turn);
}

/** As `answer`, for entries the peer must send a second time. */
export function askAgain(turn: Turn, topic: TopicState, log: InLog): void {
  want(turn, topic, log, "again", topic.heads.get(log.logId));
  progressed(turn);
}

function want(turn: Turn, topic: TopicState, log: InLog, mode: Want["mode"], head?: LogHead): void {
  turn.touched.add(topic);
  log.answered = true;
  const from = head?.signedHeight ?? 0;
  const hash = head?.signedHash;
  if (mode === "after" || mode === "again") log.acked = Math.max(log.acked, from);
  if (mode === "same") log.acked = Math.max(log.acked, log.height);
  topic.in.wants.push({
    logNumber: log.number,
    mode,
    from,
    hashStart: from > 0 && hash !== undefined ? hashStartOf(hash) : undefined,
  });
}

/** Tells the peer what we have stored of a log that it announced. */
function acknowledge(turn: Turn, topic: TopicState, log: InLog): void {
  const head = topic.heads.get(log.logId);
  if (head?.signedHash === undefined || head.signedHeight <= log.acked) return;
  log.acked = head.signedHeight;
  turn.touched.add(topic);
  topic.in.acks.push({
    logNumber: log.number,
    height: head.signedHeight,
    hashStart: hashStartOf(head.signedHash),
  });
}

/** Tells where we are even if that was told before: the peer sends what we have. */
export function acknowledgeKnown(turn: Turn, topic: TopicState, log: InLog): void {
  log.acked = 0;
  acknowledge(turn, topic, log);
}

function isAffordable(turn: Turn, topic: TopicState): boolean {
  const { options } = turn.deps;
  return topic.entriesTaken < options.topicEntries && topic.bytesTaken < options.topicBytes;
}

function isOpen(status: InStatus): boolean {
  return status === "waiting" || status === "fetching" || status === "branch";
}

/** Changes a log's status together with everything that hangs on it: counts and claim. */
export function setStatus(turn: Turn, topic: TopicState, log: InLog, status: InStatus): void {
  if (log.claimed && status !== "fetching") {
    log.claimed = false;
    turn.effects.push({ type: "release", logId: log.logId });
  }
  reckonIn(turn, topic, log, status);
  progressed(turn);
}

function reckonIn(turn: Turn, topic: TopicState, log: InLog, status: InStatus): void {
  if (isOpen(log.status)) topic.in.open -= 1;
  if (isOpen(status)) topic.in.open += 1;
  const have = topic.heads.get(log.logId)?.signedHeight ?? 0;
  const due = isOpen(status) ? Math.max(0, log.height - have) : 0;
  turn.state.entriesToReceive += due - log.due;
  log.due = due;
  log.status = status;
}

/** Sends the wants and acks, and makes the claims, that one step gathered. */
export function flushAnswers(turn: Turn): void {
  for (const topic of turn.touched) {
    const { wants, acks, claims, generation } = topic.in;
    const topicNumber = topic.ownNumber;
    topic.in.wants = [];
    topic.in.acks = [];
    topic.in.claims = [];
    if (claims.length > 0) {
      turn.effects.push({ type: "claim", topic: topic.topic, logIds: claims });
    }
    for (const part of chunked(wants)) {
      send(turn, { type: "wants", topicNumber, generation, wants: part });
    }
    for (const part of chunked(acks)) {
      send(turn, { type: "acks", topicNumber, generation, acks: part });
    }
  }
}

/** Forgets what the peer announced; a range that is half here is dropped. */
export function clearIn(turn: Turn, topic: TopicState): void {
  const { assembly } = turn.state;
  for (const log of topic.in.logs) setStatus(turn, topic, log, "hidden");
  if (assembly?.topic !== topic.topic || assembly.discard) return;
  assembly.discard = true;
  turn.state.inFlightBytes -= assembly.size;
  assembly.parts = [];
}
