/**
 * HPKE base mode (RFC 9180) with one suite: DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256,
 * ChaCha20-Poly1305. Layer 1, internal. Single-shot messages only, so the sequence number that
 * enters a nonce is zero; `contextOf` gives the whole key schedule to the tests.
 */
import { concatBytes, utf8 } from "@hawser/codec";
import type { Families } from "./back-end.ts";
import { CryptoError } from "./errors.ts";
import { keyBytes, shortNonceBytes, tagBytes } from "./sizes.ts";
import type { HpkeMessage } from "./types.ts";

/** The keys of one HPKE context (RFC 9180 §5.1). */
export interface HpkeContext {
  readonly key: Uint8Array;
  readonly baseNonce: Uint8Array;
  readonly exporterSecret: Uint8Array;
}

type HpkeFamilies = Pick<Families, "agreement" | "aead" | "kdf">;

const empty = new Uint8Array(0);
const version = utf8("HPKE-v1");
/** "KEM" ‖ I2OSP(0x0020, 2): DHKEM(X25519, HKDF-SHA-256), RFC 9180 §4.1. */
const kemSuite = concatBytes(utf8("KEM"), new Uint8Array([0x00, 0x20]));
/** "HPKE" ‖ KEM 0x0020 ‖ KDF 0x0001 ‖ AEAD 0x0003, RFC 9180 §5.1. */
const hpkeSuite = concatBytes(utf8("HPKE"), new Uint8Array([0x00, 0x20, 0x00, 0x01, 0x00, 0x03]));
const baseMode = new Uint8Array([0x00]);

/**
 * Seals to `recipientKey` with the ephemeral key pair of `ephemeralSecret`: enc ‖ ciphertext ‖ tag.
 * Throws `CRYPTO_BAD_KEY` when the recipient's key has small order.
 */
export function hpkeSealWith(
  families: HpkeFamilies,
  recipientKey: Uint8Array,
  plaintext: Uint8Array,
  message: HpkeMessage,
  ephemeralSecret: Uint8Array,
): Uint8Array {
  const shared = families.agreement.agree(ephemeralSecret, recipientKey);
  if (shared === undefined) {
    throw new CryptoError("CRYPTO_BAD_KEY", "the recipient's X25519 key has small order");
  }
  const encapsulated = families.agreement.publicKey(ephemeralSecret);
  const context = contextOf(families.kdf, shared, encapsulated, recipientKey, message.info);
  const { key, baseNonce } = context;
  const sealed = families.aead.seal(key, baseNonce, plaintext, message.associatedData);
  forget(context);
  return concatBytes(encapsulated, sealed);
}

/** The plaintext of enc ‖ ciphertext ‖ tag, or `undefined` when anything does not fit. */
export function hpkeOpenWith(
  families: HpkeFamilies,
  secret: Uint8Array,
  sealed: Uint8Array,
  message: HpkeMessage,
): Uint8Array | undefined {
  if (sealed.length < keyBytes + tagBytes) return undefined;
  const encapsulated = sealed.subarray(0, keyBytes);
  const shared = families.agreement.agree(secret, encapsulated);
  if (shared === undefined) return undefined;
  const ownKey = families.agreement.publicKey(secret);
  const context = contextOf(families.kdf, shared, encapsulated, ownKey, message.info);
  const { key, baseNonce } = context;
  const ciphertext = sealed.subarray(keyBytes);
  const plaintext = families.aead.open(key, baseNonce, ciphertext, message.associatedData);
  forget(context);
  return plaintext;
}

/**
 * The key schedule in base mode (RFC 9180 §4.1 ExtractAndExpand, then §5.1 KeySchedule with an
 * empty psk and psk_id). Overwrites `shared`, the raw X25519 result.
 */
export function contextOf(
  kdf: Families["kdf"],
  shared: Uint8Array,
  encapsulated: Uint8Array,
  recipientKey: Uint8Array,
  info: Uint8Array,
): HpkeContext {
  const kemContext = concatBytes(encapsulated, recipientKey);
  const kemSecret = extract(kdf, kemSuite, empty, "eae_prk", shared);
  const sharedSecret = expand(kdf, kemSuite, kemSecret, "shared_secret", kemContext, keyBytes);
  for (const bytes of [shared, kemSecret]) bytes.fill(0);
  return scheduleOf(kdf, hpkeSuite, sharedSecret, info);
}

/**
 * RFC 9180 §5.1 KeySchedule, base mode, for any KEM: `suite` is "HPKE" ‖ KEM ‖ KDF ‖ AEAD id.
 * Overwrites `sharedSecret`, what the KEM gave.
 */
export function scheduleOf(
  kdf: Families["kdf"],
  suite: Uint8Array,
  sharedSecret: Uint8Array,
  info: Uint8Array,
): HpkeContext {
  const pskIdHash = extract(kdf, suite, empty, "psk_id_hash", empty);
  const infoHash = extract(kdf, suite, empty, "info_hash", info);
  const scheduleContext = concatBytes(baseMode, pskIdHash, infoHash);
  const secret = extract(kdf, suite, sharedSecret, "secret", empty);
  const context = {
    key: expand(kdf, suite, secret, "key", scheduleContext, keyBytes),
    baseNonce: expand(kdf, suite, secret, "base_nonce", scheduleContext, shortNonceBytes),
    exporterSecret: expand(kdf, suite, secret, "exp", scheduleContext, keyBytes),
  };
  for (const bytes of [sharedSecret, secret]) bytes.fill(0);
  return context;
}

/** LabeledExtract (RFC 9180 §4). */
function extract(
  kdf: Families["kdf"],
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  material: Uint8Array,
): Uint8Array {
  return kdf.extract(salt, concatBytes(version, suite, utf8(label), material));
}

/** LabeledExpand (RFC 9180 §4). */
function expand(
  kdf: Families["kdf"],
  suite: Uint8Array,
  pseudoRandomKey: Uint8Array,
  label: string,
  info: Uint8Array,
  byteCount: number,
): Uint8Array {
  const length = new Uint8Array([0, byteCount]);
  const labelled = concatBytes(length, version, suite, utf8(label), info);
  return kdf.expand(pseudoRandomKey, labelled, byteCount);
}

export function forget(context: HpkeContext): void {
  context.key.fill(0);
  context.exporterSecret.fill(0);
}
