/**
 * Serving the peer: wants and acks, reads from the store, credit (docs/spec/3-sync.md §7). Layer 4;
 * pure.
 */
import type { LogId } from "@hawser/log";
import { rangeHeaderBytesMax } from "./encode.ts";
import { creditBytesMax, frameBytesMax, outboxBytesGoal, rangeBytesGoal } from "./limits.ts";
import type { OutLog, RangeRead, Sending, TopicState, Turn } from "./machine-types.ts";
import type { Ack, AcksMessage, Want, WantsMessage } from "./message.ts";
import { compareHeads, enqueue, reckonOut, rewind, setSent } from "./out-log.ts";
import { announceAgain } from "./step-announce.ts";
import { close, progressed, send } from "./turn.ts";

/** Below this much credit nothing is begun: tiny frames would cost more than they carry. */
const creditBytesUseful = 4 * 1024;

/** What the peer wants of the logs we announced. */
export function onWants(turn: Turn, topic: TopicState, message: WantsMessage): void {
  if (message.generation > turn.state.generationLast) return close(turn, "SYNC_BAD_MESSAGE");
  // Of a generation before, or of the time before the topic was left.
  if (message.generation !== topic.out.generation) return;
  for (const want of message.wants) {
    const log = topic.out.logs[want.logNumber];
    if (log === undefined) return close(turn, "SYNC_BAD_MESSAGE");
    takeWant(turn, topic, log, want);
    if (want.mode === "same") noteLevel(topic, log);
    enqueue(turn, log);
  }
}

function takeWant(turn: Turn, topic: TopicState, log: OutLog, want: Want): void {
  const wasWanted = log.wanted;
  reckonOut(turn, topic, log, () => {
    log.answered = true;
    log.wanted = want.mode !== "stop";
    if (want.mode === "branch" || want.mode === "again") log.acked = Math.min(log.acked, want.from);
  });
  const position = positionOf(log, want, wasWanted);
  if (position !== undefined) setSent(turn, topic, log, position);
}

/** A peer that holds our head need not announce it: this is how it says so in a reconciliation. */
function noteLevel(topic: TopicState, log: OutLog): void {
  if (topic.recon === undefined || topic.in.numbers.has(log.logId)) return;
  topic.in.level.set(log.logId, log.announced);
}

/** Where to go on from, or `undefined` when the log's position stands. */
function positionOf(
  log: OutLog,
  want: Want,
  wasWanted: boolean,
): { readonly sentTo: number; readonly hashStart: Uint8Array | undefined } | undefined {
  const { hashStart } = want;
  switch (want.mode) {
    case "stop":
      return undefined;
    case "branch":
      return { sentTo: 0, hashStart: undefined };
    case "again":
      return { sentTo: want.from, hashStart };
    case "after":
      if (wasWanted && want.from <= log.sentTo) return undefined;
      return { sentTo: want.from, hashStart };
    case "same":
      if (wasWanted && log.announced <= log.sentTo) return undefined;
      return { sentTo: log.announced, hashStart: undefined };
  }
}

/** What the peer has stored. */
export function onAcks(turn: Turn, topic: TopicState, message: AcksMessage): void {
  if (message.generation > turn.state.generationLast) return close(turn, "SYNC_BAD_MESSAGE");
  // Of a generation before, or of the time before the topic was left.
  if (message.generation !== topic.out.generation) return;
  for (const ack of message.acks) {
    const log = topic.out.logs[ack.logNumber];
    if (log === undefined) return close(turn, "SYNC_BAD_MESSAGE");
    takeAck(turn, topic, log, ack);
  }
}

function takeAck(turn: Turn, topic: TopicState, log: OutLog, ack: Ack): void {
  turn.state.entriesSent += Math.max(0, Math.min(ack.height, log.sentTo) - log.acked);
  if (ack.height > log.sentTo) {
    // It came to the peer another way: before we go on from there, our entry must be the same.
    setSent(turn, topic, log, { sentTo: ack.height, hashStart: ack.hashStart });
    enqueue(turn, log);
  } else {
    reckonOut(turn, topic, log, () => {
      log.acked = Math.max(log.acked, ack.height);
    });
  }
  if (ack.height === log.height) compareHeads(turn, topic, log, ack.hashStart);
}

