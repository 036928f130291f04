/**
 * What an open stream is to its users (docs/spec/stream.md). Layer 4; pure.
 */
import type { ByteSource } from "@hawser/blob";
import type { Checkpoint, ForkProof } from "@hawser/log";
import type { StreamFault } from "./errors.ts";
import type { Metadata } from "./metadata.ts";
import type { StreamProof } from "./proof.ts";
import type {
  Appended,
  AppendManyOptions,
  AppendOptions,
  Block,
  BlockDraft,
  BlockInfo,
  Manifest,
  StreamId,
  StreamMark,
} from "./types.ts";

/** What became of bytes that a mirror was offered. */
export type AcceptVerdict =
  | { readonly ok: true; readonly height: number; readonly addedEntries: number }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** Height afterwards: what came before the fault and is vouched for was kept. */
      readonly height: number;
      readonly addedEntries: number;
    };

/** How much of a stream to verify. */
export type VerifyLevel =
  | "head"
  | "full"
  | { readonly from?: number; readonly to?: number }
  | { readonly checkpoint: Checkpoint | StreamMark };

export type VerifyVerdict =
  | {
      readonly ok: true;
      /** Entries that were vouched for: those of the whole stream, or the end of the range. */
      readonly height: number;
      /** `"full"`: bytes behind the end, left by an append that a crash cut. */
      readonly tornBytes: number;
      /** `"full"`: offsets of damaged index packets. They cost time, not truth. The first 64. */
      readonly indexFaults: readonly number[];
      readonly indexFaultCount: number;
    }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** Entries before the fault that are vouched for, as far as this level looked. */
      readonly height: number;
    };

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** `"full"`: bytes walked over so far. */
  readonly onProgress?: (offset: number) => void;
}

/** What opening had to leave out or cut off. */
export interface Recovery {
  /** Bytes behind the end that were cut off, or are passed over by a reader. */
  readonly recoveredBytes: number;
  /** What is wrong with them, unless they are a torn append. */
  readonly damage: StreamFault | undefined;
}

export interface BlocksOptions {
  /** Default 0: the manifest. */
  readonly from?: number;
  /** Default the height. */
  readonly to?: number;
  readonly reverse?: boolean;
  readonly signal?: AbortSignal;
}

/** An open stream. Methods reject with StreamError STREAM_CLOSED after close. */
export interface Stream extends AsyncDisposable {
  readonly id: StreamId;
  readonly manifest: Manifest;
  /** Count of entries; the manifest is entry 0. */
  readonly height: number;
  readonly headHash: Uint8Array;
  /** Bytes of the stream. */
  readonly byteCount: number;
  /** Whether the author's secret is here and the store can be written. */
  readonly isWritable: boolean;
  /** Whether a closing directive ended it. */
  readonly isEnded: boolean;
  readonly recovery: Recovery;

  /** Appends a block, signed, and resolves when it is durable. */
  append(metadata: Metadata, content?: ByteSource, options?: AppendOptions): Promise<Appended>;
  /** Appends many blocks under few signatures; resolves with the last one. Durable as a whole. */
  appendMany(
    drafts: AsyncIterable<BlockDraft> | Iterable<BlockDraft>,
    options?: AppendManyOptions,
  ): Promise<Appended | undefined>;
  /** Appends slots that open block `seq` to more recipients; its content stays where it is. */
  rewrap(seq: number, recipients: readonly Uint8Array[]): Promise<Appended>;
  /**
   * Takes bytes of a copy that go on from this one's end, for mirrors: each signed entry that follows
   * is kept, nothing else. Needs a writable store, and no secret.
   */
  accept(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AcceptVerdict>;

  /** What can be told of an entry without a key; `undefined` from the height on. */
  info(seq: number, signal?: AbortSignal): Promise<BlockInfo | undefined>;
  /** A block with its content, 64 MiB at most by default; `undefined` from the height on. */
  read(
    seq: number,
    options?: { readonly bytesMax?: number; readonly signal?: AbortSignal },
  ): Promise<Block | undefined>;
  /** Metadata of a block; `undefined` from the height on. */
  metadata(seq: number, signal?: AbortSignal): Promise<Metadata | undefined>;
  /** Content bytes [from, to) of a block, checked piece by piece; reads what it needs, no more. */
  readStream(
    seq: number,
    range?: { readonly from?: number; readonly to?: number; readonly signal?: AbortSignal },
  ): AsyncIterable<Uint8Array>;
  /** Entries in order, or from the last to the first. */
  blocks(options?: BlocksOptions): AsyncIterable<BlockInfo>;
  /** The bytes as they lie in the store, from behind entry `fromHeight − 1` to the end. */
  raw(options?: {
    readonly fromHeight?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<Uint8Array>;

  verify(level: VerifyLevel, options?: VerifyOptions): Promise<VerifyVerdict>;
  /** That entry `seq` is in the stream, for whoever has nothing of it. */
  proof(seq: number, signal?: AbortSignal): Promise<StreamProof>;
  /** The author's signed word about the height. Needs the secret. */
  checkpoint(): Checkpoint;
  /** What to remember, to notice later that a stream was cut or changed. */
  mark(): StreamMark;
  /** Where this copy and another part. Both are asked for hashes only. */
  compare(other: Stream, signal?: AbortSignal): Promise<Comparison>;
  /** Waits for appends and closes the store. Idempotent. */
  close(): Promise<void>;
}

export type Comparison =
  | { readonly relation: "same" | "ahead" | "behind" }
  | { readonly relation: "unrelated" }
  | {
      readonly relation: "fork";
      /** The first entry that differs. */
      readonly seq: number;
      /** Anybody can check it with `verifyForkProof` of @hawser/log. */
      readonly proof: ForkProof;
    };
