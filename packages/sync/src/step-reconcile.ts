/**
 * Comparing large sets of logs by fingerprints of their parts (docs/spec/3-sync.md §6.1). Layer 4;
 * pure. Both sides offer a summary; if they differ they take turns, each answering the other's
 * splits. What differs is announced by frontiers; what is equal is never named.
 */
import { equalBytes } from "@hawser/codec";
import { featureBits } from "./codes.ts";
import { setKey } from "./handshake.ts";
import {
  reconciledLogsMax,
  splitsPerMessageMax,
  splitsPerTurnMax,
  summariesPerTopicMax,
} from "./limits.ts";
import type { ItemSet, Part, Reconciliation, TopicState, Turn } from "./machine-types.ts";
import type { FrontierMessage, Mark, ReconcileMessage, Split, SummaryMessage } from "./message.ts";
import {
  bitsFor,
  childFingerprints,
  childrenOf,
  createItemSet,
  equalChildren,
  fingerprintOf,
  isListed,
  sizeOf,
  wholeOf,
} from "./reconcile-items.ts";
import { isNewToPeer, sendFrontier, tellNew, untoldHeads, visibleHeads } from "./step-announce.ts";
import { noteBodies } from "./step-bodies.ts";
import { onFrontier, restartIn } from "./step-compare.ts";
import { close, isOtherHead, isReconciling, progressed, send } from "./turn.ts";

const noItems: ItemSet = { logIds: [], heights: [], bytes: new Uint8Array(0) };

/** May a generation begin with a summary? The peer must be able to take it up. */
export function mayOffer(turn: Turn, topic: TopicState): boolean {
  if ((turn.state.features & featureBits.reconcile) === 0 || topic.given === "none") return false;
  const theirs = topic.in;
  const isAwaited =
    theirs.generation === 0 || (theirs.summary !== undefined && theirs.access === topic.given);
  if (!isAwaited) return false;
  const count = visibleHeads(topic).length;
  return count >= turn.deps.options.reconcileLogs && count <= reconciledLogsMax;
}

/** Begins a generation with a summary of what the peer may know of. */
export function offer(turn: Turn, topic: TopicState): void {
  const { crypto } = turn.deps;
  const key = setKey(crypto, turn.state.session, topic.topic);
  const items = createItemSet(visibleHeads(topic));
  const whole = wholeOf(items);
  const fingerprint = fingerprintOf(crypto, key, items, whole);
  topic.recon = {
    phase: "offered",
    key,
    items,
    fingerprint,
    asked: [],
    splittable: [whole],
    listed: [],
    marksTaken: 0,
    splits: [],
    splitsTaken: 0,
    isOwnTurn: false,
    ownFinal: false,
    peerFinal: false,
  };
  send(turn, {
    type: "summary",
    topicNumber: topic.ownNumber,
    generation: topic.out.generation,
    answers: topic.out.answers,
    access: topic.given,
    count: sizeOf(whole),
    fingerprint,
  });
  match(turn, topic);
}

/** The peer begins a generation with a summary. */
export function onSummary(turn: Turn, topic: TopicState, message: SummaryMessage): void {
  if ((turn.state.features & featureBits.reconcile) === 0) return close(turn, "SYNC_BAD_MESSAGE");
  if (message.generation <= topic.in.generation || message.answers > topic.proofCounter) {
    return close(turn, "SYNC_BAD_MESSAGE");
  }
  topic.summariesTaken += 1;
  if (topic.summariesTaken > summariesPerTopicMax) return close(turn, "SYNC_OVER_LIMIT");
  restartIn(turn, topic, message.generation);
  topic.in.access = message.access;
  noteBodies(turn, topic);
  topic.in.answers = message.answers;
  topic.in.summary = { count: message.count, fingerprint: message.fingerprint };
  onPeerRestart(turn, topic);
  progressed(turn);
}

/** A frontier; the first of a generation ends a reconciliation with the generation before. */
export function onAnyFrontier(turn: Turn, topic: TopicState, message: FrontierMessage): void {
  onFrontier(turn, topic, message);
  if (message.first && turn.state.phase === "open") onPeerRestart(turn, topic);
}

/** The peer forgot what it had announced: a reconciliation that has not begun may do so now. */
function onPeerRestart(turn: Turn, topic: TopicState): void {
  const { recon } = topic;
  if (recon === undefined) return;
  const isMatch =
    recon.phase === "offered" &&
    topic.in.summary !== undefined &&
    topic.in.access === topic.out.access;
  if (isMatch) match(turn, topic);
  else fallBack(turn, topic);
}

/** Both summaries are here: the sets are equal, or role 0 takes the first turn. */
function match(turn: Turn, topic: TopicState): void {
  const { recon } = topic;
  const { summary } = topic.in;
  if (recon === undefined || summary === undefined) return;
  topic.in.summary = undefined;
  const whole = wholeOf(recon.items);
  const isEqual =
    summary.count === sizeOf(whole) && equalBytes(summary.fingerprint, recon.fingerprint);
  if (isEqual) {
    noteLevel(topic, recon.items, whole);
    return finish(turn, topic, recon);
  }
  recon.phase = "open";
  recon.isOwnTurn = turn.state.role === 0;
  if (recon.isOwnTurn) takeTurn(turn, topic, recon);
}

