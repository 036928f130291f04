/**
 * Which topics both sides take part in, and what the peer may have of each
 * (docs/spec/3-sync.md §5). Layer 4; pure.
 */
import { compareBytes, equalSecrets, toHex } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import { followProof, hashKey, otherRole, paddingBytes, topicHash } from "./handshake.ts";
import {
  proofsPerTopic,
  topicsAnnouncedMax,
  topicsMax,
  topicsPadMin,
  topicsPerMessageMax,
} from "./limits.ts";
import type { TopicSnapshot, TopicState, Turn } from "./machine-types.ts";
import type { ProofMessage, TopicsMessage } from "./message.ts";
import { freshOut } from "./out-log.ts";
import { dropAsks, noteBodies } from "./step-bodies.ts";
import { dropFrontiers } from "./step-commit.ts";
import { freshIn, reviewIn } from "./step-compare.ts";
import { publish } from "./step-publish.ts";
import { close, progressed, send } from "./turn.ts";
import type { TopicAccess } from "./types.ts";

/** Takes over what our topics are now: announces, withdraws, proves again, judges again. */
export function onTopics(turn: Turn, snapshots: readonly TopicSnapshot[]): void {
  const { state } = turn;
  const isFirst = !state.topicsAnnounced;
  const wanted = new Map(snapshots.map((snapshot) => [snapshot.topic, snapshot]));
  const removed: number[] = [];
  for (const topic of state.topics.values()) {
    if (wanted.has(topic.topic)) continue;
    removed.push(topic.ownNumber);
    unshare(turn, topic);
    state.topics.delete(topic.topic);
  }
  const kept = [...state.topics.values()];
  const fresh = [...wanted.values()].filter((snapshot) => !state.topics.has(snapshot.topic));
  if (isFirst || removed.length > 0 || fresh.length > 0) announce(turn, removed, fresh);
  for (const topic of kept) {
    const snapshot = wanted.get(topic.topic);
    if (snapshot !== undefined) refresh(turn, topic, snapshot);
  }
  for (const snapshot of fresh) share(turn, snapshot.topic);
  progressed(turn);
}

/** Announces hashes in their own order, padded so that their count says little. */
function announce(turn: Turn, removed: readonly number[], fresh: readonly TopicSnapshot[]): void {
  const { state, deps } = turn;
  const real = fresh.map((snapshot) => ({
    snapshot,
    hash: topicHash(deps.crypto, state.session, state.role, snapshot.topic),
  }));
  const padded = paddedCount(turn, real.length);
  const filler = Array.from({ length: padded - real.length }, () => ({
    snapshot: undefined,
    hash: paddingBytes(deps.crypto, state.seed.paddingSeed, state.paddingNext++, 16),
  }));
  const all = [...real, ...filler].sort((a, b) => compareBytes(a.hash, b.hash));
  for (const { snapshot, hash } of all) {
    const ownNumber = state.ownNumberNext++;
    if (snapshot !== undefined) addTopic(turn, snapshot, ownNumber, hash);
  }
  state.topicsAnnounced = true;
  sendTopics(
    turn,
    removed,
    all.map(({ hash }) => hash),
  );
}

/** A power of two, at least `topicsPadMin`; nothing to add needs no filler after the first time. */
function paddedCount(turn: Turn, count: number): number {
  if (count === 0 && turn.state.topicsAnnounced) return 0;
  let padded = topicsPadMin;
  while (padded < count) padded *= 2;
  return padded;
}

function sendTopics(turn: Turn, removed: readonly number[], added: readonly Uint8Array[]): void {
  let start = 0;
  do {
    const end = start + topicsPerMessageMax;
    send(turn, {
      type: "topics",
      removed: removed.slice(start, end),
      added: added.slice(start, end),
      last: end >= removed.length && end >= added.length,
    });
    start = end;
  } while (start < removed.length || start < added.length);
}

function addTopic(
  turn: Turn,
  snapshot: TopicSnapshot,
  ownNumber: number,
  ownHash: Uint8Array,
): void {
  const { state, deps } = turn;
  const peerHash = topicHash(deps.crypto, state.session, otherRole(state.role), snapshot.topic);
  state.topics.set(snapshot.topic, {
    topic: snapshot.topic,
    snapshot,
    ownNumber,
    ownHash,
    peerHashKey: hashKey(peerHash),
    peerNumber: undefined,
    proofCounter: 0,
    peerProof: undefined,
    given: "none",
    servesBodies: false,
    headsState: "unread",
    heads: new Map(),
    forks: new Map(),
    out: freshOut(),
    in: freshIn(),
    recon: undefined,
    summariesTaken: 0,
    restarts: 0,
    forksTold: 0,
    entriesTaken: 0,
    bytesTaken: 0,
  });
}

