/** Every limit of this layer (docs/spec/5-keys.md §9). Layer 4. */

/** Direct messages in one rekey, readers and followers together. */
export const directMessagesMax = 4096;
/** Epochs in one welcome, forward or key request. */
export const epochsPerOpMax = 256;
/** Parents of one epoch. */
export const parentsMax = 64;
/** Auth heads named by one op. */
export const authHeadsMax = 256;
/** Bytes of an attachment before sealing. */
export const attachmentBytesMax = 4096;
/**
 * Bytes of an encoded op: 4,096 direct messages of suite 1 (126 bytes) and all full lists, rounded
 * up. In suite 2 a message takes 1,215 bytes, so a rekey ends at some 480 recipients.
 */
export const keyOpBytesMax: number = 576 * 1024;
/** Bytes of an encoded key bundle. */
export const bundleBytesMax = 1536;
/** Seconds between `notBefore` and `notAfter` of a bundle: 400 days. */
export const bundleSecondsMax: number = 400 * 24 * 3600;
/** Bundles remembered for one author; those that expire last. */
export const bundlesPerAuthorMax = 8;
/** Times that one member asks, and is answered, for the key of one epoch. */
export const answersMax = 8;
/** Follow keys in use at one time. */
export const currentFollowKeysMax = 4;

/** Bytes of the plaintext of one ratchet message: 64 KiB. */
export const ratchetTextBytesMax: number = 64 * 1024;
/** Keys kept for ratchet messages that have not come yet, and how far ahead one may be. */
export const ratchetSkippedMax = 64;
/** One-time prekeys offered to one peer and not used yet. */
export const ratchetOffersMax = 16;

/** Cipher suite 1: X25519 HPKE. */
export const suiteX25519 = 1;
/** Cipher suite 2: HPKE over X-Wing, X25519 and ML-KEM-768 in one. */
export const suiteHybrid = 2;
