/**
 * Making key ops (docs/spec/5-keys.md §8). Layer 4; pure: randomness comes in, bytes go out, and
 * the state that comes back belongs into the same commit as the bytes.
 */
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { VerifiedBundle } from "./bundle.ts";
import { sealMessage } from "./direct-message.ts";
import {
  attachmentKeyOf,
  commitmentOf,
  epochIdOf,
  type EpochTerms,
  followIdOf,
  followKeyOf,
} from "./epoch.ts";
import type { EpochGraph } from "./epoch-graph.ts";
import { KeysError } from "./errors.ts";
import {
  attachmentBytesMax,
  authHeadsMax,
  directMessagesMax,
  epochsPerOpMax,
  keyOpBytesMax,
  parentsMax,
  suiteX25519,
} from "./limits.ts";
import { type DirectMessage, encodeGivenKeys, encodeKeyOp, opKindCodes } from "./op.ts";
import { createSecret } from "./secret.ts";
import type { KeyState } from "./state.ts";
import type { Suite } from "./suite.ts";
import type { EpochId, KeyLevel, RekeyReason } from "./types.ts";
import { bytesOfId, compareText, freshSecret, sortedIds } from "./values.ts";

/** Who sends, where. */
export interface SendContext {
  readonly crypto: Crypto;
  readonly topic: string;
  readonly self: AuthorId;
}

export interface RekeyInput {
  /**
   * A bundle of every current reader; all of one suite, which is the epoch's. Our own may be among
   * them and is passed over.
   */
  readonly readers: readonly VerifiedBundle[];
  readonly followers: readonly VerifiedBundle[];
  /** Heads of the auth ops that say who these are. */
  readonly authHeads: readonly string[];
  readonly reason: RekeyReason;
  /** Opaque bytes for every reader; at most `attachmentBytesMax`. */
  readonly attachment?: Uint8Array;
  /** The least suite that the space accepts; 1 unless said. */
  readonly suiteMin?: Suite;
}

export interface GiveInput {
  /** Of a suite no weaker than that of any of the epochs. */
  readonly recipient: VerifiedBundle;
  readonly level: KeyLevel;
  /** Epochs whose key we hold; split over several ops when they are more than 256. */
  readonly epochIds: readonly EpochId[];
  readonly authHeads: readonly string[];
  /** The `opRef` of the request this answers. */
  readonly answers?: string | undefined;
  /** Opaque bytes for a reader; goes with the first op. */
  readonly attachment?: Uint8Array | undefined;
}

export interface KeyRequestInput {
  readonly epochIds: readonly EpochId[];
  readonly level: KeyLevel;
  readonly authHeads: readonly string[];
}

/** A new epoch, to be published in the same commit in which the state is stored. */
export interface Rekeyed {
  readonly state: KeyState;
  readonly epochId: EpochId;
  readonly opBytes: Uint8Array;
}

/** Makes an epoch and seals it to everybody who is to have it: one op, one message each. */
export function rekey(
  state: KeyState,
  graph: EpochGraph,
  context: SendContext,
  input: RekeyInput,
  random: Random,
): Rekeyed {
  const { crypto, topic, self } = context;
  const readers = withoutSelf(input.readers, self);
  const followers = withoutSelf(input.followers, self);
  requireUniqueRecipients([...readers, ...followers]);
  const secret = freshSecret(random);
  const followKey = followKeyOf(crypto, secret);
  const recipients = sortedIds([self, ...readers.map((bundle) => bundle.author)]);
  const terms: EpochTerms = {
    suite: suiteFor([...readers, ...followers], input.suiteMin ?? suiteX25519),
    author: self,
    commitment: commitmentOf(crypto, secret),
    followId: followIdOf(crypto, followKey),
    parents: parentsFor(state, graph, new Set(recipients)),
    authHeads: requireHeads(input.authHeads),
    reason: input.reason,
    recipients,
  };
  const epochId = epochIdOf(crypto, topic, terms);
  const sealTo = (bundles: readonly VerifiedBundle[], level: KeyLevel): DirectMessage[] =>
    bundles.map((bundle) => {
      const recipient = bundle.author;
      const kind = opKindCodes.rekey;
      const binding = { kind, level, topic, sender: self, recipient, epochIds: [epochId] };
      const key = level === "read" ? secret : followKey;
      return { recipient, ...sealMessage(crypto, bundle, binding, key, random) };
    });
  const opBytes = encodeKeyOp({
    kind: "rekey",
    ...terms,
    attachment: sealAttachment(crypto, secret, epochId, input.attachment),
    toReaders: sealTo(readers, "read"),
    toFollowers: sealTo(followers, "follow"),
  });
  if (opBytes.length > keyOpBytesMax) {
    throw new KeysError("KEYS_TOO_MANY", `a rekey of ${opBytes.length} bytes`);
  }
  const secrets = new Map(state.secrets).set(epochId, createSecret(secret));
  return { state: { ...state, secrets }, epochId, opBytes };
}

