/**
 * Every limit of the protocol in one place (docs/spec/3-sync.md §9). Layer 4.
 */

/** A frame never exceeds this, header included. */
export const frameBytesMax: number = 256 * 1024;
/** No range on the wire is larger, whatever a hello offers. */
export const rangeBytesMax: number = 64 * 1024 * 1024;
/** The largest range put together unless options say otherwise. */
export const rangeBytesDefault: number = 16 * 1024 * 1024;
/** What one message should carry of a log before others get a turn. */
export const rangeBytesGoal: number = 128 * 1024;
/** Bytes of range frames a peer may send before it needs more credit. */
export const windowBytesDefault: number = 4 * 1024 * 1024;
/** A window below one frame could never carry a full frame. */
export const windowBytesMin: number = frameBytesMax;
/** More credit than this at once is a broken peer. */
export const creditBytesMax: number = 1024 * 1024 * 1024;
/** Frames that wait for a slow connection, in bytes, before the session ends with SYNC_SLOW. */
export const outboxBytesDefault: number = 32 * 1024 * 1024;
/** Ranges alone may fill a good part of this. */
export const outboxBytesMin: number = 4 * 1024 * 1024;
/** No new range is read from the store while this much waits to be sent. */
export const outboxBytesGoal: number = 1024 * 1024;

/** Identity keys one side proves. */
export const identitiesMax = 4;
/** Follow proofs per topic: always exactly this many MACs, the unused ones random. */
export const proofsPerTopic = 4;
/** Topic hashes of one side that are live at once, padding included. */
export const topicsMax = 16_384;
/** Topic hashes one side may announce in the life of a session, padding included. */
export const topicsAnnouncedMax: number = 4 * topicsMax;
/** Topic hashes in one message. */
export const topicsPerMessageMax = 4_096;
/** Topic lists are padded to a power of two that is at least this. */
export const topicsPadMin = 8;
/** Logs of one topic that one side announces; more need range-based reconciliation. */
export const logsPerTopicMax = 65_536;
/** Logs of one topic that one side reconciles. */
export const reconciledLogsMax = 1_048_576;
/** From this many logs on a topic is reconciled unless options say otherwise. */
export const reconcileLogsDefault = 64;
/** A part of a topic with at most this many logs of ours is listed, a larger one is split. */
export const listedLogsMax = 16;
/** A part is split so that about this many logs of ours fall into each child: more fingerprints, fewer logs to list. */
export const logsPerChildGoal = 4;
/** A part is split by at most this many bits at once. */
export const splitBitsMax = 8;
/** Parts are not split any further than this many bits of a log id. */
export const splitDepthMax = 64;
/** Fingerprints in all splits of one turn. */
export const splitsPerTurnMax = 262_144;
/** Children in the marks and splits of one message: 12 KiB of fingerprints. */
export const splitsPerMessageMax = 1_024;
/** Summaries of one topic that a session takes from its peer. */
export const summariesPerTopicMax = 256;
/** How often in a row a peer may make us announce a topic anew: by proofs, or by coming back to it. */
export const restartsMax = 64;
/** How much of that comes back with each heartbeat. */
export const restartsPerBeat = 4;
/** Items of one frontier, wants or acks message. */
export const itemsPerMessageMax = 2_048;
/** Entries one range may hold. */
export const entriesPerRangeMax = 1_048_576;
/** Both branches of a fork proof together; a longer proof does not travel. */
export const forkBytesMax: number = 4 * 1024 * 1024;
/** Bytes of a fork proof in one message. */
export const forkPartBytesMax: number = 192 * 1024;
/** Bytes of a hello after the fields this version knows. */
export const helloExtensionBytesMax = 256;
/** Characters of a close code on the wire. */
export const closeCodeBytesMax = 32;
/** Bytes a transport may add to the transcript. */
export const channelBindingBytesMax = 64;
/** Times in a row a log may come with a gap before it is skipped. */
export const gapsInARowMax = 3;
/** Heartbeats without a sign of life, or without a byte taken, before the session ends. */
export const missedHeartbeatsMax = 3;
/** Bytes of one broadcast. */
export const broadcastBytesMax = 17_408;
/** What a broadcast counts for beside its bytes: small ones cost work, too. */
export const broadcastOverheadBytes = 256;
/** Bytes of broadcasts that one side of a session may say at once … */
export const broadcastBurstBytes: number = 512 * 1024;
/** … and how many more with each passing of `broadcastRefillMs`. */
export const broadcastRefillBytes: number = 64 * 1024;
/** How often what a side may say grows. */
export const broadcastRefillMs = 500;
/** With more than this waiting to be sent, broadcasts are dropped: they are worth nothing late. */
export const broadcastOutboxBytesMax: number = 256 * 1024;
/** Broadcasts a peer object remembers, to take each in once. */
export const broadcastsRemembered = 4_096;
/** Heartbeats without an entry of a claimed log before another session may fetch it too. */
export const stalledBeatsMax = 2;
/** Fork proofs of one topic that a session takes from its peer. */
export const forkProofsPerTopicMax = 1_024;
/** Bytes of one point of a body; LK1 points are a little smaller. */
export const pieceBytesMax: number = 64 * 1024;
/** Points of one ask: 1 MiB. */
export const askCountMax = 16;
/** Links between the named point of a body and any other. */
export const askDepthMax = 4;
/** Children of a point, and so the base of indices. */
export const askFanOut = 1_024;
/** Asks that one side of a session has open at once. */
export const asksOpenMax = 4;
/** Asks a peer may have open before it is over the limit: it may not have seen an end yet. */
export const asksTakenMax = 8;
/** With more than this waiting to be sent, no point of a body is read: entries go first. */
export const askOutboxBytesMax: number = 256 * 1024;
/** Heartbeats without a point before an ask is given up. */
export const askQuietBeatsMax = 2;
/** Names that a peer asked for in vain, and is told about when they come. */
export const bodiesDueMax = 256;
/** Bytes of bodies sent to one peer in a session unless options say otherwise. */
export const bodyBytesDefault: number = 16 * 1024 ** 3;
/** Requests for points of bodies that a peer object works on at once. */
export const pieceRequestsMax = 1_024;
