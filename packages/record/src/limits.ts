/** The limits of docs/spec/record.md §8. */

/** Bytes of a document as a snapshot holds it, lifetimes included. */
export const documentBytesMax = 48_000;
/** Nodes of a document: values, keys, elements and arguments, at any depth. */
export const documentNodesMax = 4_096;
/** How deep nodes nest; a scalar alone is 1 deep. */
export const depthMax = 32;
/** Bytes of UTF-8 of a key. */
export const keyBytesMax = 256;
/** Bytes of UTF-8 of a predicate's tag. */
export const tagBytesMax = 128;
/** The longest lifetime: 30 days in ms. */
export const ttlMsMax: number = 30 * 24 * 60 * 60 * 1_000;
/** How much later than the reader's clock a stamp may be before it counts as future: 5 min in µs. */
export const skewMicrosMax: number = 5 * 60 * 1_000_000;
/** Living documents of one author; kept by writers. */
export const liveKeysMax = 1_024;
/** Tags that one update declares set-like. */
export const setLikeTagsMax = 64;
/** Refusals remembered of one author: the newest. */
export const refusalsMax = 16;
/** Entries with a stamp in the future whose arrival a reader remembers. */
export const futureEntriesMax = 10_000;
/** UTF-16 code units of a text in the upstream JSON form. */
export const jsonTextMax = 1_048_576;
