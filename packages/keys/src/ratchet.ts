/**
 * The two-party ratchet (docs/spec/5-keys.md §12): direct messages that a key stolen later does not
 * open. Optional, for pairs that want it; everything else of this package seals without state.
 * Layer 4; pure: each function takes a state and gives the next one, to be stored with the message.
 */
import { encodeCbor, equalBytes } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import {
  type BundleSecret,
  createBundle,
  type KeysIdentity,
  type Lifetime,
  requireSuite,
  type VerifiedBundle,
} from "./bundle.ts";
import { prekeyRefBytes } from "./direct-message.ts";
import { KeysError } from "./errors.ts";
import { ratchetOffersMax, ratchetSkippedMax, ratchetTextBytesMax } from "./limits.ts";
import type { Prekeys } from "./prekeys.ts";
import {
  boundBytesOf,
  encodeRatchetMessage,
  nonceBytes,
  parseRatchetMessage,
  ratchetCountMax,
  type RatchetHeader,
  type RatchetMessage,
  type RatchetRoute,
  sessionIdBytes,
  stepInfoOf,
} from "./ratchet-message.ts";
import {
  compareSessions,
  decodeRatchet,
  emptyRatchet,
  encodeRatchet,
  forgetRatchet,
  type RatchetPair,
  type RatchetSession,
  type RatchetState,
  type ReceivingChain,
  type SendingChain,
  type SkippedKey,
} from "./ratchet-state.ts";
import { createSecret, type Secret } from "./secret.ts";
import { sealingSuite, type Suite } from "./suite.ts";
import type { SecretBytes } from "./types.ts";
import { freshSecret } from "./values.ts";

/**
 * Why a message was not opened; the state stays as it was. For an entry that is new, every reason
 * but `MALFORMED` says that the two are out of step: reset, and send something.
 */
export type RatchetRefusal =
  | "MALFORMED"
  /** Opened before, or given up as too old. */
  | "REPLAYED"
  /** More than `ratchetSkippedMax` messages before it are missing. */
  | "TOO_FAR_AHEAD"
  /** Of a session that ended, or that never reached us. */
  | "UNKNOWN_SESSION"
  /** Begins a session that is no later than one accepted before. */
  | "STALE_SESSION"
  /** Of a turn that does not follow the newest one here. */
  | "OUT_OF_STEP"
  /** No key of ours fits, or it was changed or sealed for another purpose. */
  | "UNOPENABLE";

export type RatchetVerdict =
  | { readonly ok: true; readonly plaintext: Uint8Array }
  | { readonly ok: false; readonly reason: RatchetRefusal };

export interface RatchetSendInput {
  readonly plaintext: Uint8Array;
  /** Bound to the message, not sent with it. */
  readonly associatedData?: Uint8Array;
  /** Begins a session where there is none: an offer of the peer, or its newest bundle. */
  readonly bundle?: VerifiedBundle;
}

export interface RatchetReceiveInput {
  /** Of an entry whose verified author is the peer. */
  readonly bytes: Uint8Array;
  readonly associatedData?: Uint8Array;
  /** Ordinary prekeys, tried after the offers; absent, only offers begin sessions. */
  readonly prekeys?: Prekeys;
}

