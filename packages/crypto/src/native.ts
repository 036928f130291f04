/**
 * Families served by node:crypto (OpenSSL): ChaCha20-Poly1305 for long messages, AES-256-GCM,
 * X25519, HKDF.
 * Layer 1, internal. The module is handed in, so nothing here imports a platform.
 */
import type * as NodeCrypto from "node:crypto";
import { concatBytes } from "@hawser/codec";
import { createAead, type LongAead } from "./aead.ts";
import type { AeadFamily, AesFamily, AgreementFamily, KdfFamily } from "./back-end.ts";
import { tagBytes } from "./sizes.ts";

/** The part of node:crypto that is used. */
export type NativeCrypto = Pick<
  typeof NodeCrypto,
  | "createCipheriv"
  | "createDecipheriv"
  | "createHmac"
  | "createPrivateKey"
  | "createPublicKey"
  | "diffieHellman"
>;

const hashBytes = 32;
/** DER before a raw X25519 secret: PKCS #8 OneAsymmetricKey (RFC 8410 §7). */
const secretPrefix = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
]);
/** DER before a raw X25519 public key: SubjectPublicKeyInfo (RFC 8410 §4). */
const publicPrefix = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00,
]);

/** AEAD with OpenSSL for messages longer than `shortBytesMax` (default: where it starts to pay). */
export function createNativeAead(native: NativeCrypto, shortBytesMax?: number): AeadFamily {
  return createAead("native", createCipherPair(native, "chacha20-poly1305"), shortBytesMax);
}

/** AES-256-GCM by OpenSSL, which uses the processor's AES where it has it. */
export function createNativeAes(native: NativeCrypto): AesFamily {
  const { seal, open } = createCipherPair(native, "aes-256-gcm");
  return {
    backEnd: "native",
    seal,
    open: (key, nonce, sealed, associatedData) =>
      sealed.length < tagBytes ? undefined : open(key, nonce, sealed, associatedData),
  };
}

/** Both algorithms have the same form: 12-byte nonce, 16-byte tag behind the ciphertext. */
function createCipherPair(
  native: NativeCrypto,
  algorithm: "chacha20-poly1305" | "aes-256-gcm",
): LongAead {
  // Two calls, because the types of OpenSSL's algorithms are told apart by their names.
  const options = { authTagLength: tagBytes };
  const cipherOf = (key: Uint8Array, nonce: Uint8Array): NodeCrypto.CipherGCM =>
    algorithm === "aes-256-gcm"
      ? native.createCipheriv(algorithm, key, nonce, options)
      : native.createCipheriv(algorithm, key, nonce, options);
  const decipherOf = (key: Uint8Array, nonce: Uint8Array): NodeCrypto.DecipherGCM =>
    algorithm === "aes-256-gcm"
      ? native.createDecipheriv(algorithm, key, nonce, options)
      : native.createDecipheriv(algorithm, key, nonce, options);
  return {
    seal: (key, nonce, plaintext, associatedData) => {
      const cipher = cipherOf(key, nonce);
      cipher.setAAD(associatedData, { plaintextLength: plaintext.length });
      const sealed = new Uint8Array(plaintext.length + tagBytes);
      sealed.set(cipher.update(plaintext));
      cipher.final();
      sealed.set(cipher.getAuthTag(), plaintext.length);
      return sealed;
    },
    open: (key, nonce, sealed, associatedData) => {
      const size = sealed.length - tagBytes;
      const decipher = decipherOf(key, nonce);
      decipher.setAAD(associatedData, { plaintextLength: size });
      decipher.setAuthTag(sealed.subarray(size));
      const plaintext = decipher.update(sealed.subarray(0, size));
      try {
        decipher.final();
      } catch {
        // The tag is wrong: what was deciphered so far is nobody's plaintext.
        plaintext.fill(0);
        return undefined;
      }
      return asPlainBytes(plaintext);
    },
  };
}

/** X25519 by OpenSSL. */
export function createNativeAgreement(native: NativeCrypto): AgreementFamily {
  const importSecret = (secret: Uint8Array): NodeCrypto.KeyObject => {
    const der = concatBytes(secretPrefix, secret);
    const key = native.createPrivateKey({ key: asBuffer(der), format: "der", type: "pkcs8" });
    der.fill(0);
    return key;
  };
  return {
    backEnd: "native",
    publicKey: (secret) => {
      const publicKey = native.createPublicKey(importSecret(secret));
      const der = publicKey.export({ format: "der", type: "spki" });
      return asPlainBytes(der.subarray(publicPrefix.length));
    },
    agree: (secret, publicKey) => {
      const der = asBuffer(concatBytes(publicPrefix, publicKey));
      try {
        return asPlainBytes(
          native.diffieHellman({
            privateKey: importSecret(secret),
            publicKey: native.createPublicKey({ key: der, format: "der", type: "spki" }),
          }),
        );
      } catch {
        // Lengths are right, so the only refusal left is the all-zero result (RFC 7748 §6.1).
        return undefined;
      }
    },
  };
}

/** HKDF-SHA-256 by OpenSSL's HMAC. */
export function createNativeKdf(native: NativeCrypto): KdfFamily {
  const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
    const state = native.createHmac("sha256", key);
    for (const part of parts) state.update(part);
    return state.digest();
  };
  return {
    backEnd: "native",
    extract: (salt, material) => asPlainBytes(hmac(salt, material)),
    expand: (pseudoRandomKey, info, byteCount) => {
      const output = new Uint8Array(byteCount);
      let block: Uint8Array = new Uint8Array(0);
      for (let index = 0; index * hashBytes < byteCount; index++) {
        block = hmac(pseudoRandomKey, block, info, Uint8Array.of(index + 1));
        const offset = index * hashBytes;
        output.set(block.subarray(0, byteCount - offset), offset);
      }
      block.fill(0);
      return output;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  // Safe: key imports take every ArrayBufferView; only their declared type is narrower.
  return bytes as Buffer;
}

/** A copy that is no Buffer: Buffers slice without copying and may share memory with strangers. */
function asPlainBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  bytes.fill(0);
  return copy;
}
