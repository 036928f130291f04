/**
 * The limits of logs (docs/spec/2-log.md §12). Layer 3; pure. Sizes in bytes.
 */

/** Deps of one entry. */
export const depsMax = 64;
/** Stamps, seqs and sizes are Numbers below 2^53. */
export const integerMax: number = Number.MAX_SAFE_INTEGER;
/** Entries of one range. */
export const rangeEntriesMax = 1_048_576;
/** Compact bytes of one range. */
export const rangeBytesMax: number = 16 * 1024 * 1024;
/** Compact bytes of one append, about. */
export const appendBytesMax: number = 4 * 1024 * 1024;
/** Entries of one append. */
export const appendEntriesMax = 65_536;
/**
 * Compact bytes after which a writer signs whatever it was told (it counts 64 and more for an entry,
 * so these are 65,536 entries at most): a range must hold the keypoint that vouches for it, and no
 * unsigned stretch may outgrow one.
 */
export const unsignedBytesMax: number = 4 * 1024 * 1024;
/** The smallest entry in compact form: flags, stamp delta, data length. */
export const compactEntryBytesMin = 3;
/** Entries between two marks of a range: what a read from its middle hashes at most, less one. */
export const markInterval = 64;
/** Points of one link path. The longest that skip links need below 2^53 is shorter. */
export const pathPointsMax = 256;
/** Bytes of one branch of a fork proof: the longest path of the largest packets. */
export const forkBranchBytesMax: number = pathPointsMax * 65_088;
/** Bytes of a context in its binary form: topic, domain, author. */
export const contextBytes = 80;
/** Appends that wait in a writer, by default. */
export const queueMaxDefault = 10_000;
/** Entries a writer commits at once. */
export const commitEntriesMax = 4_096;
/** Compact bytes after which a writer starts another commit. */
export const commitBytesGoal: number = 1024 * 1024;
/** Times `ingestRange` starts over when the head moves under it. */
export const ingestRetriesMax = 16;
/** Characters of a key in a store's key-value space. */
export const storeKeyCharactersMax = 512;