/** One side of a pair. */
export interface Ratchet {
  readonly empty: RatchetState;
  /**
   * A one-time prekey for the peer: publish the bundle once the state is stored. Throws what
   * `createBundle` does, and `KEYS_TOO_MANY` when 16 are unused.
   */
  offer(
    state: RatchetState,
    input: {
      readonly identity: KeysIdentity;
      readonly lifetime: Lifetime;
      readonly suite?: Suite;
    },
    random: Random,
  ): { readonly state: RatchetState; readonly bundle: VerifiedBundle };
  /** Drops offers that expired at `time` (Unix seconds): later messages with them do not open. */
  dropOffers(state: RatchetState, time: number): RatchetState;
  /** Whether `send` needs a bundle. */
  needsBundle(state: RatchetState): boolean;
  /**
   * Throws `KEYS_NO_SESSION`, `KEYS_TEXT_TOO_LONG`, `KEYS_BAD_RANDOM`, `KEYS_SUITE_UNAVAILABLE`, and
   * `KEYS_TOO_MANY` when sessions can be numbered no further.
   */
  send(
    state: RatchetState,
    input: RatchetSendInput,
    random: Random,
  ): { readonly state: RatchetState; readonly bytes: Uint8Array };
  receive(
    state: RatchetState,
    input: RatchetReceiveInput,
  ): { readonly state: RatchetState; readonly verdict: RatchetVerdict };
  /** Ends every session: after a loss, a restored backup, or a theft. The next `send` begins one. */
  reset(state: RatchetState): RatchetState;
  /** Overwrites the secrets of `previous` that `next` does not hold. */
  forget(previous: RatchetState, next: RatchetState): void;
  encode(state: RatchetState): SecretBytes;
  decode(bytes: Uint8Array): RatchetState | undefined;
}

interface Context {
  readonly crypto: Crypto;
  readonly pair: RatchetPair;
}

const noBytes = new Uint8Array(0);
const chainKeyBytes = 32;

/** The ratchet of `self` with `peer` in the space of `topic`. */
export function createRatchet(deps: { readonly crypto: Crypto }, pair: RatchetPair): Ratchet {
  const context = { crypto: deps.crypto, pair };
  return {
    empty: emptyRatchet,
    offer: (state, input, random) => {
      if (state.offers.length >= ratchetOffersMax) {
        throw new KeysError("KEYS_TOO_MANY", `${ratchetOffersMax} offers are unused`);
      }
      const { bundle, secret } = createBundle(deps.crypto, input, random);
      return { state: { ...state, offers: [...state.offers, secret] }, bundle };
    },
    dropOffers: (state, time) => ({
      ...state,
      offers: state.offers.filter((offer) => time < offer.notAfter),
    }),
    needsBundle: (state) => state.sessions.length === 0,
    send: (state, input, random) => send(context, state, input, random),
    receive: (state, input) => receive(context, state, input),
    reset: (state) => ({ ...state, sessions: [] }),
    forget: forgetRatchet,
    encode: (state) => encodeRatchet(state, pair),
    decode: (bytes) => decodeRatchet(bytes, pair),
  };
}

function send(
  context: Context,
  state: RatchetState,
  input: RatchetSendInput,
  random: Random,
): { readonly state: RatchetState; readonly bytes: Uint8Array } {
  const { plaintext, associatedData = noBytes } = input;
  if (plaintext.length > ratchetTextBytesMax) {
    throw new KeysError("KEYS_TEXT_TOO_LONG", `a message of ${plaintext.length} bytes`);
  }
  const [current] = state.sessions;
  const session = current ?? beginSession(context, state, input.bundle, random);
  const { chain, ...begun } = sendingChainOf(context, session, random);
  const { crypto, pair } = context;
  const { key, ...shown } = chain;
  const messageKey = messageKeyOf(crypto, key);
  const header: RatchetHeader = { ...placeOf(begun.session), ...shown };
  const bound = boundBytesOf(routeFrom(pair), header, associatedData);
  const nonce = drawn(random, nonceBytes);
  const sealed = crypto.seal(messageKey.reveal(), nonce, plaintext, bound);
  messageKey.reveal().fill(0);
  const sending = { ...shown, key: nextChainKey(crypto, key), index: chain.index + 1 };
  // A key made here is in no state; one that was there is left to `forget`.
  if (session.sending === undefined) key.reveal().fill(0);
  const next = { ...begun.session, sending };
  const begunCounter = current === undefined ? session.counter : state.begun;
  return {
    state: { ...state, begun: begunCounter, sessions: [next, ...state.sessions.slice(1)] },
    bytes: encodeRatchetMessage({ ...header, nonce, sealed }),
  };
}

