/**
 * The words of blobs (docs/spec/blob.md). Layer 3; pure, no platform globals.
 */
import type { Packet } from "@hawser/packet";

/** Where written points go. Children come before their parents, the root last. */
export interface PointSink {
  /** Resolves when the sink can take the next one: back-pressure. */
  put(packet: Packet<"verified">): Promise<void>;
}

/** Where points are read from. What it returns is checked against the hash that was asked for. */
export interface PointSource {
  get(hash: Uint8Array, signal?: AbortSignal): Promise<Packet | undefined>;
}

/** What names a blob: enough to read and check it, and no secret. */
export interface BlobRef {
  /** Hash of the root point, 32 bytes. */
  readonly hash: Uint8Array;
  /** Bytes of the content, before encryption. */
  readonly byteCount: number;
}

/** Bytes as they come, in pieces of any size. */
export type ByteSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface Progress {
  readonly doneBytes: number;
  /** `undefined` where the source does not say. */
  readonly totalBytes: number | undefined;
}
