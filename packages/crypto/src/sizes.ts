/** Sizes in bytes of keys, nonces and outputs, and the check that arguments have them. Layer 1. */
import { CryptoError } from "./errors.ts";

/** BLAKE3 digests, keys of every kind, X25519 shares. */
export const keyBytes = 32;
/** BIP340 signatures. */
export const signatureBytes = 64;
/** Poly1305 and GCM tags. */
export const tagBytes = 16;
/** XChaCha20-Poly1305 nonces. */
export const longNonceBytes = 24;
/** ChaCha20-Poly1305 nonces (RFC 8439) and those of AES-256-GCM. */
export const shortNonceBytes = 12;
/** The most that one `deriveKey` gives: 64 KiB, far more than any key. */
export const derivedBytesMax = 65_536;
/** The most that HKDF-SHA-256 can give: 255 blocks (RFC 5869 §2.3). */
export const hkdfBytesMax: number = 255 * 32;

/** Throws `CRYPTO_BAD_LENGTH` unless `bytes` has exactly `size` bytes. */
export function assertSize(bytes: Uint8Array, size: number, name: string): void {
  if (bytes.length === size) return;
  throw new CryptoError("CRYPTO_BAD_LENGTH", `${name} has ${bytes.length} bytes, not ${size}`);
}

/** Throws `CRYPTO_BAD_LENGTH` unless `count` is a whole number from 1 to `max`. */
export function assertByteCount(count: number, max: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= max) return;
  throw new CryptoError("CRYPTO_BAD_LENGTH", `byteCount is ${count}, not within 1 … ${max}`);
}