/** A session that stands before its turn 0: its root is empty, its peer key is the prekey. */
function beginSession(
  { pair }: Context,
  state: RatchetState,
  bundle: VerifiedBundle | undefined,
  random: Random,
): RatchetSession {
  if (bundle?.author !== pair.peer) {
    throw new KeysError("KEYS_NO_SESSION", "no session, and no bundle of the peer to begin one");
  }
  const counter = Math.max(state.begun, state.accepted) + 1;
  if (counter > ratchetCountMax) {
    throw new KeysError("KEYS_TOO_MANY", "the peer left no number for another session");
  }
  return {
    id: drawn(random, sessionIdBytes),
    counter,
    suite: bundle.suite,
    isInitiator: true,
    turn: -1,
    root: createSecret(noBytes),
    own: undefined,
    peerKey: bundle.prekey,
    sending: undefined,
    receiving: undefined,
    sentCount: 0,
    skipped: [],
  };
}

/** The chain of our turn: the one we are in, or that of the next turn. */
function sendingChainOf(
  context: Context,
  session: RatchetSession,
  random: Random,
): { readonly session: RatchetSession; readonly chain: SendingChain } {
  if (session.sending !== undefined) return { session, chain: session.sending };
  const { crypto, pair } = context;
  const { peerKey } = session;
  if (peerKey === undefined) throw new Error("a session without a chain has a key of the peer");
  const suite = requireSuite(crypto, session.suite);
  const own = freshSecret(random);
  const seed = freshSecret(random);
  const turn = session.turn + 1;
  const ratchetKey = suite.publicKey(own);
  const info = stepInfoOf(routeFrom(pair), { ...placeOf(session), turn, ratchetKey });
  const step = suite.seal(peerKey, seed, { info, associatedData: noBytes }, random);
  const { root, chainKey } = nextRoot(crypto, session.root, seed, info);
  seed.fill(0);
  const chain: SendingChain = {
    key: chainKey,
    index: 0,
    ratchetKey,
    prekeyRef: turn === 0 ? peerKey.slice(0, prekeyRefBytes) : undefined,
    step,
    previous: session.sentCount,
  };
  const kept = createSecret(own);
  own.fill(0);
  return { session: { ...session, turn, root, own: kept, peerKey: undefined }, chain };
}

interface Opened {
  readonly session: RatchetSession;
  readonly plaintext: Uint8Array;
}

function receive(
  context: Context,
  state: RatchetState,
  input: RatchetReceiveInput,
): { readonly state: RatchetState; readonly verdict: RatchetVerdict } {
  const refuse = (reason: RatchetRefusal) => ({ state, verdict: { ok: false, reason } as const });
  const message = parseRatchetMessage(input.bytes);
  if (message === undefined) return refuse("MALFORMED");
  const associatedData = input.associatedData ?? noBytes;
  const known = state.sessions.find((session) => equalBytes(session.id, message.session));
  if (known !== undefined) {
    const opened = openKnown(context, known, message, associatedData);
    if (typeof opened === "string") return refuse(opened);
    const sessions = state.sessions.map((other) => (other === known ? opened.session : other));
    return { state: { ...state, sessions }, verdict: { ok: true, plaintext: opened.plaintext } };
  }
  if (message.turn !== 0) return refuse("UNKNOWN_SESSION");
  if (message.counter <= state.accepted) return refuse("STALE_SESSION");
  const begun = openFirst(context, [...state.offers, ...(input.prekeys ?? [])], message);
  if (begun === undefined) return refuse("UNOPENABLE");
  const opened = openInChain(context, begun.session, message, associatedData);
  if (typeof opened === "string") return refuse(opened);
  // A later session ends those before it; one that we began at the same time stands beside it.
  const beside = state.sessions.filter((session) => session.counter >= message.counter);
  const next = {
    ...state,
    accepted: message.counter,
    offers: state.offers.filter((offer) => offer !== begun.prekey),
    sessions: [opened.session, ...beside].sort(compareSessions).slice(0, 2),
  };
  return { state: next, verdict: { ok: true, plaintext: opened.plaintext } };
}

