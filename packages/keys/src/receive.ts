/**
 * Taking in key ops (docs/spec/5-keys.md §6.2). Layer 4; pure. An op adds facts to the state or
 * nothing at all; what the facts mean is derived elsewhere, so ops may come in any order.
 */
import { equalBytes } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { openMessage, type SealedMessage } from "./direct-message.ts";
import {
  attachmentKeyOf,
  epochIdOf,
  type EpochTerms,
  followKeyOf,
  isFollowKeyOf,
  isSecretOf,
} from "./epoch.ts";
import {
  decodeGivenKeys,
  type GiveOp,
  type KeyOp,
  type KeyOpFlaw,
  type KeyRequestOp,
  opKindCodes,
  parseKeyOp,
  type RekeyOp,
} from "./op.ts";
import type { Prekeys } from "./prekeys.ts";
import { createSecret } from "./secret.ts";
import {
  type Announcement,
  type Draft,
  type EpochFacts,
  type Give,
  type GivesDraft,
  noFacts,
} from "./state.ts";
import type { Suite } from "./suite.ts";
import type { EpochId, KeyLevel } from "./types.ts";
import { bytesOfId, sortedIds } from "./values.ts";

/** What the entry that carries an op and the membership at its position say. */
export interface Carrier {
  /** The entry's author, whose signature was verified. */
  readonly author: AuthorId;
  /** The entry's hash in hex. */
  readonly opRef: string;
  /** Readers at the op's own `authHeads`, the author's view; never the current ones. */
  readonly readersAt: readonly AuthorId[];
  /** Followers (pull only) at the op's own `authHeads`. */
  readonly followersAt: readonly AuthorId[];
}

/** One op to take in. */
export interface IncomingOp {
  readonly bytes: Uint8Array;
  readonly carrier: Carrier;
}

export type KeyRejection =
  | KeyOpFlaw
  /** The author could not send this at its own position. */
  | "AUTHOR_NOT_ENTITLED"
  /**
   * The keys went to somebody without a right to them at that position. Nothing in the op is used,
   * but its recipient counts as a holder from now on: who says that a key was given away is
   * believed.
   */
  | "RECIPIENT_NOT_ENTITLED";

/**
 * What became of the direct message addressed to us: `none` (there was none for us), `opened`,
 * `unopenable` (no prekey of ours fits, or it was damaged or sealed for another purpose),
 * `wrongKey` (its key is not the one the epoch's id commits to).
 */
export type OwnMessage = "none" | "opened" | "unopenable" | "wrongKey";

export type KeyVerdict =
  | {
      readonly ok: true;
      readonly kind: KeyOp["kind"];
      /** False when every fact of the op was known already. */
      readonly isNews: boolean;
      /** Epochs of which we hold a key now and did not before. */
      readonly gained: readonly EpochId[];
      readonly attachment: Uint8Array | undefined;
      readonly ownMessage: OwnMessage;
    }
  | { readonly ok: false; readonly reason: KeyRejection };

/** Who receives, where, with what. */
export interface ReceiveContext {
  readonly crypto: Crypto;
  readonly topic: string;
  readonly self: AuthorId;
  readonly prekeys: Prekeys;
}

/** Takes one op into `draft` and says what became of it. */
export function receiveInto(
  draft: Draft,
  context: ReceiveContext,
  incoming: IncomingOp,
): KeyVerdict {
  const parsed = parseKeyOp(incoming.bytes);
  if (!parsed.ok) return parsed;
  const { op } = parsed;
  switch (op.kind) {
    case "rekey":
      return receiveRekey(draft, context, incoming.carrier, op);
    case "welcome":
    case "forward":
      return receiveGive(draft, context, incoming.carrier, op);
    case "keyRequest":
      return receiveKeyRequest(draft, incoming.carrier, op);
  }
}

function receiveRekey(
  draft: Draft,
  context: ReceiveContext,
  carrier: Carrier,
  op: RekeyOp,
): KeyVerdict {
  const { author } = carrier;
  if (!carrier.readersAt.includes(author)) return { ok: false, reason: "AUTHOR_NOT_ENTITLED" };
  const sentTo = [...op.toReaders, ...op.toFollowers].map((message) => message.recipient);
  if (sentTo.includes(author)) return { ok: false, reason: "DUPLICATE_RECIPIENT" };
  const terms = termsOf(op, author);
  const id = epochIdOf(context.crypto, context.topic, terms);
  const partial = !sameIds(terms.recipients, sortedIds(carrier.readersAt));
  const isNews = addAnnouncement(draft, id, { terms, partial }, op);
  const gained = takeAside(draft, context, id, terms);
  const opened = openRekey(draft, context, carrier, { op, id, terms });
  if (opened.gained) gained.push(id);
  const attachment = openAttachment(draft, context, id, op);
  return { ok: true, kind: "rekey", isNews, gained, attachment, ownMessage: opened.ownMessage };
}