/** Equal parts are level on both sides without being named. */
function noteLevel(topic: TopicState, items: ItemSet, part: Part): void {
  for (let index = part.start; index < part.end; index++) {
    const logId = items.logIds[index];
    const height = items.heights[index];
    if (logId === undefined || height === undefined) continue;
    if (!topic.out.numbers.has(logId)) topic.out.level.set(logId, height);
    if (!topic.in.numbers.has(logId)) topic.in.level.set(logId, height);
  }
}

/** Gives up comparing: everything is announced, and the peer does the same. */
function fallBack(turn: Turn, topic: TopicState): void {
  topic.recon = undefined;
  topic.in.summary = undefined;
  topic.out.level.clear();
  sendState(turn, topic, { state: "off", marks: [], splits: [] });
  sendFrontier(turn, topic, untoldHeads(topic), { first: false, last: true, eager: false });
}

/** A turn of the peer, or a part of one. */
export function onReconcile(turn: Turn, topic: TopicState, message: ReconcileMessage): void {
  if ((turn.state.features & featureBits.reconcile) === 0) return close(turn, "SYNC_BAD_MESSAGE");
  // Before its first frontier or summary a peer has nothing to compare: this is of a time before.
  if (topic.in.generation === 0) return;
  const isAhead =
    message.generation > topic.in.generation || message.peerGeneration > turn.state.generationLast;
  if (isAhead) return close(turn, "SYNC_BAD_MESSAGE");
  if (message.generation < topic.in.generation) return;
  if (message.state === "off") return onOff(turn, topic);
  const { recon } = topic;
  // What the peer said before it heard that we began anew, or fell back.
  if (message.peerGeneration !== topic.out.generation || recon === undefined) return;
  if (recon.phase !== "open" || recon.isOwnTurn || recon.peerFinal) {
    return close(turn, "SYNC_BAD_MESSAGE");
  }
  if (!takeMarks(topic, recon, message.marks) || !takeSplits(recon, message.splits)) {
    return close(turn, "SYNC_BAD_MESSAGE");
  }
  if (recon.splitsTaken > splitsPerTurnMax) return close(turn, "SYNC_OVER_LIMIT");
  if (message.state === "end") endPeerTurn(turn, topic, recon);
}

/** The peer announces by frontier after all. */
function onOff(turn: Turn, topic: TopicState): void {
  topic.in.summary = undefined;
  if (topic.recon !== undefined) fallBack(turn, topic);
}

/** What the peer made of our splits. False when it answers more than was asked. */
function takeMarks(
  topic: TopicState,
  recon: Reconciliation,
  parts: readonly (readonly Mark[])[],
): boolean {
  for (const marks of parts) {
    const children = recon.asked[recon.marksTaken];
    if (children === undefined || children.length !== marks.length) return false;
    recon.marksTaken += 1;
    for (const [index, child] of children.entries()) {
      const mark = marks[index];
      if (mark === "equal") noteLevel(topic, recon.items, child);
      if (mark === "listed") recon.listed.push(child);
      if (mark === "split") recon.splittable.push(child);
    }
  }
  return true;
}

/** Splits for children that were marked so. False when there are more. */
function takeSplits(recon: Reconciliation, splits: readonly Split[]): boolean {
  for (const split of splits) {
    recon.splits.push(split);
    recon.splitsTaken += 2 ** split.bits;
  }
  return recon.splits.length <= recon.splittable.length;
}

/** The peer's turn is over: ours answers it, unless nothing is left to say. */
function endPeerTurn(turn: Turn, topic: TopicState, recon: Reconciliation): void {
  const isFirst = recon.asked.length === 0;
  const isWhole = isFirst && recon.splits.length === 0;
  // A first turn without a split lists the whole set.
  if (isWhole) recon.listed.push(...recon.splittable.splice(0));
  const isComplete =
    recon.marksTaken === recon.asked.length && recon.splits.length === recon.splittable.length;
  if (!isComplete) return close(turn, "SYNC_BAD_MESSAGE");
  recon.peerFinal = recon.splits.length === 0;
  if (recon.peerFinal && recon.ownFinal) return finish(turn, topic, recon);
  recon.isOwnTurn = true;
  takeTurn(turn, topic, recon);
}

/** What our turn says. */
interface Answer {
  readonly marks: (readonly Mark[])[];
  readonly splits: Split[];
  readonly asked: (readonly Part[])[];
  /** Parts of which we announce everything. */
  readonly lists: Part[];
}

