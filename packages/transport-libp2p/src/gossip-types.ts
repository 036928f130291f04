/**
 * What gossip needs from the layers around it (docs/spec/transport-libp2p.md §4). Layer 5.
 */
import type { Crypto } from "@hawser/crypto";
import type { Clock, EncodedRange, LogContext, LogStore, Topic } from "@hawser/log";
import type { Ingest, SyncTopic, Timers } from "@hawser/sync";
import type { PeerId, PublicKey } from "@libp2p/interface";

/** What becomes of a message: delivered and passed on, dropped, or dropped and held against its sender. */
export type GossipVerdict = "accept" | "ignore" | "reject";

/** A message as gossipsub hands it over. */
export type PubSubMessage =
  | { readonly type: "unsigned"; readonly topic: string; readonly data: Uint8Array }
  | {
      readonly type: "signed";
      readonly topic: string;
      readonly data: Uint8Array;
      readonly from: PeerId;
      readonly sequenceNumber: bigint;
      readonly signature: Uint8Array;
      readonly key: PublicKey;
    };

/** Judges a message before it is passed on; gives a `GossipVerdict`, which gossipsub has an enum for. */
export interface GossipValidator {
  (peer: PeerId, message: PubSubMessage): string | Promise<string>;
}

/** The part of a gossipsub service that is used. */
export interface PubSub {
  readonly topicValidators: {
    set(name: string, validator: GossipValidator): unknown;
    delete(name: string): boolean;
  };
  subscribe(name: string): void;
  unsubscribe(name: string): void;
  getSubscribers(name: string): readonly unknown[];
  publish(name: string, data: Uint8Array): Promise<unknown>;
}

/** What lies in a sealed message: entries, or a packet that stands for entries to be fetched. */
export type GossipContent =
  | { readonly kind: "packet"; readonly packet: Uint8Array }
  | { readonly kind: "range"; readonly range: EncodedRange };

/** One topic this side takes part in; a `SyncTopic` is one. */
export type GossipTopic = Pick<SyncTopic, "topic" | "followKeys">;

/** Somebody has entries that cannot be taken in from gossip: sync with that peer, or any other. */
export interface Behind {
  readonly topic: Topic;
  readonly context: LogContext;
  /** Entries that the log has at least. */
  readonly height: number;
  /** Who passed the message on. */
  readonly peer: PeerId;
}

export interface GossipDeps {
  readonly pubsub: PubSub;
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The outer envelope (docs/spec/6-space.md §5): `sealOuter` of `@hawser/space`. */
  seal(followKey: Uint8Array, content: GossipContent): Uint8Array;
  /** The content, or `undefined` when the key does not fit: `openOuter`. */
  open(followKey: Uint8Array, envelope: Uint8Array): GossipContent | undefined;
  /** Verifies, authorises and stores a range: the same as sync's. */
  readonly ingest: Ingest;
  /** The topics this side takes part in; read at the start and at `topicsChanged`. */
  topics(): readonly GossipTopic[];
  /** Whether new entries of a log are published from here: the device's own logs, as a rule. */
  publishes(context: LogContext): boolean;
  /** There is more than gossip brings. At most every 5 s for each topic and peer. Must not throw. */
  onBehind?(behind: Behind): void;
}

export interface GossipOptions {
  /** Messages a second looked at from one peer; default 50, 1 to 10,000. Twice that in a burst. */
  readonly peerMessagesPerSecond?: number;
  /** Bytes a second looked at from one peer; default 1 MiB, 128 KiB to 1 GiB. Twice that at once. */
  readonly peerBytesPerSecond?: number;
}

/** Counts of messages since the start. */
export interface GossipStats {
  /** Handed to pub/sub with entries in them. */
  readonly published: number;
  /** Handed to pub/sub in place of entries that are too large for it. */
  readonly announced: number;
  /** Not published, because nobody known listens; sync brings the entries later. */
  readonly unheard: number;
  /** Not published: sealing or pub/sub failed; see `lastError`. */
  readonly failed: number;
  /** Took new entries in. */
  readonly stored: number;
  /** Told of what was here already. */
  readonly known: number;
  /** Told of entries that have to be fetched. */
  readonly behind: number;
  /** Seen before, byte for byte. */
  readonly repeated: number;
  /** Not looked at: its sender, or all of them, sent too many. */
  readonly overBudget: number;
  /** Empty, too large, not sealed with the key of its name, or of another topic. */
  readonly foreign: number;
  /** Sealed by a holder of the key, and does not verify. */
  readonly bad: number;
  /** Not taken: its author may not write, its log forked, or our own store failed. */
  readonly refused: number;
}

export interface Gossip extends AsyncDisposable {
  /** Topics or follow keys changed: listens under the names that are current now. */
  topicsChanged(): Promise<void>;
  /** Resolves once all that was committed before is published. */
  flushed(): Promise<void>;
  stats(): GossipStats;
  /** Why publishing or taking in failed here last. */
  lastError(): unknown;
  /** Listens no more. Idempotent. */
  [Symbol.asyncDispose](): Promise<void>;
}