/** The terms an op states, copied, so that a large op is not kept alive by a few bytes of it. */
function termsOf(op: RekeyOp, author: AuthorId): EpochTerms {
  return {
    suite: op.suite,
    author,
    commitment: op.commitment.slice(),
    followId: op.followId.slice(),
    parents: op.parents,
    authHeads: op.authHeads,
    reason: op.reason,
    recipients: sortedIds([author, ...op.toReaders.map((message) => message.recipient)]),
  };
}

function addAnnouncement(
  draft: Draft,
  id: EpochId,
  announcement: Announcement,
  op: RekeyOp,
): boolean {
  const facts = draft.epochs.get(id) ?? noFacts;
  const followRecipients = sortedIds([
    ...facts.followRecipients,
    ...op.toFollowers.map((message) => message.recipient),
  ]);
  const isNews =
    facts.announcement === undefined || !sameIds(followRecipients, facts.followRecipients);
  if (!isNews) return false;
  // The id commits to the terms, so a known announcement equals this one.
  draft.epochs.set(id, { ...facts, announcement, followRecipients });
  return true;
}

interface OpenedMessage {
  readonly gained: boolean;
  readonly ownMessage: OwnMessage;
}

interface Announced {
  readonly op: RekeyOp;
  readonly id: EpochId;
  readonly terms: EpochTerms;
}

/** Opens what a rekey holds for us, if we were entitled to it where it was written. */
function openRekey(
  draft: Draft,
  context: ReceiveContext,
  carrier: Carrier,
  { op, id, terms }: Announced,
): OpenedMessage {
  const level: KeyLevel = carrier.readersAt.includes(context.self) ? "read" : "follow";
  const messages = level === "read" ? op.toReaders : op.toFollowers;
  const own = messages.find((message) => message.recipient === context.self);
  if (own === undefined) return { gained: false, ownMessage: "none" };
  if (level === "follow" && !carrier.followersAt.includes(context.self)) {
    return { gained: false, ownMessage: "none" };
  }
  // A second opening would tell nothing new, and a direct message costs a key agreement.
  if (holdsKey(draft, id, level)) return { gained: false, ownMessage: "opened" };
  const key = openOwn(
    context,
    carrier,
    { kind: "rekey", level, epochIds: [id] },
    {
      ...own,
      suite: op.suite,
    },
  );
  if (key === undefined) return { gained: false, ownMessage: "unopenable" };
  const gained = keepIfRight(draft, context.crypto, { id, terms, level, key });
  return { gained, ownMessage: gained ? "opened" : "wrongKey" };
}

function openAttachment(
  draft: Draft,
  context: ReceiveContext,
  id: EpochId,
  op: RekeyOp,
): Uint8Array | undefined {
  const secret = draft.secrets.get(id);
  if (secret === undefined || op.attachment === undefined) return undefined;
  const key = attachmentKeyOf(context.crypto, secret.reveal());
  return context.crypto.openOnce(key, op.attachment, bytesOfId(id));
}

function receiveGive(
  draft: Draft,
  context: ReceiveContext,
  carrier: Carrier,
  op: GiveOp,
): KeyVerdict {
  const { readersAt, followersAt } = carrier;
  if (!readersAt.includes(carrier.author)) return { ok: false, reason: "AUTHOR_NOT_ENTITLED" };
  const { recipient, level, answers, suite } = op;
  const give: Give = { giver: carrier.author, recipient, level, answers, suite };
  const isNews = addGives(draft, op.epochIds, give);
  const isEntitled =
    readersAt.includes(recipient) || (level === "follow" && followersAt.includes(recipient));
  if (!isEntitled) return { ok: false, reason: "RECIPIENT_NOT_ENTITLED" };
  const opened = openGive(draft, context, carrier, op);
  return { ok: true, kind: op.kind, isNews, ...opened };
}

function addGives(draft: Draft, epochIds: readonly EpochId[], give: Give): boolean {
  let isNews = false;
  const key = keyOfGive(give);
  for (const id of epochIds) {
    const facts = draft.epochs.get(id) ?? noFacts;
    const gives = draft.gives.get(id) ?? givesDraftOf(facts);
    draft.gives.set(id, gives);
    if (gives.keys.has(key)) continue;
    gives.keys.add(key);
    gives.list.push(give);
    // A new object: what is derived from facts is remembered by them.
    draft.epochs.set(id, { ...facts, gives: gives.list });
    isNews = true;
  }
  return isNews;
}

function givesDraftOf({ gives }: EpochFacts): GivesDraft {
  return { list: [...gives], keys: new Set(gives.map(keyOfGive)) };
}

function keyOfGive({ giver, recipient, level, answers, suite }: Give): string {
  return `${giver} ${recipient} ${level} ${answers ?? ""} ${suite}`;
}

