/**
 * Points of bodies: asking the peer for them, and giving it what it asks for
 * (docs/spec/3-sync.md §7.2). Layer 4; pure.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import { featureBits } from "./codes.ts";
import {
  askOutboxBytesMax,
  askQuietBeatsMax,
  asksTakenMax,
  bodiesDueMax,
  pieceBytesMax,
} from "./limits.ts";
import type {
  AskEnd,
  AskIn,
  AskOrder,
  AskOut,
  MachineState,
  TopicState,
  Turn,
} from "./machine-types.ts";
import type { AskMessage, HaveMessage, PieceMessage } from "./message.ts";
import { close, send } from "./turn.ts";
import type { PieceRead } from "./types.ts";

/** True when the peer serves bodies of the topic, and may know that we ask for them. */
export function servesBodies(state: MachineState, id: Topic): boolean {
  const topic = state.topics.get(id);
  return (
    state.phase === "open" &&
    (state.features & featureBits.bodies) !== 0 &&
    topic?.peerNumber !== undefined &&
    topic.given === "full" &&
    topic.in.access === "full"
  );
}

/** Tells when the peer begins to serve bodies of a topic. */
export function noteBodies(turn: Turn, topic: TopicState): void {
  const serves = servesBodies(turn.state, topic.topic);
  if (serves && !topic.servesBodies) {
    turn.effects.push({ type: "servesBodies", topic: topic.topic });
  }
  topic.servesBodies = serves;
}

/** Asks the peer; where it serves no bodies of the topic, the ask ends at once. */
export function sendAsk(turn: Turn, order: AskOrder): void {
  const { state } = turn;
  const topic = state.topics.get(order.topic);
  if (topic === undefined || !servesBodies(state, order.topic)) {
    turn.effects.push({ type: "askEnded", id: order.id, end: "none" });
    return;
  }
  const { name, depth, first, hashes } = order;
  state.asksOut.set(state.asksSent, { order, taken: 0, isDropped: false, quietBeats: 0 });
  state.asksSent += 1;
  const topicNumber = topic.ownNumber;
  send(turn, { type: "ask", topicNumber, name, depth, first, count: hashes.length });
}

/** A point the peer sends, or that it sends none. */
export function onPiece(turn: Turn, message: PieceMessage): void {
  const { state } = turn;
  const ask = state.asksOut.get(message.askNumber);
  // Every ask ends once, and what is passed over still has its end: nothing may come after it.
  if (ask === undefined) return close(turn, "SYNC_BAD_MESSAGE");
  ask.quietBeats = 0;
  if (message.state !== "point") {
    state.asksOut.delete(message.askNumber);
    return endAsk(turn, ask, message.state);
  }
  const expected = ask.order.hashes[ask.taken];
  ask.taken += 1;
  const isLast = ask.taken === ask.order.hashes.length;
  if (isLast) state.asksOut.delete(message.askNumber);
  if (ask.isDropped) return;
  const { crypto } = turn.deps;
  if (expected === undefined || !equalBytes(crypto.hash(message.bytes), expected)) {
    return endAsk(turn, ask, "bad");
  }
  turn.effects.push({ type: "piece", id: ask.order.id, bytes: message.bytes });
  if (isLast) endAsk(turn, ask, "done");
}

function endAsk(turn: Turn, ask: AskOut, end: AskEnd): void {
  if (ask.isDropped) return;
  ask.isDropped = true;
  turn.effects.push({ type: "askEnded", id: ask.order.id, end });
}

/** The peer has something now that it did not have. */
export function onHave(turn: Turn, topic: TopicState, message: HaveMessage): void {
  if (!hasBodies(turn)) return close(turn, "SYNC_BAD_MESSAGE");
  turn.effects.push({ type: "have", topic: topic.topic, name: message.name });
}

/** At a heartbeat: gives up what the peer neither sends nor refuses. Its place stays taken. */
export function dropQuietAsks(turn: Turn): void {
  for (const ask of turn.state.asksOut.values()) {
    ask.quietBeats += 1;
    if (ask.quietBeats >= askQuietBeatsMax) endAsk(turn, ask, "silent");
  }
}

