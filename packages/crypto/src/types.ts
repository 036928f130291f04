/**
 * The crypto interface. Layer 1; synchronous, without platform globals. One object of this type is
 * made when a program starts and handed down; every back end behind it gives equal results.
 */
import type { Brand } from "@hawser/codec";

/** A BIP340 x-only public key in lower-case hex (64 characters): the name of an author. */
export type AuthorId = string & Brand<"AuthorId">;

/** Cryptographically secure random bytes. Injected; a seeded one makes a test repeatable. */
export type Random = (byteCount: number) => Uint8Array;

/** Which implementation serves a family of primitives. */
export type BackEnd = "native" | "wasm" | "noble";

export interface HashStream {
  update(bytes: Uint8Array): void;
  /** The 32-byte digest. The stream cannot be used afterwards. */
  digest(): Uint8Array;
}

export interface HpkeMessage {
  readonly info: Uint8Array;
  readonly associatedData: Uint8Array;
}

/**
 * HPKE base mode over X-Wing (X25519 and ML-KEM-768 in one), HKDF-SHA-256, ChaCha20-Poly1305:
 * opens for nobody who breaks only one of the two.
 */
export interface HybridHpke {
  /** Bytes of a public key: 1,216. */
  readonly publicKeyBytes: number;
  /** Bytes in front of the ciphertext: 1,120. */
  readonly encapsulatedBytes: number;
  /** The public key of a 32-byte secret. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** Whether sealing to the key is possible: 1,216 canonical bytes, no share of small order. */
  isPublicKey(publicKey: Uint8Array): boolean;
  /** encapsulated(1120) ‖ ciphertext ‖ tag. Throws `CRYPTO_BAD_KEY` unless `isPublicKey`. */
  seal(
    recipientKey: Uint8Array,
    plaintext: Uint8Array,
    message: HpkeMessage,
    random: Random,
  ): Uint8Array;
  /** The plaintext, or `undefined` when anything does not fit. */
  open(secret: Uint8Array, sealed: Uint8Array, message: HpkeMessage): Uint8Array | undefined;
}

export interface Crypto {
  /** Present in what `withHybrid` of `@hawser/crypto/hybrid` returns; loaded by nobody else. */
  readonly hybrid?: HybridHpke;
  readonly backEnds: {
    readonly hash: BackEnd;
    readonly signature: BackEnd;
    readonly agreement: BackEnd;
    readonly aead: BackEnd;
    readonly aes: BackEnd;
    readonly kdf: BackEnd;
  };

  /** BLAKE3-256, plain mode: 32 bytes. */
  hash(bytes: Uint8Array): Uint8Array;
  createHash(): HashStream;
  /** BLAKE3 keyed mode with a 32-byte key: a MAC and PRF, 32 bytes. */
  keyedHash(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** BLAKE3 derive-key mode. `context` is a fixed literal such as "hawser log v1". */
  deriveKey(context: string, material: Uint8Array, byteCount?: number): Uint8Array;

  /** The x-only public key (32 bytes) of a 32-byte secret. Throws on zero or a too large secret. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** BIP340 over BLAKE3(`signedBytes`), zero auxiliary randomness: signs LK1 points only. */
  signPoint(signedBytes: Uint8Array, secret: Uint8Array): Uint8Array;
  verifyPoint(signedBytes: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
  /** BIP340 over deriveKey("hawser sign v1 " + label, bytes): signs everything that is no point. */
  signTagged(label: string, bytes: Uint8Array, secret: Uint8Array): Uint8Array;
  verifyTagged(
    label: string,
    bytes: Uint8Array,
    signature: Uint8Array,
    publicKey: Uint8Array,
  ): boolean;

  /** The X25519 public key of a 32-byte secret. */
  agreementKey(secret: Uint8Array): Uint8Array;
  /** X25519 (RFC 7748), or `undefined` for a share that gives the all-zero secret. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** HKDF-SHA-256 (RFC 5869). */
  hkdf(material: Uint8Array, salt: Uint8Array, info: Uint8Array, byteCount: number): Uint8Array;

  /** XChaCha20-Poly1305: 24-byte random nonce. Output is ciphertext ‖ 16-byte tag. */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array;
  /** The plaintext, or `undefined` when the tag does not match. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array | undefined;
  /** ChaCha20-Poly1305 (RFC 8439) with the zero nonce, for a key that seals one message ever. */
  sealOnce(key: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Uint8Array;
  openOnce(key: Uint8Array, sealed: Uint8Array, associatedData: Uint8Array): Uint8Array | undefined;

  /**
   * AES-256-GCM (NIST SP 800-38D): 12-byte nonce, which no two messages under one key may share.
   * Output is ciphertext ‖ 16-byte tag. Random nonces are too short for many messages: count them.
   */
  sealAes(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array;
  /** The plaintext, or `undefined` when the tag does not match. */
  openAes(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array | undefined;

  /**
   * HPKE base mode (RFC 9180; X25519, HKDF-SHA-256, ChaCha20-Poly1305): enc(32) ‖ ciphertext ‖ tag.
   */
  hpkeSeal(
    recipientKey: Uint8Array,
    plaintext: Uint8Array,
    message: HpkeMessage,
    random: Random,
  ): Uint8Array;
  hpkeOpen(secret: Uint8Array, sealed: Uint8Array, message: HpkeMessage): Uint8Array | undefined;
}