/** A session of the peer, opened by the prekey it names. */
function openFirst(
  { crypto, pair }: Context,
  prekeys: readonly BundleSecret[],
  message: RatchetMessage,
): { readonly session: RatchetSession; readonly prekey: BundleSecret } | undefined {
  const { suite, prekeyRef, session: id, counter, ratchetKey } = message;
  const info = stepInfoOf(routeTo(pair), message);
  for (const prekey of prekeys) {
    if (prekey.suite !== suite || prekeyRef === undefined) continue;
    if (!equalBytes(prekey.prekey.subarray(0, prekeyRefBytes), prekeyRef)) continue;
    const seed = openStep(crypto, suite, prekey.secret, message.step, info);
    if (seed === undefined) continue;
    const { root, chainKey } = nextRoot(crypto, createSecret(noBytes), seed, info);
    seed.fill(0);
    const receiving = { turn: 0, key: chainKey, next: 0 };
    const place = { id: id.slice(), counter, suite, isInitiator: false, turn: 0, root };
    const keys = { own: undefined, peerKey: ratchetKey.slice(), sending: undefined, receiving };
    return { session: { ...place, ...keys, sentCount: 0, skipped: [] }, prekey };
  }
  return undefined;
}

function openKnown(
  context: Context,
  session: RatchetSession,
  message: RatchetMessage,
  associatedData: Uint8Array,
): Opened | RatchetRefusal {
  if (message.counter !== session.counter || message.suite !== session.suite) return "UNOPENABLE";
  // The initiator's turns are even; a message of one's own parity came back to its sender.
  if ((message.turn % 2 === 0) === session.isInitiator) return "UNOPENABLE";
  if (message.turn <= (session.receiving?.turn ?? -1)) {
    return openInChain(context, session, message, associatedData);
  }
  if (message.turn !== session.turn + 1) return "OUT_OF_STEP";
  const stepped = stepTo(context, session, message);
  return typeof stepped === "string"
    ? stepped
    : openInChain(context, stepped, message, associatedData);
}

/** The session after the peer's next turn began. */
function stepTo(
  { crypto, pair }: Context,
  session: RatchetSession,
  message: RatchetMessage,
): RatchetSession | RatchetRefusal {
  const { own, receiving, sending } = session;
  if (own === undefined) return "OUT_OF_STEP";
  const info = stepInfoOf(routeTo(pair), message);
  const seed = openStep(crypto, session.suite, own, message.step, info);
  if (seed === undefined) return "UNOPENABLE";
  const { root, chainKey } = nextRoot(crypto, session.root, seed, info);
  seed.fill(0);
  const late = receiving === undefined ? [] : lateKeys(crypto, receiving, message.previous);
  return {
    ...session,
    turn: message.turn,
    root,
    own: undefined,
    peerKey: message.ratchetKey.slice(),
    sending: undefined,
    sentCount: sending?.index ?? session.sentCount,
    receiving: { turn: message.turn, key: chainKey, next: 0 },
    skipped: [...session.skipped, ...late].slice(-ratchetSkippedMax),
  };
}

/** Keys for what is missing of a turn that is over; none when more is missing than is kept. */
function lateKeys(
  crypto: Crypto,
  chain: ReceivingChain,
  messageCount: number,
): readonly SkippedKey[] {
  const missing = messageCount - chain.next;
  if (missing <= 0 || missing > ratchetSkippedMax) return [];
  return walk(crypto, chain, messageCount).skipped;
}

