/**
 * Key bundles: signed prekeys by which an author can be reached while offline
 * (docs/spec/5-keys.md §2). Layer 4; pure, no clock: every time is an argument.
 */
import type { Brand } from "@hawser/codec";
import { decodeCbor, encodeCbor } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { KeysError } from "./errors.ts";
import { bundleBytesMax, bundleSecondsMax, suiteX25519 } from "./limits.ts";
import { createSecret, type Secret } from "./secret.ts";
import { asSuite, prekeyBytesOf, type SealingSuite, sealingSuite, type Suite } from "./suite.ts";
import type { KeyBundle } from "./types.ts";
import { asArray, asBytes, asCount, asId, bytesOfId, freshSecret } from "./values.ts";

/** A bundle whose signature and prekey were checked. Its lifetime is judged where it is used. */
export type VerifiedBundle = KeyBundle & Brand<"VerifiedBundle">;

/** The secret half of one prekey. Prints as nothing. */
export interface BundleSecret {
  readonly prekey: Uint8Array;
  readonly secret: Secret;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly suite: Suite;
}

/** Who signs: `sign` is crypto.signTagged with the author's secret, wherever that is kept. */
export interface KeysIdentity {
  readonly id: AuthorId;
  sign(label: string, bytes: Uint8Array): Uint8Array;
}

export type BundleFlaw =
  | "TOO_LARGE"
  | "MALFORMED"
  | "UNKNOWN_VERSION"
  | "UNKNOWN_SUITE"
  | "BAD_LIFETIME"
  | "WEAK_PREKEY"
  | "BAD_SIGNATURE"
  | "WRONG_AUTHOR";

export type BundleParse =
  | { readonly ok: true; readonly bundle: KeyBundle }
  | { readonly ok: false; readonly reason: BundleFlaw };

export type BundleVerdict =
  | { readonly ok: true; readonly bundle: VerifiedBundle }
  | { readonly ok: false; readonly reason: BundleFlaw };

const bundleVersion = 1;
const signatureLabel = "key bundle";
const signatureBytes = 64;

