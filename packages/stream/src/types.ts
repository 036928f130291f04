/**
 * The words of streams (docs/spec/stream.md §1). Layer 4; pure, no platform globals.
 */
import type { ByteSource, Progress } from "@hawser/blob";
import type { Brand } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Clock } from "@hawser/log";
import type { Metadata } from "./metadata.ts";

/** The hash of a stream's manifest, 64 lower-case hex characters. */
export type StreamId = string & Brand<"StreamId">;

/** What streams are injected. */
export interface StreamDeps {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
}

/** 1 = XChaCha20-Poly1305, 2 = AES-256-GCM; with both X25519 HPKE, BLAKE3 and BIP340. */
export type StreamSuite = 1 | 2;

/** What a stream says of itself; signed and hashed, never encrypted. */
export interface Manifest {
  readonly version: number;
  readonly suite: StreamSuite;
  readonly author: AuthorId;
  /** The random label of the stream's log: its LK1 group, 64 hex characters. */
  readonly group: string;
  /** 32 hex characters; a label and no proof of anything. */
  readonly uuid: string;
  /** The software that signs, such as "hawser 0.1.0". */
  readonly software: string;
  /** When it was made, µs since the Unix epoch. */
  readonly created: number;
  readonly metadata: Metadata;
  /** X25519 public keys that every block is encrypted to unless it says otherwise. */
  readonly recipients: readonly Uint8Array[];
  /** Names the stream key; `undefined` when the stream has none. */
  readonly streamKeyId: Uint8Array | undefined;
}

/** Directive types that end a stream, and those after which it goes on. */
export type DirectiveType = "end" | "fork" | "merge" | "redirect" | "related-to" | "replay";

/** What a stream says about itself and others. */
export interface Directive {
  readonly type: DirectiveType;
  /** Addresses; none for `end` is fine, the others need one. */
  readonly targets: readonly string[];
}

/** What an entry is. */
export type BlockKind = "manifest" | "block" | "rewrap";

/** What can be told of an entry without any key. */
export interface BlockInfo {
  readonly seq: number;
  readonly kind: BlockKind;
  readonly hash: Uint8Array;
  /** µs since the Unix epoch. */
  readonly stamp: number;
  readonly isSigned: boolean;
  /** Bytes of the content, before encryption. */
  readonly byteCount: number;
  readonly isEncrypted: boolean;
  readonly isMetadataEncrypted: boolean;
  /** Slots of the block itself: recipients, and whether the stream key opens it. */
  readonly recipientCount: number;
  readonly hasStreamKeySlot: boolean;
  readonly directive: Directive | undefined;
  /** Of a rewrap: the block that it gives more slots. */
  readonly target: number | undefined;
  /** Where its packet starts in the bytes of the stream. */
  readonly offset: number;
}

/** A block with its content. */
export interface Block {
  readonly info: BlockInfo;
  readonly metadata: Metadata;
  readonly bytes: Uint8Array;
}

/** Keys to read with. */
export interface DecryptKeys {
  /** X25519 secrets, tried by the slots that name their public keys. */
  readonly secrets?: readonly Uint8Array[];
  /** The stream key, 32 bytes. */
  readonly streamKey?: Uint8Array;
}

export interface AppendOptions {
  /** X25519 public keys for this block alone, in place of the stream's. At least one. */
  readonly recipients?: readonly Uint8Array[];
  /** `"plain"` leaves the block readable although the stream is encrypted. Default `"stream"`. */
  readonly encryption?: "stream" | "plain";
  /** Whether metadata is encrypted where the content is. Default `"with-content"`. */
  readonly metadataEncryption?: "with-content" | "plain";
  readonly directive?: Directive;
  /** Aborting rejects with the signal's reason; nothing of the block stays. */
  readonly signal?: AbortSignal;
  /** Called after each chunk of a block that does not fit its entry. */
  readonly onProgress?: (progress: Progress) => void;
}

/** One block of `appendMany`. */
export interface BlockDraft {
  readonly metadata?: Metadata;
  readonly content?: ByteSource;
  readonly options?: Omit<AppendOptions, "signal">;
}

export interface AppendManyOptions {
  /** Blocks that one signature vouches for, 1–65,536; default 65,536. */
  readonly signEvery?: number;
  readonly signal?: AbortSignal;
}

/** A block that was appended. */
export interface Appended {
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** "This stream had this many entries, the last with this hash": what a reader may remember. */
export interface StreamMark {
  readonly streamId: StreamId;
  readonly height: number;
  readonly hash: Uint8Array;
}
