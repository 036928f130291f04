/**
 * The state of a two-party ratchet and its bytes (docs/spec/5-keys.md §12.1). Layer 4; pure.
 * Immutable; printing it shows no secret. `forgetRatchet` overwrites what a later state dropped.
 */
import { type CborValue, decodeCbor, encodeCbor, equalBytes, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { BundleSecret } from "./bundle.ts";
import { prekeyRefBytes } from "./direct-message.ts";
import { ratchetOffersMax, ratchetSkippedMax } from "./limits.ts";
import { sessionIdBytes } from "./ratchet-message.ts";
import { createSecret, type Secret } from "./secret.ts";
import { asSuite, prekeyBytesOf, sealedOverheadOf, type Suite } from "./suite.ts";
import type { SecretBytes } from "./types.ts";
import { asArray, asBytes, asCount, asId, bytesOfId, idBytes } from "./values.ts";

/** Own messages of one turn. */
export interface SendingChain {
  readonly key: Secret;
  /** Index of the next message. */
  readonly index: number;
  readonly ratchetKey: Uint8Array;
  readonly prekeyRef: Uint8Array | undefined;
  readonly step: Uint8Array;
  readonly previous: number;
}

/** The peer's messages of its newest turn. */
export interface ReceivingChain {
  readonly turn: number;
  readonly key: Secret;
  /** Index of the next message. */
  readonly next: number;
}

/** The key of one message that has not come yet. */
export interface SkippedKey {
  readonly turn: number;
  readonly index: number;
  readonly key: Secret;
}

/** One session: a chain of turns, each mixed into the root. */
export interface RatchetSession {
  readonly id: Uint8Array;
  readonly counter: number;
  readonly suite: Suite;
  readonly isInitiator: boolean;
  /** The newest turn, ours or the peer's. */
  readonly turn: number;
  readonly root: Secret;
  /** Secret of the key to which the peer's next turn is sealed; erased when that turn opens. */
  readonly own: Secret | undefined;
  /** The peer's newest key; used once, for our next turn. */
  readonly peerKey: Uint8Array | undefined;
  readonly sending: SendingChain | undefined;
  readonly receiving: ReceivingChain | undefined;
  /** Messages in our last turn that is over. */
  readonly sentCount: number;
  /** By turn, then index. */
  readonly skipped: readonly SkippedKey[];
}

/** Everything one side of a pair remembers. */
export interface RatchetState {
  /** Counter of the last session that we began. */
  readonly begun: number;
  /** Counter of the last session of the peer that we accepted; none is accepted twice. */
  readonly accepted: number;
  /** One-time prekeys for the peer; each is erased when a session begins with it. */
  readonly offers: readonly BundleSecret[];
  /** The one to send in first; two when both sides began at once. */
  readonly sessions: readonly RatchetSession[];
}

/** Whose state it is. */
export interface RatchetPair {
  readonly topic: string;
  readonly self: AuthorId;
  readonly peer: AuthorId;
}

export const emptyRatchet: RatchetState = { begun: 0, accepted: 0, offers: [], sessions: [] };

/** Sessions that can stand beside each other: one begun by each side. */
const sessionsMax = 2;
const stateVersion = 1;

/** Every secret in a state. */
export function* ratchetSecrets(state: RatchetState): Iterable<Secret> {
  for (const offer of state.offers) yield offer.secret;
  for (const { root, own, sending, receiving, skipped } of state.sessions) {
    yield root;
    if (own !== undefined) yield own;
    if (sending !== undefined) yield sending.key;
    if (receiving !== undefined) yield receiving.key;
    for (const { key } of skipped) yield key;
  }
}

/**
 * Overwrites every secret of `previous` that `next` does not hold. Call it when `next` is stored;
 * `previous` is of no use afterwards.
 */
export function forgetRatchet(previous: RatchetState, next: RatchetState): void {
  const kept = new Set(ratchetSecrets(next));
  for (const secret of ratchetSecrets(previous)) if (!kept.has(secret)) secret.reveal().fill(0);
}

/** Canonical bytes. They hold secrets. */
export function encodeRatchet(state: RatchetState, pair: RatchetPair): SecretBytes {
  const bytes = encodeCbor([
    stateVersion,
    bytesOfId(pair.topic),
    bytesOfId(pair.self),
    bytesOfId(pair.peer),
    state.begun,
    state.accepted,
    state.offers.map(encodeOffer),
    state.sessions.map(encodeSession),
  ]);
  // Safe: the brand says that the bytes hold secrets, which these do.
  return bytes as SecretBytes;
}

/** The state of `encodeRatchet` for the same pair, or `undefined` for any other bytes. */
export function decodeRatchet(bytes: Uint8Array, pair: RatchetPair): RatchetState | undefined {
  const fields = asArray(decodeCbor(bytes), 8);
  if (fields?.length !== 8 || fields[0] !== stateVersion) return undefined;
  if (asId(fields[1]) !== pair.topic || asId(fields[2]) !== pair.self) return undefined;
  const begun = asCount(fields[4]);
  const accepted = asCount(fields[5]);
  const offers = listOf(fields[6], ratchetOffersMax, decodeOffer);
  const sessions = listOf(fields[7], sessionsMax, decodeSession);
  if (asId(fields[3]) !== pair.peer || begun === undefined || accepted === undefined) {
    return undefined;
  }
  if (offers === undefined || sessions === undefined) return undefined;
  const state = { begun, accepted, offers, sessions };
  return equalBytes(encodeRatchet(state, pair), bytes) ? state : undefined;
}

/** Order of sessions: the later one first; of two begun at once, the smaller id. */
export function compareSessions(a: RatchetSession, b: RatchetSession): number {
  const [idA, idB] = [toHex(a.id), toHex(b.id)];
  return b.counter - a.counter || (idA < idB ? -1 : idA > idB ? 1 : 0);
}

function encodeOffer({ suite, prekey, secret, notBefore, notAfter }: BundleSecret): CborValue {
  return [suite, prekey, secret.reveal(), notBefore, notAfter];
}

function decodeOffer(value: CborValue): BundleSecret | undefined {
  const fields = asArray(value, 5);
  const suite = asSuite(fields?.[0]);
  if (suite === undefined) return undefined;
  const prekey = asBytes(fields?.[1], prekeyBytesOf(suite));
  const secret = asSecret(fields?.[2]);
  const notBefore = asCount(fields?.[3]);
  const notAfter = asCount(fields?.[4]);
  if (prekey === undefined || secret === undefined) return undefined;
  if (notBefore === undefined || notAfter === undefined) return undefined;
  return { suite, prekey, secret, notBefore, notAfter };
}

function encodeSession(session: RatchetSession): CborValue {
  const { sending, receiving } = session;
  return [
    session.suite,
    session.id,
    session.counter,
    session.isInitiator,
    session.turn,
    session.root.reveal(),
    session.own?.reveal() ?? null,
    session.peerKey ?? null,
    sending === undefined ? null : encodeSending(sending),
    receiving === undefined ? null : [receiving.turn, receiving.key.reveal(), receiving.next],
    session.sentCount,
    session.skipped.map(({ turn, index, key }) => [turn, index, key.reveal()]),
  ];
}

function encodeSending(chain: SendingChain): CborValue {
  const { key, index, ratchetKey, prekeyRef, step, previous } = chain;
  return [key.reveal(), index, ratchetKey, prekeyRef ?? null, step, previous];
}

function decodeSession(value: CborValue): RatchetSession | undefined {
  const fields = asArray(value, 12);
  const suite = asSuite(fields?.[0]);
  if (fields?.length !== 12 || suite === undefined) return undefined;
  const id = asBytes(fields[1], sessionIdBytes);
  const counter = asCount(fields[2]);
  const isInitiator = fields[3];
  const turn = asCount(fields[4]);
  const root = asSecret(fields[5]);
  const own = orNull(fields[6], asSecret);
  const peerKey = orNull(fields[7], (key) => asBytes(key, prekeyBytesOf(suite)));
  const sending = orNull(fields[8], (chain) => decodeSending(chain, suite));
  const receiving = orNull(fields[9], decodeReceiving);
  const sentCount = asCount(fields[10]);
  const skipped = listOf(fields[11], ratchetSkippedMax, decodeSkipped);
  if (id === undefined || counter === undefined || typeof isInitiator !== "boolean") {
    return undefined;
  }
  if (turn === undefined || root === undefined || sentCount === undefined) return undefined;
  if (skipped === undefined) return undefined;
  const facts = { id, counter, suite, isInitiator, turn, root, sentCount, skipped };
  return { ...facts, own, peerKey, sending, receiving };
}

function decodeSending(value: CborValue, suite: Suite): SendingChain | undefined {
  const fields = asArray(value, 6);
  const key = asSecret(fields?.[0]);
  const index = asCount(fields?.[1]);
  const ratchetKey = asBytes(fields?.[2], prekeyBytesOf(suite));
  const prekeyRef = orNull(fields?.[3], (ref) => asBytes(ref, prekeyRefBytes));
  const step = asBytes(fields?.[4], sealedOverheadOf(suite) + idBytes);
  const previous = asCount(fields?.[5]);
  if (key === undefined || index === undefined || ratchetKey === undefined) return undefined;
  if (step === undefined || previous === undefined) return undefined;
  return { key, index, ratchetKey, prekeyRef, step, previous };
}

function decodeReceiving(value: CborValue): ReceivingChain | undefined {
  const fields = asArray(value, 3);
  const turn = asCount(fields?.[0]);
  const key = asSecret(fields?.[1]);
  const next = asCount(fields?.[2]);
  if (turn === undefined || key === undefined || next === undefined) return undefined;
  return { turn, key, next };
}

function decodeSkipped(value: CborValue): SkippedKey | undefined {
  const fields = asArray(value, 3);
  const turn = asCount(fields?.[0]);
  const index = asCount(fields?.[1]);
  const key = asSecret(fields?.[2]);
  if (turn === undefined || index === undefined || key === undefined) return undefined;
  return { turn, index, key };
}

/** What does not decode becomes absent, and then the state does not encode to the same bytes. */
function orNull<Value>(
  value: CborValue | undefined,
  decode: (value: CborValue) => Value | undefined,
): Value | undefined {
  return value === undefined || value === null ? undefined : decode(value);
}

function listOf<Value>(
  value: CborValue | undefined,
  countMax: number,
  decode: (value: CborValue) => Value | undefined,
): readonly Value[] | undefined {
  const items = asArray(value, countMax);
  const list: Value[] = [];
  for (const item of items ?? []) {
    const decoded = decode(item);
    if (decoded === undefined) return undefined;
    list.push(decoded);
  }
  return items && list;
}

function asSecret(value: CborValue | undefined): Secret | undefined {
  const bytes = asBytes(value, idBytes);
  return bytes && createSecret(bytes);
}
