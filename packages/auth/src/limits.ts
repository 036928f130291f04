/**
 * The bounds of docs/spec/4-auth.md §7, checked before anything is allocated. Layer 4.
 */

/** Most deps an op may name. */
export const depsMax = 64;
/** Most members a create op may list. */
export const grantsMax = 4096;
/** Most joins one invite may admit. */
export const usesMax = 1_000_000;
/** Largest op in bytes: a create with `grantsMax` members and `depsMax` deps fits. */
export const opBytesMax = 196_608;
/** Bytes of a create's nonce. */
export const nonceBytes = 16;
/** Bytes of what a join binds to (a digest of the joiner's key bundle). */
export const bindingBytes = 32;
/** Bytes of the entry hash that a ruling names. */
export const entryHashBytes = 32;
/** Bytes of a join's proof: one BIP340 signature. */
export const proofBytes = 64;

/** Greatest number of a cipher suite. */
export const suiteMax = 255;