/** Valid from `notBefore` up to but not at `notAfter` (Unix seconds). */
export interface Lifetime {
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * A new prekey, signed. The secret must be stored before the bundle is published.
 * `suite` is 1 unless said. Throws `KEYS_BAD_LIFETIME`, `KEYS_BAD_ID`, `KEYS_BAD_RANDOM`,
 * `KEYS_SUITE_UNAVAILABLE`.
 */
export function createBundle(
  crypto: Crypto,
  input: {
    readonly identity: KeysIdentity;
    readonly lifetime: Lifetime;
    readonly suite?: Suite;
  },
  random: Random,
): { readonly bundle: VerifiedBundle; readonly secret: BundleSecret } {
  const { notBefore, notAfter } = input.lifetime;
  if (!isLifetime(input.lifetime)) {
    throw new KeysError("KEYS_BAD_LIFETIME", `no lifetime: ${notBefore} to ${notAfter}`);
  }
  const sealing = requireSuite(crypto, input.suite ?? suiteX25519);
  const secretBytes = freshSecret(random);
  const fields = {
    author: input.identity.id,
    prekey: sealing.publicKey(secretBytes),
    notBefore,
    notAfter,
    suite: sealing.id,
  };
  const signature = input.identity.sign(signatureLabel, signedBytesOf(fields));
  const secret = createSecret(secretBytes);
  return {
    // Safe: we made the prekey and the signature.
    bundle: { ...fields, signature } as VerifiedBundle,
    secret: { prekey: fields.prekey, secret, notBefore, notAfter, suite: sealing.id },
  };
}

/** Canonical bytes: [1, suite, author, prekey, notBefore, notAfter, signature]. */
export function encodeBundle(bundle: KeyBundle): Uint8Array {
  return encodeCbor([...fieldsOf(bundle), bundle.signature]);
}

/** Checks form and limits alone; `verifyBundle` checks what it claims. */
export function parseBundle(bytes: Uint8Array): BundleParse {
  if (bytes.length > bundleBytesMax) return { ok: false, reason: "TOO_LARGE" };
  const fields = asArray(decodeCbor(bytes), 7);
  if (fields === undefined || asCount(fields[0]) === undefined) {
    return { ok: false, reason: "MALFORMED" };
  }
  if (fields[0] !== bundleVersion) return { ok: false, reason: "UNKNOWN_VERSION" };
  if (asCount(fields[1]) === undefined) return { ok: false, reason: "MALFORMED" };
  const suite = asSuite(fields[1]);
  if (suite === undefined) return { ok: false, reason: "UNKNOWN_SUITE" };
  const author = asId<AuthorId>(fields[2]);
  const prekey = asBytes(fields[3], prekeyBytesOf(suite));
  const notBefore = asCount(fields[4]);
  const notAfter = asCount(fields[5]);
  const signature = asBytes(fields[6], signatureBytes);
  if (
    author === undefined ||
    prekey === undefined ||
    notBefore === undefined ||
    notAfter === undefined ||
    signature === undefined
  ) {
    return { ok: false, reason: "MALFORMED" };
  }
  if (!isLifetime({ notBefore, notAfter })) return { ok: false, reason: "BAD_LIFETIME" };
  return { ok: true, bundle: { author, prekey, notBefore, notAfter, suite, signature } };
}

/**
 * Checks that `author` (the verified author of the entry that carries the bundle) signed it over
 * all its fields, and that sealing to its prekey is possible. Costs one signature check. A suite
 * that `crypto` lacks is `UNKNOWN_SUITE`: its prekey cannot be judged here.
 */
export function verifyBundle(crypto: Crypto, bundle: KeyBundle, author: AuthorId): BundleVerdict {
  const sealing = sealingSuite(crypto, bundle.suite);
  if (sealing === undefined) return { ok: false, reason: "UNKNOWN_SUITE" };
  if (!isLifetime(bundle)) return { ok: false, reason: "BAD_LIFETIME" };
  if (bundle.author !== author) return { ok: false, reason: "WRONG_AUTHOR" };
  const key = bytesOfId(bundle.author);
  if (!crypto.verifyTagged(signatureLabel, signedBytesOf(bundle), bundle.signature, key)) {
    return { ok: false, reason: "BAD_SIGNATURE" };
  }
  if (!sealing.isPrekey(bundle.prekey)) return { ok: false, reason: "WEAK_PREKEY" };
  // Safe: everything the brand stands for was just checked.
  return { ok: true, bundle: bundle as VerifiedBundle };
}

/** Whether `time` (Unix seconds, the claimed time of the op that uses it) lies in the lifetime. */
export function isValidAt(lifetime: Lifetime, time: number): boolean {
  return lifetime.notBefore <= time && time < lifetime.notAfter;
}

/** The suite, ready to seal. Throws `KEYS_SUITE_UNAVAILABLE`. */
export function requireSuite(crypto: Crypto, suite: Suite): SealingSuite {
  const sealing = sealingSuite(crypto, suite);
  if (sealing !== undefined) return sealing;
  throw new KeysError("KEYS_SUITE_UNAVAILABLE", `this crypto has no suite ${suite}`);
}

function isLifetime({ notBefore, notAfter }: Lifetime): boolean {
  return (
    Number.isSafeInteger(notBefore) &&
    Number.isSafeInteger(notAfter) &&
    notBefore >= 0 &&
    notAfter > notBefore &&
    notAfter - notBefore <= bundleSecondsMax
  );
}

type BundleFields = Omit<KeyBundle, "signature">;

function fieldsOf(bundle: BundleFields): readonly (number | Uint8Array)[] {
  const { suite, author, prekey, notBefore, notAfter } = bundle;
  return [bundleVersion, suite, bytesOfId(author), prekey, notBefore, notAfter];
}

function signedBytesOf(bundle: BundleFields): Uint8Array {
  return encodeCbor(fieldsOf(bundle));
}
