/**
 * Direct messages: stateless HPKE boxes sealed to a prekey (docs/spec/5-keys.md §4). Layer 4; pure.
 * Any of them can be lost, repeated or opened in any order without harm to another.
 */
import { encodeCbor, equalBytes } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { requireSuite, type VerifiedBundle } from "./bundle.ts";
import type { Prekeys } from "./prekeys.ts";
import { sealingSuite, type Suite } from "./suite.ts";
import type { EpochId, KeyLevel } from "./types.ts";
import { bytesOfId } from "./values.ts";

/** What a direct message is bound to: opened under any other it fails. */
export interface MessageContext {
  /** Number of the op kind that carries it. */
  readonly kind: number;
  readonly level: KeyLevel;
  readonly topic: string;
  readonly sender: AuthorId;
  readonly recipient: AuthorId;
  /** Sorted. */
  readonly epochIds: readonly EpochId[];
}

/** One sealed message and the start of the prekey it is sealed to. */
export interface SealedMessage {
  readonly prekeyRef: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Bytes of a prekey that name it. */
export const prekeyRefBytes = 8;

const noBytes = new Uint8Array(0);

/** Seals in the bundle's own suite. Throws `KEYS_SUITE_UNAVAILABLE`. */
export function sealMessage(
  crypto: Crypto,
  bundle: VerifiedBundle,
  context: MessageContext,
  plaintext: Uint8Array,
  random: Random,
): SealedMessage {
  const message = { info: infoOf(context), associatedData: noBytes };
  const suite = requireSuite(crypto, bundle.suite);
  const sealed = suite.seal(bundle.prekey, plaintext, message, random);
  return { prekeyRef: bundle.prekey.slice(0, prekeyRefBytes), sealed };
}

/**
 * The plaintext, or `undefined` when no prekey of ours in that suite is named or the box does not
 * open. The op says the suite, so a prekey of another one never stands in.
 */
export function openMessage(
  crypto: Crypto,
  prekeys: Prekeys,
  context: MessageContext,
  message: SealedMessage & { readonly suite: Suite },
): Uint8Array | undefined {
  const sealing = sealingSuite(crypto, message.suite);
  if (sealing === undefined) return undefined;
  const info = infoOf(context);
  for (const { prekey, secret, suite } of prekeys) {
    if (suite !== message.suite) continue;
    // Eight bytes can collide, so every prekey that fits is tried.
    if (!equalBytes(prekey.subarray(0, prekeyRefBytes), message.prekeyRef)) continue;
    const bound = { info, associatedData: noBytes };
    const plaintext = sealing.open(secret.reveal(), message.sealed, bound);
    if (plaintext !== undefined) return plaintext;
  }
  return undefined;
}

function infoOf(context: MessageContext): Uint8Array {
  return encodeCbor([
    "hawser dm v1",
    context.kind,
    codeOfLevel(context.level),
    bytesOfId(context.topic),
    bytesOfId(context.sender),
    bytesOfId(context.recipient),
    context.epochIds.map(bytesOfId),
  ]);
}

/** 0 = read, 1 = follow. */
export function codeOfLevel(level: KeyLevel): number {
  return level === "read" ? 0 : 1;
}

export function levelOfCode(code: unknown): KeyLevel | undefined {
  return code === 0 ? "read" : code === 1 ? "follow" : undefined;
}
