/**
 * The key ring: group keys of one member in one space (docs/spec/5-keys.md §6–8). Layer 4; pure.
 * Every function takes a state and returns values; a caller commits state and ops together.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { followKeyOf, readKeyOf } from "./epoch.ts";
import { createGraphCache, referenceHexLength } from "./epoch-graph.ts";
import { currentFollowKeysMax } from "./limits.ts";
import type { Prekeys } from "./prekeys.ts";
import { type IncomingOp, type KeyVerdict, receiveInto } from "./receive.ts";
import {
  type Debts,
  eligibleEpoch,
  epochsFor,
  followableEpochs,
  missingEpochs,
  type Situation,
  whatIsOwed,
} from "./sealing.ts";
import {
  give,
  type GiveInput,
  type KeyRequestInput,
  type Rekeyed,
  type RekeyInput,
  rekey,
  requestKeys,
} from "./send.ts";
import { draftOf, emptyState, type KeyState, stateOf } from "./state.ts";
import { decodeState, encodeState } from "./state-codec.ts";
import type { Suite } from "./suite.ts";
import type { EpochId, EpochInfo, HistoryPolicy, KeyLevel, Members, SecretBytes } from "./types.ts";
import { bytesOfId, sortedIds } from "./values.ts";

/** A follow key in use now. */
export interface FollowKey {
  readonly epochId: EpochId;
  readonly key: Uint8Array;
}

/** How a space agrees on keys. `createKeyRing` does it by one message for each member. */
export interface KeyAgreement {
  /** A member who knows nothing yet. */
  readonly empty: KeyState;

  /**
   * Makes an epoch for exactly these readers and followers. Its op counts, also for us, once it is
   * received as the op of an entry; until then the state merely holds its secret.
   * Throws `KEYS_DUPLICATE_RECIPIENT`, `KEYS_TOO_MANY`, `KEYS_BAD_ATTACHMENT`, `KEYS_BAD_ID`,
   * `KEYS_BAD_RANDOM`, `KEYS_SUITES_MIXED`, `KEYS_SUITE_TOO_WEAK`, `KEYS_SUITE_UNAVAILABLE`.
   */
  rekey(state: KeyState, input: RekeyInput, random: Random): Rekeyed;
  /**
   * Ops that give a newcomer keys. Throws `KEYS_EPOCH_NOT_HELD`, `KEYS_BAD_ATTACHMENT`,
   * `KEYS_SUITE_TOO_WEAK`, `KEYS_SUITE_UNAVAILABLE`.
   */
  welcome(state: KeyState, input: GiveInput, random: Random): readonly Uint8Array[];
  /** Ops that give a member keys it lacks or asked for. Throws like `welcome`. */
  forward(state: KeyState, input: GiveInput, random: Random): readonly Uint8Array[];
  /** Ops that ask for keys. */
  requestKeys(input: KeyRequestInput): readonly Uint8Array[];

  /** Takes in ops of entries, our own too, in any order; verdicts in the order given. */
  receive(
    state: KeyState,
    ops: readonly IncomingOp[],
    prekeys: Prekeys,
  ): { readonly state: KeyState; readonly verdicts: readonly KeyVerdict[] };

  /** Every announced epoch, the newest generation first, pending ones last. */
  epochs(state: KeyState): readonly EpochInfo[];
  /** One announced epoch. */
  epoch(state: KeyState, id: EpochId): EpochInfo | undefined;
  /** Complete epochs that none descends from; sorted. */
  maximalEpochs(state: KeyState): readonly EpochId[];
  /** Who was given the secret of an epoch. */
  holdersOf(state: KeyState, id: EpochId): ReadonlySet<AuthorId>;
  /**
   * The epoch to seal content in, or `undefined`: rekey first (the exact-holder rule). `suiteMin` is
   * the least suite that the space accepts, 1 unless said.
   */
  eligibleEpoch(
    state: KeyState,
    readers: readonly AuthorId[],
    suiteMin?: Suite,
  ): EpochId | undefined;
  /** Debts derived from the state; any reader may pay them. */
  whatIsOwed(state: KeyState, members: Members, policy: HistoryPolicy, suiteMin?: Suite): Debts;
  /** Epochs that a member is to have under the policy; sorted. */
  epochsFor(
    state: KeyState,
    members: Members,
    policy: HistoryPolicy,
    recipient: { readonly id: AuthorId; readonly level: KeyLevel },
  ): readonly EpochId[];
  /** Epochs we have a right to and no key of; sorted. */
  missingEpochs(state: KeyState, members: Members, policy: HistoryPolicy): readonly EpochId[];