/** Welcomes or forwards: keys of existing epochs for one member, at most 256 an op. */
export function give(
  state: KeyState,
  context: SendContext,
  kind: "welcome" | "forward",
  input: GiveInput,
  random: Random,
): readonly Uint8Array[] {
  const { crypto, topic, self } = context;
  const { level } = input;
  const { author: recipient, suite } = input.recipient;
  requireStrength(state, input.epochIds, suite);
  const authHeads = requireHeads(input.authHeads);
  requireAttachment(input.attachment);
  return chunksOf(sortedIds(input.epochIds), epochsPerOpMax).map((epochIds, index) => {
    const keys = epochIds.map((id) => keyToGive(state, crypto, id, level));
    const attachment = index === 0 ? input.attachment : undefined;
    const binding = { kind: opKindCodes[kind], level, topic, sender: self, recipient, epochIds };
    const plaintext = encodeGivenKeys({ keys, attachment });
    const message = sealMessage(crypto, input.recipient, binding, plaintext, random);
    const { answers } = input;
    const facts = { kind, recipient, level, epochIds, authHeads, answers, suite };
    return encodeKeyOp({ ...facts, message });
  });
}

/** Asks for keys; at most 256 epochs an op. */
export function requestKeys(input: KeyRequestInput): readonly Uint8Array[] {
  const authHeads = requireHeads(input.authHeads);
  return chunksOf(sortedIds(input.epochIds), epochsPerOpMax).map((epochIds) =>
    encodeKeyOp({ kind: "keyRequest", level: input.level, epochIds, authHeads }),
  );
}

/**
 * Maximal epochs of readers, so that the new one supersedes them, and those of people who were
 * removed whose secret is at hand: content may be sealed in them. One that nobody holds is built on
 * by nobody. Over the limit, those of readers go first: only they matter for sealing.
 */
function parentsFor(
  state: KeyState,
  graph: EpochGraph,
  readers: ReadonlySet<AuthorId>,
): readonly EpochId[] {
  const ofReaders = graph.maximalAmong(readers);
  const held = graph.maximal().filter((id) => state.secrets.has(id));
  const chosen = new Set([...ofReaders, ...held]);
  return sortedIds([...chosen].slice(0, parentsMax));
}

function keyToGive(state: KeyState, crypto: Crypto, id: EpochId, level: KeyLevel): Uint8Array {
  const secret = state.secrets.get(id)?.reveal();
  if (secret !== undefined) return level === "read" ? secret : followKeyOf(crypto, secret);
  const followKey = level === "follow" ? state.followKeys.get(id)?.reveal() : undefined;
  if (followKey !== undefined) return followKey;
  throw new KeysError("KEYS_EPOCH_NOT_HELD", `no ${level} key of epoch ${id}`);
}

/** The one suite of the bundles. A rekey in several would be as weak as the weakest, and longer. */
function suiteFor(bundles: readonly VerifiedBundle[], suiteMin: Suite): Suite {
  const suite = bundles[0]?.suite ?? suiteMin;
  if (bundles.some((bundle) => bundle.suite !== suite)) {
    throw new KeysError("KEYS_SUITES_MIXED", "bundles of several suites in a rekey");
  }
  if (suite >= suiteMin) return suite;
  throw new KeysError("KEYS_SUITE_TOO_WEAK", `suite ${suite}, at least ${suiteMin} is wanted`);
}

/** What was sent in a strong suite is not sent on in a weaker one. */
function requireStrength(state: KeyState, epochIds: readonly EpochId[], suite: Suite): void {
  for (const id of epochIds) {
    const own = state.epochs.get(id)?.announcement?.terms.suite ?? suiteX25519;
    if (suite >= own) continue;
    throw new KeysError("KEYS_SUITE_TOO_WEAK", `suite ${suite} for an epoch of suite ${own}`);
  }
}

function sealAttachment(
  crypto: Crypto,
  secret: Uint8Array,
  epochId: EpochId,
  attachment: Uint8Array | undefined,
): Uint8Array | undefined {
  requireAttachment(attachment);
  if (attachment === undefined) return undefined;
  // The key comes from a secret made a moment ago for this op alone, so it seals once.
  return crypto.sealOnce(attachmentKeyOf(crypto, secret), attachment, bytesOfId(epochId));
}

function requireAttachment(attachment: Uint8Array | undefined): void {
  if (attachment === undefined || attachment.length <= attachmentBytesMax) return;
  throw new KeysError("KEYS_BAD_ATTACHMENT", `attachment of ${attachment.length} bytes`);
}

function requireHeads(authHeads: readonly string[]): readonly string[] {
  const heads = sortedIds(authHeads);
  if (heads.length <= authHeadsMax) return heads;
  throw new KeysError("KEYS_TOO_MANY", `${heads.length} auth heads, at most ${authHeadsMax}`);
}

function requireUniqueRecipients(bundles: readonly VerifiedBundle[]): void {
  if (bundles.length > directMessagesMax) {
    throw new KeysError("KEYS_TOO_MANY", `${bundles.length} recipients of one rekey`);
  }
  if (new Set(bundles.map((bundle) => bundle.author)).size === bundles.length) return;
  throw new KeysError("KEYS_DUPLICATE_RECIPIENT", "two bundles of one author in a rekey");
}

function withoutSelf(
  bundles: readonly VerifiedBundle[],
  self: AuthorId,
): readonly VerifiedBundle[] {
  return bundles
    .filter((bundle) => bundle.author !== self)
    .sort((a, b) => compareText(a.author, b.author));
}

function chunksOf<Item>(items: readonly Item[], countMax: number): readonly (readonly Item[])[] {
  const chunks: (readonly Item[])[] = [];
  for (let start = 0; start < items.length; start += countMax) {
    chunks.push(items.slice(start, start + countMax));
  }
  return chunks;
}