/** More room at the peer. */
export function onCredit(turn: Turn, byteCount: number): void {
  const { state } = turn;
  state.credit += byteCount;
  if (state.credit > creditBytesMax) close(turn, "SYNC_BAD_MESSAGE");
}

/** Sends what credit and outbox allow, then asks the store for the next range. */
export function pump(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== "open") return;
  while (state.sending !== undefined && mayBegin(turn)) {
    if (!sendPart(turn, state.sending)) return;
  }
  if (state.sending !== undefined || state.reading || !mayBegin(turn)) return;
  const log = nextLog(turn);
  if (log !== undefined) readNext(turn, log);
}

function mayBegin(turn: Turn): boolean {
  const { state } = turn;
  return (
    state.phase === "open" &&
    state.credit >= creditBytesUseful &&
    state.outboxBytes < outboxBytesGoal
  );
}

/** Logs take turns, those of control domains before all others. */
function nextLog(turn: Turn): OutLog | undefined {
  const { controlQueue, dataQueue } = turn.state;
  for (const queue of [controlQueue, dataQueue]) {
    for (const log of queue) {
      queue.delete(log);
      if (log.wanted && log.sentTo < log.height) return log;
    }
  }
  return undefined;
}

function readNext(turn: Turn, log: OutLog): void {
  const topic = turn.state.topicOfOutLog.get(log);
  if (topic === undefined) return;
  turn.state.reading = true;
  turn.effects.push({
    type: "readRange",
    topic,
    logId: log.logId,
    from: log.sentTo,
    to: log.height,
    bytesGoal: rangeBytesGoal,
    bytesMax: turn.state.peerRangeBytes,
    hashStart: log.hashStart,
  });
}

/** What the store had. */
export function onRangeRead(
  turn: Turn,
  topic: TopicState | undefined,
  answer: { readonly logId: LogId; readonly from: number; readonly read: RangeRead },
): void {
  turn.state.reading = false;
  const log = topic?.out.logs[topic.out.numbers.get(answer.logId) ?? -1];
  if (topic === undefined || log === undefined) return;
  // A want may have moved the position while the store was read.
  if (!log.wanted || log.sentTo !== answer.from) return enqueue(turn, log);
  const { read } = answer;
  switch (read.status) {
    case "read":
      turn.state.sending = {
        topic: topic.topic,
        generation: topic.out.generation,
        logNumber: log.number,
        from: answer.from,
        count: read.count,
        bytes: read.bytes,
        offset: 0,
      };
      return;
    case "diverged":
      // The peer sits on another branch: from the start, our range shows it where they part.
      rewind(turn, topic, log);
      return enqueue(turn, log);
    case "pruned":
      reckonOut(turn, topic, log, () => {
        log.wanted = false;
      });
      return announceAgain(turn, topic, log, read.prunedTo);
    case "tooLarge":
      return reckonOut(turn, topic, log, () => {
        log.tooLarge = true;
      });
  }
}

/** Sends one frame of the range on its way; false when credit has to come first. */
function sendPart(turn: Turn, sending: Sending): boolean {
  const { state } = turn;
  const topic = state.topics.get(sending.topic);
  if (topic === undefined) {
    state.sending = undefined;
    return true;
  }
  const isFirst = sending.offset === 0;
  const room = Math.min(frameBytesMax, state.credit) - (isFirst ? rangeHeaderBytesMax : 1);
  const bytes = sending.bytes.subarray(sending.offset, sending.offset + room);
  const before = state.bytesSent;
  if (isFirst) {
    const { logNumber, from, count } = sending;
    const byteCount = sending.bytes.length;
    const topicNumber = topic.ownNumber;
    send(turn, { type: "range", topicNumber, logNumber, from, count, byteCount, bytes });
  } else {
    send(turn, { type: "more", bytes });
  }
  state.credit -= state.bytesSent - before;
  sending.offset += bytes.length;
  if (sending.offset === sending.bytes.length) finishSending(turn, topic, sending);
  return true;
}

function finishSending(turn: Turn, topic: TopicState, sending: Sending): void {
  turn.state.sending = undefined;
  const log = topic.out.logs[sending.logNumber];
  if (log === undefined) return;
  // A want in between may have sent the position elsewhere; then it stands.
  if (log.sentTo === sending.from) {
    log.sentTo = sending.from + sending.count;
    log.hashStart = undefined;
  }
  enqueue(turn, log);
  progressed(turn);
}