function takeTurn(turn: Turn, topic: TopicState, recon: Reconciliation): void {
  const answer: Answer = { marks: [], splits: [], asked: [], lists: [] };
  const isFirst = recon.asked.length === 0 && recon.splits.length === 0 && !recon.peerFinal;
  if (isFirst) openTurn(turn, recon, answer);
  for (const [index, split] of recon.splits.entries()) {
    const part = recon.splittable[index];
    if (part !== undefined) answerSplit(turn, topic, { recon, answer, part, split });
  }
  announceParts(turn, topic, recon, answer.lists);
  recon.asked = answer.asked;
  recon.splittable = [];
  recon.listed = [];
  recon.splits.length = 0;
  recon.splitsTaken = 0;
  recon.marksTaken = 0;
  recon.isOwnTurn = false;
  recon.ownFinal = answer.splits.length === 0;
  sendTurn(turn, topic, answer);
  if (recon.ownFinal && recon.peerFinal) finish(turn, topic, recon);
}

/** The first turn splits the whole set, or lists it. */
function openTurn(turn: Turn, recon: Reconciliation, answer: Answer): void {
  const whole = wholeOf(recon.items);
  recon.splittable = [];
  if (isListed(whole)) answer.lists.push(whole);
  else addSplit(turn, recon, answer, whole);
}

function addSplit(turn: Turn, recon: Reconciliation, answer: Answer, part: Part): void {
  const bits = bitsFor(part);
  const children = childrenOf(recon.items, part, bits);
  const { crypto } = turn.deps;
  answer.asked.push(children);
  answer.splits.push({
    bits,
    fingerprints: childFingerprints(crypto, recon.key, recon.items, children),
  });
}

/** Marks each child of one of the peer's splits; differing ones are listed or split further. */
function answerSplit(
  turn: Turn,
  topic: TopicState,
  question: {
    readonly recon: Reconciliation;
    readonly answer: Answer;
    readonly part: Part;
    readonly split: Split;
  },
): void {
  const { recon, answer, part, split } = question;
  const children = childrenOf(recon.items, part, split.bits);
  const own = childFingerprints(turn.deps.crypto, recon.key, recon.items, children);
  const isEqual = equalChildren(own, split.fingerprints);
  const marks = children.map((child, index): Mark => {
    if (isEqual[index] === true) {
      noteLevel(topic, recon.items, child);
      return "equal";
    }
    if (isListed(child)) {
      answer.lists.push(child);
      return "listed";
    }
    addSplit(turn, recon, answer, child);
    return "split";
  });
  answer.marks.push(marks);
}

/** Announces what we list, and of what the peer listed all that it does not have just so. */
function announceParts(
  turn: Turn,
  topic: TopicState,
  recon: Reconciliation,
  lists: readonly Part[],
): void {
  const { items } = recon;
  const all = lists.flatMap((part) => items.logIds.slice(part.start, part.end));
  const replies = recon.listed
    .flatMap((part) => items.logIds.slice(part.start, part.end))
    .filter((logId) => !isAsAnnounced(topic, logId));
  const logIds = [...all, ...replies].filter((logId) => !topic.out.numbers.has(logId));
  const heads = logIds.flatMap((logId) => topic.heads.get(logId) ?? []);
  if (heads.length === 0) return;
  sendFrontier(turn, topic, heads, { first: false, last: false, eager: false });
}

/** True when the peer announced just what we hold: its want or ours says so. */
function isAsAnnounced(topic: TopicState, logId: ItemSet["logIds"][number]): boolean {
  const head = topic.heads.get(logId);
  const log = topic.in.logs[topic.in.numbers.get(logId) ?? -1];
  return log !== undefined && log.height === head?.signedHeight && !isOtherHead(log, head);
}

/** Sends a turn in messages that fit a frame: first all marks, then all splits. */
function sendTurn(turn: Turn, topic: TopicState, answer: Answer): void {
  let marks: (readonly Mark[])[] = [];
  let splits: Split[] = [];
  let size = 0;
  const flush = (state: "on" | "end"): void => {
    sendState(turn, topic, { state, marks, splits });
    [marks, splits, size] = [[], [], 0];
  };
  for (const part of answer.marks) {
    if (size + part.length > splitsPerMessageMax) flush("on");
    size += part.length;
    marks.push(part);
  }
  for (const split of answer.splits) {
    if (size + 2 ** split.bits > splitsPerMessageMax) flush("on");
    size += 2 ** split.bits;
    splits.push(split);
  }
  flush("end");
}

function sendState(
  turn: Turn,
  topic: TopicState,
  content: Pick<ReconcileMessage, "state" | "marks" | "splits">,
): void {
  send(turn, {
    type: "reconcile",
    topicNumber: topic.ownNumber,
    generation: topic.out.generation,
    peerGeneration: topic.in.generation,
    ...content,
  });
}

/** Both sides know all that differs; what happened meanwhile is announced now. */
function finish(turn: Turn, topic: TopicState, recon: Reconciliation): void {
  recon.phase = "done";
  recon.items = noItems;
  recon.asked = [];
  recon.splittable = [];
  recon.listed = [];
  topic.in.complete = true;
  catchUp(turn, topic);
  progressed(turn);
}

/** Announces what became durable while the sets were compared. */
function catchUp(turn: Turn, topic: TopicState): void {
  if (isReconciling(topic)) return;
  const { numbers } = topic.out;
  const fresh = visibleHeads(topic).filter(
    (head) => !numbers.has(head.logId) && isNewToPeer(topic, head),
  );
  tellNew(turn, topic, fresh);
}
