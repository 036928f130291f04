/**
 * `@hawser/crypto/hybrid`: HPKE base mode over X-Wing (draft-connolly-cfrg-xwing-kem), the KEM of
 * X25519 and ML-KEM-768. Layer 1. An entry point of its own: whoever does not import it has not a
 * byte of ML-KEM in the bundle.
 */
import { ml_kem768_x25519 as xWing } from "@noble/post-quantum/hybrid.js";
import { concatBytes, utf8 } from "@hawser/codec";
import { CryptoError } from "./errors.ts";
import { forget, scheduleOf } from "./hpke.ts";
import { createNobleFamilies } from "./noble.ts";
import { assertSize, keyBytes, tagBytes } from "./sizes.ts";
import type { Crypto, HpkeMessage, HybridHpke } from "./types.ts";

const publicKeyBytes = 1216;
const encapsulatedBytes = 1120;
/** ML-KEM's message (32) and the ephemeral X25519 secret (32). */
const encapsulationSeedBytes = 64;
/** "HPKE" ‖ KEM 0x647a (X-Wing) ‖ KDF 0x0001 (HKDF-SHA-256) ‖ AEAD 0x0003 (ChaCha20-Poly1305). */
const suite = concatBytes(utf8("HPKE"), new Uint8Array([0x64, 0x7a, 0x00, 0x01, 0x00, 0x03]));
/** Any seed tells whether a key can be sealed to. */
const probeSeed: Uint8Array = new Uint8Array(encapsulationSeedBytes).fill(1);

/** `crypto` with `hybrid` in it. Nothing else of it changes. */
export function withHybrid(crypto: Crypto): Crypto {
  return { ...crypto, hybrid: createHybridHpke() };
}

/** Sealing by X-Wing alone; all in pure TypeScript by @noble. */
export function createHybridHpke(): HybridHpke {
  // Messages are short keys, where noble is as fast as any other back end.
  const { kdf, aead } = createNobleFamilies();
  const sealWith = (
    encapsulated: Encapsulated,
    plaintext: Uint8Array,
    message: HpkeMessage,
  ): Uint8Array => {
    const context = scheduleOf(kdf, suite, encapsulated.sharedSecret, message.info);
    const { key, baseNonce } = context;
    const sealed = aead.seal(key, baseNonce, plaintext, message.associatedData);
    forget(context);
    return concatBytes(encapsulated.cipherText, sealed);
  };
  return {
    publicKeyBytes,
    encapsulatedBytes,
    publicKey: (secret) => {
      assertSize(secret, keyBytes, "secret");
      return xWing.getPublicKey(secret);
    },
    isPublicKey: (publicKey) => {
      const probe = encapsulate(publicKey, probeSeed);
      probe?.sharedSecret.fill(0);
      return probe !== undefined;
    },
    seal: (recipientKey, plaintext, message, random) => {
      const seed = random(encapsulationSeedBytes);
      assertSize(seed, encapsulationSeedBytes, "random output");
      const encapsulated = encapsulate(recipientKey, seed);
      seed.fill(0);
      if (encapsulated !== undefined) return sealWith(encapsulated, plaintext, message);
      throw new CryptoError("CRYPTO_BAD_KEY", "the recipient's key is no X-Wing key");
    },
    open: (secret, sealed, message) => {
      assertSize(secret, keyBytes, "secret");
      if (sealed.length < encapsulatedBytes + tagBytes) return undefined;
      const shared = decapsulate(secret, sealed.subarray(0, encapsulatedBytes));
      if (shared === undefined) return undefined;
      const context = scheduleOf(kdf, suite, shared, message.info);
      const { key, baseNonce } = context;
      const ciphertext = sealed.subarray(encapsulatedBytes);
      const plaintext = aead.open(key, baseNonce, ciphertext, message.associatedData);
      forget(context);
      return plaintext;
    },
  };
}

interface Encapsulated {
  readonly sharedSecret: Uint8Array;
  readonly cipherText: Uint8Array;
}

/** `undefined` for a key of another size, a coefficient ≥ 3329 or an X25519 share of small order. */
function encapsulate(publicKey: Uint8Array, seed: Uint8Array): Encapsulated | undefined {
  if (publicKey.length !== publicKeyBytes) return undefined;
  try {
    return xWing.encapsulate(publicKey, seed);
  } catch {
    // Sizes are right, so the key is not one that FIPS 203 §7.2 and RFC 7748 §6.1 allow.
    return undefined;
  }
}

/** A wrong ML-KEM part gives another secret (implicit rejection); a zero X25519 result gives none. */
function decapsulate(secret: Uint8Array, encapsulated: Uint8Array): Uint8Array | undefined {
  try {
    return xWing.decapsulate(encapsulated, secret);
  } catch {
    // Sizes are right, so the X25519 share has small order.
    return undefined;
  }
}