/** The peer's topics: forgets withdrawn numbers, matches new hashes with ours. */
export function onTopicsMessage(turn: Turn, message: TopicsMessage): void {
  const { state } = turn;
  for (const number of message.removed) {
    const key = state.peerNumbers.get(number);
    if (key === undefined) return close(turn, "SYNC_BAD_MESSAGE");
    state.peerNumbers.delete(number);
    state.peerHashes.delete(key);
    const topic = topicOfPeer(turn, number);
    if (topic !== undefined) unshare(turn, topic);
  }
  const keys = message.added.map(hashKey);
  for (const key of keys) {
    if (state.peerHashes.has(key)) return close(turn, "SYNC_BAD_MESSAGE");
    const number = state.peerNumberNext++;
    state.peerHashes.set(key, number);
    state.peerNumbers.set(number, key);
  }
  if (state.peerNumbers.size > topicsMax || state.peerNumberNext > topicsAnnouncedMax) {
    return close(turn, "SYNC_OVER_LIMIT");
  }
  state.peerTopicsComplete = message.last;
  const added = new Set(keys);
  for (const topic of state.topics.values()) {
    if (added.has(topic.peerHashKey)) share(turn, topic.topic);
  }
  progressed(turn);
}

/** The topic of ours that the peer calls `number`, if both still take part. */
export function topicOfPeer(turn: Turn, number: number): TopicState | undefined {
  const topic = turn.state.topicByPeerNumber.get(number);
  return topic === undefined ? undefined : turn.state.topics.get(topic);
}

/** Starts a topic when both sides announced it. */
function share(turn: Turn, id: Topic): void {
  const { state } = turn;
  const topic = state.topics.get(id);
  if (topic === undefined || topic.peerNumber !== undefined) return;
  const number = state.peerHashes.get(topic.peerHashKey);
  if (number === undefined) return;
  topic.peerNumber = number;
  state.topicByPeerNumber.set(number, id);
  prove(turn, topic);
  topic.headsState = "reading";
  // Before the read: what is stored from then on is told.
  turn.effects.push({ type: "share", topic: id });
  turn.effects.push({ type: "readHeads", topic: id });
}

/** Ends a topic that one side no longer takes part in. */
function unshare(turn: Turn, topic: TopicState): void {
  if (topic.peerNumber === undefined) return;
  turn.state.topicByPeerNumber.delete(topic.peerNumber);
  topic.peerNumber = undefined;
  topic.peerProof = undefined;
  topic.given = "none";
  topic.headsState = "unread";
  topic.heads.clear();
  topic.forks.clear();
  dropFrontiers(turn, topic);
  noteBodies(turn, topic);
  dropAsks(turn, topic.topic);
  turn.effects.push({ type: "unshare", topic: topic.topic });
  progressed(turn);
}

/** Takes over new keys or rights of a topic that goes on. */
function refresh(turn: Turn, topic: TopicState, snapshot: TopicSnapshot): void {
  const isSameKeys = keysOf(topic.snapshot) === keysOf(snapshot);
  const isPartial = topic.snapshot.wants !== undefined || snapshot.wants !== undefined;
  topic.snapshot = snapshot;
  if (topic.peerNumber === undefined) return;
  if (!isSameKeys) prove(turn, topic);
  judge(turn, topic);
  // What the owner wants may be more or less than before.
  if (isPartial) reviewIn(turn, topic);
}

function keysOf(snapshot: TopicSnapshot): string {
  return snapshot.followKeys.slice(0, proofsPerTopic).map(toHex).join();
}

/** Sends four MACs: one per follow key of ours, then filler, so their count says nothing. */
function prove(turn: Turn, topic: TopicState): void {
  const { state, deps } = turn;
  topic.proofCounter = ++state.proofLast;
  const parts = { session: state.session, role: state.role, topicHash: topic.ownHash };
  const macs = topic.snapshot.followKeys
    .slice(0, proofsPerTopic)
    .map((key) => followProof(deps.crypto, key, parts));
  while (macs.length < proofsPerTopic) {
    macs.push(paddingBytes(deps.crypto, state.seed.paddingSeed, state.paddingNext++, 32));
  }
  send(turn, {
    type: "proof",
    topicNumber: topic.ownNumber,
    counter: topic.proofCounter,
    macs,
  });
}

/** The peer's proof for a topic; a later one replaces it. */
export function onProof(turn: Turn, message: ProofMessage): void {
  const topic = topicOfPeer(turn, message.topicNumber);
  if (topic === undefined) return;
  if (message.counter <= (topic.peerProof?.counter ?? 0)) return close(turn, "SYNC_BAD_MESSAGE");
  topic.peerProof = { counter: message.counter, macs: message.macs };
  judge(turn, topic);
}

/** Decides what the peer may have, and acts on a change. */
function judge(turn: Turn, topic: TopicState): void {
  if (topic.peerProof === undefined) return;
  const given = accessOf(turn, topic);
  const isChanged = given !== topic.given;
  topic.given = given;
  noteBodies(turn, topic);
  publish(turn, topic);
  if (isChanged) reviewIn(turn, topic);
  progressed(turn);
}

/** Full by a MAC under one of our current follow keys, else what its identities are worth. */
function accessOf(turn: Turn, topic: TopicState): TopicAccess {
  const { state, deps } = turn;
  const hash = state.peerNumbers.get(topic.peerNumber ?? -1);
  if (hash === undefined || topic.peerProof === undefined) return "none";
  const role = otherRole(state.role);
  const peerHash = topicHash(deps.crypto, state.session, role, topic.topic);
  const parts = { session: state.session, role, topicHash: peerHash };
  const macs = topic.peerProof.macs;
  const isProved = topic.snapshot.followKeys.slice(0, proofsPerTopic).some((key) => {
    const mac = followProof(deps.crypto, key, parts);
    return macs.some((candidate) => equalSecrets(candidate, mac));
  });
  return isProved ? "full" : topic.snapshot.identityAccess;
}
