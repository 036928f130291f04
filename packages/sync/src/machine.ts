/**
 * The machine of one connection: `step(state, event) → { state, effects }` (docs/spec/3-sync.md §2).
 * Layer 4; pure: no socket, store, clock or promise.
 */
import { decodeMessage } from "./decode.ts";
import { broadcastBurstBytes, frameBytesMax, missedHeartbeatsMax } from "./limits.ts";
import type {
  InLog,
  MachineDeps,
  MachineSeed,
  MachineState,
  SyncEffect,
  SyncEvent,
  TimerName,
  Turn,
} from "./machine-types.ts";
import type { Message } from "./message.ts";
import {
  dropQuietAsks,
  onAsk,
  onBodyHere,
  onHave,
  onPiece,
  onPieceRead,
  pumpBodies,
  sendAsk,
} from "./step-bodies.ts";
import { onBroadcast, refillBroadcasts, sayBroadcast } from "./step-broadcast.ts";
import { onCommitted, onFork, onHeads } from "./step-commit.ts";
import { flushAnswers, onClaimed, retryRefused } from "./step-compare.ts";
import { onHello, onIdentities, start } from "./step-handshake.ts";
import {
  grantCredit,
  onForkMessage,
  onForkMore,
  onIngested,
  onMore,
  onRange,
} from "./step-receive.ts";
import { onAnyFrontier, onReconcile, onSummary } from "./step-reconcile.ts";
import { forgiveRestarts } from "./step-publish.ts";
import { onAcks, onCredit, onRangeRead, onWants, pump } from "./step-serve.ts";
import { onProof, onTopics, onTopicsMessage, topicOfPeer } from "./step-topics.ts";
import { passStalled } from "./step-stalled.ts";
import { close, end, send } from "./turn.ts";
import type { SyncCloseCode } from "./types.ts";

export interface Machine {
  /** State before anything happened; the first event is `start`. */
  initial(seed: MachineSeed): MachineState;
  /** Consumes `state`: use the returned one only. Never throws for what a peer does. */
  step(
    state: MachineState,
    event: SyncEvent,
  ): { readonly state: MachineState; readonly effects: readonly SyncEffect[] };
}

export function createMachine(deps: MachineDeps): Machine {
  return {
    initial: initialState,
    step: (state, event) => {
      const turn: Turn = { deps, state, effects: [], touched: new Set() };
      if (state.phase !== "closed") {
        apply(turn, event);
        finish(turn);
      }
      return { state, effects: turn.effects };
    },
  };
}

const nothing = new Uint8Array(0);

function initialState(seed: MachineSeed): MachineState {
  return {
    phase: "new",
    seed,
    ownHello: nothing,
    ownIdentities: nothing,
    peerNonce: nothing,
    peerRangeBytes: 0,
    features: 0,
    role: 0,
    transcript: nothing,
    session: nothing,
    peerIdentities: [],
    topics: new Map(),
    topicsAnnounced: false,
    ownNumberNext: 0,
    paddingNext: 0,
    generationLast: 0,
    proofLast: 0,
    peerHashes: new Map(),
    peerNumbers: new Map(),
    peerNumberNext: 0,
    peerTopicsComplete: false,
    topicByPeerNumber: new Map(),
    credit: 0,
    granted: 0,
    inFlightBytes: 0,
    inFlight: new Map(),
    ingestNext: 0,
    assembly: undefined,
    forkAssembly: undefined,
    sending: undefined,
    reading: false,
    controlQueue: new Set(),
    dataQueue: new Set(),
    topicOfOutLog: new WeakMap(),
    outboxBytes: 0,
    broadcastsOut: broadcastBurstBytes,
    broadcastsIn: broadcastBurstBytes,
    isRefilling: false,
    asksOut: new Map(),
    asksSent: 0,
    asksIn: [],
    asksTaken: 0,
    isReadingPiece: false,
    bodyBytesSent: 0,
    bodiesDue: new Set(),
    heard: false,
    taken: false,
    gained: false,
    silentBeats: 0,
    stuckBeats: 0,
    entriesReceived: 0,
    entriesToReceive: 0,
    entriesSent: 0,
    entriesToSend: 0,
    bytesReceived: 0,
    bytesSent: 0,
    progressed: false,
  };
}

