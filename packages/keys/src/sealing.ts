/**
 * Which epoch may seal content, and what members owe each other (docs/spec/5-keys.md §7). Layer 4;
 * pure. No clock decides anything: only causality between epochs and who reads now.
 */
import type { AuthorId } from "@hawser/crypto";
import type { EpochGraph } from "./epoch-graph.ts";
import { answersMax, suiteX25519 } from "./limits.ts";
import type { Give, KeyRequest, KeyState } from "./state.ts";
import type { Suite } from "./suite.ts";
import type { EpochId, HistoryPolicy, KeyLevel, Members } from "./types.ts";
import { compareText, sortedIds } from "./values.ts";

/** What has to be done about an epoch, given who holds it and who may read now. */
export type Payment =
  /** Holders are exactly the readers. */
  | "none"
  /** Some readers lack it: a welcome or forward is enough. */
  | "give"
  /** Some holder is no reader: only a new epoch helps. */
  | "rekey";

/** The rotation rule (docs/spec/5-keys.md §7.2). */
export function paymentFor(
  holders: ReadonlySet<AuthorId>,
  readers: ReadonlySet<AuthorId>,
): Payment {
  if (!isSubset(holders, readers)) return "rekey";
  return holders.size === readers.size ? "none" : "give";
}

/** Keys that one member is to be given. `welcome` when it has none yet, else `forward`. */
export interface OwedKeys {
  readonly kind: "welcome" | "forward";
  readonly recipient: AuthorId;
  readonly level: KeyLevel;
  readonly epochIds: readonly EpochId[];
  /** The request this answers. */
  readonly answers: string | undefined;
}

/** Debts that follow from the state. Any reader may pay; what is paid twice does no harm. */
export interface Debts {
  /** A new epoch for exactly the current readers and followers. */
  readonly rekey: boolean;
  /** Keys that we hold and others lack. */
  readonly gives: readonly OwedKeys[];
  /** Epochs we were given by the ops but cannot find the key of: ask for them. */
  readonly requests: readonly EpochId[];
}

/** State, what follows from it, and who may do what now. */
export interface Situation {
  readonly state: KeyState;
  readonly graph: EpochGraph;
  readonly self: AuthorId;
}

/**
 * The exact-holder rule: of the maximal epochs of current readers, those whose holders are exactly
 * the current readers; among several the smallest id. Only one whose secret we hold, and none whose
 * keys were ever sent in a suite weaker than `suiteMin`.
 */
export function eligibleEpoch(
  situation: Situation,
  currentReaders: readonly AuthorId[],
  suiteMin: Suite = suiteX25519,
): EpochId | undefined {
  const { state, graph } = situation;
  const readers = new Set(currentReaders);
  return graph.maximalAmong(readers).find((id) => {
    if (!maySeal(situation, id) || !state.secrets.has(id)) return false;
    const { read, strength } = graph.holdersOf(id);
    return strength >= suiteMin && paymentFor(read, readers) === "none";
  });
}

/** Debts in the state, as far as we can see and pay them. */
export function whatIsOwed(
  situation: Situation,
  members: Members,
  policy: HistoryPolicy,
  suiteMin: Suite = suiteX25519,
): Debts {
  const rekey = rekeyIsOwed(situation, members, policy, suiteMin);
  const rights = createRights(situation, members, policy);
  const gives: OwedKeys[] = [];
  // Under a limited history a newcomer is to get the epoch that the rekey makes, not the one
  // before it, which only counts among the last ones until then.
  if (!rekey || policy === "all")
    gives.push(...lackedBy(situation, members.readers, "read", rights));
  gives.push(...lackedBy(situation, members.followers, "follow", rights));
  gives.push(...unansweredRequests(situation, members, rights));
  return { rekey, gives, requests: ownRequests(situation, members, rights) };
}

/** Epochs we have a right to and hold no key of; sorted. */
export function missingEpochs(
  situation: Situation,
  members: Members,
  policy: HistoryPolicy,
): readonly EpochId[] {
  const level = levelIn(members, situation.self);
  if (level === undefined) return [];
  const rights = createRights(situation, members, policy);
  const missing = rights(situation.self, level).filter((id) => !holdsKey(situation, id, level));
  return sortedIds(missing);
}

/** Epochs a member of that level is to have under the policy. */
export function epochsFor(
  situation: Situation,
  members: Members,
  policy: HistoryPolicy,
  recipient: { readonly id: AuthorId; readonly level: KeyLevel },
): readonly EpochId[] {
  return sortedIds(createRights(situation, members, policy)(recipient.id, recipient.level));
}

