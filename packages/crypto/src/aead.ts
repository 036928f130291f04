/**
 * The AEAD family over any implementation of ChaCha20-Poly1305: short messages go the short way,
 * long ones to `long`; 24-byte nonces are reduced to 12 by HChaCha20. Layer 1, internal.
 */
import { chacha20poly1305, hchacha } from "@noble/ciphers/chacha.js";
import { utf8 } from "@hawser/codec";
import type { AeadFamily } from "./back-end.ts";
import {
  createShortAead,
  shortAssociatedDataBytesMax,
  shortPlaintextBytesMax,
  type ShortAead,
} from "./short-aead.ts";
import { keyBytes, longNonceBytes, shortNonceBytes, tagBytes } from "./sizes.ts";
import type { BackEnd } from "./types.ts";

/** ChaCha20-Poly1305 with 12-byte nonces for messages of any length. */
export type LongAead = ShortAead;

/** noble's ChaCha20-Poly1305. */
export const nobleLongAead: LongAead = {
  seal: (key, nonce, plaintext, associatedData) =>
    chacha20poly1305(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, sealed, associatedData) => {
    try {
      return chacha20poly1305(key, nonce, associatedData).decrypt(sealed);
    } catch {
      // Lengths are right, so the only refusal left is a wrong tag.
      return undefined;
    }
  },
};

/**
 * The AEAD family that sends long messages to `long`. `shortBytesMax` is the longest plaintext that
 * does not; tests set it to −1 so that every message goes to `long`.
 */
export function createAead(
  backEnd: BackEnd,
  long: LongAead,
  shortBytesMax: number = shortPlaintextBytesMax,
): AeadFamily {
  const short = createShortAead();
  const reduce = createReduction();
  const pick = (plaintextBytes: number, associatedDataBytes: number): LongAead =>
    plaintextBytes <= shortBytesMax && associatedDataBytes <= shortAssociatedDataBytesMax
      ? short
      : long;
  return {
    backEnd,
    seal: (key, nonce, plaintext, associatedData) => {
      const cipher = pick(plaintext.length, associatedData.length);
      if (nonce.length !== longNonceBytes) {
        return cipher.seal(key, nonce, plaintext, associatedData);
      }
      return reduce(key, nonce, (subkey, subnonce) =>
        cipher.seal(subkey, subnonce, plaintext, associatedData),
      );
    },
    open: (key, nonce, sealed, associatedData) => {
      if (sealed.length < tagBytes) return undefined;
      const cipher = pick(sealed.length - tagBytes, associatedData.length);
      if (nonce.length !== longNonceBytes) return cipher.open(key, nonce, sealed, associatedData);
      return reduce(key, nonce, (subkey, subnonce) =>
        cipher.open(subkey, subnonce, sealed, associatedData),
      );
    },
  };
}

type Reduction = <Result>(
  key: Uint8Array,
  nonce: Uint8Array,
  use: (subkey: Uint8Array, subnonce: Uint8Array) => Result,
) => Result;

/**
 * XChaCha's reduction (draft-irtf-cfrg-xchacha-03 §2.3): the subkey is HChaCha20 of the key and the
 * first 16 nonce bytes; the nonce is four zero bytes and the last 8. The subkey is wiped after use.
 */
function createReduction(): Reduction {
  // noble reads words in the machine's own byte order, so each word array is filled as bytes.
  const constants = new Uint32Array(utf8("expand 32-byte k").slice().buffer);
  const keyWords = new Uint32Array(keyBytes / 4);
  const nonceWords = new Uint32Array(4);
  const subkeyWords = new Uint32Array(keyBytes / 4);
  const keyInput = new Uint8Array(keyWords.buffer);
  const nonceInput = new Uint8Array(nonceWords.buffer);
  const subkey = new Uint8Array(subkeyWords.buffer);
  const subnonce = new Uint8Array(shortNonceBytes);
  return (key, nonce, use) => {
    keyInput.set(key);
    nonceInput.set(nonce.subarray(0, 16));
    hchacha(constants, keyWords, nonceWords, subkeyWords);
    keyInput.fill(0);
    subnonce.set(nonce.subarray(16), 4);
    const result = use(subkey, subnonce);
    subkey.fill(0);
    return result;
  };
}