/** Opens a message of the newest or an older turn of the peer. */
function openInChain(
  context: Context,
  session: RatchetSession,
  message: RatchetMessage,
  associatedData: Uint8Array,
): Opened | RatchetRefusal {
  const { receiving } = session;
  const { turn, index } = message;
  if (receiving === undefined || turn < receiving.turn || index < receiving.next) {
    const kept = session.skipped.find((key) => key.turn === turn && key.index === index);
    if (kept === undefined) return "REPLAYED";
    const plaintext = openWith(context, kept.key, message, associatedData);
    if (plaintext === undefined) return "UNOPENABLE";
    const skipped = session.skipped.filter((key) => key !== kept);
    return { session: { ...session, skipped }, plaintext };
  }
  if (index - receiving.next > ratchetSkippedMax) return "TOO_FAR_AHEAD";
  const { crypto } = context;
  const { skipped, chain } = walk(crypto, receiving, index);
  const messageKey = messageKeyOf(crypto, chain.key);
  const plaintext = openWith(context, messageKey, message, associatedData);
  messageKey.reveal().fill(0);
  if (plaintext === undefined) return "UNOPENABLE";
  const after = { turn, key: nextChainKey(crypto, chain.key), next: index + 1 };
  if (chain.key !== receiving.key) chain.key.reveal().fill(0);
  const kept = [...session.skipped, ...skipped].slice(-ratchetSkippedMax);
  return { session: { ...session, receiving: after, skipped: kept }, plaintext };
}

/** The chain at `index`, and the keys of the messages before it. */
function walk(
  crypto: Crypto,
  chain: ReceivingChain,
  index: number,
): { readonly chain: ReceivingChain; readonly skipped: readonly SkippedKey[] } {
  const { turn } = chain;
  const skipped: SkippedKey[] = [];
  let { key } = chain;
  for (let at = chain.next; at < index; at++) {
    skipped.push({ turn, index: at, key: messageKeyOf(crypto, key) });
    const next = nextChainKey(crypto, key);
    // The chain's own first key belongs to a state that may still be in use.
    if (key !== chain.key) key.reveal().fill(0);
    key = next;
  }
  return { chain: { turn, key, next: index }, skipped };
}

function openWith(
  { crypto, pair }: Context,
  key: Secret,
  message: RatchetMessage,
  associatedData: Uint8Array,
): Uint8Array | undefined {
  const bound = boundBytesOf(routeTo(pair), message, associatedData);
  return crypto.open(key.reveal(), message.nonce, message.sealed, bound);
}

function openStep(
  crypto: Crypto,
  suite: Suite,
  secret: Secret,
  step: Uint8Array,
  info: Uint8Array,
): Uint8Array | undefined {
  const message = { info, associatedData: noBytes };
  return sealingSuite(crypto, suite)?.open(secret.reveal(), step, message);
}

/** A turn's seed goes into the root, and the chain of the turn comes out. */
function nextRoot(
  crypto: Crypto,
  root: Secret,
  seed: Uint8Array,
  info: Uint8Array,
): { readonly root: Secret; readonly chainKey: Secret } {
  const material = encodeCbor([root.reveal(), seed, info]);
  const derived = crypto.deriveKey("hawser ratchet root v1", material, 2 * chainKeyBytes);
  const next = {
    root: createSecret(derived.subarray(0, chainKeyBytes)),
    chainKey: createSecret(derived.subarray(chainKeyBytes)),
  };
  material.fill(0);
  derived.fill(0);
  return next;
}

function nextChainKey(crypto: Crypto, key: Secret): Secret {
  return createSecret(crypto.deriveKey("hawser ratchet chain v1", key.reveal()));
}

function messageKeyOf(crypto: Crypto, key: Secret): Secret {
  return createSecret(crypto.deriveKey("hawser ratchet message v1", key.reveal()));
}

function placeOf({
  suite,
  id: session,
  counter,
  turn,
}: RatchetSession): Pick<RatchetHeader, "suite" | "session" | "counter" | "turn"> {
  return { suite, session, counter, turn };
}

function routeFrom({ topic, self, peer }: RatchetPair): RatchetRoute {
  return { topic, sender: self, recipient: peer };
}

function routeTo({ topic, self, peer }: RatchetPair): RatchetRoute {
  return { topic, sender: peer, recipient: self };
}

function drawn(random: Random, byteCount: number): Uint8Array {
  const bytes = random(byteCount);
  if (bytes.length === byteCount) return bytes;
  throw new KeysError("KEYS_BAD_RANDOM", `random gave ${bytes.length} bytes of ${byteCount}`);
}