/** What follows from any event: answers, ranges, credit, one progress report. */
function finish(turn: Turn): void {
  flushAnswers(turn);
  grantCredit(turn);
  pump(turn);
  pumpBodies(turn);
  if (!turn.state.progressed) return;
  turn.state.progressed = false;
  turn.effects.push({ type: "progress" });
}

function apply(turn: Turn, event: SyncEvent): void {
  const { state } = turn;
  switch (event.type) {
    case "start":
      return start(turn);
    case "frame":
      return onFrame(turn, event.frame);
    case "sent":
      state.outboxBytes -= event.byteCount;
      state.taken = true;
      return;
    case "timer":
      return onTimer(turn, event.name);
    case "disconnected":
      return end(turn, "SYNC_CONNECTION_LOST", "connection", event.cause);
    case "failed":
      return close(turn, "SYNC_LOCAL_FAILURE", event.cause);
    case "close":
      return close(turn, "SYNC_DONE");
    case "topics":
      return onTopics(turn, event.topics);
    case "ingested":
      return onIngested(turn, event.id, event.outcome);
    case "broadcast":
      return sayBroadcast(turn, event);
    case "ask":
      return sendAsk(turn, event);
    case "pieceRead":
      return onPieceRead(turn, event.askNumber, event.read);
    case "forkInvalid":
      return close(turn, "SYNC_BAD_MESSAGE");
    case "range":
      return onRangeRead(turn, state.topics.get(event.topic), event);
    case "claimed":
      return onClaimed(turn, state.topics.get(event.topic), event.logIds);
    default:
      return onTopicEvent(turn, event);
  }
}

function onTimer(turn: Turn, name: TimerName): void {
  switch (name) {
    case "handshake":
      return close(turn, "SYNC_HANDSHAKE_TIMEOUT");
    case "heartbeat":
      return onHeartbeat(turn);
    case "broadcast":
      return refillBroadcasts(turn);
  }
}

/** Events about one topic; a topic that is gone meanwhile is passed over. */
function onTopicEvent(
  turn: Turn,
  event: SyncEvent & { readonly type: "heads" | "committed" | "retry" | "fork" | "bodyHere" },
): void {
  const topic = turn.state.topics.get(event.topic);
  if (topic === undefined) return;
  switch (event.type) {
    case "heads":
      return onHeads(turn, topic, event.heads, event.forks);
    case "committed":
      return onCommitted(turn, topic, event.heads);
    case "retry":
      return retryRefused(turn, topic, () => true);
    case "fork":
      return onFork(turn, topic, event.logId, event.proof);
    case "bodyHere":
      return onBodyHere(turn, topic, event.name);
  }
}

function onFrame(turn: Turn, frame: Uint8Array): void {
  const { state } = turn;
  if (frame.length > frameBytesMax) return close(turn, "SYNC_BAD_MESSAGE");
  state.heard = true;
  state.bytesReceived += frame.length;
  const message = decodeMessage(frame);
  if (message === undefined) return close(turn, "SYNC_BAD_MESSAGE");
  if (message.type === "bye") return end(turn, closeCodeOf(message.code), "remote");
  switch (state.phase) {
    case "hello":
      if (message.type === "hello") return onHello(turn, message, frame);
      return close(turn, "SYNC_BAD_MESSAGE");
    case "identities":
      if (message.type === "identities") return onIdentities(turn, message, frame);
      return close(turn, "SYNC_BAD_MESSAGE");
    case "open":
      return onMessage(turn, message, frame.length);
    case "new":
    case "closed":
      return;
  }
}

