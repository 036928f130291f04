/**
 * The words of blobs (docs/spec/blob.md). Layer 3; pure, no platform globals.
 */
import type { Crypto } from "@hawser/crypto";
import type { BytesOrText, Packet } from "@hawser/packet";

/** Where written points go. Children come before their parents, the root last. */
export interface PointSink {
  /** Resolves when the sink can take the next one: back-pressure. */
  put(packet: Packet<"verified">): Promise<void>;
  /** When it is there, points that the sink has already are not put again. */
  has?(hash: Uint8Array, signal?: AbortSignal): Promise<boolean>;
}

/** Where points are read from. What it returns is checked against the hash that was asked for. */
export interface PointSource {
  get(hash: Uint8Array, signal?: AbortSignal): Promise<Packet | undefined>;
  /** When it is there, `missingPoints` asks it instead of fetching whole chunks. */
  has?(hash: Uint8Array, signal?: AbortSignal): Promise<boolean>;
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

/** The part of `Crypto` that blobs use. */
export type BlobCrypto = Pick<
  Crypto,
  "hash" | "createHash" | "deriveKey" | "seal" | "open" | "sealAes" | "openAes"
>;

/** How the chunks of a sealed blob are encrypted: 1 = XChaCha20-Poly1305, 2 = AES-256-GCM. */
export type SealSuite = 1 | 2;

/** The key of a sealed blob and what it is bound to. */
export interface SealKey {
  /** 32 bytes, secret. */
  readonly key: Uint8Array;
  /**
   * Bytes that the blob belongs to, such as stream id ‖ seq: it opens under the same ones only.
   * Default none.
   */
  readonly context?: Uint8Array;
}

/** How a written blob is sealed. */
export interface SealOptions extends SealKey {
  /** Default 1. */
  readonly suite?: SealSuite;
  /**
   * Makes the write convergent: the same content under the same key gives the same points, so that
   * they are stored once. The value is `hashContent` of the content, which is checked at the end.
   * Who has the key can then tell whether a blob holds a content they guess.
   */
  readonly contentHash?: Uint8Array;
}

/** Progress of a write, and the place to go on from. */
export interface WriteProgress extends Progress {
  /**
   * A resume token: everything needed to go on after the points put so far, at most 130 kB, without
   * secrets. Made when asked for.
   */
  checkpoint(): Uint8Array;
}

interface WriteCommon {
  /** Aborting rejects with the signal's reason; what was put stays. */
  readonly signal?: AbortSignal;
  /** Called after each chunk. */
  readonly onProgress?: (progress: WriteProgress) => void;
  /** For progress alone; known by itself when the source is one array. */
  readonly totalBytes?: number;
  /**
   * A token of an interrupted write with the same options. The source then starts at the byte that
   * `resumePoint` tells, and its bytes must be those of the first time.
   */
  readonly resume?: Uint8Array;
}

/** A balanced tree; the default shape (docs/spec/blob.md §2). */
export interface TreeWriteOptions extends WriteCommon {
  readonly shape?: "tree";
  /** Encrypts the content; default plain. */
  readonly seal?: SealOptions;
}

/** Linkspace's chain of collecting linkpoints (docs/spec/blob.md §3). */
export interface ChainWriteOptions extends WriteCommon {
  readonly shape: "chain";
  /** 32 bytes; default the public group. */
  readonly group?: Uint8Array;
  /** Default none. */
  readonly domain?: BytesOrText;
  /** Default none. */
  readonly path?: readonly BytesOrText[];
  /** Tag of the links to content; default `"data"`. */
  readonly dataTag?: BytesOrText;
  /** Tag of the link to the linkpoint before; default `"continue"`. */
  readonly chainTag?: BytesOrText;
  /** µs since the Unix epoch, of every linkpoint; default 0. */
  readonly stamp?: number | bigint;
  /** Content links of one linkpoint, 1 … 1,333; default 1,333. */
  readonly linkCountMax?: number;
}

export type WriteOptions = TreeWriteOptions | ChainWriteOptions;

/** How to read a blob. */
export interface OpenOptions {
  /** Default `"tree"`. */
  readonly shape?: "tree" | "chain";
  /** Demands a sealed blob and opens it; without, a sealed blob is not opened. Trees only. */
  readonly seal?: SealKey;
  /** Chains only, as they were written. */
  readonly dataTag?: BytesOrText;
  /** Chains only, as they were written. */
  readonly chainTag?: BytesOrText;
  /** Chains only, as they were written. */
  readonly linkCountMax?: number;
  readonly signal?: AbortSignal;
}

/** Which bytes to read. */
export interface ReadOptions {
  /** First byte; default 0. */
  readonly from?: number;
  /** Byte after the last; default the end. */
  readonly to?: number;
  readonly signal?: AbortSignal;
}

/** A blob whose root was checked. */
export interface Blob {
  readonly byteCount: number;
  readonly isSealed: boolean;
  /**
   * The bytes [from, to) in pieces of at most one chunk, each checked before it is given out; only
   * the chunks in the range and the nodes above them are fetched. Pieces are views that must not be
   * written to. Throws BlobError BLOB_RANGE, or a fault of the points.
   */
  read(options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** All bytes. Rejects with BLOB_TOO_LARGE, before anything is fetched, above `maxBytes`. */
  bytes(maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
}