/**
 * Maximal epochs whose holders of any kind are all members still: their follow keys prove
 * membership. Newest generation first.
 */
export function followableEpochs(situation: Situation, members: Members): readonly EpochId[] {
  const { graph } = situation;
  const everybody = new Set([...members.readers, ...members.followers]);
  const maximal = new Set(graph.maximalAmong(new Set(members.readers)));
  return graph.newestFirst.filter((id) => {
    if (!maximal.has(id)) return false;
    const { read, follow } = graph.holdersOf(id);
    return isSubset(read, everybody) && isSubset(follow, everybody);
  });
}

function maySeal({ state, graph }: Situation, id: EpochId): boolean {
  return graph.announcementOf(id)?.partial === false && !state.broken.has(id);
}

function rekeyIsOwed(
  situation: Situation,
  members: Members,
  policy: HistoryPolicy,
  suiteMin: Suite,
): boolean {
  const { graph } = situation;
  const readers = new Set(members.readers);
  const everybody = new Set([...members.readers, ...members.followers]);
  const maximal = graph.maximalAmong(readers);
  const hasSealing = maximal.some((id) => {
    const { read, strength } = graph.holdersOf(id);
    if (!maySeal(situation, id) || strength < suiteMin) return false;
    const payment = paymentFor(read, readers);
    // From-join means that nothing sealed before the join opens, so only a new epoch will do.
    return payment === "none" || (payment === "give" && policy !== "fromJoin");
  });
  // A follower who was removed reads nothing, but could still prove membership.
  const isFollowed = maximal.some((id) => !isSubset(graph.holdersOf(id).follow, everybody));
  return !hasSealing || isFollowed;
}

type Rights = (member: AuthorId, level: KeyLevel) => readonly EpochId[];

function createRights(situation: Situation, members: Members, policy: HistoryPolicy): Rights {
  const { graph } = situation;
  const readers = new Set(members.readers);
  const supported = graph.supportedBy(readers);
  // Somebody who was removed can announce epochs without end, dated back: nobody looks for keys
  // that none of the readers built on, and those it holds itself it may pass on.
  const isUsed = (id: EpochId): boolean => supported.has(id) || holdsKey(situation, id, "follow");
  // Nobody honest seals in a partial epoch, and nobody can use a broken one.
  const sound = graph.newestFirst.filter((id) => maySeal(situation, id) && isUsed(id));
  if (policy === "all") return () => sound;
  const maximal = new Set(graph.maximalAmong(readers));
  const current = sound.filter((id) => maximal.has(id));
  const latest = policy === "fromJoin" ? [] : sound.slice(0, Math.max(0, policy.lastEpochs));
  const shared = new Set(policy === "fromJoin" ? [] : [...current, ...latest]);
  return (member, level) => {
    if (level === "follow") return current;
    return sound.filter((id) => shared.has(id) || isRecipient(graph, id, member));
  };
}

function isRecipient(graph: EpochGraph, id: EpochId, member: AuthorId): boolean {
  return graph.announcementOf(id)?.terms.recipients.includes(member) ?? false;
}

function lackedBy(
  situation: Situation,
  members: readonly AuthorId[],
  level: KeyLevel,
  rights: Rights,
): readonly OwedKeys[] {
  const { graph, self } = situation;
  const owed: OwedKeys[] = [];
  for (const recipient of sortedIds(members)) {
    if (recipient === self) continue;
    const lacked = rights(recipient, level).filter(
      (id) => holdsKey(situation, id, level) && !isHolder(graph, id, recipient, level),
    );
    if (lacked.length === 0) continue;
    const hasAny = graph.newestFirst.some((id) => isHolder(graph, id, recipient, level));
    const kind = hasAny ? "forward" : "welcome";
    owed.push({ kind, recipient, level, epochIds: sortedIds(lacked), answers: undefined });
  }
  return owed;
}

/**
 * Answers to what members asked for, by entry hash. No member gets more than `answersMax` about one
 * epoch and level, however often it asks before somebody answers: nobody makes others work without
 * end.
 */