  /** The read key of an epoch, derived anew at each call, or `undefined` when we lack it. */
  readKey(state: KeyState, id: EpochId): Uint8Array | undefined;
  /** The follow key of an epoch, or `undefined` when we lack it. */
  followKey(state: KeyState, id: EpochId): Uint8Array | undefined;
  /** Follow keys that prove membership now: newest first, at most 4. */
  currentFollowKeys(state: KeyState, members: Members): readonly FollowKey[];
  /** Announced epochs whose id starts with these 4 bytes; sorted. Almost always one. */
  resolveReference(state: KeyState, reference: Uint8Array): readonly EpochId[];

  /** Canonical bytes of the state. They hold secrets. */
  encode(state: KeyState): SecretBytes;
  /** The state of bytes that `encode` made for this space and member; else `undefined`. */
  decode(bytes: Uint8Array): KeyState | undefined;
}

/** How a data entry names its epoch: the first 4 bytes of the id. Throws `KEYS_BAD_ID`. */
export function epochReferenceOf(id: EpochId): Uint8Array {
  return bytesOfId(id).slice(0, referenceHexLength / 2);
}

/**
 * Key agreement by one direct message for each member. `topic` is the space's, in hex; `self` is
 * the member whose keys these are.
 */
export function createKeyRing(
  deps: { readonly crypto: Crypto },
  options: { readonly topic: string; readonly self: AuthorId },
): KeyAgreement {
  const { crypto } = deps;
  const context = { crypto, ...options };
  const graphOf = createGraphCache();
  const situationOf = (state: KeyState): Situation => ({
    state,
    graph: graphOf(state),
    self: options.self,
  });
  const readKey = (state: KeyState, id: EpochId): Uint8Array | undefined => {
    const secret = state.secrets.get(id)?.reveal();
    return secret && readKeyOf(crypto, secret);
  };
  const followKey = (state: KeyState, id: EpochId): Uint8Array | undefined => {
    const secret = state.secrets.get(id)?.reveal();
    return secret ? followKeyOf(crypto, secret) : state.followKeys.get(id)?.reveal().slice();
  };
  return {
    empty: emptyState,
    rekey: (state, input, random) => rekey(state, graphOf(state), context, input, random),
    welcome: (state, input, random) => give(state, context, "welcome", input, random),
    forward: (state, input, random) => give(state, context, "forward", input, random),
    requestKeys,
    receive: (state, ops, prekeys) => {
      const draft = draftOf(state);
      const verdicts = ops.map((op) => receiveInto(draft, { ...context, prekeys }, op));
      return { state: stateOf(draft), verdicts };
    },
    epochs: (state) => epochInfos(situationOf(state)),
    epoch: (state, id) => infoOf(situationOf(state), id),
    maximalEpochs: (state) => graphOf(state).maximal(),
    holdersOf: (state, id) => graphOf(state).holdersOf(id).read,
    eligibleEpoch: (state, readers, suiteMin) =>
      eligibleEpoch(situationOf(state), readers, suiteMin),
    whatIsOwed: (state, members, policy, suiteMin) =>
      whatIsOwed(situationOf(state), members, policy, suiteMin),
    epochsFor: (state, members, policy, recipient) =>
      epochsFor(situationOf(state), members, policy, recipient),
    missingEpochs: (state, members, policy) => missingEpochs(situationOf(state), members, policy),
    readKey,
    followKey,
    currentFollowKeys: (state, members) =>
      followableEpochs(situationOf(state), members)
        .flatMap((epochId) => {
          const key = followKey(state, epochId);
          return key === undefined ? [] : [{ epochId, key }];
        })
        .slice(0, currentFollowKeysMax),
    resolveReference: (state, reference) => graphOf(state).byReference.get(toHex(reference)) ?? [],
    encode: (state) => encodeState(state, options),
    decode: (bytes) => decodeState(bytes, options),
  };
}

function epochInfos(situation: Situation): readonly EpochInfo[] {
  const { state, graph } = situation;
  const pending = sortedIds(state.epochs.keys()).filter((id) => !graph.generations.has(id));
  return [...graph.newestFirst, ...pending].flatMap((id) => infoOf(situation, id) ?? []);
}

function infoOf({ graph }: Situation, id: EpochId): EpochInfo | undefined {
  const announcement = graph.announcementOf(id);
  if (announcement === undefined) return undefined;
  const { terms, partial } = announcement;
  const { commitment: _, ...shown } = terms;
  const { read: holders, follow: followHolders, strength } = graph.holdersOf(id);
  const generation = graph.generations.get(id);
  return { id, ...shown, strength, holders, followHolders, partial, generation };
}
