/**
 * What direct connections need from the platform and from whoever carries signals. Layer 5.
 */
import type { Topic } from "@hawser/log";
import type { Connection } from "@hawser/sync";

/** The part of an RTCDataChannel that is used. */
export interface RtcChannel {
  binaryType: string;
  readonly readyState: string;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: "open" | "close" | "error" | "bufferedamountlow",
    listener: () => void,
  ): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** One end of a connection that is being made, as the platform has it. */
export interface RtcPeer {
  /** The ordered, reliable channel that both ends make with id 0. */
  readonly channel: RtcChannel;
  /** Sets and returns our offer, with every candidate that was found in `gatherMs`. */
  offer(gatherMs: number): Promise<string>;
  /** Takes the offer of the other side; the answer to it, like `offer`. */
  answer(offer: string, gatherMs: number): Promise<string>;
  /** Takes the answer of the other side. */
  accept(answer: string): Promise<void>;
  /** Bytes of the longest message that the other side takes, once the channel is open. */
  messageBytesMax(): number;
  /** Calls back once the network path is lost for good. */
  onLost(listener: () => void): void;
  /** Ends everything at once. Idempotent. */
  close(): void;
}

/** What `platformRtc()` gives. */
export interface RtcPlatform {
  /** A peer of this device; all of them have the same certificate. */
  open(): Promise<RtcPeer>;
  /** The SHA-256 fingerprint of that certificate, 32 bytes. */
  fingerprint(): Promise<Uint8Array>;
}

/** Carries signals. Whoever carries them sees their number and size, and the names of rooms. */
export interface Signalling {
  /** Names the carrier, such as its address; one for each. */
  readonly name: string;
  /**
   * Joins a room. What is sent reaches whoever else is in it, at most once, perhaps never; frames
   * have at most `signalBytesMax` bytes.
   */
  join(room: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Connection>;
}

/** A topic whose other members are looked for; a `SyncTopic` is one. */
export interface DirectTopic {
  readonly topic: Topic;
  /** Newest first; at most 4 are used. */
  followKeys(): readonly Uint8Array[];
}