function unansweredRequests(
  situation: Situation,
  members: Members,
  rights: Rights,
): readonly OwedKeys[] {
  const { state, self } = situation;
  const owed: OwedKeys[] = [];
  const answers = createAnswers(situation);
  const dues = new Map<string, ReadonlySet<EpochId>>();
  const dueTo = (author: AuthorId, level: KeyLevel): ReadonlySet<EpochId> => {
    const due = dues.get(author + level) ?? new Set(rights(author, level));
    dues.set(author + level, due);
    return due;
  };
  const requests = [...state.requests].sort(([a], [b]) => compareText(a, b));
  for (const [opRef, request] of requests) {
    const level = levelIn(members, request.author);
    if (request.author === self || level === undefined) continue;
    if (request.level === "read" && level === "follow") continue;
    const due = dueTo(request.author, level);
    const epochIds = request.epochIds.filter(
      (id) =>
        due.has(id) && holdsKey(situation, id, request.level) && answers.plan(id, request, opRef),
    );
    if (epochIds.length === 0) continue;
    const { author: recipient } = request;
    owed.push({ kind: "forward", recipient, level: request.level, epochIds, answers: opRef });
  }
  return owed;
}

/** Which requests were answered, and how often; with what is about to be. */
interface Answers {
  /** Was this request answered about the epoch? */
  has(id: EpochId, request: KeyRequest, opRef: string): boolean;
  /** Counts one more answer about the epoch to the author of a request, if one is due. */
  plan(id: EpochId, request: KeyRequest, opRef: string): boolean;
}

/** Answers about one epoch to one member. */
interface Answered {
  /** Entry hashes of the requests. */
  readonly requests: Set<string>;
  readonly counts: Record<KeyLevel, number>;
}

function createAnswers({ state }: Situation): Answers {
  const byEpoch = new Map<EpochId, Map<AuthorId, Answered>>();
  const answered = (id: EpochId, recipient: AuthorId): Answered => {
    const known = byEpoch.get(id) ?? answersAbout(state.epochs.get(id)?.gives ?? []);
    byEpoch.set(id, known);
    return answersTo(known, recipient);
  };
  return {
    has: (id, { author }, opRef) => answered(id, author).requests.has(opRef),
    plan: (id, { author, level }, opRef) => {
      const { requests, counts } = answered(id, author);
      if (counts[level] >= answersMax || requests.has(opRef)) return false;
      counts[level] += 1;
      return true;
    },
  };
}

function answersAbout(gives: readonly Give[]): Map<AuthorId, Answered> {
  const byRecipient = new Map<AuthorId, Answered>();
  for (const { recipient, level, answers } of gives) {
    if (answers === undefined) continue;
    const { requests, counts } = answersTo(byRecipient, recipient);
    requests.add(answers);
    counts[level] += 1;
  }
  return byRecipient;
}

function answersTo(byRecipient: Map<AuthorId, Answered>, recipient: AuthorId): Answered {
  const known = byRecipient.get(recipient);
  if (known !== undefined) return known;
  const none: Answered = { requests: new Set(), counts: { read: 0, follow: 0 } };
  byRecipient.set(recipient, none);
  return none;
}

/**
 * What others think we hold, so nobody will send it unless we ask. Asked again when an answer did
 * not open, a few times at most.
 */
function ownRequests(situation: Situation, members: Members, rights: Rights): readonly EpochId[] {
  const { state, graph, self } = situation;
  const level = levelIn(members, self);
  if (level === undefined) return [];
  const answers = createAnswers(situation);
  const waiting = new Set<EpochId>();
  const askedCounts = new Map<EpochId, number>();
  for (const [opRef, request] of state.requests) {
    if (request.author !== self || request.level !== level) continue;
    for (const id of request.epochIds) {
      askedCounts.set(id, 1 + (askedCounts.get(id) ?? 0));
      if (!answers.has(id, request, opRef)) waiting.add(id);
    }
  }
  const mayAsk = (id: EpochId): boolean =>
    !waiting.has(id) && (askedCounts.get(id) ?? 0) < answersMax;
  const lacked = rights(self, level).filter(
    (id) => !holdsKey(situation, id, level) && isHolder(graph, id, self, level) && mayAsk(id),
  );
  return sortedIds(lacked);
}

function levelIn(members: Members, member: AuthorId): KeyLevel | undefined {
  if (members.readers.includes(member)) return "read";
  return members.followers.includes(member) ? "follow" : undefined;
}

function isHolder(graph: EpochGraph, id: EpochId, member: AuthorId, level: KeyLevel): boolean {
  const { read, follow } = graph.holdersOf(id);
  return read.has(member) || (level === "follow" && follow.has(member));
}

function holdsKey({ state }: Situation, id: EpochId, level: KeyLevel): boolean {
  return state.secrets.has(id) || (level === "follow" && state.followKeys.has(id));
}

function isSubset<Item>(part: ReadonlySet<Item>, whole: ReadonlySet<Item>): boolean {
  for (const item of part) if (!whole.has(item)) return false;
  return true;
}