function onMessage(turn: Turn, message: Message, frameBytes: number): void {
  switch (message.type) {
    case "topics":
      return onTopicsMessage(turn, message);
    case "proof":
      return onProof(turn, message);
    case "credit":
      return onCredit(turn, message.byteCount);
    case "heartbeat":
      return;
    case "range":
      return onRange(turn, message, frameBytes);
    case "more":
      return onMore(turn, message, frameBytes);
    case "forkMore":
      return onForkMore(turn, message);
    case "ask":
      return onAsk(turn, message, topicOfPeer(turn, message.topicNumber)?.topic);
    case "piece":
      return onPiece(turn, message);
    case "frontier":
    case "wants":
    case "acks":
    case "fork":
    case "summary":
    case "reconcile":
    case "broadcast":
    case "have":
      return onTopicMessage(turn, message);
    case "hello":
    case "identities":
    case "bye":
      return close(turn, "SYNC_BAD_MESSAGE");
  }
}

type TopicMessageType =
  | "frontier"
  | "wants"
  | "acks"
  | "fork"
  | "summary"
  | "reconcile"
  | "broadcast"
  | "have";

/** Messages about one topic. A number that was never given is an error; a withdrawn one is late. */
function onTopicMessage(turn: Turn, message: Message & { readonly type: TopicMessageType }): void {
  if (message.topicNumber >= turn.state.peerNumberNext) return close(turn, "SYNC_BAD_MESSAGE");
  const topic = topicOfPeer(turn, message.topicNumber);
  if (topic === undefined) return;
  switch (message.type) {
    case "frontier":
      return onAnyFrontier(turn, topic, message);
    case "summary":
      return onSummary(turn, topic, message);
    case "reconcile":
      return onReconcile(turn, topic, message);
    case "wants":
      return onWants(turn, topic, message);
    case "acks":
      return onAcks(turn, topic, message);
    case "fork":
      return onForkMessage(turn, topic, message);
    case "broadcast":
      return onBroadcast(turn, topic, message);
    case "have":
      return onHave(turn, topic, message);
  }
}

/** Looks for signs of life, ends what is silent or stuck, and starts the next beat. */
function onHeartbeat(turn: Turn): void {
  const { state, deps } = turn;
  state.silentBeats = state.heard ? 0 : state.silentBeats + 1;
  state.stuckBeats = state.outboxBytes === 0 || state.taken ? 0 : state.stuckBeats + 1;
  state.heard = false;
  state.taken = false;
  if (state.silentBeats >= missedHeartbeatsMax) return close(turn, "SYNC_IDLE");
  if (state.stuckBeats >= missedHeartbeatsMax) return close(turn, "SYNC_SLOW");
  send(turn, { type: "heartbeat" });
  turn.effects.push({ type: "startTimer", name: "heartbeat", delayMs: deps.options.heartbeatMs });
  for (const topic of state.topics.values()) retryRefused(turn, topic, isWorthAnotherTry);
  passStalled(turn);
  forgiveRestarts(turn);
  dropQuietAsks(turn);
}

/** Reasons of a refusal that pass with time or with other logs. */
function isWorthAnotherTry(log: InLog): boolean {
  return (
    log.reason === "HELD_FOR_CLOCK" ||
    log.reason === "MISSING_DEP" ||
    log.reason === "MISSING_EPOCH"
  );
}

const closeCodes: ReadonlySet<string> = new Set<SyncCloseCode>([
  "SYNC_DONE",
  "SYNC_CONNECTION_LOST",
  "SYNC_BAD_MESSAGE",
  "SYNC_VERSION",
  "SYNC_BAD_IDENTITY",
  "SYNC_SELF",
  "SYNC_CREDIT",
  "SYNC_OVER_LIMIT",
  "SYNC_BAD_RANGE",
  "SYNC_HANDSHAKE_TIMEOUT",
  "SYNC_IDLE",
  "SYNC_SLOW",
  "SYNC_LOCAL_FAILURE",
]);

/** A code of a later version says no more than that the peer is gone. */
function closeCodeOf(code: string): SyncCloseCode {
  // Safe: membership was just checked.
  return closeCodes.has(code) ? (code as SyncCloseCode) : "SYNC_CONNECTION_LOST";
}
