/**
 * `@hawser/crypto/cpace`: CPace, a balanced password-authenticated key exchange, in the suite
 * CPACE-RISTR255-SHA512 (draft-irtf-cfrg-cpace-21) with its key confirmation (§10.4). Layer 1. An
 * entry point of its own: only pairing needs it.
 *
 * Two sides who know one short password come to one strong key. Whoever stands between them gets
 * one guess a run, and a run that was only listened to gives no way of trying passwords out.
 */
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { bytesToNumberLE } from "@noble/curves/utils.js";
import { compareBytes, concatBytes, equalBytes, utf8 } from "@hawser/codec";
import { CryptoError } from "./errors.ts";
import { assertSize, keyBytes } from "./sizes.ts";
import type { Random } from "./types.ts";

/** What both sides must have in common, and what this side says. */
export interface CpaceInput {
  /** The short common secret, in any length. */
  readonly password: Uint8Array;
  /** Names the two sides or the channel (CI); equal on both. */
  readonly channel: Uint8Array;
  /** Names this run (sid), 16 bytes or more, never used before; equal on both. */
  readonly sessionId: Uint8Array;
  /** Who speaks first is agreed beforehand. */
  readonly role: "initiator" | "responder";
  /** Sent beside the share and authenticated by the outcome; at most 16,384 bytes. */
  readonly associatedData: Uint8Array;
}

/** What a run that both sides finished gives. */
export interface CpaceOutcome {
  /** 64 bytes: equal on both sides if and only if everything was equal. Derive keys from it. */
  readonly key: Uint8Array;
  /** To be sent: proves to the other side that this one has the key. */
  readonly tag: Uint8Array;
  /** Is this the other side's tag? Only then was the password the same. */
  confirms(theirTag: Uint8Array): boolean;
  /** What the other side sent beside its share. Believe it when its tag is right. */
  readonly theirData: Uint8Array;
}

/** One side of one run. */
export interface CpaceRun {
  /** To be sent: share and associated data. */
  readonly message: Uint8Array;
  /**
   * Takes the other side's message, once. `undefined`: it is malformed, no valid share, or our own
   * sent back. Throws `CRYPTO_FINISHED` when called again.
   */
  finish(theirMessage: Uint8Array): CpaceOutcome | undefined;
}

const generatorDomain: Uint8Array = utf8("CPaceRistretto255");
const keyDomain: Uint8Array = utf8("CPaceRistretto255_ISK");
const macDomain: Uint8Array = utf8("CPaceMac");
/** Input block of SHA-512. */
const blockBytes = 128;
/** Bits of a scalar above 252 are cleared (§8.3). */
const topByteMask = 0x0f;
const sessionIdBytesMin = 16;
const dataBytesMax = 16_384;

/** Begins a run. Throws `CRYPTO_BAD_LENGTH`. */
export function startCpace(input: CpaceInput, random: Random): CpaceRun {
  const { sessionId, associatedData, role } = input;
  if (sessionId.length < sessionIdBytesMin || associatedData.length > dataBytesMax) {
    throw new CryptoError("CRYPTO_BAD_LENGTH", "session id too short or data too long");
  }
  const scalar = scalarFrom(random);
  const share = generatorOf(input).multiply(scalar).toBytes();
  const message = lengthPrefixed(share, associatedData);
  let isFinished = false;
  return {
    message,
    finish: (theirMessage) => {
      if (isFinished) throw new CryptoError("CRYPTO_FINISHED", "a run takes one message");
      isFinished = true;
      const fields = splitMessage(theirMessage);
      // Our own share sent back would confirm itself.
      if (fields === undefined || equalBytes(fields.share, share)) return undefined;
      const secret = multiplyChecked(scalar, fields.share);
      if (secret === undefined) return undefined;
      const both = role === "initiator" ? [message, theirMessage] : [theirMessage, message];
      const key = sha512(concatBytes(lengthPrefixed(keyDomain, sessionId, secret), ...both));
      secret.fill(0);
      return outcomeOf({ key, sessionId, message, theirMessage, theirData: fields.data });
    },
  };
}

function outcomeOf(facts: {
  readonly key: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly message: Uint8Array;
  readonly theirMessage: Uint8Array;
  readonly theirData: Uint8Array;
}): CpaceOutcome {
  const { key, sessionId, message, theirMessage, theirData } = facts;
  const macKey = sha512(concatBytes(macDomain, sessionId, key));
  const expected = hmac(sha512, macKey, theirMessage);
  return {
    key,
    tag: hmac(sha512, macKey, message),
    // Compared by their hashes: how far two tags agree tells nothing about them.
    confirms: (theirTag) => compareBytes(sha512(theirTag), sha512(expected)) === 0,
    theirData,
  };
}

/** The generator that the password chooses (§8.1, §8.3). */
function generatorOf({ password, channel, sessionId }: CpaceInput): RistrettoPoint {
  const head = lengthPrefixed(generatorDomain, password).length;
  const padding = new Uint8Array(Math.max(0, blockBytes - 1 - head));
  const text = lengthPrefixed(generatorDomain, password, padding, channel, sessionId);
  const derive = ristretto255_hasher.deriveToCurve;
  if (derive === undefined) throw new CryptoError("CRYPTO_BACK_END", "no element derivation");
  return derive(sha512(text));
}

type RistrettoPoint = ReturnType<typeof ristretto255.Point.fromBytes>;

function scalarFrom(random: Random): bigint {
  for (;;) {
    const bytes = random(keyBytes);
    assertSize(bytes, keyBytes, "random output");
    bytes[keyBytes - 1] = (bytes[keyBytes - 1] ?? 0) & topByteMask;
    const scalar = bytesToNumberLE(bytes);
    bytes.fill(0);
    // Zero comes once in 2^252 draws; nothing else up to 2^252 is over the order.
    if (scalar !== 0n) return scalar;
  }
}

/** `scalar · share`, encoded; `undefined` for no point and for the neutral element. */
function multiplyChecked(scalar: bigint, share: Uint8Array): Uint8Array | undefined {
  const point = decodePoint(share);
  if (point === undefined || point.is0()) return undefined;
  return point.multiply(scalar).toBytes();
}

function decodePoint(bytes: Uint8Array): RistrettoPoint | undefined {
  try {
    return ristretto255.Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

/** `lv_cat`: each field behind its length as LEB128. */
function lengthPrefixed(...fields: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...fields.flatMap((field) => [lengthOf(field), field]));
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return new Uint8Array([...bytes, rest]);
}

function splitMessage(
  message: Uint8Array,
): { readonly share: Uint8Array; readonly data: Uint8Array } | undefined {
  if (message[0] !== keyBytes || message.length > keyBytes + 4 + dataBytesMax) return undefined;
  const share = message.slice(1, 1 + keyBytes);
  const rest = message.subarray(1 + keyBytes);
  // The one length that fits decides: any other encoding of it differs from what we would write.
  for (const lengthBytes of [1, 2, 3]) {
    const data = rest.slice(lengthBytes);
    if (rest.length >= lengthBytes && equalBytes(rest, lengthPrefixed(data))) {
      return { share, data };
    }
  }
  return undefined;
}
