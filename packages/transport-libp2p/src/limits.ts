/**
 * Every limit of the transport in one place (docs/spec/transport-libp2p.md §6). Layer 5.
 */

/** Bytes of a sealed message on pub/sub; a packet and its envelope fit. */
export const gossipBytesMax: number = 128 * 1024;
/** Compact bytes of a range that is pushed whole; a larger one is announced. */
export const gossipRangeBytesMax: number = 120 * 1024;
/** Messages that wait to be taken in. */
export const waitingMessagesMax = 64;
/** Ranges that came before the ones they follow. */
export const heldRangesMax = 64;
/** How long such a range is kept. */
export const heldMs = 1_000;
/** Digests of messages that were opened: what they are worth is known. */
export const seenMessagesMax = 4_096;
/** Peers whose rate of messages is remembered. */
export const ratedPeersMax = 1_024;
/** Names on pub/sub for one topic: one for each current follow key. */
export const namesPerTopicMax = 4;
/** The owner is told at most this often that a peer has more of a topic. */
export const behindMs = 5_000;

/** Bytes in a stream's buffer above which `send` waits. */
export const sendBufferBytesMax: number = 1024 * 1024;
/** Bytes received and not yet read above which a stream is paused. */
export const receiveBufferBytesMax: number = 1024 * 1024;
/** What a peer may have on the way when a stream is paused: the largest window of yamux. */
export const streamWindowBytesMax: number = 16 * 1024 * 1024;
/** How long a stream that was closed here may take to hand over what it holds. */
export const closeMs = 10_000;
/** Streams of one connection for sync. */
export const streamsPerConnectionMax = 4;
