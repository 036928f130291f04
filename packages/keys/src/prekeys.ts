/**
 * An author's own prekey secrets (docs/spec/5-keys.md §2.2): several generations, newest first,
 * as a pure state. Layer 4.
 */
import { type CborValue, compareBytes, decodeCbor, encodeCbor, equalBytes } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import {
  type BundleSecret,
  createBundle,
  isValidAt,
  type KeysIdentity,
  type VerifiedBundle,
} from "./bundle.ts";
import { suiteX25519 } from "./limits.ts";
import { createSecret } from "./secret.ts";
import { asSuite, prekeyBytesOf, type Suite } from "./suite.ts";
import type { KeyBundle, SecretBytes } from "./types.ts";
import { asArray, asBytes, asCount } from "./values.ts";

/** Own prekey secrets, the one that expires last first. */
export type Prekeys = readonly BundleSecret[];

/** How long prekeys live, in seconds. */
export interface PrekeyPolicy {
  /** From making a prekey to its expiry. */
  readonly lifeSeconds: number;
  /** Age at which a new prekey is made. */
  readonly rotateAfterSeconds: number;
  /** How long after expiry a secret is kept for messages still on their way. */
  readonly graceSeconds: number;
}

const daySeconds = 24 * 3600;

/** 60 days of life, a new prekey every 7 days, secrets dropped 30 days after expiry. */
export const defaultPrekeyPolicy: PrekeyPolicy = {
  lifeSeconds: 60 * daySeconds,
  rotateAfterSeconds: 7 * daySeconds,
  graceSeconds: 30 * daySeconds,
};

/** Clocks of peers may run behind ours by this much before a new bundle looks unborn to them. */
const clockSlackSeconds = 3600;

/** Whether a new prekey of a suite (1 unless said) is due at `time` (Unix seconds). */
export function prekeyIsDue(
  prekeys: Prekeys,
  time: number,
  policy: PrekeyPolicy = defaultPrekeyPolicy,
  suite: Suite = suiteX25519,
): boolean {
  const newest = prekeys.find((prekey) => prekey.suite === suite);
  if (newest === undefined || !isValidAt(newest, time)) return true;
  return time - newest.notBefore - clockSlackSeconds >= policy.rotateAfterSeconds;
}

/**
 * Whether we can open what is sealed to `bundle`. When not (a restored backup, a lost store), make
 * and publish a new prekey before asking for keys: answers are sealed to the newest bundle known.
 */
export function holdsPrekeyOf(prekeys: Prekeys, bundle: KeyBundle): boolean {
  return prekeys.some((own) => equalBytes(own.prekey, bundle.prekey));
}

/**
 * Makes a prekey of a suite (1 unless said) at `time`, drops the secrets whose life and grace are over, and returns the
 * bundle to publish. Store the new prekeys first.
 */
export function rotatePrekey(
  crypto: Crypto,
  prekeys: Prekeys,
  input: {
    readonly identity: KeysIdentity;
    readonly time: number;
    readonly policy?: PrekeyPolicy;
    readonly suite?: Suite;
  },
  random: Random,
): { readonly prekeys: Prekeys; readonly bundle: VerifiedBundle } {
  const { identity, time, policy = defaultPrekeyPolicy, suite = suiteX25519 } = input;
  const notBefore = Math.max(0, time - clockSlackSeconds);
  const lifetime = { notBefore, notAfter: time + policy.lifeSeconds };
  const { bundle, secret } = createBundle(crypto, { identity, lifetime, suite }, random);
  const kept = dropExpiredPrekeys(inOrder([...prekeys, secret]), time, policy);
  return { prekeys: kept, bundle };
}

/**
 * Prekeys without those whose life and grace are over at `time`. The newest of each suite always
 * stays: a device that was off for a year can still open what was sealed to the last bundle it
 * published.
 */
export function dropExpiredPrekeys(
  prekeys: Prekeys,
  time: number,
  policy: PrekeyPolicy = defaultPrekeyPolicy,
): Prekeys {
  const isNewest = (prekey: BundleSecret): boolean =>
    prekeys.find((other) => other.suite === prekey.suite) === prekey;
  return prekeys.filter(
    (prekey) => isNewest(prekey) || time < prekey.notAfter + policy.graceSeconds,
  );
}

/** Canonical bytes. They hold secrets: seal or guard them like a private key. */
export function encodePrekeys(prekeys: Prekeys): SecretBytes {
  const rows = inOrder(prekeys).map((prekey): CborValue => {
    const { suite, notBefore, notAfter } = prekey;
    return [suite, prekey.prekey, prekey.secret.reveal(), notBefore, notAfter];
  });
  // Safe: the brand says that the bytes hold secrets, which these do.
  return encodeCbor([1, rows]) as SecretBytes;
}

/** The prekeys of `encodePrekeys`, or `undefined` for any other bytes. */
export function decodePrekeys(bytes: Uint8Array): Prekeys | undefined {
  const fields = asArray(decodeCbor(bytes), 2);
  const rows = asArray(fields?.[1], bytes.length);
  if (fields?.[0] !== 1 || rows === undefined) return undefined;
  const prekeys: BundleSecret[] = [];
  for (const row of rows) {
    const prekey = decodePrekey(row);
    if (prekey === undefined) return undefined;
    prekeys.push(prekey);
  }
  return equalBytes(encodePrekeys(prekeys), bytes) ? prekeys : undefined;
}

function decodePrekey(row: CborValue): BundleSecret | undefined {
  const fields = asArray(row, 5);
  const suite = asSuite(fields?.[0]);
  if (suite === undefined) return undefined;
  const prekey = asBytes(fields?.[1], prekeyBytesOf(suite));
  const secret = asBytes(fields?.[2], 32);
  const notBefore = asCount(fields?.[3]);
  const notAfter = asCount(fields?.[4]);
  if (prekey === undefined || secret === undefined) return undefined;
  if (notBefore === undefined || notAfter === undefined) return undefined;
  return { suite, prekey, secret: createSecret(secret), notBefore, notAfter };
}

function inOrder(prekeys: Prekeys): Prekeys {
  return [...prekeys].sort((a, b) => b.notAfter - a.notAfter || compareBytes(a.prekey, b.prekey));
}
