/**
 * The messages of the protocol (docs/spec/3-sync.md §3). One frame holds one message. Layer 4.
 *
 * A topic is named by the number its *sender* gave it; a log by the number its *announcer* gave it.
 */
import type { AuthorId } from "@hawser/crypto";
import type { TopicAccess } from "./types.ts";

/** First message of each side. */
export interface HelloMessage {
  readonly type: "hello";
  readonly versionMin: number;
  readonly versionMax: number;
  /** Bit set; both sides use the intersection. */
  readonly features: number;
  /** 32 fresh random bytes; the smaller nonce has role 0. */
  readonly nonce: Uint8Array;
  /** Range bytes the peer may send before it needs more credit. */
  readonly windowBytes: number;
  /** The largest range this side puts together. */
  readonly rangeBytes: number;
}

/** Proof of 1 to 4 identity keys; the first one is the device's. */
export interface IdentitiesMessage {
  readonly type: "identities";
  readonly proofs: readonly { readonly id: AuthorId; readonly signature: Uint8Array }[];
}

/** Salted hashes of topics that are added (numbered on), and numbers that are withdrawn. */
export interface TopicsMessage {
  readonly type: "topics";
  readonly removed: readonly number[];
  /** 16 bytes each. */
  readonly added: readonly Uint8Array[];
  /** False when more messages of the same announcement follow. */
  readonly last: boolean;
}

/** Four MACs over the session, one per follow key; unused ones are random. */
export interface ProofMessage {
  readonly type: "proof";
  readonly topicNumber: number;
  /** Counts the sender's proofs for this topic. */
  readonly counter: number;
  readonly macs: readonly Uint8Array[];
}

/** A log as its announcer has it. */
export interface LogAnnouncement {
  readonly author: AuthorId;
  readonly domain: string;
  /** Entries up to the last signed one. */
  readonly height: number;
  /** Entries before this seq cannot be had from the announcer. */
  readonly prunedTo: number;
  /** Hash of entry height − 1; 32 bytes, or none when the height is 0. */
  readonly hash: Uint8Array | undefined;
}

/** What the sender lets the receiver know of a topic's logs. */
export interface FrontierMessage {
  readonly type: "frontier";
  readonly topicNumber: number;
  /** Rises when everything announced before is void; log numbers start at 0 again. */
  readonly generation: number;
  /** The last proof of the receiver that this takes into account. */
  readonly answers: number;
  readonly access: TopicAccess;
  /** First message of its generation. */
  readonly first: boolean;
  /** Nothing more follows for now. */
  readonly last: boolean;
  /** The sender pushes these logs without being asked. */
  readonly eager: boolean;
  readonly logs: readonly LogAnnouncement[];
}

/** How a want stands: see docs/spec/3-sync.md §6. */
export type WantMode =
  /** Send nothing more of this log. */
  | "stop"
  /** I hold your head; push what follows. */
  | "same"
  /** I hold `from` entries, the last with this hash; send what follows. */
  | "after"
  /** As `after`, and go back to `from` if you are further. */
  | "again"
  /** Our heads differ: send the log from its start. */
  | "branch";

export interface Want {
  readonly logNumber: number;
  readonly mode: WantMode;
  readonly from: number;
  /** First 16 bytes of the hash of entry from − 1; none when from is 0. */
  readonly hashStart: Uint8Array | undefined;
}

export interface WantsMessage {
  readonly type: "wants";
  readonly topicNumber: number;
  readonly generation: number;
  readonly wants: readonly Want[];
}

export interface Ack {
  readonly logNumber: number;
  /** Entries durably stored. */
  readonly height: number;
  /** First 16 bytes of the hash of entry height − 1. */
  readonly hashStart: Uint8Array;
}

export interface AcksMessage {
  readonly type: "acks";
  readonly topicNumber: number;
  readonly generation: number;
  readonly acks: readonly Ack[];
}

/** A range, or its first part. */
export interface RangeMessage {
  readonly type: "range";
  readonly topicNumber: number;
  readonly logNumber: number;
  readonly from: number;
  readonly count: number;
  /** Compact bytes of the whole range. */
  readonly byteCount: number;
  readonly bytes: Uint8Array;
}

/** The next part of the range begun before. */
export interface MoreMessage {
  readonly type: "more";
  readonly bytes: Uint8Array;
}

export interface CreditMessage {
  readonly type: "credit";
  readonly byteCount: number;
}