interface OpenedGive {
  readonly gained: readonly EpochId[];
  readonly attachment: Uint8Array | undefined;
  readonly ownMessage: OwnMessage;
}

function openGive(draft: Draft, context: ReceiveContext, carrier: Carrier, op: GiveOp): OpenedGive {
  const nothing = { gained: [], attachment: undefined };
  if (op.recipient !== context.self) return { ...nothing, ownMessage: "none" };
  const plaintext = openOwn(context, carrier, op, { ...op.message, suite: op.suite });
  const given = plaintext && decodeGivenKeys(plaintext, op.epochIds.length);
  if (given === undefined) return { ...nothing, ownMessage: "unopenable" };
  const gained: EpochId[] = [];
  let ownMessage: OwnMessage = "opened";
  for (const [index, id] of op.epochIds.entries()) {
    const key = given.keys[index];
    if (key === undefined || holdsKey(draft, id, op.level)) continue;
    const terms = draft.epochs.get(id)?.announcement?.terms;
    if (terms === undefined) setAside(draft, id, op.level, key);
    else if (keepIfRight(draft, context.crypto, { id, terms, level: op.level, key }))
      gained.push(id);
    else ownMessage = "wrongKey";
  }
  return { gained, attachment: given.attachment, ownMessage };
}

function receiveKeyRequest(draft: Draft, carrier: Carrier, op: KeyRequestOp): KeyVerdict {
  const { author, opRef, readersAt, followersAt } = carrier;
  const isEntitled =
    readersAt.includes(author) || (op.level === "follow" && followersAt.includes(author));
  if (!isEntitled) return { ok: false, reason: "AUTHOR_NOT_ENTITLED" };
  const isNews = !draft.requests.has(opRef);
  draft.requests.set(opRef, { author, level: op.level, epochIds: op.epochIds });
  const nothing = { gained: [], attachment: undefined, ownMessage: "none" } as const;
  return { ok: true, kind: op.kind, isNews, ...nothing };
}

interface Bound {
  readonly kind: KeyOp["kind"];
  readonly level: KeyLevel;
  readonly epochIds: readonly EpochId[];
}

function openOwn(
  context: ReceiveContext,
  carrier: Carrier,
  bound: Bound,
  message: SealedMessage & { readonly suite: Suite },
): Uint8Array | undefined {
  const { crypto, topic, self, prekeys } = context;
  const binding = {
    kind: opKindCodes[bound.kind],
    level: bound.level,
    topic,
    sender: carrier.author,
    recipient: self,
    epochIds: bound.epochIds,
  };
  return openMessage(crypto, prekeys, binding, message);
}

/** Checks keys that came before this announcement; returns the epoch if one of them was right. */
function takeAside(
  draft: Draft,
  context: ReceiveContext,
  id: EpochId,
  terms: EpochTerms,
): EpochId[] {
  let isGained = false;
  for (const { level, key } of draft.aside.get(id) ?? []) {
    if (holdsKey(draft, id, level)) continue;
    const given = { id, terms, level, key: key.reveal() };
    isGained = keepIfRight(draft, context.crypto, given) || isGained;
  }
  draft.aside.delete(id);
  return isGained ? [id] : [];
}

function setAside(draft: Draft, id: EpochId, level: KeyLevel, key: Uint8Array): void {
  const known = draft.aside.get(id) ?? [];
  const isKnown = known.some(
    (other) => other.level === level && equalBytes(other.key.reveal(), key),
  );
  if (!isKnown) draft.aside.set(id, [...known, { level, key: createSecret(key) }]);
}

interface GivenKey {
  readonly id: EpochId;
  readonly terms: EpochTerms;
  readonly level: KeyLevel;
  readonly key: Uint8Array;
}

/**
 * Keeps a key if the epoch's id commits to it. A secret that is committed to but gives another
 * follow key than the announced one marks the epoch broken: its author told readers and followers
 * different things.
 */
function keepIfRight(draft: Draft, crypto: Crypto, given: GivenKey): boolean {
  const { id, terms, level, key } = given;
  if (level === "follow") {
    if (!isFollowKeyOf(crypto, terms, key)) return false;
    draft.followKeys.set(id, createSecret(key));
    return true;
  }
  if (!isSecretOf(crypto, terms, key)) return false;
  if (!isFollowKeyOf(crypto, terms, followKeyOf(crypto, key))) {
    draft.broken.add(id);
    return false;
  }
  draft.secrets.set(id, createSecret(key));
  // The secret gives the follow key too; one place for it is enough.
  draft.followKeys.delete(id);
  return true;
}

function holdsKey(draft: Draft, id: EpochId, level: KeyLevel): boolean {
  return draft.secrets.has(id) || (level === "follow" && draft.followKeys.has(id));
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
