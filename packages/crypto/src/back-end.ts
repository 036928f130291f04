/**
 * What a back end provides: six families of raw primitives, each served by noble, by a WASM module
 * or by the platform. Layer 1, internal: `assemble.ts` adds domain separation and argument checks,
 * so the raw forms (a signature over a bare digest among them) never leave the package.
 */
import type { BackEnd, HashStream } from "./types.ts";

/** BLAKE3 in its three modes. Lengths are checked by the caller. */
export interface HashFamily {
  readonly backEnd: BackEnd;
  hash(bytes: Uint8Array): Uint8Array;
  createHash(): HashStream;
  keyedHash(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  deriveKey(context: string, material: Uint8Array, byteCount: number): Uint8Array;
}

/** BIP340 over 32-byte digests, zero auxiliary randomness. */
export interface SignatureFamily {
  readonly backEnd: BackEnd;
  /** The secret is known to lie in 1 … n − 1. */
  publicKey(secret: Uint8Array): Uint8Array;
  sign(digest: Uint8Array, secret: Uint8Array): Uint8Array;
  /** Lengths are right; every other defect gives `false`. */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
}

/** X25519. */
export interface AgreementFamily {
  readonly backEnd: BackEnd;
  publicKey(secret: Uint8Array): Uint8Array;
  /** `undefined` when the shared secret is all zero. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

/** ChaCha20-Poly1305 with 12-byte nonces and XChaCha20-Poly1305 with 24-byte nonces. */
export interface AeadFamily {
  readonly backEnd: BackEnd;
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array;
  /** `undefined` when `sealed` is shorter than a tag or the tag does not match. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array | undefined;
}

/** AES-256-GCM with 12-byte nonces. */
export interface AesFamily {
  readonly backEnd: BackEnd;
  /** Ciphertext ‖ 16-byte tag. */
  seal: AeadFamily["seal"];
  /** `undefined` when `sealed` is shorter than a tag or the tag does not match. */
  open: AeadFamily["open"];
}

/** HKDF-SHA-256 in its two steps. */
export interface KdfFamily {
  readonly backEnd: BackEnd;
  extract(salt: Uint8Array, material: Uint8Array): Uint8Array;
  expand(pseudoRandomKey: Uint8Array, info: Uint8Array, byteCount: number): Uint8Array;
}

/** One choice per family. */
export interface Families {
  readonly hash: HashFamily;
  readonly signature: SignatureFamily;
  readonly agreement: AgreementFamily;
  readonly aead: AeadFamily;
  readonly aes: AesFamily;
  readonly kdf: KdfFamily;
}