/** Ends what was asked of a topic that is no longer shared. */
export function dropAsks(turn: Turn, topic: Topic): void {
  for (const ask of turn.state.asksOut.values()) {
    if (ask.order.topic === topic) endAsk(turn, ask, "none");
  }
}

/** What the peer asks for waits its turn. `topic` is `undefined` where it was withdrawn. */
export function onAsk(turn: Turn, message: AskMessage, topic: Topic | undefined): void {
  const { state } = turn;
  const isKnown = message.topicNumber < state.peerNumberNext;
  if (!hasBodies(turn) || !isKnown) return close(turn, "SYNC_BAD_MESSAGE");
  if (state.asksIn.length >= asksTakenMax) return close(turn, "SYNC_OVER_LIMIT");
  state.asksIn.push({ number: state.asksTaken, topic, message, sent: 0 });
  state.asksTaken += 1;
}

/** Reads the next point that the peer asked for, one at a time, while little waits to be sent. */
export function pumpBodies(turn: Turn): void {
  const { state, deps } = turn;
  while (state.phase === "open" && !state.isReadingPiece) {
    const [ask] = state.asksIn;
    if (ask === undefined || state.outboxBytes >= askOutboxBytesMax) return;
    const { topic, message } = ask;
    const isServed = topic !== undefined && state.topics.get(topic)?.given === "full";
    if (!isServed || state.bodyBytesSent >= deps.options.bodyBytes) {
      refuse(turn, ask, "none");
      continue;
    }
    state.isReadingPiece = true;
    const { name, depth, first } = message;
    const index = first + ask.sent;
    turn.effects.push({ type: "readPiece", askNumber: ask.number, topic, name, depth, index });
  }
}

/** What the owner of the topic had. */
export function onPieceRead(turn: Turn, askNumber: number, read: PieceRead): void {
  const { state } = turn;
  state.isReadingPiece = false;
  const [ask] = state.asksIn;
  if (ask === undefined || ask.number !== askNumber) return;
  const { topic } = ask;
  // The peer's access may have fallen meanwhile.
  if (topic === undefined || state.topics.get(topic)?.given !== "full") {
    return refuse(turn, ask, "none");
  }
  if (read.status !== "here" || read.bytes.length === 0 || read.bytes.length > pieceBytesMax) {
    noteDue(state, dueKey(topic, ask.message.name));
    return refuse(turn, ask, read.status === "later" ? "later" : "none");
  }
  ask.sent += 1;
  if (ask.sent === ask.message.count) state.asksIn.shift();
  state.bodyBytesSent += read.bytes.length;
  send(turn, { type: "piece", askNumber, state: "point", bytes: read.bytes });
}

function refuse(turn: Turn, ask: AskIn, state: "none" | "later"): void {
  turn.state.asksIn.shift();
  send(turn, { type: "piece", askNumber: ask.number, state, bytes: new Uint8Array(0) });
}

/** Tells the peer of a body that it asked for in vain. */
export function onBodyHere(turn: Turn, topic: TopicState, name: Uint8Array): void {
  const { state } = turn;
  if (!state.bodiesDue.delete(dueKey(topic.topic, name))) return;
  if (topic.peerNumber === undefined || topic.given !== "full") return;
  send(turn, { type: "have", topicNumber: topic.ownNumber, name });
}

function noteDue(state: MachineState, key: string): void {
  state.bodiesDue.add(key);
  const [oldest] = state.bodiesDue;
  if (state.bodiesDue.size > bodiesDueMax && oldest !== undefined) state.bodiesDue.delete(oldest);
}

function dueKey(topic: Topic, name: Uint8Array): string {
  return `${topic} ${toHex(name)}`;
}

function hasBodies(turn: Turn): boolean {
  return (turn.state.features & featureBits.bodies) !== 0;
}
