/**
 * Limits of ABE (docs/spec/query.md §2.8). Layer 3; pure.
 *
 * Expressions and templates may come from peers, so every evaluation has a budget. The limits are far
 * above what a packet can need: a packet has 65,088 bytes and 1,353 links at most.
 */

/** Bytes of an expression. */
export const abeInputBytesMax = 262_144;

/** How deep brackets may nest, and how deep functions may evaluate further expressions. */
export const abeDepthMax = 64;

/** Parts of one call: the function's name and up to 15 arguments. */
export const abePartsMax = 16;

/** Bytes that one evaluation may produce, intermediate values included. */
export const abeBytesMax = 16_777_216;

/** Elements that one evaluation may look at: nodes of expressions, links of packets. */
export const abeStepsMax = 262_144;

/** Values in `AbeContext.argv`. */
export const abeArgvMax = 8;

/** Characters of a name, argument or whole answer of the reference that failures show. */
export const abeShownCharactersMax = 16_384;
