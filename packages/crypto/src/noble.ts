/**
 * The floor: every family in pure TypeScript by @noble. Layer 1. It runs wherever JavaScript does,
 * and is the reading against which the faster back ends are tested.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { schnorr } from "@noble/curves/secp256k1.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8 } from "@hawser/codec";
import { createAead, nobleLongAead } from "./aead.ts";
import type {
  AesFamily,
  AgreementFamily,
  Families,
  HashFamily,
  KdfFamily,
  SignatureFamily,
} from "./back-end.ts";
import { createGuardedStream } from "./hash-stream.ts";
import { tagBytes } from "./sizes.ts";

/** BIP340 signatures are deterministic here: the auxiliary randomness is 32 zero bytes. */
const zeroAuxiliary = new Uint8Array(32);

/** BLAKE3 by noble; also serves the modes that the WASM module lacks. */
export const nobleHash: HashFamily = {
  backEnd: "noble",
  hash: (bytes) => blake3(bytes),
  createHash: () => {
    const state = blake3.create();
    return createGuardedStream({
      update: (bytes) => void state.update(bytes),
      digest: () => state.digest(),
    });
  },
  keyedHash: (key, bytes) => blake3(bytes, { key }),
  deriveKey: (context, material, byteCount) =>
    blake3(material, { context: utf8(context), dkLen: byteCount }),
};

/** BIP340 by noble; also asked where the WASM module is stricter than BIP340. */
export const nobleSignature: SignatureFamily = {
  backEnd: "noble",
  publicKey: (secret) => schnorr.getPublicKey(secret),
  sign: (digest, secret) => schnorr.sign(digest, secret, zeroAuxiliary),
  verify: (digest, signed, publicKey) => schnorr.verify(signed, digest, publicKey),
};

const agreement: AgreementFamily = {
  backEnd: "noble",
  publicKey: (secret) => x25519.getPublicKey(secret),
  agree: (secret, publicKey) => {
    try {
      return x25519.getSharedSecret(secret, publicKey);
    } catch {
      // Lengths are right, so the only refusal left is the all-zero result (RFC 7748 §6.1).
      return undefined;
    }
  },
};

const aes: AesFamily = {
  backEnd: "noble",
  seal: (key, nonce, plaintext, associatedData) =>
    gcm(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, sealed, associatedData) => {
    if (sealed.length < tagBytes) return undefined;
    try {
      return gcm(key, nonce, associatedData).decrypt(sealed);
    } catch {
      // Lengths are right, so the only refusal left is a wrong tag.
      return undefined;
    }
  },
};

const kdf: KdfFamily = {
  backEnd: "noble",
  extract: (salt, material) => extract(sha256, material, salt),
  expand: (pseudoRandomKey, info, byteCount) => expand(sha256, pseudoRandomKey, info, byteCount),
};

/** All six families by @noble. */
export function createNobleFamilies(): Families {
  // The AEAD keeps a scratch buffer, so each `Crypto` has one of its own.
  return {
    hash: nobleHash,
    signature: nobleSignature,
    agreement,
    aead: createAead("noble", nobleLongAead),
    aes,
    kdf,
  };
}
