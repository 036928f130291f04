/** Limits of the format (docs/spec/blob.md §6). Layer 3; pure. */

/** Chunks of one blob: their number fits the counter in a nonce. */
export const chunkCountMax: number = 2 ** 32;
/** Content bytes of one blob of either shape, sealed or plain: about 279 TB. */
export const blobBytesMax: number = chunkCountMax * 65_004;
/** Poly1305 and GCM tags, one behind each sealed chunk. */
export const sealTagBytes = 16;
/** Content links of one linkpoint of a chain, as Linkspace has it. */
export const chainLinkCountMax = 1_333;
