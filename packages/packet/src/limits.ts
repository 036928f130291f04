/**
 * The limits of LK1 (docs/spec/1-packet.md §8). Layer 2; pure. All sizes in bytes.
 *
 * Two constants of the reference implementation are wrong (it forgets the 60 bytes of link header in
 * its keypoint maximum, and its link maximum is not the one it enforces); these are the real ones.
 */

/** Net header (32) and hash (32): what precedes the point. */
export const packetHeadBytes = 64;
/** Bytes needed before the size of a packet is known. */
export const packetPrefixBytes = 68;
/** The smallest packet: a datapoint without data. */
export const packetBytesMin = 72;
export const packetBytesMax = 65_088;
/** Point size without padding; 2^16 − 512, so the padded size has the same maximum. */
export const pointBytesMax = 65_024;
export const pointHeaderBytes = 4;
/** Header, offsets, stamp, group and domain: where the links start. */
export const linkHeaderBytes = 64;
export const linkBytes = 48;
export const tagBytes = 16;
export const domainBytes = 16;
export const groupBytes = 32;
export const hashBytes = 32;
export const publicKeyBytes = 32;
export const signatureBytes = 64;
/** Public key and signature, the end of a keypoint. */
export const signatureBlockBytes = 96;
export const netHeaderBytes = 32;

/** Data of a datapoint or error point. */
export const datapointDataBytesMax = 65_020;
/** Data of a linkpoint without links and path. */
export const linkpointDataBytesMax = 64_960;
/** Data of a keypoint without links and path. */
export const keypointDataBytesMax = 64_864;
/** Links of a linkpoint without path and data. */
export const linkpointLinkCountMax = 1_353;
/** Links of a keypoint without path and data. */
export const keypointLinkCountMax = 1_351;

export const pathDepthMax = 8;
export const pathComponentBytesMax = 200;
/** Unrooted path: a length byte and the bytes of every component. */
export const pathBytesMax = 242;
/** Depth and end-offset table before a path that has components. */
export const pathPrefixBytes = 8;
/** A path as it lies in a packet: prefix and unrooted path. */
export const rootedPathBytesMax = 250;

/** Stamps from here on are no longer exact Numbers: 2^53. */
export const stampNumberLimit = 9_007_199_254_740_992;
