/**
 * The limits of streams (docs/spec/stream.md §10). Layer 4; pure. Sizes in bytes.
 */

/** Version of the format, in the manifest. */
export const streamVersion = 1;
/** The domain of a stream's entries and index packets. */
export const streamDomain = "hawser.stream";
/** Content up to this size lies in the entry. */
export const inlineBytesMax: number = 16 * 1024;
/** Encoded metadata of a block or manifest. */
export const metadataBytesMax: number = 16 * 1024;
/** Recipients of one block. */
export const recipientsMax = 64;
/** Slots of one block: its recipients and the stream key. */
export const slotsMax: number = recipientsMax + 1;
/** Targets of one directive, and characters of one. */
export const directiveTargetsMax = 16;
export const directiveTargetCharactersMax = 256;
/** Characters of the signing software's name. */
export const softwareCharactersMax = 64;
/** Entries without a signature in a row. */
export const unsignedEntriesMax = 65_536;
/** Bytes of entries after which a writer signs, as docs/spec/2-log.md §11 has it. */
export const unsignedBytesMax: number = 4 * 1024 * 1024;
/** Children of an index page. */
export const indexFanOut = 256;
/** Levels of the index: 256^7 > 2^53. */
export const indexLevelsMax = 7;
/** A tail packet: the largest has 256 offsets of 8 bytes. */
export const tailBytesMax = 4096;
/** Appends that wait. */
export const queueMax = 1_024;
/** How much of a file one read of a scan asks for. */
export const scanWindowBytes: number = 1 << 20;
/** First read of an entry. Most entries are smaller. */
export const entryReadBytes = 4096;
/** Candidates for the last tail that recovery looks at before it walks from the start. */
export const tailCandidatesMax = 1_024;
/** Hashes of entries that are known to be the author's. */
export const trustedHashesMax = 8_192;
/** Index faults that a verdict lists; more are only counted. */
export const indexFaultsListed = 64;
/** What `read` holds in memory at most, unless told otherwise. */
export const readBytesMaxDefault: number = 64 * 1024 * 1024;
/** Places that a walk for want of an index remembers. */
export const walkMarksMax = 65_536;