/** A fork proof, or its first part: both branches, one after the other. */
export interface ForkMessage {
  readonly type: "fork";
  readonly topicNumber: number;
  readonly author: AuthorId;
  readonly domain: string;
  readonly seq: number;
  /** Bytes of the first branch. */
  readonly firstByteCount: number;
  /** Bytes of both branches. */
  readonly byteCount: number;
  readonly bytes: Uint8Array;
}

/** The next part of the fork proof begun before. */
export interface ForkMoreMessage {
  readonly type: "forkMore";
  readonly bytes: Uint8Array;
}

/** What a generation holds, in place of a frontier: docs/spec/3-sync.md §6.1. */
export interface SummaryMessage {
  readonly type: "summary";
  readonly topicNumber: number;
  readonly generation: number;
  readonly answers: number;
  readonly access: TopicAccess;
  /** Logs in it. */
  readonly count: number;
  /** 32 bytes over all of them. */
  readonly fingerprint: Uint8Array;
}

/** How a child of a split stands with its receiver. */
export type Mark = "equal" | "listed" | "split";

/** A part of a topic, by the fingerprints of its children. */
export interface Split {
  /** The part has 2^bits children. */
  readonly bits: number;
  /** 12 bytes for each child. */
  readonly fingerprints: Uint8Array;
}

/** A turn of a reconciliation, or a part of one. */
export interface ReconcileMessage {
  readonly type: "reconcile";
  readonly topicNumber: number;
  /** Generation of the sender. */
  readonly generation: number;
  /** Generation of the receiver that this is about. */
  readonly peerGeneration: number;
  /** `on`: more of this turn follows. `end`: the turn is over. `off`: frontiers follow instead. */
  readonly state: "on" | "end" | "off";
  /** For each split of the last turn, in order: a mark for each child. */
  readonly marks: readonly (readonly Mark[])[];
  /** For each child marked `split`, in order. */
  readonly splits: readonly Split[];
}

/** Something for whoever is there now; nobody keeps it: docs/spec/3-sync.md §7.1. */
export interface BroadcastMessage {
  readonly type: "broadcast";
  readonly topicNumber: number;
  /** It comes from a relay, which had it from somebody else. */
  readonly isForwarded: boolean;
  /** 1 to 17,408. */
  readonly bytes: Uint8Array;
}

/**
 * Asks for points of a body, one after another: docs/spec/3-sync.md §7.2. Each side counts its asks
 * 0, 1, 2, … for the life of the session.
 */
export interface AskMessage {
  readonly type: "ask";
  readonly topicNumber: number;
  /** What an entry of the topic names: a root, or a packet that stands alone. 32 bytes. */
  readonly name: Uint8Array;
  /** Links between the named point and these; 0 is the named one itself. */
  readonly depth: number;
  /** Index of the first among all points at that depth. */
  readonly first: number;
  /** 1 to 16. */
  readonly count: number;
}

/** What has become of the next point of an ask. All states but `point` end the ask. */
export type PieceState =
  /** Here it is. */
  | "point"
  /** It is not here, or not for the asker. */
  | "none"
  /** It is not here yet: `have` tells when it is worth asking again. */
  | "later";

/** The next point of an ask of the receiver. */
export interface PieceMessage {
  readonly type: "piece";
  readonly askNumber: number;
  readonly state: PieceState;
  /** 1 to 65,536 bytes of a point, none in the other states. */
  readonly bytes: Uint8Array;
}

/** Of a body that the receiver asked for in vain: it stands otherwise now, it has come as a rule. */
export interface HaveMessage {
  readonly type: "have";
  readonly topicNumber: number;
  readonly name: Uint8Array;
}

export interface HeartbeatMessage {
  readonly type: "heartbeat";
}

/** The last message of a side: why it closes. */
export interface ByeMessage {
  readonly type: "bye";
  readonly code: string;
}

export type Message =
  | HelloMessage
  | IdentitiesMessage
  | TopicsMessage
  | ProofMessage
  | FrontierMessage
  | WantsMessage
  | AcksMessage
  | RangeMessage
  | MoreMessage
  | CreditMessage
  | ForkMessage
  | ForkMoreMessage
  | SummaryMessage
  | ReconcileMessage
  | BroadcastMessage
  | AskMessage
  | PieceMessage
  | HaveMessage
  | HeartbeatMessage
  | ByeMessage;
